"""The steps of the night and the wrapped tasks, called as plain Python on a real store."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from support.command_line import new_shop
from support.shop import seed
from tidings.cli.session import open_session
from tidings.flows.nights import (
    occurrences_planned,
    receipts_collected,
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
    segments = segments_refreshed(here)
    assert {row["segment"] for row in segments} >= {"lapsed_buyers"}
    assert {row["trouble"] for row in segments} == {""}
    assert occurrences_planned(here) == []
    assert all(set(row) == {"channel", "state", "messages"} for row in receipts_collected(here))
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
        == "Apply scores, refresh segments, plan what is due, deliver it, collect receipts, report."
    )
    calls = [
        node.value.func.id
        for node in flow.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
    ]
    assert calls == [
        "apply_scores",
        "refresh_segments",
        "plan_due",
        "deliver_due",
        "collect_receipts",
        "report_runs",
    ]
