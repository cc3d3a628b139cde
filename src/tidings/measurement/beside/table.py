"""The table of effect beside credit, by campaign or by channel, over the same time and the same conversions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import from_micros, iso, to_micros
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.values import MILLION
from tidings.measurement.attribution.answer import BOTH, Answer, both, in_one_currency, major
from tidings.measurement.attribution.asking import Asked
from tidings.measurement.beside.drawn import Drawn, find_drawn
from tidings.measurement.beside.increments import Comparison, Orders
from tidings.measurement.beside.randomised import Arms, Lot, channels_of_arms, one_channel
from tidings.measurement.beside.rows import NO_COST, Row
from tidings.measurement.beside.spending import ADS, Spending, Spent, find_spending
from tidings.measurement.beside.words import row_sentences, table_words
from tidings.measurement.conversions import conversion_versions
from tidings.statistics.means import Difference
from tidings.statistics.summed import times
from tidings.store.database import Store
from tidings.store.tables import answers

NO_RUN = "no run of it here has a window in this time, so nobody was held out"
NOT_RANDOMISED = "not randomised"


@dataclass(frozen=True, slots=True)
class Beside:
    """The rows, the most credit first.

    `model` is the one whose credit it is; `unmatched` is cost of no campaign (no channel) of ours, in minor units by the
    name it goes by.
    """

    by: str
    model: str
    currency: str
    as_of: int
    rows: tuple[Row, ...]
    unmatched: Mapping[str, int]
    words: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the table with stable keys."""
        return {
            "by": self.by,
            "model": self.model,
            "currency": self.currency,
            "as_of": iso(from_micros(self.as_of)),
            "reached_by": self.by == "channel",
            "rows": [row.as_json() for row in self.rows],
            "unmatched_cost": {name: major(cost, self.currency) for name, cost in self.unmatched.items()},
            "words": list(self.words),
        }


def make_beside(store: Store, asked: Asked, answer: Answer, *, now: datetime) -> Beside:
    """Return what stands beside an answer by campaign or by channel; ValueError by anything else.

    Counted is what had happened by `now`, and in the period of the answer alone.
    """
    if answer.by not in ("campaign", "channel"):
        raise ValueError(f"there is no effect by {answer.by}")
    period, definitions = asked.period, asked.definitions
    as_of = min(to_micros(now), period.closes)
    home = definitions.workspace.currency
    amounts, currency, _ = in_one_currency(asked.facts, asked.rates, home)
    with store.read() as connection:
        drawn = find_drawn(connection, definitions, opens=period.opens, closes=period.closes, as_of=as_of)
        touches = _touches(connection, asked, answer.by)
        spending = find_spending(
            connection,
            definitions,
            asked.rates,
            currency or home,
            opens=period.opens,
            closes=period.closes,
        )
        if answer.by == "campaign":
            spending = spending.under_names_of(touches)
        orders = Orders(
            connection,
            asked.facts,
            amounts,
            {
                name: one
                for name, one in conversion_versions(definitions).items()
                if name in asked.rule.conversions
            },
            (period.opens, period.closes),
            as_of,
        )
        table = _Table(asked, answer, drawn, spending, orders, touches)
        rows = table.campaigns() if answer.by == "campaign" else table.channels(connection)
    rows.sort(key=lambda row: (-row.credited, row.name))
    return Beside(
        answer.by,
        table.model,
        spending.currency,
        as_of,
        tuple(rows),
        _unmatched(spending, answer.by),
        (
            *spending.words,
            *_words(rows, spending, definitions.channels, answer.by, over=as_of == period.closes),
        ),
    )


class _Table:
    """What rows are made from."""

    def __init__(
        self,
        asked: Asked,
        answer: Answer,
        drawn: dict[str, Drawn],
        spending: Spending,
        orders: Orders,
        touches: dict[str, int],
    ) -> None:
        self.model = asked.rule.model if asked.rule.model in answer.models else next(iter(answer.models), "")
        self._given, self._priced = answer.models.get(self.model), bool(answer.currency)
        self._asked, self._drawn, self._spending, self._orders = asked, drawn, spending, orders
        self._touches, self._by = touches, answer.by
        self._on_both: dict[str, float] | None = None
        self._names = {
            name for name, credit in (self._given.conversions if self._given else {}).items() if credit
        }
        self._names |= spending.names(answer.by)

    def campaigns(self) -> list[Row]:
        return [self._campaign(name) for name in sorted(self._names | set(self._drawn))]

    def channels(self, connection: sa.Connection) -> list[Row]:
        arms = channels_of_arms(connection, self._asked.definitions, self._drawn)
        return [
            self._channel(name, arms)
            for name in sorted(self._names | {one for found in arms.values() for one in found})
        ]

    def _campaign(self, name: str) -> Row:
        drawn = self._drawn.get(name)
        runs = drawn.runs if drawn else ()
        good = [run for run in runs if not run.reason]
        why = sorted({run.reason for run in runs if run.reason})
        part = ""
        if good and why:
            part = f"{len(runs) - len(good)} of {len(runs)} runs cannot be measured ({'; '.join(why)})"
        comparisons = [Comparison(drawn, run.id) for run in good] if drawn else []
        reason = "" if good else ("; ".join(why) or NO_RUN)
        return self._row(name, comparisons, reason, part, len(runs))

    def _channel(self, name: str, arms: Arms) -> Row:
        lot = one_channel(name, arms, self._drawn)
        runs = {run for (_, run, _), found in arms.items() if name in found}
        outside = sum(lot.outside.values())
        part = ""
        if lot.comparisons and outside:
            part = f"{outside:,} of its messages are of runs that had nobody held out, or other channels too"
        reason = "" if lot.comparisons else NOT_RANDOMISED
        row = self._row(name, list(lot.comparisons), reason, part, len(runs))
        return replace(row, calibrated=self._calibrated(name, row, lot)) if part else row

    def _calibrated(self, name: str, row: Row, lot: Lot) -> Difference | None:
        """Return the credit of a channel scaled to what the campaigns caused that were drawn by lot on it, all of them.

        None where their credit is nothing, or the increment has no limits. That the rest works alike is assumed.
        """
        if not lot.whole or self._given is None:
            return None
        if self._on_both is None:
            self._on_both = self._asked.answer(BOTH, (self.model,)).models[self.model].conversions
        campaigns = {one.drawn.campaign for one in lot.whole}
        credit = sum(self._on_both.get(both(name, campaign), 0.0) for campaign in campaigns)
        if credit <= 0:
            return None
        found = times(self._orders.increment(lot.whole).conversions, row.credited / credit)
        return found if found.interval is not None else None

    def _row(self, name: str, comparisons: list[Comparison], reason: str, part: str, runs: int) -> Row:
        credit = self._given.conversions.get(name, 0.0) if self._given else 0.0
        value = self._given.values.get(name, 0) if self._given and self._priced else None
        increment = self._orders.increment(comparisons) if comparisons else None
        spent, why_not = self._spent(name)
        return Row(
            name=name,
            credited=credit,
            value=value,
            currency=self._spending.currency,
            increment=increment,
            reason=reason,
            runs=runs,
            measured=len({one.run for one in comparisons}),
            part=part,
            open=any(one.of_run.open for one in comparisons),
            spent=spent,
            cost_reason=why_not,
            touches=self._touches.get(name, 0),
        )

    def _spent(self, name: str) -> tuple[tuple[Spent, ...] | None, str]:
        for one, paid_in in self._spending.other:
            if (one.campaign if self._by == "campaign" else one.channel) == name:
                return None, f"some of it is in {paid_in}, and there is no rate"
        spent = tuple(self._spending.of(self._by, name))
        return (spent, "") if spent else (None, NO_COST)


def _touches(connection: sa.Connection, asked: Asked, by: str) -> dict[str, int]:
    """Return how many touches lie in the period, of people known or not, by the names that credit goes by."""
    touches = answers.touches
    name: sa.ColumnElement[str] = touches.c.channel
    if by == "campaign":
        name = sa.func.coalesce(touches.c.campaign, "no campaign (" + touches.c.channel + ")")
    rows = connection.execute(
        sa.select(name, sa.func.count())
        .where(touches.c.at >= asked.period.opens, touches.c.at < asked.period.closes)
        .group_by(name)
    )
    return {called: int(count) for called, count in rows}


def _unmatched(spending: Spending, by: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in spending.spent:
        if (one.campaign if by == "campaign" else one.channel) is None:
            name = one.label or "without a name"
            if by == "channel" and one.campaign:
                name = f"{one.campaign}: {one.label}" if one.label else one.campaign
            found[name] = found.get(name, 0) + one.amount
    return {name: round(amount / MILLION) for name, amount in sorted(found.items(), key=lambda it: -it[1])}


def _words(
    rows: Sequence[Row], spending: Spending, channels: Mapping[str, Channel], by: str, *, over: bool
) -> list[str]:
    unpriced: dict[str, tuple[int, list[str]]] = {}
    for (_, kind), messages in spending.unpriced.items():
        files = [one.path for one in channels.values() if one.kind == kind and one.cost is None]
        unpriced[kind] = (unpriced.get(kind, (0, []))[0] + messages, files)
    said = row_sentences(rows, by) + table_words(rows, unpriced, over=over)
    ads = [row.name for row in rows if row.increment and any(one.what == ADS for one in row.spent or ())]
    if ads and by == "campaign":
        said.append(
            f"The cost of {', '.join(ads)} holds ads, which the held out meet as well: the effect is of messages alone."
        )
    if not rows:
        said.append("Nothing was credited, nothing was spent and nobody was written to in this time.")
    return said
