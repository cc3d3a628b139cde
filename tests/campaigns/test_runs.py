"""Runs: every arm enrolled once with its anchor, one message for each treated customer, again a no-op."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from campaigns.test_planning import CAMPAIGN, members, workspace
from support.shop import seed
from support.stores import open_store
from tidings.campaigns import runs
from tidings.campaigns.planning import make_plan
from tidings.campaigns.runs import find_run, start_run
from tidings.clock import to_micros
from tidings.errors import RefusedByPolicy, UsageError
from tidings.store.tables import keeping, sending


def counts(store) -> tuple[int, int]:
    with store.read() as connection:
        return tuple(
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (sending.enrolments, sending.messages)
        )


def start(store, definitions, plan, clock):
    return start_run(store, definitions, plan.hash, approved_by="anna", now=clock.now())


def test_a_run_enrols_the_snapshot_with_one_anchor_and_writes_the_ledger(
    store, clock, tmp_path: Path
) -> None:
    seed(store, 2500, lapsed=2300, consented=2200)
    definitions = workspace(tmp_path)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    snapshot = members(store, plan)
    clock.advance(timedelta(minutes=5))
    run = start(store, definitions, plan, clock)
    assert run.created
    assert run.state == "sending"
    enrolments, messages = sending.enrolments, sending.messages
    with store.read() as connection:
        arms = connection.execute(
            sa.select(enrolments.c.arm, enrolments.c.variant, sa.func.count()).group_by(
                enrolments.c.arm, enrolments.c.variant
            )
        ).all()
        anchors = set(connection.execute(sa.select(enrolments.c.anchor_at)).scalars())
        ledger = connection.execute(
            sa.select(
                messages.c.state,
                messages.c.channel,
                messages.c.leg,
                messages.c.variant,
                enrolments.c.arm,
                enrolments.c.variant,
            ).join(enrolments, enrolments.c.id == messages.c.enrolment_id)
        ).all()
        expires = set(connection.execute(sa.select(messages.c.expires_at - messages.c.due_at)).scalars())
    expected: dict[tuple[str, str | None], int] = {}
    for arm, variant, code in snapshot.values():
        if code is None:
            expected[arm, variant] = expected.get((arm, variant), 0) + 1
    assert {(arm, variant): count for arm, variant, count in arms} == expected
    assert anchors == {to_micros(clock.now())}
    assert len(ledger) == plan.people
    assert {(row[0], row[1], row[2], row[4]) for row in ledger} == {("planned", "email", 0, "treated")}
    assert all(row[3] == row[5] for row in ledger)
    assert expires == {24 * 3_600_000_000}


def test_a_second_start_changes_nothing(store, clock, tmp_path) -> None:
    seed(store, 300)
    definitions = workspace(tmp_path)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    start(store, definitions, plan, clock)
    before = counts(store)
    clock.advance(timedelta(days=1))
    fresh = make_plan(store, definitions, "win_back", now=clock.now())
    again = start(store, definitions, fresh, clock)
    assert not again.created
    assert counts(store) == before


def test_a_start_killed_in_the_middle_is_taken_up_without_doubles(
    store, clock, tmp_path, monkeypatch
) -> None:
    seed(store, 3500)
    definitions = workspace(tmp_path)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    real, calls = runs.insert_ignoring, []

    def dies(connection, table):
        calls.append(table)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(connection, table)

    monkeypatch.setattr(runs, "insert_ignoring", dies)
    with pytest.raises(KeyboardInterrupt):
        start(store, definitions, plan, clock)
    found = find_run(store, "win_back")
    assert found is not None
    assert found.state == "enrolling"
    monkeypatch.setattr(runs, "insert_ignoring", real)
    run = start(store, definitions, plan, clock)
    assert run.state == "sending"
    assert counts(store) == (plan.people + plan.held_out, plan.people)


def test_no_transaction_of_enrolment_holds_the_write_lock_long(store, clock, tmp_path) -> None:
    seed(store, 5000)
    definitions = workspace(tmp_path)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    start(store, definitions, plan, clock)
    held = {use.purpose: use for use in store.lock_report()}
    assert plan.people + plan.held_out > 3000
    assert held["enrol"].count >= 4
    assert held["enrol"].longest_busy_ms < 200


def test_four_starts_at_once_make_one_run(store, clock, tmp_path) -> None:
    seed(store, 1500)
    definitions = workspace(tmp_path)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    found, errors = [], []
    stores = [open_store(store.url, clock) for _ in range(4)]

    def go(one) -> None:
        try:
            found.append(start(one, definitions, plan, clock))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=go, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in stores:
        one.close()
    assert not errors
    assert len({run.id for run in found}) == 1
    assert counts(store) == (plan.people + plan.held_out, plan.people)


def test_a_run_records_every_file_it_was_made_from(store, clock, tmp_path) -> None:
    seed(store, 30)
    definitions = workspace(tmp_path)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    run = start(store, definitions, plan, clock)
    with store.read() as connection:
        recorded = dict(
            connection.execute(
                sa.select(sending.run_artifacts.c.role, sending.artifacts.c.bytes)
                .join(sending.artifacts, sending.artifacts.c.sha256 == sending.run_artifacts.c.sha256)
                .where(sending.run_artifacts.c.run_id == run.id)
            ).all()
        )
        audit = connection.execute(sa.select(keeping.audit.c.actor, keeping.audit.c.action)).all()
    shop = tmp_path / "shop"
    for path in (
        "campaigns/win_back.yaml",
        "segments/lapsed_buyers.yaml",
        "segments/refund_seekers.yaml",
        "channels/email.yaml",
        "config/policies.yaml",
        "templates/spring_winback/email.en.txt",
    ):
        assert recorded[f"file:{path}"] == (shop / path).read_bytes()
    assert ("anna", "run approved") in [tuple(row) for row in audit]


def test_a_plan_over_its_budget_does_not_run(store, clock, tmp_path) -> None:
    seed(store, 100)
    shop = tmp_path / "shop"
    workspace(tmp_path, more="budget: 1 EUR\n")
    channel = shop / "channels" / "email.yaml"
    channel.write_text(channel.read_text().replace("connections: 8", "connections: 8\ncost: 0.05 EUR"))
    from tidings.definitions.loader import load

    definitions = load(shop)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    assert plan.over_budget
    with pytest.raises(RefusedByPolicy, match="more than the budget"):
        start(store, definitions, plan, clock)
    assert counts(store) == (0, 0)


def test_a_campaign_whose_time_is_over_does_not_run(store, clock, tmp_path) -> None:
    seed(store, 100)
    text = CAMPAIGN.format(holdout="none", more="").replace("via: email", "via: email\nat: 2027-02-20 10:00")
    definitions = workspace(tmp_path, campaigns__win_back=text)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    with pytest.raises(RefusedByPolicy, match="have expired"):
        start(store, definitions, plan, clock)


def test_a_plan_that_reaches_nobody_does_not_run(store, clock, tmp_path) -> None:
    seed(store, 20, consented=0)
    definitions = workspace(tmp_path)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    with pytest.raises(RefusedByPolicy, match="writes to nobody"):
        start(store, definitions, plan, clock)


def test_postgresql_plans_for_the_ledger_as_it_was_written(make_store, clock, tmp_path) -> None:
    store = make_store("postgresql")
    seed(store, 2500)
    definitions = workspace(tmp_path)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    start(store, definitions, plan, clock)
    with store.read() as connection:
        believed = dict(
            connection.execute(
                sa.text(
                    "SELECT relname, reltuples FROM pg_class WHERE relname IN ('plan_members', 'enrolments', 'messages')"
                )
            ).all()
        )
    assert believed == {"plan_members": 2500, "enrolments": 2500, "messages": plan.people}


def test_a_plan_whose_making_was_interrupted_does_not_run(store, clock, tmp_path) -> None:
    seed(store, 50)
    definitions = workspace(tmp_path)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    with store.durable("test") as connection:
        connection.execute(sending.plans.update().values(state="filling"))
    with pytest.raises(UsageError, match="was interrupted while it was made"):
        start(store, definitions, plan, clock)
    again = make_plan(store, definitions, "win_back", now=clock.now())
    assert start(store, definitions, again, clock).state == "sending"
