"""`tidings plan FLOW` and `tidings run FLOW`: going live, a scripted edit with people on the way, what is refused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from support.command_line import Said, Shop
from support.shop import copy_workspace
from tidings.campaigns.steps import as_campaign, send_steps
from tidings.clock import SystemClock
from tidings.definitions.hashing import definition_hash
from tidings.definitions.loader import load
from tidings.delivery.recorded import recorded
from tidings.flows.journeys.versions import start_flow
from tidings.store.database import Store

Run = Callable[..., Said]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """The workspace with an empty store to be made."""
    return Shop(copy_workspace(tmp_path / "shop"))


def database(shop: Shop) -> Path:
    (path,) = shop.root.glob(".tidings/*.sqlite")
    return path


def somebody_waits(shop: Shop, run_id: int, step: str) -> None:
    """Put a customer before a step of a run."""
    with closing(sqlite3.connect(database(shop))) as connection, connection:
        connection.execute("INSERT INTO customers (id, key, u, created_at) VALUES (1, 'c1', 1, 0)")
        connection.execute(
            "INSERT INTO enrolments (id, run_id, customer_id, entry, arm, anchor_at, planned_at) VALUES (1, ?, 1, 0, 'treated', 0, 0)",
            (run_id,),
        )
        connection.execute(
            "INSERT INTO journeys (enrolment_id, run_id, customer_id, start_ref, state, step, due_at, reached_at) "
            "VALUES (1, ?, 1, 'e1', 'walking', ?, 0, 0)",
            (run_id, step),
        )


def step_of(shop: Shop) -> str:
    with closing(sqlite3.connect(database(shop))) as connection:
        return str(connection.execute("SELECT step FROM journeys").fetchone()[0])


def test_a_flow_goes_live_and_is_edited_with_somebody_on_the_way(shop: Shop, run: Run) -> None:
    first = run(shop, "plan", "basket")
    assert first.code == 0
    assert "goes live for the first time; 0 on the way" in first.out
    assert "tidings run basket" in first.out
    live = run(shop, "run", "basket", "--yes", "--json")
    assert (live.code, live.data["version"], live.data["kind"]) == (0, 1, "new")
    again = run(shop, "run", "basket", "--yes")
    assert again.code == 0
    assert "is live already as it is; nothing was changed" in again.out
    somebody_waits(shop, live.data["run"], "reminder")

    file = shop.root / "flows" / "basket.yaml"
    text = file.read_text(encoding="utf-8").replace("  reminder:", "  nudge:")
    file.write_text(text, encoding="utf-8")
    refused = run(shop, "plan", "basket")
    assert refused.code == 3
    assert '1 wait at "reminder", and the flow has no such step any more' in refused.out
    not_live = run(shop, "run", "basket", "--yes")
    assert not_live.code == 3
    assert 'basket cannot go live so: 1 wait at "reminder"' in not_live.err
    assert "moved: {reminder:" in not_live.err
    assert step_of(shop) == "reminder"

    file.write_text(text + "moved:\n  reminder: nudge\n", encoding="utf-8")
    shown = run(shop, "plan", "basket", "--json")
    assert (shown.code, shown.data["kind"], shown.data["version"], shown.data["missing"]) == (
        0,
        "edit",
        2,
        [],
    )
    by_name = {step["name"]: step for step in shown.data["steps"]}
    assert by_name["reminder"]["heads"] == 1
    assert (by_name["reminder"]["change"], by_name["reminder"]["moved"]) == ("removed", "nudge")
    edited = run(shop, "run", "basket", "--yes")
    assert edited.code == 0
    assert "basket is live (version 2)" in edited.out
    assert step_of(shop) == "nudge"


def test_nobody_to_ask_is_said_and_nothing_is_changed(shop: Shop, run: Run) -> None:
    said = run(shop, "run", "basket")
    assert said.code == 2
    assert "nobody to ask" in said.err
    assert run(shop, "plan", "basket", "--json").data["state"] == "not live"


def test_plan_without_a_name_lists_flows_as_well(shop: Shop, run: Run) -> None:
    run(shop, "run", "welcome", "--yes")
    rows = {row["flow"]: row["state"] for row in run(shop, "plan", "--json").data if "flow" in row}
    assert rows["welcome"] == "live"
    assert rows["basket"] == "not live"


def test_what_a_version_recorded_is_the_flow_that_was_approved(shop: Shop, run: Run) -> None:
    """Every flow of the workspace loads from its recorded files alone, and with the same hash."""
    assert run(shop, "plan").code == 0
    definitions, clock = load(shop.root), SystemClock()
    with Store.open(
        f"sqlite:///{database(shop)}",
        clock=clock,
        workspace=definitions.workspace.id,
        environment="development",
        salt=definitions.workspace.salt,
    ) as store:
        for name in definitions.flows:
            run_id = start_flow(store, definitions, name, approved_by="anna", now=clock.now())
            kept = recorded(store, run_id)
            assert kept.version == 1
            assert kept.definitions.flows[name] == definitions.flows[name]
            assert kept.definition_hash == definition_hash(definitions, name)
            for step in send_steps(definitions.flows[name]):
                assert kept.campaign_of(step.name) == as_campaign(definitions.flows[name], step, definitions)


def test_how_many_may_enter_is_approved_with_a_flow_and_anew(shop: Shop, run: Run) -> None:
    assert "no limit on who enters: too little is known yet" in run(shop, "plan", "basket").out
    first = run(shop, "run", "basket", "--at-most", "1000", "--yes")
    assert "at most 1,000 enter in four weeks, else it pauses and asks" in first.out
    assert limit(shop) == 1000
    assert "nothing was changed" in run(shop, "run", "basket", "--yes").out
    assert limit(shop) == 1000
    unasked = run(shop, "run", "basket", "--at-most", "2000")
    assert unasked.code == 2
    assert limit(shop) == 1000
    anew = run(shop, "run", "basket", "--at-most", "2000", "--yes")
    assert "basket: at most 2,000 people may enter in 28 days from now on." in anew.out
    assert limit(shop) == 2000


def limit(shop: Shop) -> int:
    with closing(sqlite3.connect(database(shop))) as connection:
        (detail,) = connection.execute("SELECT detail FROM trigger_marks WHERE name = 'entered'").fetchone()
    return int(json.loads(detail)["most"])
