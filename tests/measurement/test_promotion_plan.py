"""What was expected when a campaign was approved is kept, and stands beside what came."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from rich.console import Console

from campaigns.test_planning import workspace
from support.promoted import AFTER_ALL, Planted, plant, promoted
from support.shop import seed
from support.workspaces import shown
from tidings.campaigns.expectations import expectations
from tidings.campaigns.planning import make_plan
from tidings.campaigns.runs import start_run
from tidings.cli.report import command, show
from tidings.clock import FixedClock, to_micros
from tidings.definitions.workspace import Definitions
from tidings.measurement.report import make_report
from tidings.store.database import Store
from tidings.store.tables import money, people

EXPECTS = """\
budget: 500 EUR
costs: {artwork: 40 EUR}
expects: {response: 3%, orders: 20, revenue: 900 EUR, margin: 300.50 EUR}
"""


@pytest.fixture
def run(store: Store, clock: FixedClock, tmp_path: Path) -> tuple[int, Definitions]:
    """A campaign that was planned, approved and run, and 30 of those written to who ordered for 50.00."""
    seed(store, 700, lapsed=600, consented=500)
    definitions = workspace(tmp_path, more=EXPECTS)
    plan = make_plan(store, definitions, "win_back", now=clock.now())
    found = start_run(store, definitions, plan.hash, approved_by="anna", now=clock.now())
    with store.durable("seed") as connection:
        from tidings.store.tables import sending

        treated = connection.execute(
            sa.select(sending.enrolments.c.customer_id).where(sending.enrolments.c.arm == "treated").limit(30)
        ).scalars()
        name = connection.execute(sa.select(people.event_names.c.id)).scalars().first()
        at = to_micros(clock.now() + timedelta(days=2))
        connection.execute(
            people.events.insert(),
            [
                {
                    "name_id": name, "customer_id": one, "occurred_at": at, "received_at": at, "source": "later",
                    "dedupe_key": str(one), "amount": 5_000, "currency": "EUR", "properties": {"profit": 2_000},
                }
                for one in treated
            ],
        )  # fmt: skip
    return found.id, definitions


def test_a_plan_that_is_approved_leaves_what_was_expected(store: Store, run: tuple[int, Definitions]) -> None:
    with store.read() as connection:
        kept = expectations(connection, run[0])
        plain = connection.execute(sa.select(sa.func.count()).select_from(money.expectations)).scalar_one()
    assert len(kept) == plain
    assert {name: kept[name] for name in ("response", "orders", "revenue", "margin", "cost")} == {
        "response": (0.03, None),
        "orders": (20.0, None),
        "revenue": (90_000.0, "EUR"),
        "margin": (30_050.0, "EUR"),
        "cost": (4_000.0, "EUR"),
    }
    assert kept["treated"][0] + kept["held_out"][0] > 400
    assert kept["messages"] == kept["treated"]
    assert 0 <= kept["holdout_response"][0] < 0.2


def test_plan_and_actual_stand_side_by_side(
    store: Store, clock: FixedClock, run: tuple[int, Definitions]
) -> None:
    _, definitions = run
    report = make_report(store, definitions, "win_back", as_of=clock.now() + timedelta(days=90))
    assert report.economics is not None
    lines = {one.metric: one for one in report.economics.plan}
    treated = sum(arm.customers for arm in report.arms if not arm.held_out)
    assert (lines["orders"].planned, lines["orders"].actual, lines["orders"].difference) == (20.0, 30.0, 10.0)
    assert lines["response"].actual == pytest.approx(30 / treated)
    assert (lines["revenue"].planned, lines["revenue"].actual) == (900.0, 1_500.0)
    assert (lines["margin"].planned, lines["margin"].actual) == (300.5, 600.0)
    assert (lines["cost"].planned, lines["cost"].actual) == (40.0, 40.0)
    assert lines["treated"].difference == 0
    # The ledger was written and nothing was handed over yet.
    assert lines["messages"].actual == 0
    plain = json.loads(json.dumps(report.as_json(), allow_nan=False))["economics"]["plan"]
    assert {
        "metric": "orders",
        "unit": "count",
        "currency": None,
        "plan": 20.0,
        "actual": 30.0,
        "difference": 10.0,
    } in plain
    page = io.StringIO()
    show(report, Console(file=page, width=80, highlight=False, markup=False))
    text = page.getvalue()
    assert "plan against actual" in text
    assert any(
        line.split() == ["revenue", "900.00", "EUR", "1,500.00", "EUR", "+600.00", "EUR"]
        for line in text.splitlines()
    )


def test_starting_again_keeps_what_was_expected_first(
    store: Store, clock: FixedClock, run: tuple[int, Definitions], tmp_path: Path
) -> None:
    with store.read() as connection:
        before = expectations(connection, run[0])
    changed = workspace(tmp_path / "changed", more=EXPECTS.replace("3%", "9%"))
    plan = make_plan(store, changed, "win_back", now=clock.now())
    start_run(store, changed, plan.hash, approved_by="anna", now=clock.now())
    with store.read() as connection:
        assert expectations(connection, run[0]) == before


def test_a_run_of_before_has_no_plan_to_stand_beside(store: Store) -> None:
    plant(store, 100, 50, Planted())
    report = make_report(store, promoted(), "spring", as_of=AFTER_ALL)
    assert report.economics is not None
    assert report.economics.plan == ()


def test_the_command_reads_the_codes_itself_and_prints_the_section(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(store, 400, 100, Planted())

    class Session:
        settings: Session
        definitions = promoted()
        clock = FixedClock(AFTER_ALL)

    session = Session()
    session.settings = session
    session.store = store  # type: ignore[attr-defined]

    @contextmanager
    def open_session(environment: str | None, **_: object) -> Iterator[Session]:
        yield session

    monkeypatch.setattr("tidings.cli.session.open_session", open_session)
    page = CliRunner().invoke(command, ["spring"], standalone_mode=False, catch_exceptions=False).output
    flat = " ".join(page.split())
    order = [
        "effects, per customer",
        "what it earned",
        "• Over all 400 customers written to, ",
        "• Loss after costs of 400.00 EUR: ",
        "• Break-even: ",
        "• Its costs were reached on 2027-04-26, and that did not last, so it is not paid back.",
        "• 60 codes came back (treated 60); they took off 900.00 EUR.",
        "• Of the 60 customers who redeemed, 67% would have bought anyway (95 %: ",
        "beyond the holdout, in EUR",
        "profit for each 1 of cost",
        "from enrolled to converted",
    ]
    places = [flat.index(words) for words in order]
    assert places == sorted(places)
    assert max(len(line) for line in page.splitlines()) <= 100
    told = json.loads(CliRunner().invoke(command, ["spring", "--json"], standalone_mode=False).output)[
        "economics"
    ]
    assert set(told) == {
        "goal", "worth", "currency", "earned", "costs", "redemptions", "bought_anyway", "pull_forward", "break_even",
        "payback", "plan", "doubtful", "doubtful_reason", "words", "notes",
    }  # fmt: skip
    assert told["redemptions"]["made"] == 60


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("expects: {response: 3}", '"3" is not a share'),
        ("expects: {orders: 2.5}", "2.5 is not a count"),
        ("expects: {}", '"expects" is empty'),
        (
            "expects: {revenue: 900 EUR, profit: 100 SEK}",
            "profit is in SEK, and what stands before it in EUR",
        ),
        ("expects: {turnover: 900 EUR}", '"turnover"'),
        ("offer: {gives: a trowel, cost: 2.50}", "2.50"),
    ],
)
def test_an_expectation_that_cannot_be_read_is_located(tmp_path: Path, written: str, words: str) -> None:
    from tidings.definitions.sample import FILES

    path = next(one for one in FILES if one.startswith("campaigns/"))
    content = FILES[path]
    text = shown(tmp_path, path, f"{content}\n{written}\n")
    assert words in text
    assert f"{path}:" in text
