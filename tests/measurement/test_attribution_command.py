"""`tidings attribute` over a store as people and programs ask it: touches and conversions come of what happened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from click.testing import CliRunner

from support.credited import BEGIN, RULE, Order, Touch, fill, workspace
from tidings.cli.attribute import _MODELS, command
from tidings.clock import FixedClock
from tidings.definitions.kinds.measuring import MODELS, Attribution
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.store.database import Store
from tidings.store.tables import answers

NOW = BEGIN + timedelta(days=20)
DAY = timedelta(days=1)


@dataclass
class Opened:
    """What the command asks of a session."""

    store: Store
    definitions: Definitions
    clock: FixedClock

    @property
    def settings(self) -> Opened:
        return self

    def __call__(self, *arguments: str) -> str:
        result = CliRunner().invoke(command, arguments, standalone_mode=False)
        if result.exception:
            raise result.exception
        return result.output

    def data(self, *arguments: str) -> dict:
        return json.loads(self(*arguments, "--json"))

    def rule(self, rule: Attribution) -> None:
        self.definitions = replace(self.definitions, attribution=rule)


@pytest.fixture
def asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> Opened:
    at = NOW - 5 * DAY
    fill(
        store,
        [
            *(Touch(n, "search", "visited", at - 3 * DAY, "brand") for n in range(1, 9)),
            *(Touch(n, "email", "clicked", at - DAY, "spring", 1) for n in range(1, 5)),
            *(Touch(n, "email", "clicked", at - DAY, "spring", 1) for n in range(20, 26)),
            Touch(9, "print", "met", at - DAY),
            Touch(None, "print", "met", at - DAY),
        ],
        [
            *(
                Order(n, at, 1000 + n, sales="web" if n % 2 else "shop", key=f'["id", "A-{n}"]')
                for n in range(1, 5)
            ),
            Order(20, at, 777, sales="shop"),
            Order(30, at, 333),
            Order(None, at, 50, key="guest"),
            Order(2, at + DAY, 400, name="order_returned"),
        ],
    )
    # The command makes them itself, from the events.
    with store.durable("test") as connection:
        connection.execute(answers.conversions.delete())
    opened = Opened(store, workspace(), FixedClock(NOW))

    @contextmanager
    def open_session(environment: str | None, **_: object) -> Iterator[Opened]:
        yield opened

    monkeypatch.setattr("tidings.cli.session.open_session", open_session)
    return opened


def test_the_page_has_the_model_of_the_workspace_and_every_line_beside(asked: Opened) -> None:
    page = asked()
    lines = [" ".join(line.split()) for line in page.splitlines()]
    assert lines[0] == "Credit by channel, 2026-10-24 through 2027-01-21"
    assert lines[1] == "conversions are order_placed; model: Markov"
    assert "unattributed 1.0 16.7% 3.33 EUR" in lines
    assert "all 6.0 100.0% 51.20 EUR" in lines
    assert "1 order (0.50 EUR) of nobody known, in no line above." in lines
    assert "1 order (4.00 EUR) came back in this time; credit is for what was bought." in lines
    assert "1 touch is of nobody known (yet)." in lines
    assert "It does not say what would have come without them." in page
    assert max(len(line) for line in page.splitlines()) <= 100


def test_all_models_stand_side_by_side_and_json_has_the_same(asked: Opened) -> None:
    page = asked("--model", "all")
    for title in ("first", "last", "linear", "time decay", "position", "Markov", "Shapley"):
        assert title in page
    assert "value in EUR" in page
    assert max(len(line) for line in page.splitlines()) <= 100
    plain = asked.data("--model", "all")
    assert list(plain["models"]) == list(MODELS)
    for model, credit in plain["models"].items():
        assert sum(credit.values()) == pytest.approx(plain["attributed"]["count"])
        assert sum(round(value * 100) for value in plain["values"][model].values()) == 4787
    assert plain["unattributed"] == {"count": 1, "value": 3.33}
    assert plain["observed_rate"] == 5 / 14
    assert plain["changed"] is None


def test_by_campaign_and_by_sales_channel(asked: Opened) -> None:
    by_campaign = asked.data("--by", "campaign", "--model", "last")
    assert by_campaign["models"]["last"] == {"brand": 0.0, "spring": 5.0}
    by_sales = asked.data("--by", "sales channel", "--model", "last")
    assert by_sales["models"]["last"] == {"shop / email": 3.0, "web / email": 2.0}


def test_days_limit_what_is_asked(asked: Opened) -> None:
    plain = asked.data("--from", "2027-01-01", "--to", "2027-01-15")
    assert plain["conversions"]["count"] == 0
    assert plain["words"][0].endswith("the last one is of 2027-01-16.")
    assert "NaN" not in json.dumps(plain)
    assert "no credit to give; the last one is of 2027-01-16." in " ".join(
        asked("--from", "2027-01-01", "--to", "2027-01-15").split()
    )


def test_a_changed_rule_prints_what_it_moves_and_only_once(asked: Opened) -> None:
    assert "Since the last answer" not in asked()
    asked.rule(replace(RULE, model="last"))
    page = asked()
    assert "Since the last answer (2027-01-21 01:00) changed: the model. The same touches" in " ".join(
        page.split()
    )
    assert [
        line.split()[0] for line in page[page.index("what moved") :].splitlines() if "search" in line
    ] == ["search"]
    assert "Since the last answer" not in asked()
    asked.rule(RULE)
    assert asked.data()["changed"]["model"] == {"before": "last", "now": "markov"}


def test_what_is_only_tried_out_is_neither_kept_nor_compared(asked: Opened) -> None:
    asked()
    asked("--order", "2")
    asked("--model", "first")
    asked("--worth", "rate", "--model", "all")
    assert asked.data()["changed"] is None


def test_the_path_of_an_order_is_shown_with_windows_shares_and_cents(asked: Opened) -> None:
    page = asked("--path-of", "A-1")
    lines = [" ".join(line.split()) for line in page.splitlines()]
    assert lines[0] == "order_placed A-1 of c1, 10.01 EUR"
    assert "1 2027-01-13 01:00 search visited brand 30 days" in lines
    assert "2 2027-01-15 01:00 email clicked spring 5 days" in lines
    assert max(len(line) for line in page.splitlines()) <= 100
    plain = asked.data("--path-of", "A-1")
    assert sum(round(one["values"]["linear"] * 100) for one in plain["touches"]) == 1001
    with pytest.raises(UsageError, match="two questions"):
        asked("--path-of", "A-1", "--sensitivity")


def test_the_panel_of_choices_is_a_page_and_data(asked: Opened) -> None:
    page = asked("--sensitivity")
    assert "How much hangs on the choice (against Markov with the windows as set)" in page
    assert max(len(line) for line in page.splitlines()) <= 100
    assert len(asked.data("--sensitivity")["choices"]) == 21


def test_the_command_offers_every_model_there_is() -> None:
    assert _MODELS == MODELS


def test_the_panel_of_a_time_without_conversions_is_one_sentence(asked: Opened) -> None:
    page = asked("--sensitivity", "--from", "2026-01-01", "--to", "2026-02-01")
    assert page.count("\n") == 2
    assert "nothing hangs on the model or the windows" in page
