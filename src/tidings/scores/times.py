"""Where time is cut: everything a score knows is before a cut-off, everything it is to tell is after it.

                    history               within         within
    ├───────────────────────────────────┤ K ────────── ┤ V ────────── ┤ now
      features of training                answers of     answers of
                                          training       validation

The model is fitted on the answers between K and V, and judged by those between V and now, of which it has seen nothing.
Where the events reach far enough back, one or two more windows before K are trained on as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from tidings.clock import from_micros, local_day, to_micros
from tidings.definitions.values import Duration
from tidings.segments.days import EARLIEST, first_micros, shift_day, shift_instant

DAY = 86_400_000_000
# So many windows are trained on at most.
_WINDOWS = 3
# A history shorter than this says nothing about habits.
_LEAST_HISTORY = 7 * DAY


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut-off: features lie in [opens, at), answers in [at, closes), in microseconds since 1970."""

    opens: int
    at: int
    closes: int


@dataclass(frozen=True, slots=True)
class Times:
    """The windows of a training, the latest first, and that of the validation; `history` is what features look back on.

    `history` is shorter than wished where the events do not reach back far enough, for features must look equally far
    back at every cut-off, else they mean something else each time.
    """

    training: tuple[Cut, ...]
    validation: Cut
    history: int
    wished: int

    @property
    def shortened(self) -> bool:
        """Tell whether the events do not reach back as far as the definition wishes."""
        return self.history < self.wished


def shifted(at: int, duration: Duration, direction: int, zone: ZoneInfo) -> int:
    """Return the instant so much later (1) or earlier (-1): whole days on the workspace clock, hours exactly."""
    moment = from_micros(at)
    if duration.unit.exact:
        return shift_instant(moment, duration, direction)
    day = local_day(moment, zone)
    # The time of day stays what it is, so that a window of days is whole whenever it begins.
    within_day = at - first_micros(day, zone)
    return first_micros(shift_day(day, duration, direction), zone) + within_day


def cut_at(at: int, history: int, within: Duration, zone: ZoneInfo) -> Cut:
    """Return the windows around one cut-off."""
    return Cut(max(at - history, EARLIEST), at, shifted(at, within, 1, zone))


def history_of(now: int, history: Duration, zone: ZoneInfo) -> int:
    """Return how long a written history is, in microseconds, counted back from an instant."""
    return now - shifted(now, history, -1, zone)


def times_of(
    now: datetime, within: Duration, history: Duration, zone: ZoneInfo, begins: int | None
) -> Times | None:
    """Return the windows of a training at `now`, when the first event that counts was at `begins`; None: too little history."""
    last = to_micros(now)
    validation = shifted(last, within, -1, zone)
    latest = shifted(validation, within, -1, zone)
    wished = history_of(last, history, zone)
    if begins is None or latest - begins < _LEAST_HISTORY:
        return None
    length = min(wished, latest - begins)
    cuts = [Cut(latest - length, latest, validation)]
    while len(cuts) < _WINDOWS:
        at = shifted(cuts[-1].at, within, -1, zone)
        if at - length < begins:
            break
        cuts.append(Cut(at - length, at, cuts[-1].at))
    return Times(tuple(cuts), Cut(validation - length, validation, last), length, wished)
