"""Where something cannot be known there is a sentence, and never a number that is none."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from support.measured import ANCHOR, Enrolled, Happened, enrol, happen
from support.promoted import AFTER_ALL, ORDER, PROMOTION, Planted, order, plant, promoted
from tidings.cli.report import show
from tidings.definitions.kinds.campaign import Campaign, Goal
from tidings.definitions.kinds.rules import Event
from tidings.definitions.values import Duration, Money, Unit
from tidings.definitions.workspace import Definitions
from tidings.measurement.promotions.words import sentences
from tidings.measurement.redemptions import refresh
from tidings.measurement.report import Report, make_report
from tidings.store.database import Store


def reported(store: Store, definitions: Definitions | None = None, as_of: datetime = AFTER_ALL) -> Report:
    """Return the report; what it prints and its JSON hold no number that is none."""
    definitions = definitions or promoted()
    refresh(store, definitions, now=AFTER_ALL)
    report = make_report(store, definitions, "spring", as_of=as_of)
    json.dumps(report.as_json(), allow_nan=False)
    printed = io.StringIO()
    show(report, Console(file=printed, width=80, highlight=False, markup=False))
    text = printed.getvalue()
    assert not any(word in text.split() for word in ("nan", "NaN", "inf", "-inf", "None"))
    assert all(len(line) <= 80 for line in text.splitlines())
    return report


def words(report: Report) -> str:
    assert report.economics is not None
    return " ".join([*sentences(report.economics), *report.economics.notes])


def pair(n: int = 50) -> list[Enrolled]:
    return [Enrolled(one, "treated" if one <= n else "holdout", None) for one in range(1, 2 * n + 1)]


def test_without_a_holdout_costs_and_codes_are_shown_and_no_effect(store: Store) -> None:
    plant(store, 100, 0, Planted())
    report = reported(store)
    assert "Nobody was held out" in words(report)
    assert "codes came back (treated 15)" in words(report)
    assert report.economics is not None
    assert report.economics.earned == ()
    assert report.economics.as_json()["bought_anyway"]["of_redeemers"] is None


def test_where_nobody_was_treated_nothing_is_compared(store: Store) -> None:
    enrol(store, [Enrolled(one, "holdout", None) for one in range(1, 20)])
    happen(store, [order(Enrolled(1, "holdout", None), 3, code=False)])
    assert "cannot be known" in words(reported(store))


def test_where_nobody_bought_there_is_a_sentence(store: Store) -> None:
    enrol(store, pair())
    happen(store, [order(Enrolled(1, "treated", None), -20 * 24, code=False), order(Enrolled(1, "treated", None), 100 * 24, code=False)])  # fmt: skip
    found = words(reported(store))
    assert (
        "No break-even response can be said: nobody bought, so it is not known what an order earns." in found
    )
    assert "Who would have bought anyway cannot be said: nobody bought" in found
    assert "No code came back that counts." in found


def test_where_the_event_was_never_seen_there_is_a_sentence(store: Store) -> None:
    enrol(store, pair())
    report = reported(store)
    assert report.maturity.silent
    assert "nobody bought" in words(report)


def test_where_everybody_has_the_same_value_chance_is_not_judged(store: Store) -> None:
    people = pair()
    enrol(store, people)
    happen(store, [order(one, 5, code=one.arm == "treated") for one in people])
    report = reported(store)
    assert "within each arm everybody has the same value, so chance cannot be judged" in words(report)
    assert report.economics is not None
    assert report.economics.earned[0].profit is not None
    assert report.economics.earned[0].profit.interval is None


def test_amounts_in_several_currencies_are_never_added(store: Store) -> None:
    people = pair()
    enrol(store, people)
    happen(
        store,
        [
            replace(order(one, 5, code=False), currency="SEK" if one.customer % 2 else "EUR")
            for one in people[:20]
        ],
    )
    report = reported(store)
    assert "Amounts of order_placed are in EUR and SEK; different currencies are not added up" in words(
        report
    )
    assert report.economics is not None
    assert report.economics.currency is None
    assert report.economics.earned[0].revenue is None
    assert report.economics.earned[0].orders.total is not None


def test_amounts_all_in_another_currency_than_the_workspace_are_told_in_it(store: Store) -> None:
    people = pair()
    enrol(store, people)
    happen(store, [replace(order(one, 5, code=False), currency="SEK") for one in people[:20]])
    report = reported(store)
    assert report.economics is not None
    assert report.economics.currency == "SEK"
    assert (
        "Costs in EUR are not added, for config/rates.csv has no rate: everything else is in SEK."
        in words(report)
    )
    assert report.economics.earned[0].profit is None
    assert report.economics.payback is None


def test_costs_in_another_currency_are_converted_where_there_is_a_rate(store: Store, tmp_path: Path) -> None:
    people = pair()
    enrol(store, people)
    happen(store, [replace(order(one, 5, code=False), currency="SEK") for one in people[:20]])
    (tmp_path / "config").mkdir()
    rates = "day,from,to,rate\n2020-01-01,EUR,SEK,10\n"
    (tmp_path / "config" / "rates.csv").write_text(rates, encoding="utf-8")
    fair = promoted(replace(PROMOTION, costs=(("fair", Money(50_000, "EUR")),)))
    report = reported(store, replace(fair, root=str(tmp_path)))
    assert report.economics is not None
    assert "Costs in EUR" not in " ".join(words(report))
    assert report.economics.earned[0].profit is not None
    assert report.economics.spent.currency == "SEK"
    assert dict(report.economics.spent.fixed) == {"fair": 500_000}


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (replace(ORDER, margin=None), "declares no margin for order_placed, so only revenue is shown"),
        (replace(ORDER, revenue=None, margin=None), "declares no revenue for order_placed"),
    ],
)
def test_without_a_declared_margin_or_revenue_it_says_so(store: Store, event: Event, sentence: str) -> None:
    plant(store, 100, 50, Planted())
    assert PROMOTION.goal is not None
    campaign = replace(PROMOTION, goal=replace(PROMOTION.goal, worth=None))
    report = reported(store, promoted(campaign, event))
    assert sentence in words(report)
    assert report.economics is not None
    (one,) = report.economics.earned
    assert one.profit is None
    assert (one.revenue is not None) == (event.revenue is not None)
    assert report.economics.break_even is None


def test_an_order_that_earns_nothing_after_discounts_has_no_break_even(store: Store) -> None:
    people = pair()
    enrol(store, people)
    sold = [order(one, 5, code=True) for one in people[:20]]
    for one in sold:
        one.properties["profit"] = -100
    happen(store, sold)
    report = reported(store)
    assert "an order earned nothing after discounts, so no response would pay for it" in words(report)
    assert report.economics is not None
    assert report.economics.earned[0].profit is not None
    assert report.economics.earned[0].profit.total < 0


def test_a_cost_that_no_response_pays_is_said(store: Store) -> None:
    plant(store, 100, 50, Planted())
    dear = replace(PROMOTION, costs=(("fair", Money(10_000_000, "EUR")),))
    assert (
        "even if every customer had bought, it would not have paid for itself"
        in words(reported(store, promoted(dear))).lower()
    )


def test_a_goal_that_only_messages_can_have_earns_nothing_that_is_known(store: Store) -> None:
    enrol(store, pair())
    clicked: Campaign = replace(PROMOTION, goal=Goal("clicked", Duration(7, Unit.DAY)))
    assert "No goal of it is something that customers do" in words(reported(store, promoted(clicked)))


def test_before_it_began_there_is_nothing_and_at_its_first_minute_hardly_more(store: Store) -> None:
    plant(store, 100, 50, Planted())
    assert reported(store, as_of=ANCHOR - timedelta(days=30)).economics is None
    assert "known on 2027-04-17" in words(reported(store, as_of=ANCHOR + timedelta(minutes=1)))


def test_messages_that_got_no_code_of_an_exhausted_pool_are_named_and_the_rest_is_counted(
    store: Store,
) -> None:
    from support.measured import send
    from tidings.store.tables import sending

    people = pair()
    run_id = enrol(store, people)
    send(store, run_id, lambda place: "refused" if place >= 30 else "accepted")
    with store.durable("seed") as connection:
        connection.execute(
            sending.messages.update()
            .where(sending.messages.c.state == "refused")
            .values(refusal_code="offer_exhausted")
        )
    happen(store, [order(one, 5, code=True) for one in people[:10]])
    report = reported(store)
    assert "20 got no message because no code was left or the offer was over (offer_exhausted)" in words(
        report
    )
    assert report.economics is not None
    assert report.economics.earned[0].customers == 50


def test_orders_without_a_margin_count_as_nothing_and_are_named(store: Store) -> None:
    people = pair()
    enrol(store, people)
    silent = [Happened(one.customer, "order_placed", ANCHOR, 1_000) for one in people[:7]]
    happen(store, [*silent, order(people[7], 5, code=False)])
    report = reported(store)
    assert report.economics is not None
    assert report.economics.worth == "margin"
    assert "7 orders say no margin and count as if they earned nothing." in words(report)


def test_where_no_order_says_a_margin_there_is_no_profit_and_no_loss(store: Store) -> None:
    people = pair()
    enrol(store, people)
    happen(store, [Happened(one.customer, "order_placed", ANCHOR, 1_000) for one in people[:7]])
    report = reported(store)
    told = report.economics
    assert told is not None
    assert told.worth == "revenue"
    assert told.earned[0].gain is None and told.earned[0].profit is None and told.break_even is None
    assert "No order_placed of these customers says its margin (profit)" in words(report)
