"""The company's holidays and shifted workdays, as recurring campaigns ask for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

# Monday to Friday.
_WORKWEEK = 5
# No country has so many days off in a row.
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Holidays:
    """Days off, and days of a weekend that are worked on instead (調休, переносы)."""

    days: frozenset[date] = frozenset()
    workdays: frozenset[date] = frozenset()

    @classmethod
    def of(cls, days: Iterable[date], workdays: Iterable[date] = ()) -> Holidays:
        """Return the holidays of these days and shifted workdays; a day that is both is worked on."""
        worked = frozenset(workdays)
        return cls(frozenset(days) - worked, worked)

    def is_holiday(self, day: date) -> bool:
        """Tell whether a day is written as one off."""
        return day in self.days

    def is_workday(self, day: date) -> bool:
        """Tell whether people are at work: Monday to Friday but for holidays, and shifted workdays."""
        return day in self.workdays or (day.weekday() < _WORKWEEK and day not in self.days)

    def next_workday(self, day: date) -> date:
        """Return the first workday from `day` on; the day itself when there is none within two months."""
        for ahead in range(_LONGEST):
            if self.is_workday(day + timedelta(days=ahead)):
                return day + timedelta(days=ahead)
        return day


NO_HOLIDAYS = Holidays()
