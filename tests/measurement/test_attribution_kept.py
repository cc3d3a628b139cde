"""A change of rule or model shows what it moves; the panel of choices; the path of one order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from support.credited import BEGIN, RULE, Order, Touch, draw, fill, workspace
from tidings.clock import to_micros
from tidings.definitions.kinds.measuring import MODELS, LookBack
from tidings.definitions.values import Duration, Unit
from tidings.errors import UsageError
from tidings.measurement.attribution.answer import Answer, Period
from tidings.measurement.attribution.asking import ask, the_answer
from tidings.measurement.attribution.kept import Changed, changed, keep
from tidings.measurement.attribution.one_path import find_conversion, path_of
from tidings.measurement.attribution.sensitivity import Stability, agreement, sensitivity, stable
from tidings.store.database import Store
from tidings.store.tables import money

OPENS, CLOSES = BEGIN + timedelta(days=6), BEGIN + timedelta(days=18)
PERIOD = Period(to_micros(OPENS), to_micros(CLOSES))
LATER = Period(to_micros(OPENS), to_micros(CLOSES + timedelta(days=2)))
DAY = timedelta(days=1)


def answered(
    store: Store,
    rule: object = RULE,
    *,
    hours: int,
    period: Period = PERIOD,
    models: tuple[str, ...] | None = None,
) -> tuple[Answer, Changed | None]:
    """Answer as the command does: compare with the last answer, then keep this one."""
    asked = ask(store, workspace(rule), period)  # type: ignore[arg-type]
    answer = the_answer(store, asked, "channel", models or (asked.rule.model,))
    moved = changed(store, asked, answer)
    keep(store, answer, CLOSES + timedelta(hours=hours))
    return answer, moved


def test_the_same_rule_asked_again_moves_nothing_and_is_kept_once(store: Store) -> None:
    fill(store, *draw(2))
    assert answered(store, hours=1)[1] is None
    assert answered(store, hours=2)[1] is None
    with store.read() as connection:
        (row,) = connection.execute(money.attributions.select()).all()
    assert (row.model, row.grouping, row.made_at) == (
        "markov",
        "channel",
        to_micros(CLOSES + timedelta(hours=2)),
    )
    assert sum(row.result["conversions"].values()) == pytest.approx(
        sum(answered(store, hours=3)[0].models["markov"].conversions.values())
    )


def test_another_model_shows_what_it_moves_once(store: Store) -> None:
    fill(store, *draw(2))
    before, _ = answered(store, hours=1)
    now, moved = answered(store, replace(RULE, model="last"), hours=2)
    assert moved is not None
    assert (moved.what, moved.models) == (("the model",), ("markov", "last"))
    assert moved.since == CLOSES + timedelta(hours=1)
    for row in moved.rows:
        assert row.conversions == pytest.approx(
            (before.models["markov"].conversions[row.label], now.models["last"].conversions[row.label])
        )
        assert row.values == (before.models["markov"].values[row.label], now.models["last"].values[row.label])
    assert sum(other - one for one, other in (row.conversions for row in moved.rows)) == pytest.approx(0)
    assert answered(store, replace(RULE, model="last"), hours=3)[1] is None
    plain = moved.as_json()
    assert plain["model"] == {"before": "markov", "now": "last"}


def test_a_model_that_was_only_looked_at_beside_is_not_the_last_answer(store: Store) -> None:
    fill(store, *draw(2))
    answered(store, hours=1, models=MODELS)
    assert answered(store, hours=2)[1] is None


def test_other_windows_show_what_they_move_over_the_touches_of_now(store: Store) -> None:
    fill(store, *draw(2))
    answered(store, hours=1)
    wide = replace(RULE, windows=(LookBack("", "", Duration(9, Unit.DAY)),))
    now, moved = answered(store, wide, hours=2, period=LATER)
    assert moved is not None
    assert moved.what == ("the windows",)
    # Both sides are of the same time, though the last answer was of another.
    old = the_answer(store, ask(store, workspace(), LATER), "channel", ("markov",))
    assert moved.unattributed == (old.unattributed.count, now.unattributed.count)
    assert {row.label: row.conversions[0] for row in moved.rows} == pytest.approx(
        {row.label: old.models["markov"].conversions.get(row.label, 0.0) for row in moved.rows}
    )
    # And back: the wider windows of before need touches of longer ago than the rule of now reads.
    back, moved = answered(store, hours=3, period=LATER)
    assert moved is not None
    assert moved.unattributed == (now.unattributed.count, back.unattributed.count)
    assert {row.label: row.conversions[0] for row in moved.rows} == pytest.approx(
        {row.label: now.models["markov"].conversions.get(row.label, 0.0) for row in moved.rows}
    )


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 5), min_size=2).flatmap(
        lambda one: st.tuples(st.just(one), st.lists(st.integers(0, 5), min_size=len(one), max_size=len(one)))
    )
)
def test_rank_agreement_is_kendalls_tau_b(drawn: tuple[dict[str, int], list[int]]) -> None:
    one, values = drawn
    other = dict(zip(one, values, strict=True))
    tau, swapped = agreement(
        {label: float(value) for label, value in one.items()},
        {label: float(value) for label, value in other.items()},
    )
    labels = sorted(one)
    if len(set(one.values())) == 1 or len(set(values)) == 1:
        assert tau is None
    else:
        theirs = stats.kendalltau(
            [one[label] for label in labels], [other[label] for label in labels], variant="b"
        )
        assert tau == pytest.approx(theirs.statistic)
    assert swapped == sum(
        (one[first] - one[second]) * (other[first] - other[second]) < 0
        for place, first in enumerate(labels)
        for second in labels[place + 1 :]
    )


def test_the_panel_has_every_model_with_every_window_and_says_what_does_not_hang_on_them(
    store: Store,
) -> None:
    fill(store, *draw(5, 60))
    asked = ask(store, workspace(), PERIOD, stretch=2.0)
    panel = sensitivity(asked, "channel")
    assert [(one.model, one.windows) for one in panel.choices] == [
        (model, windows) for model in MODELS for windows in ("half", "as set", "double")
    ]
    by_choice = {(one.model, one.windows): one for one in panel.choices}
    own = by_choice["markov", "as set"]
    assert (own.tau, own.swapped) == (1.0, 0)
    assert own.attributed == the_answer(store, ask(store, workspace(), PERIOD), "channel").attributed.count
    attributed = [by_choice["last", windows].attributed for windows in ("half", "as set", "double")]
    assert attributed == sorted(attributed)
    assert attributed[0] < attributed[2]
    doubled = replace(
        RULE, windows=tuple(replace(one, within=replace(one.within, amount=2 * one.within.amount)) for one in RULE.windows),
        within=Duration(60, Unit.DAY),
    )  # fmt: skip
    wide = the_answer(store, ask(store, workspace(doubled), PERIOD), "channel", ("linear",)).models["linear"]
    total = sum(wide.conversions.values())
    shares = by_choice["linear", "double"].shares
    assert shares == pytest.approx({label: value / total for label, value in wide.conversions.items()})
    assert all(sum(one.shares.values()) == pytest.approx(1) for one in panel.choices)
    assert any("comes first" in words for words in panel.words)
    kept = panel.stability
    turned = {
        (one, other)
        for choice in panel.choices
        for one in own.shares
        for other in own.shares
        if own.shares[one] > own.shares[other] and choice.shares[one] < choice.shares[other] - 1e-9
    }
    assert (kept.pairs, kept.pairs - kept.kept) == (3, len(turned))
    assert any(f"{kept.kept} of 3 pairs of channels" in words for words in panel.words)
    assert panel.as_json()["stability"] == {"pairs": 3, "kept": kept.kept, "share": kept.kept / 3}


def test_a_pair_keeps_its_order_until_one_choice_turns_it_round() -> None:
    base = {"a": 3.0, "b": 2.0, "c": 1.0}
    assert stable([base, {"a": 9.0, "b": 5.0, "c": 0.0}]) == Stability(3, 3)
    assert stable([base, {"a": 2.0, "b": 2.0, "c": 1.0}]) == Stability(3, 3)
    assert stable([base, {"a": 1.0, "b": 2.0, "c": 0.0}, {"a": 3.0, "b": 0.0, "c": 1.0}]) == Stability(3, 1)
    assert stable([{"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 1.0}]).share is None


def test_the_panel_of_one_channel_says_that_nothing_hangs_on_anything(store: Store) -> None:
    fill(store, [Touch(1, "search", "visited", OPENS)], [Order(1, OPENS + DAY, 100)])
    panel = sensitivity(ask(store, workspace(), PERIOD, stretch=2.0), "channel")
    assert all(one.tau is None for one in panel.choices)
    assert panel.words[0].startswith("There are not two places that credit could go to")


def seeded_path(store: Store) -> None:
    at = OPENS + 4 * DAY
    fill(
        store,
        [
            Touch(1, "email", "clicked", at - 3 * DAY, "spring", 1),
            Touch(1, "search", "visited", at - 2 * DAY),
            Touch(1, "email", "clicked", at - DAY, "autumn", 2),
            Touch(1, "search", "seen", at - 3 * DAY),
            Touch(2, "search", "visited", at - DAY),
            Touch(3, "search", "visited", at - DAY),
        ],
        [
            Order(1, at, 1000, key='["id", "A-7"]'),
            Order(2, at, 500, key="B"),
            Order(4, at, 300, key="C"),
            Order(None, at, 1, key="D"),
        ],
    )


def test_the_path_of_an_order_shows_its_touches_and_adds_up_to_the_cent_by_every_model(store: Store) -> None:
    seeded_path(store)
    asked = ask(store, workspace(), PERIOD)
    path = path_of(asked, find_conversion(store, asked.rule.conversions, "A-7"), "channel")
    assert [(one.channel, one.kind, one.campaign) for one in path.steps] == [
        ("email", "clicked", "spring"),
        ("search", "visited", None),
        ("email", "clicked", "autumn"),
    ]
    assert [one.window // 3_600_000_000 for one in path.steps] == [5 * 24, 30 * 24, 5 * 24]
    assert (path.customer, path.amount, path.currency, path.goal) == ("c1", 1000, "EUR", "order_placed")
    for model in MODELS:
        assert sum(one.shares[model] for one in path.steps) == pytest.approx(1), model
        assert sum(one.values[model] for one in path.steps) == 1000, model
    assert [one.shares["first"] for one in path.steps] == [1, 0, 0]
    assert [one.shares["shapley"] for one in path.steps] == [0.25, 0.5, 0.25]
    # Without search nothing is left of three paths that begin with it or lead through it; without email one of two.
    markov = [one.shares["markov"] for one in path.steps]
    assert markov[0] == markov[2]
    assert markov[1] > markov[0] * 2
    plain = path.as_json()
    assert plain["touches"][1]["window_hours"] == 720
    assert plain["value"] == 10.0


def test_an_order_without_a_touch_has_a_path_without_steps(store: Store) -> None:
    seeded_path(store)
    asked = ask(store, workspace(), PERIOD)
    assert path_of(asked, find_conversion(store, asked.rule.conversions, "C"), "channel").steps == ()


def test_an_order_is_found_by_its_key_or_the_number_of_its_event_and_else_says_why_not(store: Store) -> None:
    seeded_path(store)
    goals = ("order_placed",)
    found = find_conversion(store, goals, "B")
    assert find_conversion(store, goals, str(found.event)).event == found.event
    fill(store, [], [Order(1, OPENS + DAY, 700, key="id:told-by-the-shop")])
    assert find_conversion(store, goals, "told-by-the-shop").customer == "c1"
    with pytest.raises(UsageError, match='there is no order "X"'):
        find_conversion(store, goals, "X")
    with pytest.raises(UsageError, match="nobody is known"):
        find_conversion(store, goals, "D")
    with pytest.raises(UsageError, match="is order_placed, which is no conversion here"):
        find_conversion(store, ("contract_signed",), "B")
    outside = ask(store, workspace(), Period(to_micros(BEGIN), to_micros(BEGIN + DAY)))
    with pytest.raises(UsageError, match="not of this time"):
        path_of(outside, found, "channel")


def test_where_other_events_are_conversions_now_the_answer_of_then_stands_beside(store: Store) -> None:
    fill(store, *draw(2))
    before, _ = answered(store, hours=1)
    _, moved = answered(store, replace(RULE, conversions=("order_placed", "contract_signed")), hours=2)
    assert moved is not None
    assert moved.what == ("what counts as a conversion",)
    assert not moved.again
    assert moved.unattributed[0] == before.unattributed.count
    assert {row.label: row.conversions[0] for row in moved.rows} == pytest.approx(
        before.models["markov"].conversions
    )
