"""Asking the store how customers moved: what is read, and the answer with all of its parts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tidings.clock import from_micros, local_day
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.measurement.attribution.asking import SALES_PROPERTY
from tidings.measurement.movement.by_sales import SalesChannel, by_sales
from tidings.measurement.movement.cohorts import Cohorts, Period, cohorts
from tidings.measurement.movement.concentration import Concentration, concentration
from tidings.measurement.movement.ladder import find_standing
from tidings.measurement.movement.moves import Moves, moves_of
from tidings.measurement.movement.purchases import Purchases, Trade, read_purchases, trade_of
from tidings.measurement.movement.rfm import Rfm, rfm
from tidings.measurement.movement.span import Span
from tidings.measurement.movement.sums import Money
from tidings.measurement.rates import read_rates
from tidings.store.database import Store
from tidings.store.tables import people

PARTS = ("ladder", "80-20", "rfm", "cohorts")


@dataclass(frozen=True, slots=True)
class Revenue:
    """Purchases of a time: by known customers gross, what came back, net; and purchases of nobody known beside them."""

    customers: int
    orders: int
    gross: int
    returned: int
    margin: int
    nobody: int
    nobody_amount: int | None

    @property
    def net(self) -> int:
        """What was bought less what came back."""
        return self.gross - self.returned

    def as_json(self, money: Money) -> dict[str, Any]:
        """Return the sums in major units."""
        nobody = self.nobody_amount
        return {
            "customers": self.customers,
            "orders": self.orders,
            "gross": money.major(self.gross),
            "returned": money.major(self.returned),
            "net": money.major(self.net),
            "margin": money.major(self.margin) if money.margin else None,
            "of_nobody_known": {
                "orders": self.nobody,
                "value": None if nobody is None else money.major(nobody),
            },
        }


@dataclass(frozen=True, slots=True)
class Kpi:
    """How customers moved in a time. A part that was not asked for is None.

    `made_up` says that config/goals.yaml has no ladder. `words` is what has to be known about the numbers.
    """

    span: Span
    trade: Trade
    money: Money
    revenue: Revenue
    moves: Moves | None = None
    made_up: bool = False
    concentration: Concentration | None = None
    rfm: Rfm | None = None
    cohorts: Cohorts | None = None
    sales: tuple[SalesChannel, ...] | None = None
    words: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the answer with stable keys; money in major units, shares 0 … 1, instants as ISO text."""
        money = self.money
        found: dict[str, Any] = {
            "period": self.span.as_json(),
            "currency": money.currency or None,
            "purchases": [one.name for one in self.trade.placed],
            "returns": [one.name for one in self.trade.returned],
            "revenue": self.revenue.as_json(money),
        }
        if self.moves is not None:
            found["ladder"] = self.moves.as_json(money) | {"of_workspace": not self.made_up}
        for name, part in (
            ("80_20", self.concentration),
            ("rfm", self.rfm),
            ("cohorts", self.cohorts),
        ):
            if part is not None:
                found[name] = part.as_json(money)
        if self.sales is not None:
            found["sales_channels"] = [one.as_json(money) for one in self.sales]
        return found | {"words": self.words}


def ask(
    store: Store,
    definitions: Definitions,
    span: Span,
    *,
    parts: Collection[str] = PARTS,
    by_channel: bool = False,
    period: Period = "month",
) -> Kpi:
    """Return how customers moved in a time; `parts` are names of PARTS.

    Raises UsageError where nothing says what a purchase is, or movement by sales channel is asked for and no purchase says its own.
    """
    trade = trade_of(definitions)
    if not trade.placed:
        raise UsageError(
            "no event says what a purchase is worth, so customers cannot be followed",
            what_to_do="give an event `revenue:` in config/events.yaml",
        )
    if by_channel and not trade.sales:
        raise UsageError(
            f"no purchase says through which sales channel it came ({trade.names})",
            what_to_do=f"in config/events.yaml, give the event the property `{SALES_PROPERTY}: text`, and import it",
        )
    earlier = span.earlier.opens
    with store.read() as connection:
        purchases = read_purchases(
            connection,
            definitions,
            read_rates(definitions.root, span.zone),
            opens=span.opens,
            closes=span.closes,
            by_sales=by_channel,
            since=earlier if _short(parts, by_channel=by_channel) else None,
        )
        standing = (
            find_standing(connection, definitions, span, trade) if "ladder" in parts or by_channel else None
        )
        words = _first_words(connection, span, purchases)
    during = purchases.during(span.opens, span.closes)
    moves = None
    if standing is not None:
        moves = moves_of(standing, purchases, opens=span.opens, closes=span.closes, earlier=earlier)
        words += [*standing.words, *_of_moves(moves)]
    return Kpi(
        span,
        trade,
        Money(purchases.currency, purchases.margin_known),
        _revenue(purchases, span),
        moves=moves if "ladder" in parts else None,
        made_up=standing is not None and standing.made_up,
        concentration=concentration(purchases, during, "in this time") if "80-20" in parts else None,
        rfm=rfm(purchases, span) if "rfm" in parts else None,
        cohorts=cohorts(purchases, span, period) if "cohorts" in parts else None,
        sales=by_sales(standing, purchases, opens=span.opens, closes=span.closes, earlier=earlier)
        if by_channel and standing is not None
        else None,
        words=words,
    )


def _short(parts: Collection[str], *, by_channel: bool) -> bool:
    """Tell whether the time and the one before it are enough: recency, cohorts and the channel of a customer go back for ever."""
    return not by_channel and set(parts) <= {"ladder", "80-20"}


def _last_purchase(connection: sa.Connection, span: Span, purchases: Purchases) -> int | None:
    """Return the instant of the last purchase of anybody known before the end of a time, None where there is none."""
    if purchases.placed.any():
        return int(purchases.at[purchases.placed].max())
    named = sa.select(people.event_names.c.id).where(
        people.event_names.c.name.in_([one.name for one in purchases.trade.placed])
    )
    events = people.events
    found = connection.execute(
        sa.select(sa.func.max(events.c.occurred_at)).where(
            events.c.name_id.in_(named), events.c.customer_id.is_not(None), events.c.occurred_at < span.closes
        )
    ).scalar()
    return None if found is None else int(found)


def _revenue(purchases: Purchases, span: Span) -> Revenue:
    during = purchases.during(span.opens, span.closes)
    placed = during & purchases.placed
    back = during & ~purchases.placed
    owner = purchases.customer[placed]
    return Revenue(
        customers=int((owner[1:] != owner[:-1]).sum()) + int(owner.size > 0),
        orders=int(placed.sum()),
        gross=int(purchases.amount[placed].sum()),
        returned=-int(purchases.amount[back].sum()),
        margin=int(purchases.margin[during].sum()),
        nobody=purchases.nobody,
        nobody_amount=purchases.nobody_amount,
    )


def _first_words(connection: sa.Connection, span: Span, purchases: Purchases) -> list[str]:
    """Say first of all when there is nothing to look at, then what is to be known about the amounts."""
    said = []
    some = connection.execute(
        sa.select(people.customers.c.id).where(people.customers.c.tombstoned_at.is_(None)).limit(1)
    ).first()
    names = purchases.trade.names
    if some is None:
        said.append("There are no customers in the store yet: import some, and what they did.")
    elif (purchases.placed & purchases.during(span.opens, span.closes)).any():
        pass
    elif (at := _last_purchase(connection, span, purchases)) is None:
        said.append(f"No purchase ({names}) of anybody known is in the store up to the end of this time.")
    else:
        last = local_day(from_micros(at), span.zone)
        said.append(
            f"Nobody who is known bought anything ({names}) in this time; the last purchase before its end is of {last}."
        )
    if not span.over:
        said.append(
            f"This time is not over: it is counted up to {span.end.astimezone(span.zone):%Y-%m-%d %H:%M}."
        )
    return said + purchases.words


def _of_moves(moves: Moves) -> list[str]:
    if moves.known[1] and not moves.start:
        return ["Nobody stood on an active step at the start, so there are no rates."]
    return []
