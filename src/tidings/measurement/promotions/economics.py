"""What a run earned, all of it: effects in money, codes, who would have bought anyway, what was only moved, break-even, payback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from tidings.campaigns.expectations import expectations
from tidings.clock import from_micros, to_micros
from tidings.definitions.kinds.campaign import Campaign, Goal
from tidings.definitions.kinds.rules import Event
from tidings.definitions.money import exponent
from tidings.definitions.workspace import Definitions
from tidings.delivery.offers import EXHAUSTED
from tidings.measurement.accounts import sizes_of
from tidings.measurement.arms import ReportedRun
from tidings.measurement.effects import Effect
from tidings.measurement.funnel import FunnelRow, Refusal
from tidings.measurement.metrics import Arm
from tidings.measurement.promotions.anyway import anyway
from tidings.measurement.promotions.break_even import break_even
from tidings.measurement.promotions.earned import Earned, earned
from tidings.measurement.promotions.orders import Flags, Floats, Orders
from tidings.measurement.promotions.payback import payback
from tidings.measurement.promotions.planned import plan_lines
from tidings.measurement.promotions.pulled import Pulled
from tidings.measurement.promotions.reading import GoalOrders
from tidings.measurement.promotions.redeemed import Redeemed, offers_of, redeemed
from tidings.measurement.promotions.result import MARGIN, REVENUE, Economics
from tidings.measurement.promotions.spans import HORIZONS, Spans
from tidings.measurement.promotions.spent import Spent, spent
from tidings.measurement.promotions.sums import (
    Crowd,
    against_holdout,
    by_customer,
    metric,
    whose_time_has_passed,
)
from tidings.measurement.promotions.when import When


def economics(
    connection: sa.Connection,
    definitions: Definitions,
    campaign: Campaign | None,
    *,
    run: ReportedRun,
    arms: tuple[Arm, ...],
    anchors: Sequence[int],
    as_of: datetime,
    funnel: Sequence[FunnelRow] = (),
    refusals: Sequence[Refusal] = (),
    read: GoalOrders | None,
) -> Economics | None:
    """Return what a run earned by `as_of`, or None for a test run elsewhere or one of a campaign without a file.

    It is about the first goal whose event declares revenue: who counts, the window and the properties asked for are those
    of the goal; amounts are what config/events.yaml names as revenue and margin. `read` are the orders of that goal, None
    where no goal is something that customers do.
    """
    if campaign is None or run.kind == "experiment" or not anchors:
        return None
    if read is None:
        cost = spent(connection, definitions, campaign, run=run, currency=None, funnel=funnel)
        lines = plan_lines(expectations(connection, run.id), _counted(arms, cost), cost.currency)
        note = "No goal of it is something that customers do, so nothing is known of what it earned."
        return Economics(None, None, None, (), cost, None, None, (), None, None, lines, (note, *cost.notes))
    return _Told(
        connection,
        definitions,
        campaign,
        read,
        run,
        arms,
        tuple(anchors),
        as_of,
        tuple(funnel),
        tuple(refusals),
    ).all()


def _event(definitions: Definitions, goal: Goal) -> Event:
    return definitions.events.get(goal.did) or Event(goal.did)


def _counted(arms: tuple[Arm, ...], cost: Spent) -> dict[str, float | None]:
    """Return what a plan says of people and money, as it came."""
    scale = 10.0 ** -exponent(cost.currency) if cost.currency else 1.0
    return {
        "treated": float(sum(arm.customers for arm in arms if not arm.held_out)),
        "held_out": float(sum(arm.customers for arm in arms if arm.held_out)),
        "messages": float(cost.messages),
        "cost": cost.total * scale if not cost.other_currencies else None,
    }


@dataclass(frozen=True, slots=True)
class _Told:
    """One run and its goal, on the way to its economics."""

    connection: sa.Connection
    definitions: Definitions
    campaign: Campaign
    read: GoalOrders
    run: ReportedRun
    arms: tuple[Arm, ...]
    anchors: tuple[int, ...]
    as_of: datetime
    funnel: tuple[FunnelRow, ...]
    refusals: tuple[Refusal, ...]

    def all(self) -> Economics:
        now, zone = to_micros(self.as_of), ZoneInfo(self.definitions.workspace.zone)
        spans, orders = self.read.spans, self.read.orders
        event = _event(self.definitions, self.read.goal)
        sizes = sizes_of(self.connection, self.run.id) if self.run.accounts else None
        crowd = Crowd(self.arms, sizes)
        currency = orders.currency if event.revenue else None
        worth = None if currency is None else MARGIN if event.margin and orders.margin_known else REVENUE
        cost = spent(
            self.connection,
            self.definitions,
            self.campaign,
            run=self.run,
            currency=currency,
            funnel=self.funnel,
        )
        offers = offers_of(self.definitions, self.campaign)
        codes = None
        if offers:
            codes = redeemed(
                self.connection, self.definitions, offers, run=self.run, opens=min(self.anchors),
                closes=spans.last_close, as_of=now, currency=currency or cost.currency,
            )  # fmt: skip
        when = When(orders, spans)
        coupons = codes.cost_of(orders.event) if codes else np.zeros(len(orders.who))
        gains = orders.margin - coupons if worth == MARGIN else orders.revenue
        factor = 10.0 ** -exponent(currency) if currency else 1.0

        within, before = when.within(), when.before()
        buyers = self._effects(
            orders, crowd, "customers who bought", orders.bought, within, before, unit="share"
        )
        count = self._effects(orders, crowd, "orders", orders.bought, within, before, unit="count")
        revenue = gain = None
        if currency:
            revenue = self._effects(orders, crowd, REVENUE, orders.revenue, within, before, currency=currency)
        if worth == MARGIN:
            gain = self._effects(orders, crowd, MARGIN, gains, within, before, currency=currency)
        priced = not cost.other_currencies and cost.currency in (None, currency)
        brought = self._earned(count, revenue, gain, cost, factor, priced=priced, sizes=crowd)
        total = brought[0] if brought else None
        even = back = None
        if total is not None and total.gain is not None and total.profit is not None and total.cost > 0:
            even = break_even(buyers[0], count[0], total.gain, total.profit, cost=total.cost)
        if total is not None and worth == MARGIN and priced and total.cost > 0:
            back = payback(
                orders, crowd, gains, counted=when.after() & (orders.at < now), begins=min(self.anchors),
                until=min(now, spans.last_end(-1)), open_until=spans.last_close, zone=zone, cost=total.cost, factor=factor,
            )  # fmt: skip
        lines = plan_lines(
            expectations(self.connection, self.run.id),
            self._actual(
                orders, crowd, cost, codes, total, within, gains if worth == MARGIN else None, factor
            ),
            currency or cost.currency,
        )
        return Economics(
            goal=self.read.goal,
            worth=worth,
            currency=currency,
            earned=brought,
            spent=cost,
            redeemed=codes,
            anyway=anyway(
                orders,
                crowd,
                within=within,
                with_code=np.isin(orders.event, codes.events) & orders.bought if codes else np.zeros(len(orders.who), dtype=bool),
                factor=factor if currency else 0.0,
            ),
            pulled=self._pulled(orders, crowd, spans, when, gains, currency, now),
            break_even=even,
            payback=back,
            plan=lines,
            notes=self._notes(event, orders, cost, codes, crowd, currency),
            holds_out=crowd.held_out,
        )  # fmt: skip

    def _effects(
        self,
        orders: Orders,
        crowd: Crowd,
        name: str,
        values: Floats | Flags,
        which: Flags,
        before: Flags,
        *,
        unit: str = "money",
        currency: str | None = None,
    ) -> tuple[Effect, ...]:
        """Return the effects on a sum by customer, with the same sum before as what was known."""
        columns = [by_customer(orders, values.astype(float), one) for one in (which, before)]
        if unit == "share":
            columns = [(one > 0).astype(float) for one in columns]
        measured = metric(orders, crowd, name, columns, unit=unit, currency=currency, before=f"{name} before")  # type: ignore[arg-type]
        return against_holdout(measured, crowd)

    def _earned(
        self,
        count: tuple[Effect, ...],
        revenue: tuple[Effect, ...] | None,
        gain: tuple[Effect, ...] | None,
        cost: Spent,
        factor: float,
        *,
        priced: bool,
        sizes: Crowd,
    ) -> tuple[Earned, ...]:
        everybody = sizes.customers(held_out=False)
        names = [arm.name for arm in sizes.treated]
        found = []
        for place, one in enumerate(count):
            members = [one.arm] if one.arm in names else names
            share = one.customers / everybody
            found.append(
                earned(
                    one,
                    revenue[place] if revenue else None,
                    gain[place] if gain else None,
                    cost=cost.of(members, share) * factor,
                    priced=priced,
                )
            )
        return tuple(found)

    def _pulled(
        self,
        orders: Orders,
        crowd: Crowd,
        spans: Spans,
        when: When,
        gains: Floats,
        currency: str | None,
        now: int,
    ) -> tuple[Pulled, ...]:
        found, zone = [], ZoneInfo(self.definitions.workspace.zone)
        for place, days in enumerate(HORIZONS):
            known_on = from_micros(spans.last_end(place)).astimezone(zone)
            some = whose_time_has_passed(self.connection, self.run, crowd, spans, place, now)
            if some is None or not some.held_out:
                found.append(Pulled(days, known_on))
                continue
            over = when.over(place, now)
            later, whole = when.later(place) & over, (when.within() | when.later(place)) & over
            before = when.before() & over
            pulled = Pulled(
                days,
                known_on,
                some.customers(held_out=False),
                some.customers(held_out=True),
                self._effects(orders, some, "orders", orders.bought, later, before, unit="count")[0],
                net_orders=self._effects(orders, some, "orders", orders.bought, whole, before, unit="count")[
                    0
                ],
            )
            if currency:
                declared = _event(self.definitions, self.read.goal).margin
                name = MARGIN if declared and orders.margin_known else REVENUE
                pulled = replace(
                    pulled,
                    money=self._effects(orders, some, name, gains, later, before, currency=currency)[0],
                    net=self._effects(orders, some, name, gains, whole, before, currency=currency)[0],
                )
            found.append(pulled)
        return tuple(found)

    def _actual(
        self,
        orders: Orders,
        crowd: Crowd,
        cost: Spent,
        codes: Redeemed | None,
        total: Earned | None,
        within: Flags,
        gains: Floats | None,
        factor: float,
    ) -> dict[str, float | None]:
        """Return what can stand beside a plan: of those written to, within the window of the goal."""
        held = np.isin(orders.arm, [place for place, arm in enumerate(crowd.arms) if arm.held_out])
        sent, kept = ~held[orders.who], held[orders.who]
        ones = np.ones(len(orders.who))
        buyers = float(np.count_nonzero(by_customer(orders, ones, within & sent & orders.bought)))
        others = float(np.count_nonzero(by_customer(orders, ones, within & kept & orders.bought)))
        found = _counted(self.arms, cost)
        treated, held_out = found["treated"], found["held_out"]
        of_money = total is not None and total.revenue is not None
        return found | {
            "orders": buyers,
            "response": buyers / treated if treated else None,
            "holdout_response": others / held_out if held_out else None,
            "redemptions": float(codes.made) if codes else None,
            "revenue": float(orders.revenue[within & sent].sum()) * factor if orders.currency else None,
            "margin": float(gains[within & sent].sum()) * factor if gains is not None else None,
            "profit": total.profit.total if total and of_money and total.profit else None,
        }

    def _notes(
        self,
        event: Event,
        orders: Orders,
        cost: Spent,
        codes: Redeemed | None,
        crowd: Crowd,
        currency: str | None,
    ) -> tuple[str, ...]:
        found = []
        name = event.name
        if not event.revenue:
            found.append(
                f"config/events.yaml declares no revenue for {name}, so nothing can be said of money; write `revenue:` under it."
            )
        elif currency is None:
            named = " and ".join(orders.currencies)
            found.append(
                f"Amounts of {name} are in {named}; different currencies are not added up, so there is no profit."
            )
        elif not event.margin:
            found.append(
                f"config/events.yaml declares no margin for {name}, so only revenue is shown: no profit, no break-even, no "
                "payback. Write `margin:` under it."
            )
        elif not orders.margin_known:
            found.append(
                f"No {name} of these customers says its margin ({event.margin}), so only revenue is shown: no profit, no break-even, "
                "no payback."
            )
        if event.revenue and event.margin and orders.margin_known and orders.without_margin:
            found.append(
                f"{orders.without_margin:,} orders say no margin and count as if they earned nothing."
            )
        if event.margin and currency and orders.margin_known and orders.returned_without_margin:
            found.append(
                f"{orders.returned_without_margin:,} returns say no margin: each takes off the part of its amount that margin "
                "has of all revenue."
            )
        if currency and event.discount:
            taken = (
                "is taken off revenue and margin here"
                if event.before_discount
                else "is in revenue and margin already"
            )
            found.append(f"The discount ({event.discount}) {taken}.")
        if currency and cost.currency not in (None, currency):
            found.append(f"Costs are in {cost.currency} and amounts in {currency}, so there is no profit.")
        missed = sum(one.customers for one in self.refusals if one.code == EXHAUSTED)
        if missed:
            found.append(
                f"{missed:,} got no message because no code was left or the offer was over ({EXHAUSTED}); they count as treated."
            )
        return (*found, *cost.notes, *(codes.notes if codes else ()))
