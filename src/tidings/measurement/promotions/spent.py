"""What a run cost beside the discounts: messages by what receipts and prices say, and what `costs:` names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.money import exponent, from_minor
from tidings.definitions.values import MILLION
from tidings.definitions.workspace import Definitions
from tidings.measurement.arms import ReportedRun
from tidings.measurement.funnel import FunnelRow
from tidings.measurement.metrics import HOLDOUT, TREATED
from tidings.measurement.rates import read_rates
from tidings.store.tables import sending

_messages, _receipts, _plans = sending.messages, sending.receipts, sending.plans
# States in which a message was handed over: it was paid for, whatever became of it.
_HANDED_OVER = ("accepted", "delivered", "bounced", "complained", "unconfirmed", "in_doubt")


@dataclass(frozen=True, slots=True)
class Spent:
    """Money in minor units of `currency`: for messages by arm, and for what was declared, by name.

    `currency` is None where there is no cost at all. `notes` say what is only estimated or has no price.
    """

    messages: int
    by_arm: Mapping[str, int]
    fixed: tuple[tuple[str, int], ...]
    currency: str | None
    other_currencies: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def for_messages(self) -> int:
        """Return what all messages cost."""
        return sum(self.by_arm.values())

    @property
    def declared(self) -> int:
        """Return what `costs:` comes to."""
        return sum(cost for _, cost in self.fixed)

    @property
    def total(self) -> int:
        """Return both together."""
        return self.for_messages + self.declared

    def of(self, members: Sequence[str], share: float) -> float:
        """Return what some arms cost: their messages, and of what is declared their share of the customers."""
        return sum(self.by_arm.get(one, 0) for one in members) + self.declared * share

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys, in major units."""

        def major(minor: int) -> float | None:
            return float(from_minor(minor, self.currency)) if self.currency else None

        return {
            "messages": self.messages,
            "messages_cost": major(self.for_messages),
            "declared": {name: major(cost) for name, cost in self.fixed},
            "total": major(self.total),
            "currency": self.currency,
        }


def spent(
    connection: sa.Connection,
    definitions: Definitions,
    campaign: Campaign,
    *,
    run: ReportedRun,
    currency: str | None,
    funnel: Sequence[FunnelRow] = (),
) -> Spent:
    """Return what the run has cost so far.

    A message costs what its receipts say; else the price of its channel, for as many segments or pages as the plan
    estimated. Messages to staff and to dealers cost as much as others. Costs in another currency than `currency` are
    converted by config/rates.csv, at the rate of the day on which the run began; without one they are named and not added. `funnel` counts the messages of a campaign that goes out by one channel already.
    """
    rows = _handed_over(connection, campaign, run, funnel)
    told = _told(connection, run.id)
    units = _units(connection, run.plan_id)
    by_arm: dict[str, float] = {}
    others, notes, count = set[str](), list[str](), 0
    fixed = []
    rates = read_rates(definitions.root, ZoneInfo(definitions.workspace.zone))

    def counted(amount: int, of: str) -> int | None:
        """Return an amount in the one currency, None where there is no rate, which is noted."""
        assert currency is not None
        found = rates.convert(np.array([amount]), np.array([run.anchor_at]), of, currency)
        if found is None:
            others.add(of)
            return None
        return int(found[0])

    for name, money in campaign.costs:
        currency = currency or money.currency
        if (cost := counted(money.minor, money.currency)) is not None:
            fixed.append((name, cost))
    for channel, variant, messages in rows:
        count += messages
        arm = variant or TREATED
        known, left = told.get((channel, variant), ()), messages
        for amount, number, of in known:
            left -= number
            currency = currency or of
            if (cost := counted(amount, of)) is not None:
                by_arm[arm] = by_arm.get(arm, 0.0) + cost
        declared = definitions.channels.get(channel)
        price = declared.cost if declared is not None else None
        if price is None or left <= 0:
            if left > 0 and not known:
                notes.append(f"channels/{channel}.yaml names no cost, so its messages count as free.")
            continue
        currency = currency or price.currency
        unit = declared.cost_unit if declared is not None else "message"
        whole_price = round(
            price.millionths * left * (units.get(channel, 1.0) if unit != "message" else 1.0) / MILLION
        )
        if (cost := counted(whole_price, price.currency)) is None:
            continue
        by_arm[arm] = by_arm.get(arm, 0.0) + cost
        if unit != "message":
            how = "as the plan estimated them" if channel in units else "each taken for one"
            notes.append(
                f"{channel.capitalize()} is paid by the {unit}: {unit}s {how}, where no receipt tells the cost."
            )
    notes += [
        f"Costs in {other} are not added, for config/rates.csv has no rate: everything else is in {currency}."
        for other in sorted(others)
    ]
    whole = {arm: round(amount) for arm, amount in by_arm.items()}
    return Spent(
        count,
        whole,
        tuple(fixed),
        currency if whole or fixed else None,
        tuple(sorted(others)),
        tuple(dict.fromkeys(notes)),
    )


def _handed_over(
    connection: sa.Connection, campaign: Campaign, run: ReportedRun, funnel: Sequence[FunnelRow]
) -> list[tuple[str, str | None, int]]:
    """Return how many messages were handed over, by channel and variant."""
    if funnel and len(campaign.via) == 1 and not campaign.copies_to:
        (channel,) = campaign.via
        counted = [(row.arm, row.accepted + row.in_doubt) for row in funnel if row.arm != HOLDOUT]
        return [(channel, None if arm == TREATED else arm, count) for arm, count in counted if count]
    handed = sa.or_(*(_messages.c.state == state for state in _HANDED_OVER))
    rows = connection.execute(
        sa.select(_messages.c.channel, _messages.c.variant, sa.func.count())
        .where(_messages.c.run_id == run.id, handed)
        .group_by(_messages.c.channel, _messages.c.variant)
    )
    return [(channel, variant, int(count)) for channel, variant, count in rows]


def _told(connection: sa.Connection, run_id: int) -> dict[tuple[str, str | None], list[tuple[int, int, str]]]:
    """Return, by channel and variant, what receipts tell: the sum, of how many messages, the currency.

    A provider repeats the price with each status; of the parts of a long text each has a receipt of its own. Parts of a cent
    are added up before anything is rounded.
    """
    each = (
        sa.select(
            _receipts.c.message_id,
            _receipts.c.currency,
            sa.func.max(_receipts.c.cost).label("cost"),
            sa.func.max(sa.cast(_receipts.c.raw["cost"].as_string(), sa.Double)).label("exact"),
        )
        .where(_receipts.c.cost.is_not(None), _receipts.c.message_id.is_not(None))
        .group_by(_receipts.c.message_id, _receipts.c.provider_ref, _receipts.c.currency)
        .subquery("each")
    )
    rows = connection.execute(
        sa.select(
            _messages.c.channel,
            _messages.c.variant,
            each.c.currency,
            sa.func.sum(each.c.exact),
            sa.cast(sa.func.sum(sa.case((each.c.exact.is_(None), each.c.cost), else_=0)), sa.BigInteger),
            sa.func.count(each.c.message_id.distinct()),
        )
        .select_from(each.join(_messages, _messages.c.id == each.c.message_id))
        .where(_messages.c.run_id == run_id)
        .group_by(_messages.c.channel, _messages.c.variant, each.c.currency)
    )
    found: dict[tuple[str, str | None], list[tuple[int, int, str]]] = {}
    for channel, variant, currency, exact, rounded, number in rows:
        amount = round(float(exact or 0) * 10 ** exponent(currency or "")) + int(rounded or 0)
        found.setdefault((channel, variant), []).append((amount, int(number), currency or ""))
    return found


def _units(connection: sa.Connection, plan_id: int | None) -> dict[str, float]:
    """Return how many segments or pages a message takes by channel, as the plan of the run estimated it."""
    if plan_id is None:
        return {}
    summary = connection.execute(sa.select(_plans.c.summary).where(_plans.c.id == plan_id)).scalar_one()
    return {one["channel"]: one["units"] for one in (summary or {}).get("costs", ()) if one.get("estimated")}
