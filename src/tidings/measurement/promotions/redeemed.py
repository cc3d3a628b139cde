"""Codes of a run that came back: how many, from whom, and what they took off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa

from tidings.campaigns.steps import send_steps
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.offer import Offer
from tidings.definitions.money import from_minor
from tidings.definitions.workspace import Definitions
from tidings.measurement.arms import ReportedRun
from tidings.measurement.metrics import COUNTED, HOLDOUT
from tidings.measurement.promotions.orders import Floats, integers
from tidings.statistics.credit import Integers
from tidings.store.tables import money, sending

_redemptions, _messages, _enrolments = money.redemptions, sending.messages, sending.enrolments
_TREATED, _HELD_OUT, _OTHERS = "treated", "holdout", "others"


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What came back of the offers of a run. Money in minor units of `currency`.

    `good` counts by who redeemed: treated, holdout (the code got about) or others; `not_counted` by why. `events` are the
    orders that came with a good code, ascending, `costs` what each such redemption costs beside its discount. `discounts`
    are by who, of the good ones; None where no event declares what a code takes off.
    """

    good: Mapping[str, int]
    not_counted: Mapping[str, int]
    discounts: Mapping[str, int] | None
    currency: str | None
    events: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    costs: Floats = field(default_factory=lambda: np.zeros(0))
    notes: tuple[str, ...] = ()

    @property
    def made(self) -> int:
        """Return how many count."""
        return sum(self.good.values())

    def cost_of(self, events: Integers) -> Floats:
        """Return what the redemption that came with each order costs beside the discount; 0 for orders without."""
        if not len(self.events):
            return np.zeros(len(events))
        place = np.minimum(np.searchsorted(self.events, events), len(self.events) - 1)
        found: Floats = np.where(self.events[place] == events, self.costs[place], 0.0)
        return found

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys, money in major units."""
        told = self.discounts is not None and self.currency is not None
        return {
            "made": self.made,
            "by": dict(self.good),
            "not_counted": dict(self.not_counted),
            "discount": {
                who: float(from_minor(amount, self.currency or ""))
                for who, amount in (self.discounts or {}).items()
            }
            if told
            else None,
            "currency": self.currency if told else None,
        }


def offers_of(definitions: Definitions, campaign: Campaign) -> dict[str, Offer]:
    """Return the offers of a campaign, or of the steps of a flow, by the names under which they are promised."""
    flow = definitions.flows.get(campaign.id)
    if flow is None:
        return {campaign.id: campaign.offer} if campaign.offer else {}
    return {f"{flow.id}.{step.name}": step.offer for step in send_steps(flow) if step.offer}


def redeemed(
    connection: sa.Connection,
    definitions: Definitions,
    offers: Mapping[str, Offer],
    *,
    run: ReportedRun,
    opens: int,
    closes: int,
    as_of: int,
    currency: str | None,
) -> Redeemed:
    """Return what came back by `as_of` of the codes that messages of the run showed.

    A shared code that came from somebody who was promised nothing belongs to the run when it came in [opens, closes).
    """
    table = _redemptions
    arm = (
        sa.select(sa.case((_enrolments.c.arm == HOLDOUT, 1), else_=0))
        .where(_enrolments.c.run_id == run.id, _enrolments.c.customer_id == table.c.customer_id, COUNTED)
        .limit(1)
        .scalar_subquery()
    )
    told = any(one.discount for one in definitions.events.events if one.code)
    good_ones = table.c.judged == "good"
    mine = (
        table.c.offer.in_(list(offers)),
        table.c.at < as_of,
        sa.or_(
            _messages.c.run_id == run.id,
            sa.and_(table.c.message_id.is_(None), table.c.at >= opens, table.c.at < closes),
        ),
    )
    source = table.outerjoin(_messages, _messages.c.id == table.c.message_id)
    each = sa.select(table.c.judged, table.c.currency, table.c.discount, arm.label("arm")).select_from(source)
    one = each.where(*mine).subquery("one")
    rows = connection.execute(
        sa.select(
            one.c.judged,
            one.c.currency,
            one.c.arm,
            sa.func.count(),
            sa.cast(sa.func.sum(sa.func.abs(one.c.discount)), sa.BigInteger),
        ).group_by(one.c.judged, one.c.currency, one.c.arm)
    ).all()
    # What the API redeemed may say what it took off, whatever events declare.
    told = told or any(row[4] is not None for row in rows)
    good = dict.fromkeys((_TREATED, _HELD_OUT, _OTHERS), 0)
    discounts = dict(good)
    not_counted: dict[str, int] = {}
    others = set[str]()
    for judged, of, place, number, discount in rows:
        if judged != "good":
            not_counted[judged] = not_counted.get(judged, 0) + int(number)
            continue
        who = _OTHERS if place is None else _HELD_OUT if place else _TREATED
        good[who] += int(number)
        if discount is None:
            continue
        currency = currency or of
        if of == currency:
            discounts[who] += int(discount)
        else:
            others.add(of)
    prices = [one.cost.minor if one.cost and one.cost.currency == currency else 0 for one in offers.values()]
    others |= {one.cost.currency for one in offers.values() if one.cost and one.cost.currency != currency}
    notes = [
        f"Discounts and coupons in {one} are not added: everything else is in {currency}."
        for one in sorted(others)
    ]
    named = sa.case({name: place for place, name in enumerate(offers)}, value=table.c.offer, else_=0)
    came = integers(
        connection,
        sa.select(table.c.event_id, named)
        .select_from(source)
        .where(*mine, good_ones, table.c.event_id.is_not(None))
        .order_by(table.c.event_id),
    )
    return Redeemed(
        good,
        dict(sorted(not_counted.items())),
        discounts if told else None,
        currency,
        came[:, 0],
        np.array(prices, dtype=float)[came[:, 1]],
        tuple(notes),
    )
