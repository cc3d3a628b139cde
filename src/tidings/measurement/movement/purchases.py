"""What customers bought and sent back, read once: one array a column, in one currency, net.

Purchases are the conversions of config/attribution.yaml that are worth something; without that file every event with
`revenue` in config/events.yaml that takes nothing back. Returns are the events that they name under `returns`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from tidings.definitions.kinds.rules import Event
from tidings.definitions.workspace import Definitions
from tidings.measurement.attribution.asking import SALES_PROPERTY
from tidings.measurement.conversions import conversion_versions
from tidings.measurement.movement.few import PLACES, Few, packed, read_with, unpacked
from tidings.measurement.rates import RATES_FILE, Rates
from tidings.segments.properties import property_value
from tidings.store.tables import people

Integers = NDArray[np.int64]
Truths = NDArray[np.bool_]
_events, _names = people.events, people.event_names
# Ids of customers begin with 1.
NOBODY = 0
# What stands for a margin that a purchase does not say, until it is counted: no amount is so low.
_UNSAID = -(2**62)


@dataclass(frozen=True, slots=True)
class Trade:
    """Which events are purchases and which take them back, by name."""

    placed: tuple[Event, ...]
    returned: tuple[Event, ...]

    @property
    def names(self) -> str:
        """The purchases as people read them."""
        return " or ".join(one.name for one in self.placed)

    @property
    def margin(self) -> bool:
        """Tell whether the margin of every purchase is declared."""
        return bool(self.placed) and all(one.margin for one in self.placed)

    @property
    def sales(self) -> bool:
        """Tell whether a purchase says through which sales channel it came."""
        return any(_text(one, SALES_PROPERTY) for one in self.placed)


@dataclass(frozen=True, slots=True)
class Purchases:
    """Purchases and returns of known customers before an instant, sorted by customer and time.

    `amount` and `margin` are minor units of `currency`, less than 0 for what came back; all 0 where amounts of several
    currencies cannot be added up (`currency` is "" then). `margin_known` tells whether margins are declared and any purchase of the
    period says its own; where there was no purchase, that none was earned is known. `sales` is a place in `channels`, which begins with "". Of nobody
    known are `nobody` purchases worth `nobody_amount`.
    """

    trade: Trade
    customer: Integers
    at: Integers
    amount: Integers
    margin: Integers
    placed: Truths
    sales: Integers
    channels: tuple[str, ...]
    currency: str
    nobody: int = 0
    nobody_amount: int | None = 0
    margin_known: bool = False
    words: list[str] = field(default_factory=list)

    def during(self, opens: int, closes: int) -> Truths:
        """Tell which are in [opens, closes)."""
        return (self.at >= opens) & (self.at < closes)


def trade_of(definitions: Definitions) -> Trade:
    """Return what purchases and returns are in a workspace."""
    found = [definitions.events.get(name) for name in conversion_versions(definitions)]
    placed = tuple(one for one in found if one is not None and one.revenue)
    names = dict.fromkeys(one.returns for one in placed if one.returns)
    return Trade(placed, tuple(definitions.events.get(name) or Event(name) for name in names))


def read_purchases(
    connection: sa.Connection,
    definitions: Definitions,
    rates: Rates,
    *,
    opens: int,
    closes: int,
    by_sales: bool = False,
    into: str = "",
    everybody: bool = False,
    since: int | None = None,
) -> Purchases:
    """Return the purchases and returns before `closes`, from `since` on if it is given; margins only of those in [opens, closes).

    Amounts are in the one currency that there is, else in that of the workspace; with `into` always in that one. With `everybody`
    those that name no customer are among them, under NOBODY.

    The JSON of an event, where margin and sales channel stand, is opened only where it is asked for.
    """
    trade = trade_of(definitions)
    ids = {
        str(name): int(number) for number, name in connection.execute(sa.select(_names.c.id, _names.c.name))
    }
    placed = [ids[one.name] for one in trade.placed if one.name in ids]
    returned = [ids[one.name] for one in trade.returned if one.name in ids]
    # Nearly all of them are wanted: read as they stand, not each by the index of names, which is ten times as slow.
    these = [(_events.c.name_id + 0).in_([*placed, *returned] or [-1]), _events.c.occurred_at + 0 < closes]
    if since is not None:
        these.append(_events.c.occurred_at + 0 >= since)
    if not everybody:
        these.append(_events.c.customer_id.is_not(None))
    currency = Few(sa.func.coalesce(_events.c.currency, ""), definitions.workspace.currency)
    # Without one of its own every purchase has the same.
    channel = (
        Few(sa.func.coalesce(property_value(_events.c.properties, SALES_PROPERTY, "text"), ""))
        if by_sales and trade.sales
        else None
    )
    margin, whole_margin = _margin(trade, ids, opens)

    def statement(places: Sequence[sa.ColumnElement[int]]) -> sa.Select[Any]:
        return sa.select(
            sa.func.coalesce(_events.c.customer_id, NOBODY),
            _events.c.occurred_at,
            # A shop writes a return as a positive or as a negative amount; taken off it is in both cases.
            sa.case(
                (_events.c.name_id.in_(returned or [-1]), -sa.func.abs(_events.c.amount)),
                else_=_events.c.amount,
            ),
            packed([sa.case((_events.c.name_id.in_(placed or [-1]), 1), else_=0), *places]),
            *([margin] if trade.margin else []),
        ).where(*these)

    few = [currency, *([channel] if channel else [])]
    rows, missing = read_with(connection, statement, few, these, 5 if trade.margin else 4)
    rows = _unpacked(rows[np.lexsort((rows[:, 1], rows[:, 0]))], channel is not None)
    currencies, channels = currency.known, channel.known if channel else ("",)
    margins, unsaid = _said_margin(rows, rows[:, 1] >= opens, trade) if trade.margin else (False, [])
    money, words = _one_currency(rows, currencies, rates, definitions.workspace.currency, into)
    if missing:
        words.append(f"{missing:,} of them have no amount and count as 0.")
    at = rows[:, 1]
    words += unsaid
    if margins and money:
        words += _net_margin(rows, at >= opens, whole_margin, trade)
    nobody, nobody_amount = _of_nobody(connection, placed, opens, closes, money)
    return Purchases(
        trade,
        customer=rows[:, 0],
        at=at,
        amount=rows[:, 2] if money else np.zeros_like(at),
        margin=rows[:, 3] if money else np.zeros_like(at),
        placed=rows[:, 4] == 1,
        sales=rows[:, 6],
        channels=channels,
        currency=money,
        nobody=nobody,
        nobody_amount=nobody_amount,
        margin_known=margins,
        words=words,
    )


def _text(event: Event, name: str) -> bool:
    declared = event.property(name)
    return declared is not None and declared.type == "text"


def _margin(trade: Trade, ids: dict[str, int], opens: int) -> tuple[sa.ColumnElement[Any], bool]:
    """Return the margin of an event in the period, and whether returns say their own."""
    if not trade.margin:
        return sa.literal(0), False
    whole = bool(trade.returned) and all(one.margin for one in trade.returned)
    cases: list[tuple[sa.ColumnElement[bool], sa.ColumnElement[Any]]] = [
        (_events.c.occurred_at < opens, sa.literal(0))
    ]
    for sign, events in ((1, trade.placed), (-1, trade.returned if whole else ())):
        for one in events:
            if one.name not in ids or one.margin is None:
                continue
            value = (
                _events.c.amount
                if one.margin == one.revenue
                else property_value(_events.c.properties, one.margin, "money")
            )
            said = sa.func.coalesce(value, _UNSAID) if sign > 0 else -sa.func.abs(sa.func.coalesce(value, 0))
            cases.append((_events.c.name_id == ids[one.name], said))
    return sa.case(*cases, else_=0), whole


def _said_margin(rows: Integers, during: Truths, trade: Trade) -> tuple[bool, list[str]]:
    """Count margins that no purchase says as 0, in place; tell whether any is known, and say how many are not."""
    unsaid = rows[:, 3] == _UNSAID
    rows[unsaid, 3] = 0
    missing, bought = int(unsaid.sum()), int((during & (rows[:, 4] == 1)).sum())
    if not missing:
        return True, []
    if missing == bought:
        where = " or ".join(f"{one.margin} of {one.name}" for one in trade.placed)
        return False, [f"No purchase of this time says its margin ({where}), so margins are not known."]
    return True, [
        f"{missing:,} of {bought:,} purchases of this time say no margin and count as if they earned nothing."
    ]


def _net_margin(rows: Integers, during: Truths, whole: bool, trade: Trade) -> list[str]:
    """Take the margin of what came back off, where returns do not say it themselves: in the share that purchases have."""
    bought = during & (rows[:, 4] == 1)
    back = during & (rows[:, 4] == 0)
    if whole or not back.any():
        return []
    sold, earned = int(rows[bought, 2].sum()), int(rows[bought, 3].sum())
    if sold <= 0:
        return []
    rows[back, 3] = np.rint(rows[back, 2] * (earned / sold)).astype(np.int64)
    names = " and ".join(one.name for one in trade.returned)
    return [
        f"{names} says no margin: what came back takes off the share that purchases of this time earn, {earned / sold:.1%}."
    ]


def _unpacked(rows: Integers, channels: bool) -> Integers:
    """Return rows of customer, instant, amount, margin, purchase or not, currency and sales channel, column by column."""
    found = np.zeros((7, len(rows)), dtype=np.int64)
    found[:3] = rows[:, :3].T
    if rows.shape[1] > 4:
        found[3] = rows[:, 4]
    found[4] = rows[:, 3] % PLACES
    found[5] = unpacked(rows[:, 3], 1, last=not channels)
    if channels:
        found[6] = unpacked(rows[:, 3], 2, last=True)
    return found.T


def _one_currency(
    rows: Integers, currencies: tuple[str, ...], rates: Rates, own: str, into: str
) -> tuple[str, list[str]]:
    """Bring amounts and margins into one currency, in place; "" and a sentence where that cannot be done."""
    worth = (rows[:, 2] != 0) | (rows[:, 3] != 0)
    places = [int(place) for place in np.unique(rows[worth, 5]) if place]
    names = [currencies[place] for place in places]
    money = into or (names[0] if len(names) == 1 else own)
    words = []
    unnamed = int((worth & (rows[:, 5] == 0)).sum())
    if unnamed:
        words.append(f"{unnamed:,} amounts say no currency and are taken for {money}.")
    foreign = [name for name in names if name != money]
    for place, name in zip(places, names, strict=True):
        these = np.flatnonzero(worth & (rows[:, 5] == place))
        for column in (2, 3):
            changed = rates.convert(rows[these, column], rows[these, 1], name, money)
            if changed is None:
                said = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
                missing = f"{RATES_FILE} has no rate from {name} to {money} for every day of them"
                added = "they are not added up: what follows counts customers and orders"
                return "", [f"Amounts are in {said}, and {missing}; {added}."]
            rows[these, column] = changed
    if foreign:
        words.append(f"Amounts in {', '.join(names)} are counted in {money} at the rates of {RATES_FILE}.")
    return money, words


def _of_nobody(
    connection: sa.Connection, placed: list[int], opens: int, closes: int, money: str
) -> tuple[int, int | None]:
    """Return how many purchases of a period name no customer, and their worth where it is in the one currency."""
    rows = connection.execute(
        sa.select(_events.c.currency, sa.func.count(), sa.func.sum(_events.c.amount))
        .where(
            _events.c.name_id.in_(placed or [-1]),
            _events.c.customer_id.is_(None),
            _events.c.occurred_at >= opens,
            _events.c.occurred_at < closes,
        )
        .group_by(_events.c.currency)
    ).all()
    addable = {one for one, _, amount in rows if amount and one} <= {money}
    count = sum(int(number) for _, number, _ in rows)
    return count, sum(int(amount or 0) for _, _, amount in rows) if addable else None
