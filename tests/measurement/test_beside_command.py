"""Effect beside credit as `tidings attribute` shows it, to people and to programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from support.beside_world import NOW, Planted, World, campaign, shop, with_variants
from tidings.cli.attribute import command
from tidings.clock import FixedClock
from tidings.store.database import Store

Asking = Callable[..., str]
ROW = {
    "name", "credited", "incremental", "reason", "runs", "part", "open", "calibrated", "over_claiming", "cost",
    "cost_reason", "touches", "cpa", "roas", "iroas", "cost_per_incremental",
}  # fmt: skip


@dataclass
class Opened:
    """What the command asks of a session."""

    world: World

    @property
    def store(self) -> Store:
        return self.world.store

    @property
    def settings(self) -> World:
        return self.world

    @property
    def clock(self) -> FixedClock:
        return FixedClock(NOW)


@pytest.fixture
def world(store: Store) -> World:
    world = World(store, shop(campaign(), with_variants("mixed", "letter", "text")), seed=6)
    world.add(Planted(treated=800, held=200, base=0.3, lift=0.2, channels={"": "sms"}))
    world.add(
        Planted(
            "mixed",
            treated=400,
            held=100,
            lift=0.0,
            variants=("letter", "text"),
            channels={"letter": "email", "text": "sms"},
            first=5_000,
        )
    )
    return world


@pytest.fixture
def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> Asking:
    @contextmanager
    def open_session(environment: str | None, **_: object) -> Iterator[Opened]:
        yield Opened(world)

    monkeypatch.setattr("tidings.cli.session.open_session", open_session)
    # What was planted is no file: conversions and touches stand as they are.
    monkeypatch.setattr("tidings.cli.attribute._Asking.refresh", lambda _: None)

    def ask(*arguments: str) -> str:
        days = ("--from", "2027-03-01", "--to", "2027-03-31")
        result = CliRunner().invoke(command, [*arguments, *days], standalone_mode=False)
        if result.exception:
            raise result.exception
        return str(result.output)

    return ask


def test_under_the_credit_stands_the_effect_with_its_limits_and_in_words(asked: Asking) -> None:
    page = asked("--by", "campaign")
    assert page.index("Credit by campaign") < page.index(
        "effect beside credit (credit by last; effect with 95 %"
    )
    for heading in ("credited", "because of it", "credit over", "cost", "CPA", "ROAS", "iROAS", "per extra"):
        assert heading in page
    flat = " ".join(page.split())
    assert "so credit is" in flat
    assert "mixed: credited with" in flat
    assert "an effect is not shown, between" in flat
    assert "not known" in flat
    assert max(len(line) for line in page.splitlines()) <= 100
    assert "nan" not in page.lower().split()


def test_by_channel_the_heading_says_reached_by(asked: Asking) -> None:
    page = asked()
    assert "reached" in page
    assert max(len(line) for line in page.splitlines()) <= 100


def test_data_has_the_same_under_beside_with_stable_keys(asked: Asking, world: World) -> None:
    plain = json.loads(asked("--by", "campaign", "--json"))["beside"]
    assert set(plain) == {"by", "model", "currency", "as_of", "reached_by", "rows", "unmatched_cost", "words"}
    assert all(set(row) == ROW for row in plain["rows"])
    spring = plain["rows"][0]
    assert spring["name"] == "spring"
    row = world.row()
    assert row.increment is not None
    assert spring["incremental"]["conversions"]["estimate"] == pytest.approx(
        row.increment.conversions.estimate
    )
    assert spring["cost"] == {"total": 48.0, "messages": 48.0}
    assert spring["roas"] == pytest.approx(spring["credited"]["value"] / 48)
    assert spring["cpa"] == pytest.approx(48 / spring["credited"]["conversions"])
    low, high = spring["iroas"]["interval"]
    assert low < spring["iroas"]["estimate"] < high


def test_it_can_be_left_out_and_a_sales_channel_has_none(asked: Asking) -> None:
    assert "because of it" not in asked("--no-effect")
    assert json.loads(asked("--no-effect", "--json"))["beside"] is None


def test_the_model_of_the_rule_is_beside_even_where_all_are_shown(asked: Asking) -> None:
    assert json.loads(asked("--model", "all", "--json"))["beside"]["model"] == "last"
    assert json.loads(asked("--model", "first", "--json"))["beside"]["model"] == "first"
