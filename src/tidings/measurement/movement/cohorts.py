"""Those who ordered first in the same month or quarter: how many of them order again later, and what they bring.

A cohort is made by the first order ever on the workspace clock. In each later period those are active who place an order in it;
revenue is net of what came back in it. The last period may not be over yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np

from tidings.clock import from_micros, local_day
from tidings.measurement.movement.purchases import Purchases
from tidings.measurement.movement.span import Span
from tidings.measurement.movement.sums import Money
from tidings.segments.days import first_micros

Period = Literal["month", "quarter"]
MOST = 12


@dataclass(frozen=True, slots=True)
class Cohort:
    """Customers whose first order fell into a period: `active` and `value` (minor units) of it and of each one after."""

    name: str
    customers: int
    active: tuple[int, ...]
    value: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cohorts:
    """The cohorts of the last periods up to the end of a time, the oldest first. `older` came before them."""

    period: Period
    cohorts: tuple[Cohort, ...]
    older: int
    over: bool
    reason: str = ""

    def as_json(self, money: Money) -> dict[str, Any]:
        """Return the cohorts with stable keys; place 0 of each list is the period of the first order."""
        return {
            "period": self.period,
            "last_period_over": self.over,
            "older_customers": self.older,
            "cohorts": [
                {
                    "cohort": one.name,
                    "customers": one.customers,
                    "active": list(one.active),
                    "retention": [number / one.customers for number in one.active] if one.customers else [],
                    "value": [money.major(minor) for minor in one.value],
                    "value_per_customer": money.each(sum(one.value), one.customers),
                }
                for one in self.cohorts
            ],
            "reason": self.reason or None,
        }


def cohorts(purchases: Purchases, span: Span, period: Period = "month") -> Cohorts:
    """Return the cohorts of the last MOST periods that reach into or before the time."""
    placed = purchases.placed & (purchases.at < span.closes)
    if not placed.any():
        return Cohorts(
            period, (), 0, True, "Nobody who is known ever ordered by then, so there is no cohort."
        )
    firsts, starts = np.unique(purchases.customer[placed], return_index=True)
    # Rows are sorted by customer and time: the first of each customer is the first order.
    first_at = purchases.at[placed][starts]
    begin = local_day(from_micros(int(first_at.min())), span.zone)
    edges = _edges(period, begin, local_day(span.end, span.zone))
    bounds = np.array([first_micros(one, span.zone) for one in edges])
    born = np.searchsorted(bounds, first_at, side="right") - 1
    height = len(edges) - 1
    shown = max(height - MOST, 0)
    upto = purchases.at < span.closes
    place = np.searchsorted(firsts, purchases.customer[upto])
    place[place == firsts.size] = 0
    ours = (firsts[place] == purchases.customer[upto]) & (born[place] >= shown)
    place = place[ours]
    at = np.searchsorted(bounds, purchases.at[upto][ours], side="right") - 1
    amount, bought = purchases.amount[upto][ours], purchases.placed[upto][ours]
    value = np.zeros(height * height, dtype=np.int64)
    # What came back before a first order that is known belongs to an order before the first file: it counts with the first period.
    np.add.at(value, born[place] * height + np.maximum(at, born[place]), amount)
    pairs = np.unique(place[bought] * height + at[bought])
    active = np.bincount(born[pairs // height] * height + pairs % height, minlength=height * height)
    found = tuple(
        Cohort(
            _name(period, edges[one]),
            int((born == one).sum()),
            tuple(int(number) for number in active[one * height + one : (one + 1) * height]),
            tuple(int(minor) for minor in value[one * height + one : (one + 1) * height]),
        )
        for one in range(shown, height)
    )
    over = edges[-1] <= local_day(span.end, span.zone) + timedelta(days=1) and span.over
    return Cohorts(period, found, int((born < shown).sum()), over)


def _edges(period: Period, first: date, last: date) -> list[date]:
    """Return the first days of the periods from that of `first` through that of `last`, and of the one after."""
    length = 1 if period == "month" else 3
    day = date(first.year, length * ((first.month - 1) // length) + 1, 1)
    found = [day]
    while found[-1] <= last:
        months = found[-1].year * 12 + found[-1].month - 1 + length
        found.append(date(months // 12, months % 12 + 1, 1))
    return found


def _name(period: Period, first: date) -> str:
    return f"{first:%Y-%m}" if period == "month" else f"{first.year} Q{first.month // 3 + 1}"
