"""`tidings runs`: campaigns and flows with their progress, and the scheduled work behind them."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from datetime import time, timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from support.tracking import sent_run
from tidings.cli import session as session_module
from tidings.cli.main import execute
from tidings.clock import to_micros
from tidings.definitions.kinds.campaign import Audience, Campaign
from tidings.definitions.kinds.timing import Holidays, Recurrence, Rhythm
from tidings.flows.clock_lock import ClockLock
from tidings.flows.work_runs import Work, note_trouble, owner_name
from tidings.store.tables import journeys, people, sending

MONTHLY = Campaign(
    "monthly", "Monthly", "campaigns/monthly.yaml", Audience(), "monthly", ("email",), clock="recipient",
    recurrence=Recurrence(Rhythm("month", time(10), weekdays=(1,), nth=1)),
)  # fmt: skip


@pytest.fixture
def tidings(store, clock, monkeypatch, capsys):
    """Run a command on the store of the test; returns exit code and output."""

    @contextmanager
    def opened(environment=None, root=None, *, need_vocabulary=True, clock_=clock, despite_problems=False):
        settings = SimpleNamespace(
            broken={},
            definitions=SimpleNamespace(
                workspace=SimpleNamespace(zone="Europe/Stockholm"),
                campaigns={"monthly": MONTHLY},
                holidays=Holidays(),
            ),
        )
        yield session_module.Session(settings, store, clock_)

    monkeypatch.setattr(session_module, "open_session", opened)

    def run(*arguments):
        capsys.readouterr()
        code = execute(["runs", *arguments])
        return code, capsys.readouterr().out

    return run


def live_flow(store, walking, ended):
    at = 1_804_000_000_000_000
    with store.durable("test") as connection:
        run = connection.execute(
            sending.runs.insert().values(
                campaign="welcome", occurrence="flow", kind="flow", definition_hash="", policy_hash="",
                salt="", state="sending", anchor_at=at, created_at=at, bounds={},
            )
        ).inserted_primary_key[0]  # fmt: skip
        for number in range(walking + ended):
            customer = connection.execute(
                people.customers.insert().values(key=f"w{number}", u=number, created_at=at)
            ).inserted_primary_key[0]
            enrolment = connection.execute(
                sending.enrolments.insert().values(
                    run_id=run, customer_id=customer, entry=0, arm="treated", anchor_at=at, planned_at=at
                )
            ).inserted_primary_key[0]
            connection.execute(
                journeys.journeys.insert().values(
                    enrolment_id=enrolment, run_id=run, customer_id=customer, start_ref=f"e{number}",
                    state="walking" if number < walking else "ended", step="letter", due_at=at, reached_at=at,
                )
            )  # fmt: skip
    return run


def test_an_empty_store_says_what_would_fill_it(tidings) -> None:
    code, out = tidings()
    assert code == 0
    assert out.splitlines() == [
        "No run yet.",
        "",
        "No scheduled work yet.",
        "No clock has run yet: `tidings serve` starts it.",
    ]


def test_runs_show_how_many_messages_are_settled_and_flows_how_many_are_under_way(
    tidings, store, clock
) -> None:
    messages = sent_run(store, 5)
    live_flow(store, walking=3, ended=2)
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.messages).where(sending.messages.c.id == messages[0]).values(state="planned")
        )
    code, out = tidings()
    assert code == 0
    lines = out.splitlines()
    assert any("welcome" in line and "3 of 5 under way" in line and "sending" in line for line in lines), out
    assert any("4 of 5" in line for line in lines), out
    data = json.loads(tidings("--json")[1])
    by_kind = {one["kind"]: one for one in data["runs"]}
    assert (by_kind["flow"]["entered"], by_kind["flow"]["walking"]) == (5, 3)
    assert (by_kind["campaign"]["messages"], by_kind["campaign"]["settled"]) == (5, 4)
    assert by_kind["campaign"]["by_state"]["planned"] == 1


def test_recent_work_is_shown_with_its_progress_its_trouble_and_what_was_lost(tidings, store, clock) -> None:
    owner = owner_name()
    Work(store, clock, owner, "round").finish("12 customers entered")
    note_trouble(store, clock, owner, "steps", "basket", "the segment vip is gone")
    note_trouble(store, clock, owner, "steps", "basket", "the segment vip is gone")
    running = Work(store, clock, owner, "deliver", "letter")
    running.progress(300, 1_200)
    running.beat()
    boot, _, name = owner.partition("|")
    Work(store, clock, f"{boot}|{name.split(':')[0]}:999999999:1:x", "segments", "vip").beat()
    lock = ClockLock(store, clock, kind="embedded")
    lock.take()
    clock.advance(timedelta(seconds=30))
    code, out = tidings()
    assert code == 0
    flat = " ".join(out.split())
    assert "12 customers entered" in flat
    assert "the segment vip is gone (2 times)" in flat
    assert "300 of 1,200" in flat
    assert f"The embedded clock is at work: process {os.getpid()} on" in flat
    data = json.loads(tidings("--json")[1])
    states = {(one["work"], one["subject"]): one["state"] for one in data["work"]}
    assert states == {
        ("round", None): "done",
        ("steps", "basket"): "failed",
        ("deliver", "letter"): "running",
        ("segments", "vip"): "lost",
    }
    assert data["clock"]["at_work"] is True
    assert data["clock"]["since"] == "2027-03-02T09:00:00Z"
    lock.release()
    assert "The embedded clock is not at work now." in tidings()[1]


def test_open_runs_are_shown_however_many_newer_ones_are_over(tidings, store, clock) -> None:
    live_flow(store, walking=1, ended=0)
    for _ in range(4):
        sent_run(store, 1)
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.runs).where(sending.runs.c.kind == "campaign").values(state="finished")
        )
    data = json.loads(tidings("--last", "2", "--json")[1])
    assert [one["kind"] for one in data["runs"]] == ["campaign", "campaign", "flow"]


def test_what_is_approved_and_waits_stands_beside_the_runs_with_its_next_day(tidings, store, clock) -> None:
    with store.durable("test") as connection:
        for name, state, reason in (("monthly", "active", None), ("promo", "held", "the file was edited")):
            connection.execute(
                journeys.standing_approvals.insert().values(
                    campaign=name, definition_hash="h", bounds={"people": 54}, approved_by="anna",
                    approved_at=to_micros(clock.now()), state=state, reason=reason,
                )
            )  # fmt: skip
        connection.execute(
            journeys.occurrences.insert().values(
                campaign="promo", occurrence="once", due_at=to_micros(clock.now() + timedelta(days=3)), state="held",
                decided_at=0,
            )
        )  # fmt: skip
    code, out = tidings()
    assert code == 0
    flat = " ".join(out.split())
    # It is 2 March 2027 at ten: the first Tuesday of this month is over.
    assert "monthly approved 2027-04-06 10:00 for each recipient 54 people" in flat, out
    assert "promo held 2027-03-05 10:00 54 people" in flat
    assert "promo is held: the file was edited" in flat
    assert [(one["campaign"], one["state"], one["day"]) for one in json.loads(tidings("--json")[1])["approvals"]] == [
        ("monthly", "approved", "2027-04-06"), ("promo", "held", "2027-03-05"),
    ]  # fmt: skip


def test_the_keys_for_programs_stay(tidings, store, clock) -> None:
    sent_run(store, 1)
    Work(store, clock, owner_name(), "round").finish("1 customer entered")
    data = json.loads(tidings("--json")[1])
    assert sorted(data) == ["approvals", "clock", "runs", "work"]
    assert sorted(data["runs"][0]) == sorted(
        "run campaign occurrence kind state pause_reason began finished messages settled by_state entered walking".split()
    )
    assert sorted(data["work"][0]) == sorted(
        "id work subject state where started beat finished done total outcome".split()
    )
