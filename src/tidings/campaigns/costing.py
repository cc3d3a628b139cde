"""What a plan costs: each channel by its unit, what is fixed, and the most that fallback may add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tidings.campaigns.plan import ChannelCost, LegCount, Plan
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.values import MILLION
from tidings.definitions.workspace import Definitions
from tidings.errors import RefusedByPolicy


@dataclass(frozen=True, slots=True)
class Costs:
    """The money of a plan in minor units; `total` and `most` are None where no price is known or currencies differ."""

    channels: tuple[ChannelCost, ...]
    fixed: tuple[tuple[str, int, str], ...]
    total: int | None
    most: int | None
    currency: str | None


def cost_of(
    campaign: Campaign,
    definitions: Definitions,
    messages: Mapping[str, int],
    legs: tuple[LegCount, ...],
) -> Costs:
    """Return what sending costs before anything was estimated: a segment or page is counted once a message.

    Raises RefusedByPolicy when a budget could not be kept, because a price is in another currency.
    """
    channels = []
    for name in dict.fromkeys([*(leg.channel for leg in legs), *messages]):
        channel = definitions.channels[name]
        if channel.cost is not None:
            price = channel.cost
            channels.append(
                ChannelCost(
                    name, _minor(price.millionths), price.currency, channel.cost_unit, messages.get(name, 0)
                )
            )
    fixed = tuple((name, money.minor, money.currency) for name, money in campaign.costs)
    budget = campaign.budget
    for what, currency, where in [
        *((f"a {one.unit} by {one.channel}", one.currency, f"`cost:` in channels/{one.channel}.yaml") for one in channels),
        *((f"`{name}` under `costs:`", currency, f"it in {campaign.path}") for name, _, currency in fixed),
    ]:  # fmt: skip
        if budget is not None and currency != budget.currency:
            raise RefusedByPolicy(
                f"the budget of {campaign.id} is in {budget.currency} and {what} costs {currency}, "
                "so the budget could not be kept",
                what_to_do=f"write {where} in {budget.currency}",
            )
    return _summed(tuple(channels), fixed, legs)


def with_units(plan: Plan, units: Mapping[str, float]) -> Plan:
    """Return the plan with its cost by estimated segments or pages a message; other channels stay as they are."""
    channels = tuple(
        replace(one, units=units[one.channel], estimated=True)
        if one.channel in units and one.unit != "message"
        else one
        for one in plan.costs
    )
    costs = _summed(channels, plan.fixed_costs, plan.legs)
    return replace(
        plan,
        costs=costs.channels,
        cost=costs.total,
        cost_most=costs.most,
        cost_currency=costs.currency,
        bounds={**plan.bounds, "cost": costs.total},
    )


def spending(plan: Plan) -> dict[str, Any]:
    """Return what a run with a budget is held to while it is sent, for its bounds; empty without a budget.

    `budget` and the `fixed` costs in minor units; `prices` of a message by channel, in millionths of one, with the
    segments or pages that were estimated.
    """
    if plan.budget is None:
        return {}
    return {
        "budget": plan.budget,
        "fixed": sum(cost for _, cost, _ in plan.fixed_costs),
        "prices": {one.channel: round(one.millionths * one.units) for one in plan.costs},
    }


def _minor(millionths: int) -> float:
    """Return millionths as minor units: whole ones as a whole number, as plans have kept them."""
    return millionths // MILLION if millionths % MILLION == 0 else millionths / MILLION


def _summed(
    channels: tuple[ChannelCost, ...], fixed: tuple[tuple[str, int, str], ...], legs: tuple[LegCount, ...]
) -> Costs:
    currencies = {one.currency for one in channels} | {currency for _, _, currency in fixed}
    if len(currencies) != 1:
        return Costs(channels, fixed, None, None, None)
    total = sum(one.cost for one in channels) + sum(cost for _, cost, _ in fixed)
    later = {one.channel: 0 for one in channels}
    for leg in legs:
        if leg.channel in later:
            later[leg.channel] += leg.later
    most = total + sum(one.of(later[one.channel]) for one in channels)
    return Costs(channels, fixed, total, most, currencies.pop())
