"""What was spent in a period: messages by what providers say or by the price of their channel, `costs:` of campaigns, ads.

Amounts are added up in millionths of the minor unit of one currency: single text messages cost fractions of a cent.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Self
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from tidings.clock import from_micros, local_day, local_midnight, to_micros
from tidings.definitions.money import exponent
from tidings.definitions.values import MILLION
from tidings.definitions.workspace import Definitions
from tidings.measurement.attribution.models import DAY
from tidings.measurement.rates import RATES_FILE, Rates
from tidings.store.tables import money, sending

_messages, _runs, _receipts, _costs, _plans = (
    sending.messages,
    sending.runs,
    sending.receipts,
    money.costs,
    sending.plans,
)
# What a provider took is paid for; what is in doubt may have to be.
PAID = ("accepted", "delivered", "bounced", "complained", "unconfirmed", "in_doubt")
MESSAGES, FIXED, ADS = "messages", "fixed", "ads"


@dataclass(frozen=True, slots=True)
class Spent:
    """One amount, in millionths of the minor unit; `campaign` and `channel` None where it is for none that is known."""

    what: str
    campaign: str | None
    channel: str | None
    amount: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class Spending:
    """All that was spent in a period, in one currency; `unpriced` are messages by campaign and channel without a price.

    `other` are amounts of campaigns and channels in currencies that no rate leads from: not in `spent`.
    """

    currency: str
    spent: tuple[Spent, ...] = ()
    unpriced: Mapping[tuple[str, str], int] = field(default_factory=dict)
    messages: Mapping[tuple[str, str], int] = field(default_factory=dict)
    other: tuple[tuple[Spent, str], ...] = ()
    words: tuple[str, ...] = ()

    def under_names_of(self, touches: Container[str]) -> Self:
        """Return the same with what was paid under a name of none of our campaigns as cost of the touches of that name."""

        def named(one: Spent) -> Spent:
            ours = one.campaign is None and one.label in touches
            return replace(one, campaign=one.label, label="") if ours else one

        spent = tuple(named(one) for one in self.spent)
        return replace(self, spent=spent, other=tuple((named(one), paid_in) for one, paid_in in self.other))

    def of(self, by: str, name: str) -> list[Spent]:
        """Return what was spent for a campaign, or on a channel."""
        return [one for one in self.spent if (one.campaign if by == "campaign" else one.channel) == name]

    def names(self, by: str) -> set[str]:
        """Return the campaigns, or the channels, that something was spent for or sent by."""
        found = {one.campaign if by == "campaign" else one.channel for one in self.spent}
        found |= {one.campaign if by == "campaign" else one.channel for one, _ in self.other}
        place = 0 if by == "campaign" else 1
        return {name for name in found if name is not None} | {pair[place] for pair in self.messages}


@dataclass(frozen=True, slots=True)
class _Bill:
    """An amount in a currency on a day, before it is counted in the one currency."""

    spent: Spent
    currency: str
    at: int


def find_spending(
    connection: sa.Connection,
    definitions: Definitions,
    rates: Rates,
    currency: str,
    *,
    opens: int,
    closes: int,
) -> Spending:
    """Return what was spent in [opens, closes), counted in one currency; fixed costs with each run that begins in it."""
    bills = _fixed(connection, definitions, opens, closes)
    zone = ZoneInfo(definitions.workspace.zone)
    bills += _ads(connection, zone, opens, closes)
    sent, unpriced, counts = _sent(connection, definitions, opens, closes)
    bills += sent
    spent: list[Spent] = []
    other: list[tuple[Spent, str]] = []
    for bill in bills:
        amounts = rates.convert(np.array([bill.spent.amount]), np.array([bill.at]), bill.currency, currency)
        if amounts is None:
            other.append((bill.spent, bill.currency))
        else:
            one = bill.spent
            spent.append(Spent(one.what, one.campaign, one.channel, int(amounts[0]), one.label))
    words = []
    if other:
        names = ", ".join(sorted({paid_in for _, paid_in in other}))
        words.append(
            f"Some costs are in {names}, and {RATES_FILE} has no rate to {currency} for every day of them: they are not "
            "added up, and what they belong to has no cost below."
        )
    return Spending(currency, tuple(spent), unpriced, counts, tuple(other), tuple(words))


def _fixed(connection: sa.Connection, definitions: Definitions, opens: int, closes: int) -> list[_Bill]:
    rows = connection.execute(
        sa.select(_runs.c.campaign, _runs.c.anchor_at, _plans.c.summary)
        .select_from(_runs.outerjoin(_plans, _plans.c.id == _runs.c.plan_id))
        .where(_runs.c.kind == "campaign", _runs.c.anchor_at >= opens, _runs.c.anchor_at < closes)
    )
    bills = []
    for name, at, summary in rows:
        # As it was approved; where no plan says it, as the file says it now.
        costs = (summary or {}).get("fixed_costs")
        if costs is None:
            campaign = definitions.campaigns.get(name)
            costs = [(what, cost.minor, cost.currency) for what, cost in campaign.costs] if campaign else []
        bills += [
            _Bill(Spent(FIXED, name, None, int(cost) * MILLION, str(what)), str(paid_in), at)
            for what, cost, paid_in in costs
        ]
    return bills


def _ads(connection: sa.Connection, zone: ZoneInfo, opens: int, closes: int) -> list[_Bill]:
    first = local_day(from_micros(opens), zone)
    last = local_day(from_micros(closes - 1), zone)
    label = sa.case((_costs.c.campaign.is_(None), sa.func.coalesce(_costs.c.label, "")), else_="")
    groups = (_costs.c.day, _costs.c.campaign, _costs.c.medium, label, _costs.c.currency)
    rows = connection.execute(
        sa.select(*groups, sa.cast(sa.func.sum(_costs.c.amount), sa.BigInteger))
        .where(_costs.c.day >= first.isoformat(), _costs.c.day <= last.isoformat())
        .group_by(*groups)
    )
    return [
        _Bill(
            Spent(ADS, campaign, medium or None, amount * MILLION, called),
            paid_in,
            to_micros(local_midnight(date.fromisoformat(day), zone)),
        )
        for day, campaign, medium, called, paid_in, amount in rows
    ]


def _sent(
    connection: sa.Connection, definitions: Definitions, opens: int, closes: int
) -> tuple[list[_Bill], dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    """Return what messages cost, and by campaign and kind of channel how many had no price, and how many there were."""
    at = sa.func.coalesce(_messages.c.accepted_at, _messages.c.started_at, _messages.c.due_at)
    paid = (_messages.c.state.in_(PAID), at >= opens, at < closes)
    exact = sa.cast(_receipts.c.raw["cost"].as_string(), sa.Double)
    # Receipts of one part may each repeat its price; parts of one message are added up.
    parts = (
        sa.select(
            _receipts.c.message_id,
            sa.func.max(exact).label("exact"),
            sa.func.max(_receipts.c.cost).label("rounded"),
            sa.func.max(_receipts.c.currency).label("currency"),
        )
        .where(_receipts.c.cost.is_not(None), _receipts.c.message_id.is_not(None))
        .group_by(_receipts.c.message_id, sa.func.coalesce(_receipts.c.provider_ref, ""))
        .subquery("parts")
    )
    told = (
        sa.select(
            parts.c.message_id,
            sa.func.sum(parts.c.exact).label("exact"),
            sa.func.sum(sa.case((parts.c.exact.is_(None), parts.c.rounded), else_=0)).label("rounded"),
            sa.func.max(parts.c.currency).label("currency"),
        )
        .group_by(parts.c.message_id)
        .subquery("told")
    )
    day = at // sa.literal(DAY, sa.BigInteger)
    groups = (_messages.c.run_id, _messages.c.channel, day, told.c.currency)
    rows = connection.execute(
        sa.select(
            *groups,
            sa.func.count().label("messages"),
            sa.func.count(told.c.message_id).label("told"),
            sa.func.sum(told.c.exact).label("exact"),
            sa.cast(sa.func.sum(told.c.rounded), sa.BigInteger).label("rounded"),
        )
        .select_from(_messages.outerjoin(told, told.c.message_id == _messages.c.id))
        .where(*paid)
        .group_by(*groups)
    ).all()
    runs = {
        row.id: (row.campaign, row.summary or {})
        for row in connection.execute(
            sa.select(_runs.c.id, _runs.c.campaign, _plans.c.summary)
            .select_from(_runs.outerjoin(_plans, _plans.c.id == _runs.c.plan_id))
            .where(_runs.c.id.in_({row.run_id for row in rows}))
        )
    }
    bills: list[_Bill] = []
    unpriced: dict[tuple[str, str], int] = {}
    counts: dict[tuple[str, str], int] = {}
    for run, channel, number, paid_in, messages, told_of, major, minor in rows:
        campaign, summary = runs[run]
        known = definitions.channels.get(channel)
        kind = known.kind if known is not None else channel
        counts[campaign, kind] = counts.get((campaign, kind), 0) + messages
        if told_of:
            scaled = float(major or 0) * 10 ** exponent(paid_in or "") + (minor or 0)
            spent = Spent(MESSAGES, campaign, kind, round(scaled * MILLION))
            bills.append(_Bill(spent, paid_in or definitions.workspace.currency, (number + 1) * DAY - 1))
            continue
        price = known.cost if known is not None else None
        if price is None:
            unpriced[campaign, kind] = unpriced.get((campaign, kind), 0) + messages
            continue
        units = next(
            (float(one["units"]) for one in summary.get("costs", ()) if one["channel"] == channel), 1.0
        )
        spent = Spent(MESSAGES, campaign, kind, round(messages * units * price.millionths))
        bills.append(_Bill(spent, price.currency, (number + 1) * DAY - 1))
    return bills, unpriced, counts
