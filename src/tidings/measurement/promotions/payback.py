"""When a run has paid for itself: the first day on which what it brought so far is as much as it cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from tidings.clock import from_micros, local_midnight, to_micros
from tidings.measurement.accounts import Sizes
from tidings.measurement.promotions.orders import Flags, Floats, Orders
from tidings.measurement.promotions.sums import Crowd, ends
from tidings.statistics.clusters import Clusters
from tidings.statistics.means import Difference, welch
from tidings.statistics.sums import Mean, Sums

# Days that are looked at one by one; a flow that runs for longer is looked at over its last ones.
_MOST = 1_500
# A pace would be read off chance where what came so far is not shown to be more than nothing.
_FURTHEST = 10 * 365

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Payback:
    """`on` is the first day at whose end the margin beyond the holdout was the cost or more; None: not yet.

    `surely_on` is the first day on which the lower limit (95 %, of that day alone) was. `so_far` is what came in by `until`
    with its interval. `at_this_pace` is the day it would be paid back if it went on like this (estimate, then from the upper
    and the lower limit; None: never), only while the window is open and something is shown to come in.
    """

    cost: float
    until: date
    so_far: float
    interval: Interval | None
    on: date | None
    surely_on: date | None
    slipped: bool = False
    at_this_pace: tuple[date, date, date | None] | None = None
    days: tuple[tuple[date, float, float | None, float | None], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys; `days` are the sums by the end of each day, with their limits."""
        pace = self.at_this_pace
        return {
            "cost": self.cost,
            "until": self.until.isoformat(),
            "margin_so_far": self.so_far,
            "interval": ends(self.interval),
            "paid_back_on": self.on.isoformat() if self.on else None,
            "surely_paid_back_on": self.surely_on.isoformat() if self.surely_on else None,
            "below_cost_again": self.slipped,
            "at_this_pace": None
            if pace is None
            else {
                "on": pace[0].isoformat(),
                "earliest": pace[1].isoformat(),
                "latest": pace[2].isoformat() if pace[2] else None,
            },
            "days": [
                {"day": day.isoformat(), "margin": amount, "low": low, "high": high}
                for day, amount, low, high in self.days
            ],
        }


def payback(
    orders: Orders,
    crowd: Crowd,
    gains: Floats,
    *,
    counted: Flags,
    begins: int,
    until: int,
    open_until: int,
    zone: ZoneInfo,
    cost: float,
    factor: float,
) -> Payback | None:
    """Return the payback of all treated together by the sums of each day, or None before the first is over.

    `gains` is what each event earned in minor units (`factor` makes them major), `counted` those from the anchor on. Days
    are those of the workspace. The holdout is scaled to the treated, as in every effect.
    """
    first = from_micros(begins).astimezone(zone).date()
    last = from_micros(until - 1).astimezone(zone).date()
    count = min((last - first).days + 1, _MOST)
    if count < 1:
        return None
    days = [last - timedelta(days=count - 1 - place) for place in range(count)]
    close = np.array([to_micros(local_midnight(day + timedelta(days=1), zone)) for day in days])
    treated = [place for place, arm in enumerate(crowd.arms) if not arm.held_out]
    held = [place for place, arm in enumerate(crowd.arms) if arm.held_out]
    customers = crowd.customers(held_out=False)
    sent = _by_day(orders, crowd, gains * factor, counted, treated, close)
    base = _by_day(orders, crowd, gains * factor, counted, held, close)
    told: list[tuple[date, float, float | None, float | None]] = []
    found: Difference | None = None
    for day, one, other in zip(days, sent, base, strict=True):
        found = welch(one, other)
        low, high = found.interval or (None, None)
        told.append(
            (
                day,
                found.estimate * customers,
                None if low is None else low * customers,
                None if high is None else high * customers,
            )
        )
    _, so_far, low_end, high_end = told[-1]
    interval = (low_end, high_end) if low_end is not None and high_end is not None else None
    on = next((day for day, amount, _, _ in told if amount >= cost), None)
    surely = next((day for day, _, low, _ in told if low is not None and low >= cost), None)
    pace = None
    if on is None and until < open_until and interval is not None and interval[0] > 0:
        gone = max((until - begins) / 86_400_000_000, 1.0)
        pace = _pace(from_micros(begins), gone, cost, so_far, interval)
    return Payback(
        cost, last, so_far, interval, on, surely, on is not None and so_far < cost, pace, tuple(told)
    )


def _pace(
    begins: datetime, gone: float, cost: float, so_far: float, interval: Interval
) -> tuple[date, date, date | None] | None:
    """Return when the cost would be reached if as much came in each day as so far: by the estimate and both limits."""

    def reached(amount: float) -> date | None:
        needed = gone * cost / amount
        return (begins + timedelta(days=needed)).date() if needed <= _FURTHEST else None

    estimate, earliest = reached(so_far), reached(interval[1])
    return (estimate, earliest, reached(interval[0])) if estimate and earliest else None


def _by_day(
    orders: Orders,
    crowd: Crowd,
    values: Floats,
    counted: Flags,
    places: list[int],
    close: np.ndarray[Any, Any],
) -> list[Mean]:
    """Return, for the end of each day, the mean of what customers of some arms brought until then.

    Σx² by the end of each day comes from the running sum c of each customer: an event of v adds (c + v)² − c² to it.
    """
    which = counted & np.isin(orders.arm[orders.who], places)
    unit = orders.who if orders.account is None else orders.account[orders.who]
    rows = np.flatnonzero(which)
    rows = rows[np.lexsort((orders.at[rows], unit[rows]))]
    value, of = values[rows], unit[rows]
    running = np.cumsum(value)
    new = np.r_[True, of[1:] != of[:-1]] if len(of) else np.zeros(0, dtype=bool)
    start = np.flatnonzero(new)
    length = np.diff(np.r_[start, len(of)])
    before = running - value - np.repeat((running - value)[start], length)
    day = np.searchsorted(close, orders.at[rows], side="right")

    def up_to(amounts: Floats) -> Floats:
        found: Floats = np.cumsum(np.bincount(day, weights=amounts, minlength=len(close) + 1)[: len(close)])
        return found

    totals, squares = up_to(value), up_to(2 * before * value + value**2)
    names = [crowd.arms[place].name for place in places]
    if crowd.sizes is None or orders.size is None:
        n = sum(crowd.arms[place].customers for place in places)
        return [
            Sums(n, float(total), float(square)).mean() for total, square in zip(totals, squares, strict=True)
        ]
    with_size = up_to(value * orders.size[orders.who[rows]])
    sizes = [crowd.sizes.get(name, Sizes()) for name in names]
    return [
        Clusters(
            sum(one.accounts for one in sizes),
            sum(one.customers for one in sizes),
            sum(one.squares for one in sizes),
            np.array([total]),
            np.array([[square]]),
            np.array([sized]),
        )
        .moments()
        .metric()
        .mean()
        for total, square, sized in zip(totals, squares, with_size, strict=True)
    ]
