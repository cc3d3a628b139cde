"""When a message may reach somebody: quiet hours, hours to send between and days of the week, on the recipient's clock.

Pure: a window, the time zones that may be the recipient's, and an instant. With several zones, all of them must allow it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tidings.campaigns.local_time import both_instants, zone_named
from tidings.definitions.kinds.rules import Policies, Purpose
from tidings.definitions.kinds.timing import SendBetween

_MIDNIGHT = time(0)
# Farther ahead nothing is looked for: a window that does not open in so many days is one that never does.
_DAYS = 60
# Channels that ring or print where somebody lives: without a known zone they wait, where e-mail goes by the workspace's clock.
DISTURBING = ("sms", "fax")


@dataclass(frozen=True, slots=True)
class Window:
    """What restricts the hours of a message.

    `quiet`: from the first hour to the second (over midnight, when it is the later one) nothing leaves. `between`: only
    from the first hour to before the second. `weekdays`: only on these (0 is Monday; empty: on all). `days_off`:
    not on these days. `recipient`: the message goes by the recipient's clock even where nothing else restricts it.
    """

    quiet: tuple[time, time] | None = None
    between: tuple[time, time] | None = None
    weekdays: tuple[int, ...] = ()
    days_off: frozenset[date] = frozenset()
    recipient: bool = False

    @property
    def restricts(self) -> bool:
        """Tell whether there are hours or days at which nothing leaves."""
        return bool(self.quiet or self.between or self.weekdays or self.days_off)

    @property
    def needs_zone(self) -> bool:
        """Tell whether it matters where the recipient is."""
        return self.restricts or self.recipient

    def holds(self, wall: datetime) -> bool:
        """Tell whether it is open when the recipient's clock shows `wall`."""
        hour = wall.time()
        if self.weekdays and wall.weekday() not in self.weekdays:
            return False
        if self.between and not self.between[0] <= hour < self.between[1]:
            return False
        if self.quiet and _within(hour, *self.quiet):
            return False
        return wall.date() not in self.days_off

    def openings(self) -> tuple[time, ...]:
        """Return the hours at which it may open."""
        hours = {_MIDNIGHT}
        if self.quiet:
            hours.add(self.quiet[1])
        if self.between:
            hours.add(self.between[0])
        return tuple(sorted(hours))


def _within(hour: time, first: time, last: time) -> bool:
    """Tell whether an hour lies from `first` to before `last`, over midnight when `last` is the earlier one."""
    if first == last:
        return False
    if first < last:
        return first <= hour < last
    return hour >= first or hour < last


def window_of(
    policies: Policies,
    purpose: Purpose,
    kind: str,
    *,
    between: SendBetween | None = None,
    weekdays: tuple[int, ...] = (),
    clock: str = "workspace",
) -> Window:
    """Return the window of messages of a purpose by a kind of channel.

    The quiet hours of the kind count where the purpose keeps them. `between`, `weekdays` and `clock` are those of
    the campaign or step.
    """
    hours = policies.quiet_hours(kind) if purpose.keeps_quiet else None
    return Window(
        quiet=(hours.first, hours.last) if hours else None,
        between=(between.first, between.last) if between else None,
        weekdays=weekdays,
        recipient=clock == "recipient",
    )


def clock_zones(zones: tuple[str, ...], kind: str, workspace_zone: str) -> tuple[str, ...]:
    """Return the zones that a message of a channel kind goes by.

    Where none is known: the workspace's for e-mail, none for texts and faxes, which then wait until one is.
    """
    if zones or kind in DISTURBING:
        return zones
    return (workspace_zone,)


def allowed(window: Window, zones: tuple[str, ...], instant: datetime) -> bool:
    """Tell whether a message may leave at an instant to somebody who is in one of the zones: all of them must be open.

    Without a zone only a window that needs none allows it.
    """
    if not zones:
        return not window.needs_zone
    if not window.restricts:
        return True
    return all(window.holds(_wall(instant, zone_named(name))) for name in zones)


def next_allowed(window: Window, zones: tuple[str, ...], instant: datetime) -> datetime | None:
    """Return the first instant from `instant` on at which a message may leave, or None when there is none.

    None: no zone is known and the window needs one, or the zones are never open together within 60 days.
    """
    if not zones:
        return None if window.needs_zone else instant
    if not window.restricts:
        return instant
    places = [zone_named(name) for name in dict.fromkeys(zones)]
    at, latest = instant, instant + timedelta(days=_DAYS)
    while at <= latest:
        later = at
        for zone in places:
            opens = _opens(window, zone, later, latest)
            if opens is None:
                return None
            later = opens
        if later == at:
            return at
        at = later
    return None


def _opens(window: Window, zone: ZoneInfo, instant: datetime, latest: datetime) -> datetime | None:
    """Return the first instant from `instant` on at which one zone is open, or None before `latest`."""
    if window.holds(_wall(instant, zone)):
        return instant
    day = _wall(instant, zone).date()
    hours = window.openings()
    # The day before as well: where clocks are set back over midnight, its last hours come again.
    for ahead in range(-1, (latest - instant).days + 2):
        on = day + timedelta(days=ahead)
        found = [
            moment
            for hour in hours
            for moment in both_instants(datetime.combine(on, hour), zone)
            if moment >= instant and window.holds(_wall(moment, zone))
        ]
        if found:
            return min(found)
    return None


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)
