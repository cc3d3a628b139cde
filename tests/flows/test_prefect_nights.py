"""The steps of the night and the wrapped tasks, called as plain Python on a real store."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from support.command_line import new_shop
from support.shop import seed
from tidings.cli.session import open_session
from tidings.flows.nights import (
    hits_judged,
    occurrences_planned,
    receipts_collected,
    recommendations_learnt,
    runs_reported,
    scores_applied,
    segments_refreshed,
)
from tidings.flows.opening import Opened
from tidings.flows.shares import deliver_share, locked_round, open_runs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def here(tmp_path):
    """An open shop with customers, whose clock is the embedded one."""
    shop = new_shop(tmp_path / "shop")
    with open_session(root=shop.root) as session:
        seed(session.store, 60, lapsed=40, consented=60)
        yield Opened(session.settings, session.store, session.clock)


def test_every_step_of_the_night_returns_rows_for_a_table(here) -> None:
    assert {row["trouble"] for row in scores_applied(here)} <= {"never trained"}
    assert recommendations_learnt(here) == []
    segments = segments_refreshed(here)
    assert {row["segment"] for row in segments} >= {"lapsed_buyers"}
    assert {row["trouble"] for row in segments} == {""}
    assert occurrences_planned(here) == []
    assert all(set(row) == {"channel", "state", "messages"} for row in receipts_collected(here))
    assert {row["count"] for row in hits_judged(here)} == {0}
    assert runs_reported(here) == []


def test_a_run_is_sent_in_shares_until_nothing_is_left_and_reported_in_words(here) -> None:
    from tidings.campaigns.planning import make_plan
    from tidings.campaigns.runs import start_run

    (Path(here.settings.definitions.root) / "campaigns" / "all.yaml").write_text(
        "campaign: All\nto:\n  where:\n    - email: known\nsend: spring_winback\nvia: email\nholdout: none\n"
        "say:\n  headline: {en: Hello}\ngoal:\n  did: order_placed\n  within: 14 days\n"
    )
    from tidings.config.settings import load_settings

    settings = load_settings(here.settings.root)
    now = here.clock.now()
    plan = make_plan(here.store, settings.definitions, "all", now=now)
    run = start_run(here.store, settings.definitions, plan.hash, approved_by="test", now=now)
    opened = Opened(settings, here.store, here.clock)
    (one,) = open_runs(opened)
    assert (one.id, one.senders, one.left) == (run.id, 0, 0)
    row = deliver_share(opened, run.id)
    assert row["sent"] > 0
    assert row["pending"] == 0
    assert open_runs(opened) == []
    (reported,) = runs_reported(opened)
    assert reported["campaign"] == "all"
    assert reported["result"]


def test_a_receipt_that_came_after_its_hit_counts_from_the_next_night_on_and_older_hits_stay(
    here, tmp_path: Path
) -> None:
    import sqlalchemy as sa

    from support.spooled import click, spooled
    from support.tracking import SALT, sent_run
    from tidings.clock import to_micros
    from tidings.responses.drain import drain
    from tidings.store.tables import answers, sending

    second, day = 1_000_000, 86_400_000_000
    now = to_micros(here.clock.now())
    clicked = {"recent": now - 2 * day, "old": now - 4 * day}
    messages = dict(zip(clicked, sent_run(here.store, 2, links=4, accepted_at=now - 5 * day), strict=True))
    folder = tmp_path / "spool"
    folder.mkdir()
    spooled(
        folder,
        here.clock,
        sorted((click(messages[name], at) for name, at in clicked.items()), key=lambda one: one["at"]),
    )
    drain(here.store, folder, salt=SALT)
    with here.store.durable("test") as connection:
        connection.execute(
            sa.insert(sending.receipts),
            [
                {
                    "provider": "test", "event_id": name, "kind": "delivered", "at": at - second, "channel": "email",
                    "message_id": messages[name], "received_at": now,
                }
                for name, at in clicked.items()
            ],
        )  # fmt: skip

    def judged() -> dict[int, str]:
        with here.store.read() as connection:
            found = answers.responses
            return dict(connection.execute(sa.select(found.c.message_id, found.c.judged)).all())

    assert set(judged().values()) == {"human"}
    rows = {row["what"]: row["count"] for row in hits_judged(here)}
    assert judged() == {messages["recent"]: "machine", messages["old"]: "human"}
    assert (rows["responses looked at"], rows["judged otherwise than before"]) == (1, 1)
    assert (rows["customers who clicked, before"], rows["customers who clicked, now"]) == (1, 0)
    again = {row["what"]: row["count"] for row in hits_judged(here)}
    assert (again["judged otherwise than before"], again["touches added"], again["touches taken away"]) == (
        0,
        0,
        0,
    )


def test_two_rounds_are_never_under_way_at_once(here) -> None:
    from tidings.flows.clock_lock import ClockLock

    assert locked_round(here, kind="embedded").held == ""
    other = ClockLock(here.store, here.clock, kind="embedded")
    assert other.take() is None
    assert locked_round(here, kind="embedded").held.startswith("another round is under way (process ")
    other.release()
    assert locked_round(here, kind="embedded").held == ""


def test_the_nights_flow_reads_from_top_to_bottom_in_the_order_of_its_first_sentence() -> None:
    tree = ast.parse((ROOT / "flows" / "nightly.py").read_text())
    flow = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    assert (
        ast.get_docstring(flow)
        == "Apply scores, learn recommendations, refresh segments, plan what is due, deliver it, collect receipts, judge hits, report."
    )
    calls = [
        node.value.func.id
        for node in flow.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
    ]
    assert calls == [
        "apply_scores",
        "learn_recommendations",
        "refresh_segments",
        "plan_due",
        "deliver_due",
        "collect_receipts",
        "judge_hits",
        "report_runs",
    ]
