"""When the messages of one run leave: by the workspace's clock or each recipient's, inside the hours that allow it.

Everything is decided by zones and channel, not by customer: statements group by the zones stored in `zone_areas`, and join
what is computed here back. A run keeps its schedule in its bounds, so that enrolling needs no definitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tidings.campaigns.legs import legs_of
from tidings.campaigns.local_time import at_hour, due_instant, instant_of
from tidings.campaigns.recurring import Occurrence
from tidings.campaigns.windows import Window, clock_zones, next_allowed, window_of
from tidings.clock import from_micros, local_midnight, to_micros
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.rules import Purpose
from tidings.definitions.workspace import Definitions

ONCE = "once"
# An hour that passed so recently is not past yet: scheduled work looks a moment after it.
GRACE = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Occasion:
    """Which of a campaign's times is planned: `key` is its local date, or `once`.

    `wall` is the hour written, without zone; None: when it is run. `recurring` says whether there are others,
    `by_itself` that it is started under a standing approval: then its first hour has just come, and nobody is asked.
    """

    key: str = ONCE
    wall: datetime | None = None
    recurring: bool = False
    by_itself: bool = False

    @classmethod
    def of(cls, campaign: Campaign, *, by_itself: bool = False) -> Occasion:
        """Return the one time of a campaign that does not come again."""
        return cls(wall=campaign.at.value if campaign.at else None, by_itself=by_itself)

    @classmethod
    def at(cls, campaign: Campaign, occurrence: Occurrence) -> Occasion:
        """Return the occasion of an occurrence."""
        assert campaign.recurrence is not None
        hour = campaign.recurrence.every.at
        return cls(occurrence.key, datetime.combine(occurrence.day, hour), recurring=True, by_itself=True)

    def anchor(self, zone: ZoneInfo) -> datetime | None:
        """Return the instant on the workspace clock, or None when it is when it is run."""
        return None if self.wall is None else instant_of(self.wall, zone)

    def as_of(self, now: datetime, zone: ZoneInfo) -> datetime:
        """Return the instant as of which people are looked at: not before its own day on the workspace clock.

        Where the recipients' day begins earlier than the workspace's, "anniversary today" means that day.
        """
        if self.wall is None or not self.recurring:
            return now
        return max(now, local_midnight(self.wall.date(), zone))


@dataclass(frozen=True, slots=True)
class Due:
    """When somebody's message leaves, in microseconds: `anchor` by the hour written, `at` inside the window.

    `late`: the hour was past already. `known`: a zone is. `waits`: it cannot leave until one is.
    """

    anchor: int
    at: int
    late: bool = False
    known: bool = True
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """The hours of one run. `wall` is the hour on each recipient's clock, None where the workspace's `anchor` counts.

    `kinds` are those of the channels, `windows` by kind. `lifetime` is counted from each one's own hour, in microseconds
    as `anchor` and `grace`.
    """

    anchor: int
    zone: str
    wall: datetime | None
    kinds: Mapping[str, str]
    windows: Mapping[str, Window]
    late: str
    lifetime: int
    grace: int = 0

    @classmethod
    def of(
        cls,
        campaign: Campaign,
        definitions: Definitions,
        purpose: Purpose,
        occasion: Occasion,
        *,
        anchor: int,
        lifetime: int,
    ) -> Schedule:
        """Return the schedule of a campaign on an occasion; `anchor` and `lifetime` in microseconds."""
        kinds = {leg.channel: leg.kind for leg in legs_of(campaign, definitions)}
        windows = {
            kind: window_of(
                definitions.policies,
                purpose,
                kind,
                between=campaign.send_between,
                weekdays=campaign.weekdays,
                clock=campaign.clock,
            )
            for kind in dict.fromkeys(kinds.values())
        }
        return cls(
            anchor=anchor,
            zone=definitions.workspace.zone,
            wall=occasion.wall if campaign.clock == "recipient" else None,
            kinds=kinds,
            windows=windows,
            # Looked at when its first hour comes: whoever is late then is late by no fault of the plan.
            late=campaign.late or ("send" if occasion.by_itself else ""),
            lifetime=lifetime,
            grace=GRACE // _MICROSECOND if occasion.by_itself else 0,
        )

    @property
    def by_zone(self) -> bool:
        """Tell whether it matters where people are."""
        return self.wall is not None or any(window.needs_zone for window in self.windows.values())

    def due(self, zones: str, channel: str | None, now: int) -> Due:
        """Return when messages by a channel leave to people with these zones (names by spaces), as of `now`.

        Without a channel (somebody else of the account gets the message) the hour alone counts.
        """
        known = tuple(zones.split())
        kind = self.kinds.get(channel or "", "")
        places = clock_zones(known, kind, self.zone)
        anchor = self.anchor
        if self.wall is not None:
            # Those of whom nothing is known are anchored by the workspace's clock; texts and faxes to them wait.
            local = due_instant(self.wall, places or (self.zone,))
            assert local is not None
            anchor = to_micros(local)
        late = self.wall is not None and anchor + self.grace < now
        if late and self.late == "send":
            anchor = now
        window = self.windows.get(kind, Window())
        opens = next_allowed(window, places, from_micros(anchor))
        waits = opens is None and not places
        return Due(anchor, anchor if opens is None else to_micros(opens), late, bool(known), waits)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, to be kept in the bounds of a run."""
        return {
            "anchor": self.anchor,
            "zone": self.zone,
            "wall": self.wall.isoformat() if self.wall else None,
            "kinds": dict(self.kinds),
            "windows": {kind: _window_json(window) for kind, window in self.windows.items()},
            "late": self.late,
            "lifetime": self.lifetime,
            "grace": self.grace,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Schedule:
        """Return a schedule as kept by `as_json`."""
        return cls(
            anchor=kept["anchor"],
            zone=kept["zone"],
            wall=datetime.fromisoformat(kept["wall"]) if kept["wall"] else None,
            kinds=kept["kinds"],
            windows={kind: _window(one) for kind, one in kept["windows"].items()},
            late=kept["late"],
            lifetime=kept["lifetime"],
            grace=kept["grace"],
        )


def _window_json(window: Window) -> dict[str, Any]:
    return {
        "quiet": [hour.isoformat() for hour in window.quiet] if window.quiet else None,
        "between": [hour.isoformat() for hour in window.between] if window.between else None,
        "weekdays": list(window.weekdays),
        "recipient": window.recipient,
    }


def _window(kept: Mapping[str, Any]) -> Window:
    def hours(name: str) -> tuple[time, time] | None:
        found = kept[name]
        return (time.fromisoformat(found[0]), time.fromisoformat(found[1])) if found else None

    return Window(hours("quiet"), hours("between"), tuple(kept["weekdays"]), recipient=kept["recipient"])


def zone_words(zones: str) -> str:
    """Return zones (names by spaces) as people read them."""
    names = zones.split()
    if len(names) > 1:
        return f"{names[0]} or {len(names) - 1} more"
    return names[0] if names else "unknown"


def starts_at(campaign: Campaign, day: date, zones: tuple[str, ...], zone: ZoneInfo) -> datetime:
    """Return the first instant at which a campaign's hour comes on a day: in the earliest of the zones by the recipients' clock.

    `zones` are those that customers may be in, each as in `zone_areas`; `zone` is the workspace's.
    """
    assert campaign.recurrence is not None
    hour = campaign.recurrence.every.at
    at = at_hour(day, hour, zone)
    if campaign.clock != "recipient":
        return at
    wall = datetime.combine(day, hour)
    return min([at, *(found for one in zones if (found := due_instant(wall, one.split())) is not None)])
