"""Credit from the store: the same paths, lines and cents as a loop over customers finds, on both databases."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from support.credited import BEGIN, RULE, Order, Touch, draw, fill, naive_paths, workspace
from tidings.clock import to_micros
from tidings.definitions.kinds.measuring import MODELS, Attribution, LookBack
from tidings.definitions.values import Duration, Share, Unit
from tidings.errors import UsageError
from tidings.measurement.attribution.answer import Period
from tidings.measurement.attribution.asking import ask, period_of, the_answer
from tidings.measurement.attribution.facts import Facts
from tidings.measurement.attribution.journeys import find_journeys
from tidings.measurement.attribution.one_path import find_conversion, path_of
from tidings.measurement.attribution.rule import Rule, micros, rule_of
from tidings.measurement.conversions import conversion_versions
from tidings.store.database import Store
from tidings.store.tables import answers, people

OPENS, CLOSES = BEGIN + timedelta(days=6), BEGIN + timedelta(days=18)
PERIOD = Period(to_micros(OPENS), to_micros(CLOSES))
DAY = timedelta(days=1)


def paths_found(facts: Facts, rule: Rule) -> tuple[list[tuple[str, ...]], Counter[tuple[str, ...]]]:
    """Return the kinds on the path of each conversion, in the order of the conversions, and those of lost customers."""
    journeys = find_journeys(facts, rule, opens=PERIOD.opens, closes=PERIOD.closes)
    steps: dict[int, list[str]] = {}
    for owner, touch in zip(journeys.owner, journeys.touch, strict=True):
        kind = facts.kinds[facts.kind[touch]]
        steps.setdefault(int(owner), []).append(f"{kind.channel} {kind.kind} {kind.campaign}")
    won = [tuple(sorted(steps.get(n, []))) for n in range(journeys.conversions)]
    return won, Counter(tuple(sorted(path)) for owner, path in steps.items() if owner >= journeys.conversions)


@pytest.mark.parametrize("seed", range(3))
def test_the_paths_are_those_that_a_loop_over_customers_finds(store: Store, seed: int) -> None:
    touches, orders = draw(seed)
    fill(store, touches, orders)
    definitions = workspace()
    asked = ask(store, definitions, PERIOD)
    won, lost = naive_paths(touches, orders, asked.rule, OPENS, CLOSES)

    def named(path: list[Touch]) -> tuple[str, ...]:
        return tuple(sorted(f"{one.channel} {one.kind} {one.campaign}" for one in path))

    found, found_lost = paths_found(asked.facts, asked.rule)
    assert Counter(found) == Counter(named(path) for path in won)
    assert found_lost == Counter(named(path) for path in lost)
    assert any(len(path) > 1 for path in won)


@pytest.mark.parametrize("by", ["channel", "campaign", "sales channel"])
def test_every_model_gives_all_attributed_conversions_and_every_cent(store: Store, by: str) -> None:
    touches, orders = draw(5, 60)
    fill(store, touches, orders)
    answer = the_answer(store, ask(store, workspace(), PERIOD), by)
    assert set(answer.models) == set(MODELS)
    inside = [one for one in orders if OPENS <= one.at < CLOSES]
    assert answer.conversions.count == len(inside)
    assert answer.conversions.value == sum(one.amount for one in inside)
    assert answer.attributed.count + answer.unattributed.count == len(inside)
    assert 0 < answer.unattributed.count < len(inside)
    for model, given in answer.models.items():
        assert sum(given.conversions.values()) == pytest.approx(answer.attributed.count), model
        assert sum(given.values.values()) == answer.attributed.value, model
        assert answer.attributed.value + answer.unattributed.value == answer.conversions.value


def test_by_sales_channel_each_is_a_question_of_its_own(store: Store) -> None:
    touches, orders = draw(5, 60)
    fill(store, touches, orders)
    asked = ask(store, workspace(), PERIOD)
    answer = the_answer(store, asked, "sales channel")
    won, _ = naive_paths(touches, orders, asked.rule, OPENS, CLOSES)
    inside = [one for one in orders if OPENS <= one.at < CLOSES]
    for sales in ("web", "shop", "not said"):
        there = sum(
            bool(path) for one, path in zip(inside, won, strict=True) if (one.sales or "not said") == sales
        )
        for model, given in answer.models.items():
            together = sum(
                value for label, value in given.conversions.items() if label.startswith(f"{sales} / ")
            )
            assert together == pytest.approx(there), (sales, model)


def test_a_window_holds_its_first_instant_and_not_the_conversion_itself(store: Store) -> None:
    at = OPENS + 3 * DAY
    touches = [
        Touch(1, "email", "clicked", at - 5 * DAY, "first_instant"),
        Touch(1, "email", "clicked", at - 5 * DAY - timedelta(microseconds=1), "too_early"),
        Touch(1, "search", "visited", at, "too_late"),
        Touch(1, "search", "visited", at - timedelta(microseconds=1), "just_before"),
    ]
    fill(store, touches, [Order(1, at, 1000)])
    answer = the_answer(store, ask(store, workspace(), PERIOD), "campaign", ("linear",))
    given = answer.models["linear"].conversions
    assert {label for label, value in given.items() if value} == {"first_instant", "just_before"}


def test_the_code_an_order_was_paid_with_counts_for_that_order(store: Store) -> None:
    at = OPENS + 3 * DAY
    touches = [
        Touch(1, "email", "clicked", at - DAY, "spring", 1),
        Touch(1, "email", "redeemed", at, "spring", 1),
        Touch(1, "search", "visited", at, "at_the_same_instant"),
        Touch(2, "code", "redeemed", at, "leaflet"),
    ]
    fill(store, touches, [Order(1, at, 1000), Order(2, at, 2000), Order(2, at - DAY, 4000)])
    answer = the_answer(store, ask(store, workspace(), PERIOD), "campaign", ("linear", "time_decay"))
    for given in answer.models.values():
        assert {label: value for label, value in given.conversions.items() if value} == {
            "spring": 1,
            "leaflet": 1,
        }
        assert given.values["leaflet"] == 2000
    assert answer.unattributed.count == 1


def test_of_the_touches_by_one_message_the_strongest_counts_once(store: Store) -> None:
    at = OPENS + 3 * DAY
    hours = [timedelta(hours=n) for n in range(9)]
    touches = [
        Touch(1, "email", "opened", at - hours[6], "spring", 1),
        Touch(1, "email", "clicked", at - hours[5], "spring", 1),
        Touch(1, "email", "opened", at - hours[4], "spring", 1),
        Touch(1, "email", "clicked", at - hours[3], "spring", 2),
        Touch(1, "search", "visited", at - hours[2]),
        Touch(1, "search", "visited", at - hours[1]),
    ]
    fill(store, touches, [Order(1, at, 1000)])
    answer = the_answer(store, ask(store, workspace(), PERIOD), "channel", ("linear",))
    assert answer.models["linear"].conversions == {"email": 0.5, "search": 0.5}


def test_a_later_touch_outside_its_own_window_takes_nothing_from_an_earlier_one_inside_its(
    store: Store,
) -> None:
    at = OPENS + 5 * DAY
    touches = [Touch(1, "email", "clicked", at - 4 * DAY), Touch(1, "search", "seen", at - 3 * DAY)]
    fill(store, touches, [Order(1, at, 1000)])
    answer = the_answer(store, ask(store, workspace(), PERIOD), "channel", ("last",))
    assert answer.models["last"].conversions == {"email": 1.0, "search": 0.0}


def test_lines_beside_the_credit(store: Store) -> None:
    at = OPENS + DAY
    fill(
        store,
        [
            Touch(1, "search", "visited", at - DAY),
            Touch(2, "search", "visited", at),
            Touch(None, "print", "met", at),
        ],
        [
            Order(1, at, 1000),
            Order(3, at, 250),
            Order(None, at, 700),
            Order(1, at + DAY, 400, name="order_returned"),
            Order(1, CLOSES, 9999),
        ],
    )
    answer = the_answer(store, ask(store, workspace(), PERIOD), "channel")
    assert (answer.conversions.count, answer.conversions.value) == (2, 1250)
    assert (answer.unattributed.count, answer.unattributed.value) == (1, 250)
    assert (answer.unmatched.count, answer.unmatched.value) == (1, 700)
    assert (answer.returned.count, answer.returned.value) == (1, 400)
    assert (answer.unknown_touches, answer.without, answer.rate) == (1, 1, 0.5)
    plain = answer.as_json()
    assert plain["unattributed"] == {"count": 1, "value": 2.5}
    assert plain["models"]["markov"] == {"search": 1.0}
    assert plain["values"]["shapley"] == {"search": 10.0}


def test_a_time_without_data_says_when_the_last_conversion_was(store: Store) -> None:
    asked = ask(store, workspace(), PERIOD)
    empty = the_answer(store, asked, "channel")
    assert empty.words == [
        "There is no conversion (order_placed) in the store at all, so there is no credit to give."
    ]
    assert empty.as_json()["observed_rate"] is None
    fill(store, [], [Order(1, BEGIN, 100)])
    answer = the_answer(store, ask(store, workspace(), PERIOD), "channel")
    assert answer.words == [
        "There is no conversion (order_placed) in this time, so there is no credit to give; the last one is of 2027-01-01."
    ]


def test_conversions_without_any_touch_are_all_unattributed_and_it_says_so(store: Store) -> None:
    fill(store, [], [Order(1, OPENS, 100), Order(2, OPENS, 50)])
    answer = the_answer(store, ask(store, workspace(), PERIOD), "channel")
    assert (answer.unattributed.count, answer.unattributed.value) == (2, 150)
    assert all(not given.conversions for given in answer.models.values())
    assert answer.words[0].startswith("No touch of anybody known lies before these conversions")


def test_only_people_who_did_not_convert_give_no_credit_and_a_rate_of_nothing(store: Store) -> None:
    fill(store, [Touch(1, "search", "visited", OPENS)], [])
    answer = the_answer(store, ask(store, workspace(), PERIOD), "channel")
    assert (answer.rate, answer.without) == (0.0, 1)
    assert answer.models["markov"].conversions == {"search": 0.0}


def test_a_window_for_a_channel_that_no_touch_has_is_named(store: Store) -> None:
    fill(store, [Touch(1, "search", "visited", OPENS)], [Order(1, OPENS + DAY, 100)])
    words = the_answer(store, ask(store, workspace(), PERIOD), "channel").words
    assert "There is a window for email, but no touch on that channel in this time." in words


def test_several_currencies_are_added_up_by_rates_alone(store: Store, tmp_path: object) -> None:
    touches = [Touch(n, "search", "visited", OPENS) for n in (1, 2, 3)]
    fill(
        store,
        touches,
        [
            Order(1, OPENS + DAY, 1000, "EUR"),
            Order(2, OPENS + DAY, 1000, "USD"),
            Order(3, OPENS + 4 * DAY, 1000, "JPY"),
        ],
    )
    answer = the_answer(store, ask(store, workspace(), PERIOD), "channel")
    assert answer.currency == ""
    assert answer.as_json()["values"] == {}
    assert answer.attributed.value is None
    assert answer.models["markov"].conversions == {"search": 3.0}
    assert answer.words[0].startswith(
        "The conversions are worth EUR, JPY and USD, and config/rates.csv has no rate from JPY"
    )
    folder = tmp_path / "config"  # type: ignore[operator]
    folder.mkdir()
    (folder / "rates.csv").write_text(
        "day,from,to,rate\n2027-01-01,USD,EUR,0.9\n2027-01-08,USD,EUR,0.5\n2027-01-01,EUR,JPY,160\n"
    )
    answer = the_answer(store, ask(store, workspace(root=str(tmp_path)), PERIOD), "channel")
    # 10 USD by the rate of the 8th are 9.00 on the 7th …: the order is of the 8th, so 5.00; 1,000 JPY are 6.25.
    assert answer.currency == "EUR"
    assert answer.attributed.value == 1000 + 500 + 625
    assert answer.words[0] == "Amounts in EUR, JPY, USD are counted in EUR at the rates of config/rates.csv."


def test_one_currency_is_kept_even_if_it_is_not_the_workspaces(store: Store) -> None:
    fill(store, [Touch(1, "search", "visited", OPENS)], [Order(1, OPENS + DAY, 1000, "USD")])
    answer = the_answer(store, ask(store, workspace(), PERIOD), "channel")
    assert (answer.currency, answer.attributed.value) == ("USD", 1000)


def test_by_sales_channel_needs_a_property_that_says_it(store: Store) -> None:
    definitions = workspace()
    events = tuple(replace(one, properties=one.properties[:1]) for one in definitions.events.events)
    plain = replace(definitions, events=replace(definitions.events, events=events))
    with pytest.raises(UsageError, match="through which sales channel"):
        the_answer(store, ask(store, plain, PERIOD), "sales channel")


def test_the_most_special_window_holds_and_the_rest_falls_back() -> None:
    day = micros(Duration(1, Unit.DAY))
    rule = rule_of(
        Attribution(
            "",
            ("order_placed",),
            windows=(
                LookBack("email", "", Duration(5, Unit.DAY)),
                LookBack("email", "replied", Duration(9, Unit.DAY)),
                LookBack("", "replied", Duration(3, Unit.DAY)),
            ),
        ),
        workspace().events,
    )
    assert [rule.window("email", kind) // day for kind in ("clicked", "replied")] == [5, 9]
    assert [rule.window("sms", kind) // day for kind in ("clicked", "replied", "seen")] == [30, 3, 7]
    assert rule.window("email", "sent") == -1
    whole = rule_of(Attribution("", ("order_placed",), within=Duration(2, Unit.WEEK)), workspace().events)
    assert [whole.window("sms", kind) // day for kind in ("clicked", "seen")] == [14, 14]


def test_without_a_file_every_event_with_revenue_is_a_conversion_but_returns() -> None:
    rule = rule_of(None, workspace().events)
    assert rule.conversions == ("order_placed",)
    assert rule.model == "markov"
    assert Rule.from_json(rule.as_json()) == rule
    shares = rule_of(replace(RULE, position=(Share(3000), Share(2000))), workspace().events)
    assert shares.ends == (0.3, 0.2)
    assert shares.hash != rule.hash


def test_no_event_that_is_worth_anything_is_an_error_with_a_way_out(store: Store) -> None:
    definitions = workspace(None)
    plain = replace(definitions, events=replace(definitions.events, events=()))
    with pytest.raises(UsageError, match="no event says what a conversion is worth"):
        ask(store, plain, PERIOD)


def test_days_are_whole_on_the_workspace_clock() -> None:
    definitions = workspace()
    period = period_of("2027-03-01", "2027-03-31", definitions, date(2027, 5, 1))
    # Stockholm changes to summer time on 28 March.
    assert (period.closes - period.opens) / 3.6e9 == 31 * 24 - 1
    assert period_of(None, None, definitions, date(2027, 5, 1)) == period_of(
        "2027-02-01", "2027-05-01", definitions, date(2027, 6, 1)
    )
    for first, last in (("2027-03-02", "2027-03-01"), ("March", None), ("20270301", None)):
        with pytest.raises(UsageError):
            period_of(first, last, definitions, date(2027, 5, 1))
    for first, last in (("0001-01-01", None), (None, "9999-12-31")):
        with pytest.raises(UsageError, match="is no day"):
            period_of(first, last, definitions, date(2027, 5, 1))
    with pytest.raises(UsageError, match="2027-05-02 is not here yet: today is 2027-05-01"):
        period_of("2027-05-02", None, definitions, date(2027, 5, 1))
    assert period_of("2027-05-01", "2027-05-31", definitions, date(2027, 5, 1)).closes > 0


def test_an_order_of_the_chain_that_names_cannot_have_is_a_sentence(store: Store) -> None:
    touches, orders = draw(1, 20)
    fill(store, touches, orders)
    asked = ask(store, workspace(), PERIOD)
    with pytest.raises(
        UsageError, match="a chain of order 60 over 3 channels has too many states"
    ) as refused:
        asked.answer("channel", ("markov",), tuning=replace(asked.rule.tuning, order=60))
    assert refused.value.what_to_do == "ask for a lower --order"


def test_no_statement_is_made_for_each_customer(store: Store) -> None:
    import sqlalchemy as sa

    touches, orders = draw(1, 80)
    fill(store, touches, orders)
    seen: list[str] = []

    def count(*arguments: object) -> None:
        seen.append(str(arguments[2]))

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        ask(store, workspace(), PERIOD)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)
    assert sum("SELECT" in one for one in seen) <= 6
    assert np.asarray(touches, dtype=object).size > 80


def test_an_order_matched_back_to_somebody_has_credit_and_is_unmatched_no_more(store: Store) -> None:
    at = OPENS + DAY
    fill(store, [Touch(1, "search", "visited", at - DAY)], [Order(None, at, 700, key="guest")])
    definitions = workspace()
    with store.durable("test") as connection:
        event = connection.scalar(people.events.select().with_only_columns(people.events.c.id))
        connection.execute(
            answers.conversions.insert().values(
                goal="order_placed",
                goal_version=conversion_versions(definitions)["order_placed"],
                event_id=event,
                customer_id=1,
                at=to_micros(at),
                amount=700,
                currency="EUR",
            )
        )
    asked = ask(store, definitions, PERIOD)
    answer = the_answer(store, asked, "channel")
    assert (answer.attributed.value, answer.unmatched.count) == (700, 0)
    path = path_of(asked, find_conversion(store, ("order_placed",), "guest"), "channel")
    assert (path.customer, len(path.steps)) == ("c1", 1)
