"""From figures to places: round marks on an axis, and an axis that one huge interval does not spoil."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
# What rounding leaves of nothing: no money, share or count is drawn on an axis as short.
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high` over the places from `left` to `right`."""

    low: float
    high: float
    left: float
    right: float

    def at(self, value: float) -> float:
        """Return the place of a value; one beyond an end is put at that end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + share * (self.right - self.left)

    def marks(self, most: int = 5) -> list[float]:
        """Return round values along the axis, at most about so many."""
        step = step_of(self.high - self.low, most)
        first = -floor(-self.low / step + 1e-9)
        return [step * n for n in range(first, floor(self.high / step + 1e-9) + 1)]


def step_of(span: float, most: int = 5) -> float:
    """Return the round distance between marks that cuts a span into at most about so many parts."""
    raw = span / most
    power = 10.0 ** floor(log10(raw))
    return next((one * power for one in _STEPS if one * power >= raw * 0.999), 10 * power)


def about_zero(values: list[float], left: float, right: float) -> Scale:
    """Return an axis that holds zero and all values."""
    low, high = min([0.0, *values]), max([0.0, *values])
    if high - low < _NOTHING:
        low, high = -1.0, 1.0
    room = (high - low) * 0.06
    return Scale(low - room if low < 0 else low, high + room if high > 0 else high, left, right)


def for_intervals(intervals: list[tuple[float, float, float]], left: float, right: float) -> Scale:
    """Return an axis for intervals (low, estimate, high) with zero on it, and a little room on both sides.

    An interval many times wider than the others would press them into dots: the axis follows the others, and the wide
    one runs off its edge.
    """
    widths = sorted(high - low for low, _, high in intervals)
    kept = intervals
    if len(widths) > 1:
        limit = 6 * widths[(len(widths) - 1) // 2]
        narrow = [one for one in intervals if one[2] - one[0] <= limit]
        if limit > 0 and len(narrow) < len(intervals):
            reach = 2 * max(abs(end) for one in narrow for end in one)
            if reach > 0:
                kept = [(max(low, -reach), middle, min(high, reach)) for low, middle, high in intervals]
                kept = [one for one in kept if abs(one[1]) <= reach] or narrow
    ends = [end for low, _, high in kept for end in (low, high)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    if high - low < _NOTHING:
        low, high = -1.0, 1.0
    room = (high - low) * 0.07
    return Scale(low - room, high + room, left, right)
