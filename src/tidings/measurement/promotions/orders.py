"""The orders and returns of everybody in a run, read once as arrays of integers; what is counted is decided from these.

One row for each event and not for each customer: who did nothing adds nothing to any sum, and the arms say how many
there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.kinds.rules import Event
from tidings.definitions.workspace import Definitions
from tidings.measurement.accounts import UNIT, units
from tidings.measurement.arms import ReportedRun
from tidings.measurement.metrics import COUNTED, HOLDOUT, Arm
from tidings.segments.comparing import Value, holds
from tidings.segments.properties import property_value
from tidings.segments.scope import Scope
from tidings.statistics.credit import Integers
from tidings.store.tables import people, sending

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_BATCH = 50_000
_events, _enrolments, _names = people.events, sending.enrolments, people.event_names
# Bits of what is known of one event.
_RETURNED, _NO_AMOUNT, _NO_MARGIN, _NO_CURRENCY, _OTHER_CURRENCY, _OTHER_MARGIN = (1 << n for n in range(6))


@dataclass(frozen=True, slots=True)
class Written:
    """What the events say themselves: amounts before a discount is taken off them, those of returns negative.

    `unpriced` events have no amount and count as 0. `alike` tells that all of them name the workspace's currency.
    """

    amount: Floats
    unpriced: Flags
    alike: bool


@dataclass(frozen=True, slots=True)
class Orders:
    """One entry for each event, sorted by customer and time. Money in minor units of `currency`, returns negative.

    `who` numbers the customers from 0; `arm` and `anchor` are theirs, by that number, and where accounts were drawn so are
    `account` and the `size` of it. `currencies` has more than one where amounts are in several: then no money is said.
    `discount` is what was taken off, whatever code did it. The counts say what the events leave open.
    """

    who: Integers
    event: Integers
    at: Integers
    bought: Flags
    revenue: Floats
    margin: Floats
    discount: Floats
    arm: Integers
    anchor: Integers
    account: Integers | None
    size: Integers | None
    currencies: tuple[str, ...]
    without_margin: int = 0
    returned_without_margin: int = 0
    written: Written | None = None

    @property
    def margin_known(self) -> bool:
        """Tell whether any order says its margin; where there is no order, that none was earned is known."""
        return not self.without_margin or self.without_margin < int(self.bought.sum())

    @property
    def currency(self) -> str | None:
        """Return the one currency of all amounts; None where they are in several."""
        return self.currencies[0] if len(self.currencies) == 1 else None

    @property
    def customers(self) -> int:
        """Return how many customers have an event."""
        return len(self.arm)


def read_orders(
    connection: sa.Connection,
    definitions: Definitions,
    goal: Goal,
    *,
    run: ReportedRun,
    arms: tuple[Arm, ...],
    opens: int,
    closes: int,
    scope: Scope,
) -> Orders:
    """Return the events of the goal and their returns in [opens, closes) of those who are counted in the run.

    Revenue and margin are after the discount, whichever way the events tell them. A return takes its own margin off where
    its event declares one, else the part that margin has of the revenue of all orders read.
    """
    event = definitions.events.get(goal.did) or Event(goal.did)
    ids = dict(
        connection.execute(
            sa.select(_names.c.name, _names.c.id).where(_names.c.name.in_([goal.did, event.returns or ""]))
        ).all()
    )
    back = definitions.events.get(event.returns) if event.returns else None
    if back is not None and not all(back.property(name) for name, _ in goal.with_):
        # The report of the goal says that these returns are not taken off.
        ids.pop(back.name, None)
    main = definitions.workspace.currency
    names = [ids[name] for name in (goal.did, event.returns) if name in ids]
    if not names:
        return _empty(run.accounts, main)
    ways = _Ways(definitions, goal, event, back, ids, scope, run, arms, opens, closes)
    rows = integers(connection, ways.statement(main))
    currencies: tuple[str, ...] = (main,)
    if (rows[:, 5] & _OTHER_CURRENCY).any():
        currencies = ways.currencies(connection, main)
        if len(currencies) == 1:
            rows = integers(connection, ways.statement(currencies[0]))
    if currencies and (rows[:, 5] & _OTHER_MARGIN).any():
        assert event.margin is not None
        declared = event.property(event.margin)
        currencies = (*currencies, (declared.currency if declared else None) or "?")
    return _orders(rows, currencies, event, back, accounts=run.accounts, main=main)


@dataclass(frozen=True, slots=True)
class _Ways:
    """How the events of one goal are found and read."""

    definitions: Definitions
    goal: Goal
    event: Event
    back: Event | None
    ids: dict[str, int]
    scope: Scope
    run: ReportedRun
    arms: tuple[Arm, ...]
    opens: int
    closes: int

    def passing(self) -> sa.ColumnElement[bool]:
        """Return the condition that an event is an order of the goal, or a return of one."""
        kinds = [self._of(self.event)] + ([self._of(self.back)] if self.back else [])
        return sa.or_(*(one for one in kinds if one is not None))

    def _of(self, event: Event) -> sa.ColumnElement[bool] | None:
        if event.name not in self.ids:
            return None
        return sa.and_(
            _events.c.name_id == self.ids[event.name], *(self._holds(event, *one) for one in self.goal.with_)
        )

    def _holds(self, event: Event, name: str, test: Any) -> sa.ColumnElement[bool]:
        declared = event.property(name)
        kind = declared.type if declared else "text"
        read = _events.c.amount if name == event.revenue else property_value(_events.c.properties, name, kind)
        currency = _events.c.currency if kind == "money" else None
        return holds(
            Value(read, kind, name, currency_sql=currency, iso=kind == "date", at=self.goal.at),
            test,
            self.scope,
        )

    def _money(self, of: str) -> sa.ColumnElement[Any]:
        """Return the margin or the discount of an event, as the order and the return declare it; NULL where neither does."""
        found: sa.ColumnElement[Any] = sa.literal(None, sa.BigInteger)
        branches = []
        for event in (self.event, self.back):
            name = getattr(event, of) if event is not None else None
            if event is None or name is None or event.name not in self.ids:
                continue
            read = (
                _events.c.amount
                if name == event.revenue
                else property_value(_events.c.properties, name, "money")
            )
            branches.append((_events.c.name_id == self.ids[event.name], read))
        return sa.case(*branches, else_=found) if branches else found

    def _currency(self) -> sa.ColumnElement[Any]:
        return sa.func.nullif(_events.c.currency, "")

    def statement(self, main: str) -> sa.Select[Any]:
        """Return the statement with a row of integers for each event; bits say what it leaves open or has otherwise."""
        margin, discount, currency = self._money("margin"), self._money("discount"), self._currency()
        returned = self.ids.get(self.back.name) if self.back else None
        declared = self.event.property(self.event.margin) if self.event.margin else None
        foreign = declared is not None and declared.currency is not None

        def bit(condition: sa.ColumnElement[bool], value: int) -> sa.ColumnElement[int]:
            return sa.case((condition, value), else_=0)

        flags: sa.ColumnElement[int] = bit(_events.c.amount.is_(None), _NO_AMOUNT)
        flags = flags + bit(currency.is_(None), _NO_CURRENCY) + bit(currency != main, _OTHER_CURRENCY)
        flags = flags + bit(margin.is_(None), _NO_MARGIN)
        if returned is not None:
            flags = flags + bit(_events.c.name_id == returned, _RETURNED)
        if foreign and declared is not None and declared.currency != main:
            flags = flags + bit(margin.is_not(None), _OTHER_MARGIN)
        places = {arm.name: place for place, arm in enumerate(self.arms)}
        arm = sa.case(
            (_enrolments.c.arm == HOLDOUT, places.get(HOLDOUT, -1)),
            *((sa.func.coalesce(_enrolments.c.variant, _enrolments.c.arm) == name, place) for name, place in places.items()),
            else_=-1,
        )  # fmt: skip
        columns: list[sa.ColumnElement[Any]] = [
            _enrolments.c.customer_id,
            arm,
            _enrolments.c.anchor_at,
            _events.c.occurred_at,
            _events.c.id,
            flags,
            sa.func.coalesce(_events.c.amount, 0),
            sa.func.coalesce(margin, 0),
            sa.func.coalesce(discount, 0),
        ]
        source: sa.FromClause = _enrolments.join(_events, _events.c.customer_id == _enrolments.c.customer_id)
        if self.run.accounts:
            unit = units(self.run.id)
            numbered = sa.select(
                unit, sa.func.row_number().over(order_by=(unit.c.unit, unit.c.arm)).label("number")
            )
            of = numbered.subquery("numbered")
            source = source.join(people.customers, people.customers.c.id == _enrolments.c.customer_id).join(
                of, sa.and_(of.c.unit == UNIT, of.c.arm == _enrolments.c.arm, of.c.variant.is_not_distinct_from(_enrolments.c.variant))
            )  # fmt: skip
            columns += [of.c.number, of.c.size]
        # In the order of the unique key of an enrolment, so that SQLite goes by customer and not by the time of events: rows
        # of one customer's events lie together in their index, and it takes half as long.
        key = (_enrolments.c.run_id, _enrolments.c.customer_id, _enrolments.c.entry)
        return sa.select(*columns).select_from(source).where(*self._where()).order_by(*key)

    def _where(self) -> list[sa.ColumnElement[bool]]:
        return [
            _enrolments.c.run_id == self.run.id,
            COUNTED,
            _events.c.occurred_at >= self.opens,
            _events.c.occurred_at < self.closes,
            _events.c.name_id.in_(list(self.ids.values())),
            self.passing(),
        ]

    def currencies(self, connection: sa.Connection, main: str) -> tuple[str, ...]:
        """Return every currency that amounts are in, those that say none being in `main`."""
        source = _enrolments.join(_events, _events.c.customer_id == _enrolments.c.customer_id)
        told = sa.func.coalesce(self._currency(), main)
        rows = connection.execute(sa.select(told).select_from(source).where(*self._where()).distinct())
        return tuple(sorted(rows.scalars()))


def _orders(
    rows: Integers,
    currencies: tuple[str, ...],
    event: Event,
    back: Event | None,
    *,
    accounts: bool,
    main: str,
) -> Orders:
    # By customer, and by time within: what was bought up to a day is then a running sum.
    rows = rows[np.lexsort((rows[:, 3], rows[:, 0]))]
    _, first, who = np.unique(rows[:, 0], return_index=True, return_inverse=True)
    flags = rows[:, 5]
    returned = (flags & _RETURNED) > 0
    amount, discount = rows[:, 6].astype(float), np.abs(rows[:, 8]).astype(float)
    written = Written(
        np.where(returned, -np.abs(amount), amount),
        (flags & _NO_AMOUNT) > 0,
        currencies == (main,) and not (flags & (_NO_CURRENCY | _OTHER_CURRENCY)).any(),
    )
    margin = rows[:, 7].astype(float)
    if event.before_discount:
        amount[~returned] -= discount[~returned]
        margin[~returned] -= discount[~returned]
    unsaid = (flags & _NO_MARGIN) > 0
    sold = amount[~returned].sum()
    rate = margin[~returned].sum() / sold if sold else 0.0
    # A shop writes a return as a positive or as a negative amount; taken off it is in both cases.
    own = back is not None and back.margin is not None
    amount[returned] = -np.abs(amount[returned])
    told = returned & ~unsaid if own else np.zeros(len(rows), dtype=bool)
    margin[told] = -np.abs(margin[told])
    guessed = returned & ~told
    margin[guessed] = amount[guessed] * rate
    return Orders(
        who=who.reshape(-1),
        event=rows[:, 4],
        at=rows[:, 3],
        bought=~returned,
        revenue=amount,
        margin=margin,
        discount=np.where(returned, 0.0, discount),
        arm=rows[first, 1],
        anchor=rows[first, 2],
        account=rows[first, 9] if accounts else None,
        size=rows[first, 10] if accounts else None,
        currencies=currencies,
        without_margin=int((unsaid & ~returned).sum()) if event.margin else 0,
        returned_without_margin=int(guessed.sum()),
        written=written,
    )


def _empty(accounts: bool, currency: str) -> Orders:
    none = np.zeros(0, dtype=np.int64)
    money = np.zeros(0)
    return Orders(
        none, none, none, none.astype(bool), money, money, money, none, none,
        none if accounts else None, none if accounts else None, (currency,),
    )  # fmt: skip


def integers(connection: sa.Connection, statement: sa.Select[Any]) -> Integers:
    """Return the rows of a statement that selects integers, read by the driver without an object for each row."""
    width = len(statement.selected_columns)
    result = connection.execute(statement)
    parts = []
    cursor: Any = result.cursor
    while rows := cursor.fetchmany(_BATCH):
        flat = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=len(rows) * width)
        parts.append(flat.reshape(-1, width))
    result.close()
    return np.concatenate(parts) if parts else np.zeros((0, width), dtype=np.int64)


def arm_places(arms: Sequence[Arm]) -> dict[str, int]:
    """Return the number by which orders name each arm."""
    return {arm.name: place for place, arm in enumerate(arms)}
