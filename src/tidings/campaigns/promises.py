"""What a campaign or a step of a flow promises each customer, and until when it holds."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tidings.clock import from_micros, local_day, local_midnight, to_micros
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.offer import CODE, ENDS, GIVES, Offer, ends_on_a_day
from tidings.definitions.values import Duration, Unit

# On the recipients' clocks a day is over when it is over everywhere: twelve hours west of Greenwich.
_LAST_OF_A_DAY = timedelta(hours=12)
_DAYS = {Unit.DAY: 1, Unit.WEEK: 7}
_MONTHS = {Unit.MONTH: 1, Unit.YEAR: 12}


@dataclass(frozen=True, slots=True)
class Promise:
    """The offer of one campaign or step. `name` is the campaign, or FLOW.STEP; `zone` and `clock` say when a day ends."""

    name: str
    offer: Offer
    zone: str
    clock: str = "workspace"

    def ends_at(self, now: int) -> int | None:
        """Return the first instant (microseconds) at which what is promised at `now` no longer holds; None for never."""
        ends = self.offer.ends
        if ends is None:
            return None
        if isinstance(ends, Duration) and not ends_on_a_day(self.offer):
            return to_micros(from_micros(now) + _exactly(ends))
        if isinstance(ends, datetime):
            return to_micros(self._at(ends))
        day = self._day(now)
        assert day is not None
        after = day + timedelta(days=1)
        if self.clock == "recipient":
            return to_micros(datetime(after.year, after.month, after.day, tzinfo=UTC) + _LAST_OF_A_DAY)
        return to_micros(local_midnight(after, ZoneInfo(self.zone)))

    def values(self, now: int, code: str | None) -> dict[str, Any]:
        """Return what a message promised at `now` is filled with, in the form in which attributes are stored."""
        found: dict[str, Any] = {GIVES: self.offer.gives}
        code = code or self.offer.code
        if code:
            found[CODE] = code
        if self.offer.ends is not None:
            day = self._day(now)
            found[ENDS] = day.isoformat() if day is not None else self.ends_at(now)
        return found

    def since(self, now: int) -> int | None:
        """Return the instant after which what a customer was promised counts for `at_most`; None for ever."""
        at_most = self.offer.at_most
        if at_most is None or at_most.per is None:
            return None
        if at_most.per.unit.exact:
            return to_micros(from_micros(now) - _exactly(at_most.per))
        zone = ZoneInfo(self.zone)
        day = later_day(local_day(from_micros(now), zone), at_most.per, back=True)
        return to_micros(local_midnight(day + timedelta(days=1), zone))

    def _day(self, now: int) -> date | None:
        """Return the last day of what is promised at `now`; None where it ends at an hour."""
        ends = self.offer.ends
        if ends is None or not ends_on_a_day(self.offer):
            return None
        if isinstance(ends, Duration):
            return later_day(local_day(from_micros(now), ZoneInfo(self.zone)), ends)
        return ends

    def _at(self, moment: datetime) -> datetime:
        if moment.tzinfo is not None:
            return moment
        if self.clock == "recipient":
            return moment.replace(tzinfo=UTC) + _LAST_OF_A_DAY
        return moment.replace(tzinfo=ZoneInfo(self.zone))


def promise_of(campaign: Campaign, zone: str, step: str = "") -> Promise | None:
    """Return what a campaign promises (or a step of a flow, seen as a campaign), or None."""
    if campaign.offer is None:
        return None
    return Promise(f"{campaign.id}.{step}" if step else campaign.id, campaign.offer, zone, campaign.clock)


def later_day(day: date, length: Duration, *, back: bool = False) -> date:
    """Return the day that is so many days, weeks, months or years later (or earlier: `back`), on the calendar."""
    sign = -1 if back else 1
    if length.unit in _DAYS:
        return day + timedelta(days=sign * length.amount * _DAYS[length.unit])
    months = day.year * 12 + day.month - 1 + sign * length.amount * _MONTHS[length.unit]
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _exactly(length: Duration) -> timedelta:
    return timedelta(hours=length.amount) if length.unit is Unit.HOUR else timedelta(minutes=length.amount)
