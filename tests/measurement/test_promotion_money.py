"""What a promotion earned equals the plain sums of the same people and orders, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

from support.measured import ANCHOR, Enrolled, Happened, enrol, happen, send
from support.promoted import (
    AFTER_ALL,
    MARGIN,
    ORDER,
    PRICE,
    PROMOTION,
    RETURN,
    SAVED,
    Planted,
    order,
    plant,
    promoted,
)
from tidings.definitions.kinds.campaign import Campaign, Variant
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.offer import Offer
from tidings.definitions.values import Money, Price
from tidings.definitions.workspace import Definitions
from tidings.measurement.promotions.result import Economics
from tidings.measurement.redemptions import refresh
from tidings.measurement.report import make_report
from tidings.store.database import Store

DAY = timedelta(days=1)


def told(store: Store, definitions: Definitions, as_of: object = AFTER_ALL) -> Economics:
    """Return what the report says of the promotion."""
    refresh(store, definitions, now=AFTER_ALL)
    found = make_report(store, definitions, "spring", as_of=as_of).economics  # type: ignore[arg-type]
    assert found is not None
    return found


def test_revenue_margin_and_profit_are_what_was_planted(store: Store) -> None:
    plant(store, 400, 100, Planted(anyway=0.10, because=0.05))
    found = told(store, promoted())
    (one,) = found.earned
    # 40 of 400 buy anyway and 20 because of it, all with the code; of 100 held out 10 buy at the full price.
    assert (one.arm, one.customers, found.currency, found.worth) == ("treated", 400, "EUR", "margin")
    assert one.orders.total is not None
    assert one.orders.total[0] == pytest.approx(60 - 40)
    assert one.revenue is not None
    assert one.revenue.total is not None
    assert one.revenue.total[0] == pytest.approx((60 * (PRICE - SAVED) - 40 * PRICE) / 100)
    assert one.gain is not None
    assert one.gain.total is not None
    gained = (60 * (MARGIN - SAVED) - 40 * MARGIN) / 100
    assert one.gain.total[0] == pytest.approx(gained)
    assert one.profit is not None
    assert (one.cost, one.profit.total) == (400.0, pytest.approx(gained - 400))
    assert one.profit.per_customer == pytest.approx((gained - 400) / 400)


def test_the_interval_of_profit_is_that_of_welch_less_the_cost(store: Store) -> None:
    plant(store, 300, 100, Planted(anyway=0.10, because=0.05))
    (one,) = told(store, promoted()).earned
    sent = np.r_[np.full(45, (MARGIN - SAVED) / 100), np.zeros(255)]
    held = np.r_[np.full(10, MARGIN / 100), np.zeros(90)]
    limits = stats.ttest_ind(sent, held, equal_var=False).confidence_interval()
    assert one.profit is not None
    assert one.profit.interval == pytest.approx((limits.low * 300 - 400, limits.high * 300 - 400))
    away = stats.ttest_ind(sent - 400 / 300, held, equal_var=False, alternative="less")
    assert one.profit.p_loss == pytest.approx(away.pvalue)
    assert one.profit.p_gain == pytest.approx(1 - away.pvalue)
    assert one.on_cost is not None
    assert one.on_cost[0] == pytest.approx(one.profit.total / 400)


def test_amounts_before_the_discount_give_the_same_as_those_after_it(store: Store) -> None:
    people = [Enrolled(one, "treated" if one <= 300 else "holdout", None) for one in range(1, 401)]
    enrol(store, people)
    happened = [order(one, 5, code=True) for one in people[:60]] + [
        order(one, 5, code=False) for one in people[300:310]
    ]
    after = [replace(one) for one in happened]
    for one in happened:
        one.amount = PRICE
        one.properties["profit"] = MARGIN
    happen(store, happened)
    before = told(store, promoted(order=replace(ORDER, before_discount=True))).earned[0]
    paid = [(one.amount, one.properties.get("saved", 0)) for one in after]
    assert before.revenue is not None
    assert before.revenue.total is not None
    assert before.revenue.total[0] == pytest.approx((60 * (PRICE - SAVED) - 30 * PRICE) / 100)
    assert before.gain is not None
    assert before.gain.total is not None
    assert before.gain.total[0] == pytest.approx((60 * (MARGIN - SAVED) - 30 * MARGIN) / 100)
    assert sum(amount for amount, _ in paid if amount) == 60 * (PRICE - SAVED) + 10 * PRICE


@pytest.mark.parametrize("sign", [1, -1])
def test_returns_take_their_own_margin_off_or_the_usual_part_of_their_amount(store: Store, sign: int) -> None:
    people = [Enrolled(one, "treated" if one <= 200 else "holdout", None) for one in range(1, 401)]
    enrol(store, people)
    bought = [order(one, 5, code=False) for one in people[:50]] + [
        order(one, 5, code=False) for one in people[200:220]
    ]
    gone = [
        Happened(
            one.customer, "order_returned", ANCHOR + 2 * DAY, sign * PRICE, "EUR", {"profit": sign * 3_000}
        )
        for one in people[:10]
    ]
    happen(store, bought + gone)
    usual = told(store, promoted())
    (one,) = usual.earned
    assert one.revenue is not None
    assert one.revenue.total is not None
    assert one.revenue.total[0] == pytest.approx((50 - 10 - 20) * 100)
    assert one.gain is not None
    assert one.gain.total is not None
    assert one.gain.total[0] == pytest.approx((50 - 10 - 20) * 40)
    assert any("10 returns say no margin" in words for words in usual.notes)
    own = replace(RETURN, properties=(*RETURN.properties, ORDER.properties[1]), margin="profit")
    (exact,) = told(store, promoted(back=own)).earned
    assert exact.gain is not None
    assert exact.gain.total is not None
    assert exact.gain.total[0] == pytest.approx((50 - 20) * 40 - 10 * 30)


def test_each_redemption_costs_what_the_offer_says(store: Store) -> None:
    plant(store, 200, 100, Planted(anyway=0.10, because=0.05, with_code=0.5))
    present = replace(PROMOTION, offer=Offer("a trowel", code="SPRING15", cost=Money(250, "EUR")))
    without, with_cost = told(store, promoted()).earned[0], told(store, promoted(present)).earned[0]
    assert without.gain is not None
    assert without.gain.total is not None
    assert with_cost.gain is not None
    assert with_cost.gain.total is not None
    # 10 of those who would buy anyway and the 10 who buy because of it redeem.
    assert without.gain.total[0] - with_cost.gain.total[0] == pytest.approx(20 * 2.50)


def test_messages_cost_what_was_handed_over_at_the_price_of_the_channel(store: Store) -> None:
    variants = (Variant("warm"), Variant("direct"))
    people = [
        Enrolled(
            one, "treated" if one <= 60 else "holdout", ("warm", "direct")[one % 2] if one <= 60 else None
        )
        for one in range(1, 101)
    ]
    run_id = enrol(store, people)
    send(store, run_id, lambda place: "refused" if place < 10 else "accepted")
    happen(store, [order(one, 5, code=False) for one in people[:20]])
    campaign = replace(PROMOTION, variants=variants, costs=(("artwork", Money(6_000, "EUR")),))
    definitions = promoted(campaign)
    paid = Channel("email", "E-mail", "channels/email.yaml", "email", "outbox", cost=Money(20, "EUR"))
    found = told(store, replace(definitions, channels={"email": paid}))
    assert found.spent is not None
    assert (found.spent.messages, found.spent.for_messages, found.spent.declared) == (50, 1_000, 6_000)
    everybody, *each = found.earned
    assert (everybody.arm, everybody.cost) == ("treated", pytest.approx(70.0))
    assert {one.arm: one.cost for one in each} == {"warm": pytest.approx(35.0), "direct": pytest.approx(35.0)}
    cheap = replace(paid, cost=Price(1_740_000, "EUR"))
    parts = told(store, replace(definitions, channels={"email": cheap})).spent
    assert parts is not None
    assert parts.for_messages == 2 * round(25 * 1.74), "43.5 cents for each of two variants"
    free = told(store, definitions)
    assert any("channels/email.yaml names no cost" in words for words in free.notes)


def test_where_accounts_were_drawn_sums_are_those_of_customers_and_intervals_those_of_the_report(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlalchemy as sa

    from tidings.measurement import arms as measured_arms
    from tidings.store.tables import people as tables

    plant(store, 120, 60, Planted(anyway=0.2, because=0.1, later=0.0))
    with store.durable("seed") as connection:
        number = (tables.customers.c.id + 2) // 3
        connection.execute(sa.update(tables.customers).values(account="a" + sa.cast(number, sa.Text)))
    found = measured_arms.find_run

    def by_account(*args: object, **more: object) -> object:
        run = found(*args, **more)  # type: ignore[arg-type]
        return None if run is None else replace(run, accounts=True)

    monkeypatch.setattr("tidings.measurement.report.find_run", by_account)
    definitions = promoted(replace(PROMOTION, goal=replace(PROMOTION.goal, worth="revenue")))  # type: ignore[type-var]
    refresh(store, definitions, now=AFTER_ALL)
    report = make_report(store, definitions, "spring", as_of=AFTER_ALL)
    assert report.economics is not None
    mine = report.economics.earned[0].revenue
    theirs = next(one for one in report.effects if one.metric.name == "revenue")
    assert mine is not None
    assert mine.accounts == theirs.accounts == 40
    assert mine.difference.interval == pytest.approx(theirs.difference.interval)
    assert report.economics.payback is not None
    assert report.economics.payback.days[-1][1] == pytest.approx(report.economics.earned[0].gain.total[0])  # type: ignore[union-attr,index]


def test_what_was_known_before_narrows_the_interval(store: Store) -> None:
    people = [Enrolled(one, "treated" if one <= 300 else "holdout", None) for one in range(1, 601)]
    enrol(store, people)
    dice = np.random.default_rng(4)
    happened: list[Happened] = []
    for one in people:
        size = float(dice.gamma(2.0, 50.0))
        for after in (-6, 6):
            amount = round(size * 100 * dice.uniform(0.8, 1.2))
            happened.append(
                Happened(
                    one.customer, "order_placed", ANCHOR + after * DAY, amount, "EUR", {"profit": amount // 2}
                )
            )
    happen(store, happened)
    (one_arm,) = told(store, promoted()).earned
    assert one_arm.profit is not None
    assert one_arm.adjusted is not None
    assert one_arm.profit.interval is not None
    assert one_arm.adjusted.interval is not None
    raw = one_arm.profit.interval[1] - one_arm.profit.interval[0]
    assert one_arm.adjusted.interval[1] - one_arm.adjusted.interval[0] < raw / 2


def test_a_goal_with_properties_counts_only_orders_that_have_them(store: Store) -> None:
    from tidings.definitions.values import Is

    people = [Enrolled(one, "treated" if one <= 50 else "holdout", None) for one in range(1, 101)]
    enrol(store, people)
    happened = [order(one, 5, code=False) for one in people[:30]]
    for place, one in enumerate(happened):
        one.properties["category"] = "garden" if place < 20 else "tools"
    happen(store, happened)
    assert PROMOTION.goal is not None
    campaign: Campaign = replace(PROMOTION, goal=replace(PROMOTION.goal, with_=(("category", Is("garden")),)))
    (one_arm,) = told(store, promoted(campaign)).earned
    assert one_arm.orders.total is not None
    assert one_arm.orders.total[0] == pytest.approx(20)


@pytest.mark.parametrize("own", [True, False], ids=["own", "usual"])
@pytest.mark.parametrize("told_before", [True, False], ids=["before the discount", "after it"])
def test_the_effect_on_margin_takes_returns_off_as_what_was_earned_does(
    store: Store, own: bool, told_before: bool
) -> None:
    people = [Enrolled(one, "treated" if one <= 200 else "holdout", None) for one in range(1, 401)]
    enrol(store, people)
    bought = [order(one, 5, code=False) for one in people[:50] + people[200:220]]
    # Bought after the window, and at another margin: what is usual is said of these orders too.
    later = [order(one, 20 * 24, code=False) for one in people[230:240]]
    for one in later:
        one.properties["profit"] = 1_000
    # The last two of those who can say it say no margin of their own.
    gone = [
        Happened(one.customer, "order_returned", ANCHOR + 2 * DAY, PRICE, "EUR", said)
        for one, said in zip(people[:10], [{"profit": -3_000}] * 8 + [{}] * 2, strict=True)
    ]
    happen(store, bought + later + gone)
    back = replace(RETURN, properties=(*RETURN.properties, ORDER.properties[1]), margin="profit")
    definitions = promoted(order=replace(ORDER, before_discount=told_before), back=back if own else RETURN)
    report = make_report(store, definitions, "spring", as_of=AFTER_ALL)
    (effect,) = [one for one in report.effects if one.metric.name == "profit"]
    part = (70 * MARGIN + 10 * 1_000) / (80 * PRICE)
    taken = 8 * 30 + 2 * part * 100 if own else 10 * part * 100
    assert effect.mean * 200 == pytest.approx(50 * 40 - taken)
    assert effect.base * 200 == pytest.approx(20 * 40)
    assert report.economics is not None
    (one,) = report.economics.earned
    assert one.gain is not None
    assert one.gain.total is not None
    assert one.gain.total[0] == pytest.approx(50 * 40 - taken - 20 * 40)
    assert not any("whole amount" in words for words in report.economics.notes)
