"""What goals count, as instants and how much each brings: read once for all goals, then sums over arrays.

Revenue and margin are net of returns, in the currency of the goal. A segment limits a goal to its members as of the goal's first
day, so that who does what the goal is for does not leave it by doing so; listed segments count as they are now. Without a segment,
orders that name no customer count for revenue, margin and orders; customers they are none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from tidings.clock import from_micros, local_day
from tidings.definitions.kinds.measuring import CompanyGoal
from tidings.definitions.workspace import Definitions
from tidings.measurement.movement.purchases import NOBODY, Integers, Purchases, Truths, read_purchases
from tidings.measurement.rates import Rates
from tidings.measurement.scorecard.forecast import Floats, Past
from tidings.segments.compile import compile_segment
from tidings.segments.days import first_micros
from tidings.segments.scope import Scope
from tidings.store.integers import read_integers
from tidings.store.tables import people

_customers, _events = people.customers, people.events
_SILENT = 7
_MONEY = ("revenue", "margin")
_DISTINCT = ("active_customers", "new_customers", "retained_share")


@dataclass(frozen=True, slots=True)
class Increments:
    """What a measure gains, and loses, at instants in order of time; `before` is what there was when it began."""

    at: Integers
    value: Floats
    before: float = 0.0

    def between(self, opens: int, closes: int) -> float:
        """Return what came in [opens, closes)."""
        first, last = np.searchsorted(self.at, [opens, closes])
        return float(self.value[first:last].sum())


@dataclass
class Measuring:
    """Reads what goals need from a store, each thing once. `closes` is the first instant that does not count any more."""

    connection: sa.Connection
    definitions: Definitions
    rates: Rates
    closes: int
    opens: int
    _purchases: dict[str, Purchases] = field(default_factory=dict)
    _members: dict[tuple[str, date], Integers] = field(default_factory=dict)
    _arrivals: tuple[Integers, Integers] | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The workspace clock."""
        return ZoneInfo(self.definitions.workspace.zone)

    def purchases(self, currency: str = "") -> Purchases:
        """Return all purchases in a currency; with "" in whichever there is."""
        if not currency and self._purchases:
            return next(iter(self._purchases.values()))
        if currency not in self._purchases:
            self._purchases[currency] = read_purchases(
                self.connection,
                self.definitions,
                self.rates,
                opens=self.opens,
                closes=self.closes,
                into=currency,
                everybody=True,
            )
        return self._purchases[currency]

    def increments(self, goal: CompanyGoal, *, opens: int, closes: int) -> Increments | None:
        """Return what a measure gains in [opens, closes); None where it cannot be measured."""
        what = goal.measure.what
        if what == "customers":
            return self._arrived(goal, opens, closes)
        found = self.purchases(goal.currency if what in _MONEY else "")
        if (what in _MONEY and not found.currency) or (what == "margin" and not found.margin_known):
            return None
        who = self._chosen(goal, found.customer)
        rows = found.during(opens, closes) & who
        if what in _MONEY:
            amount = found.amount if what == "revenue" else found.margin
            return _sorted(found.at[rows], amount[rows])
        rows &= found.placed
        if what in _DISTINCT:
            rows = self._distinct(what, found, rows, who, opens, goal)
        if what == "retained_share":
            active = self._active_before(found, who, opens, goal)
            return _sorted(found.at[rows], np.full(int(rows.sum()), 1 / active)) if active else None
        return _sorted(found.at[rows], np.ones(int(rows.sum())))

    def past(self, goal: CompanyGoal, through: date) -> tuple[Past, Floats] | None:
        """Return what came up to the end of a day, in weeks, and last year's shape beside it where a whole one is known.

        The second is what came in each part; None where the measure is not known.
        """
        opens, by = first_micros(goal.starts, self.zone), goal.by
        end = min(through, by)
        found = self.increments(
            goal, opens=opens, closes=min(self.closes, first_micros(_after(end), self.zone))
        )
        if found is None:
            return None
        days = (end - goal.starts).days + 1
        edges = [goal.starts + timedelta(days=one) for one in (*range(0, days, 7), days)]
        values = self._parts(found, edges)
        lengths = np.diff([one.toordinal() for one in edges]).astype(np.float64)
        past = Past(values, lengths, float((by - end).days), before=found.before)
        return self._with_season(goal, past, edges), values

    def ever_happened(self) -> bool:
        """Tell whether any purchase of anybody known is in the store."""
        return bool(self.purchases().placed.any())

    def silent_since(self, day: date) -> date | None:
        """Return the day of the last purchase where a week and more has passed since; None where there are later ones, or none."""
        found = self.purchases()
        if not found.placed.any():
            return None
        last = local_day(from_micros(int(found.at[found.placed].max())), self.zone)
        return last if (day - last).days > _SILENT else None

    def _with_season(self, goal: CompanyGoal, past: Past, edges: list[date]) -> Past:
        begin, end = _year_before(goal.starts), _year_before(_after(goal.by))
        what = goal.measure.what
        # The margin of last year would need every order of it opened: its season is that of the revenue.
        like = replace(goal, measure=replace(goal.measure, what="revenue")) if what == "margin" else goal
        placed = self.purchases(goal.currency if what in _MONEY else "")
        since = first_micros(begin, self.zone)
        # Who was retained last year hangs on those active in the time before that.
        needed = since - (
            first_micros(end, self.zone) - since if what in ("retained_share", "new_customers") else 0
        )
        if what == "customers" or not placed.placed.any() or int(placed.at[placed.placed].min()) > needed:
            return past
        found = self.increments(like, opens=since, closes=first_micros(end, self.zone))
        if found is None:
            return past
        shifted = [_year_before(one) for one in edges]
        season = self._parts(found, shifted)
        rest = found.between(first_micros(shifted[-1], self.zone), first_micros(end, self.zone))
        return replace(past, season=season, season_rest=rest)

    def _parts(self, found: Increments, edges: list[date]) -> Floats:
        bounds = np.array([first_micros(one, self.zone) for one in edges])
        summed = np.concatenate([[0.0], np.cumsum(found.value)])
        return np.diff(summed[np.searchsorted(found.at, bounds)])

    def _chosen(self, goal: CompanyGoal, customers: Integers) -> Truths:
        """Tell which of these are of a customer that the goal is about."""
        if not goal.measure.segment:
            return (
                customers != NOBODY if goal.measure.what in _DISTINCT else np.ones(customers.size, dtype=bool)
            )
        return np.isin(customers, self._of_segment(goal))

    def _of_segment(self, goal: CompanyGoal) -> Integers:
        key = (goal.measure.segment, goal.starts)
        if key not in self._members:
            began = from_micros(min(first_micros(goal.starts, self.zone), self.closes) - 1)
            scope = Scope.of(self.definitions, began, looking=True)
            statement = compile_segment(self.definitions.segments[goal.measure.segment], scope)
            self._members[key] = read_integers(self.connection, statement, 1)[:, 0]
        return self._members[key]

    def _distinct(
        self, what: str, found: Purchases, rows: Truths, who: Truths, opens: int, goal: CompanyGoal
    ) -> Truths:
        """Leave of each customer the first order alone: in the time, or, of new customers, the first ever."""
        chosen = np.zeros(found.at.size, dtype=bool)
        places = np.flatnonzero(rows)
        owner = found.customer[places]
        first = np.ones(places.size, dtype=bool)
        first[1:] = owner[1:] != owner[:-1]
        places = places[first]
        if what != "active_customers":
            since = opens - self._length(goal) if what == "retained_share" else -(2**62)
            earlier = np.unique(found.customer[found.placed & who & found.during(since, opens)])
            came = np.isin(found.customer[places], earlier)
            places = places[came if what == "retained_share" else ~came]
        chosen[places] = True
        return chosen

    def _active_before(self, found: Purchases, who: Truths, opens: int, goal: CompanyGoal) -> int:
        during = found.placed & who & found.during(opens - self._length(goal), opens)
        return int(np.unique(found.customer[during]).size)

    def _length(self, goal: CompanyGoal) -> int:
        return first_micros(_after(goal.by), self.zone) - first_micros(goal.starts, self.zone)

    def _arrived(self, goal: CompanyGoal, opens: int, closes: int) -> Increments:
        """Return when customers came to be known: into the store, or by the first thing they did, the earlier of the two."""
        if self._arrivals is None:
            # Those who were told of only later had done something before.
            first = (
                sa.select(sa.func.min(_events.c.occurred_at))
                .where(_events.c.customer_id == _customers.c.id)
                .correlate(_customers)
                .scalar_subquery()
            )
            early = sa.case((first < _customers.c.created_at, first), else_=_customers.c.created_at)
            statement = sa.select(_customers.c.id, early).where(_customers.c.tombstoned_at.is_(None))
            read = read_integers(self.connection, statement, 2)
            self._arrivals = read[:, 0], read[:, 1]
        customers, at = self._arrivals
        at = at[self._chosen(goal, customers)]
        now = at[(at >= opens) & (at < closes)]
        return replace(_sorted(now, np.ones(now.size)), before=float((at < opens).sum()))


def _sorted(at: Integers, value: Any) -> Increments:
    order = np.argsort(at, kind="stable")
    return Increments(at[order], np.asarray(value, dtype=np.float64)[order])


def _after(day: date) -> date:
    return day + timedelta(days=1)


def _year_before(day: date) -> date:
    """Return the same day of the year before; 28 February for the 29th."""
    if (day.month, day.day) == (2, 29):
        return date(day.year - 1, 2, 28)
    return day.replace(year=day.year - 1)
