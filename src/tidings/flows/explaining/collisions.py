"""What collides in a month: sends to the same people beyond their cap, and much at one hour by one channel.

Who is meant by a send is known from its plan, the latest one where the day is still to come; without a plan nothing is guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.definitions.kinds.rules import Cap
from tidings.definitions.workspace import Definitions
from tidings.flows.explaining.limits import cap_words
from tidings.flows.explaining.month import Collision, Entry, Month, live_titles, month_entries, without_day
from tidings.store.database import Store
from tidings.store.tables import sending

_members = sending.plan_members


def month_of(store: Store, definitions: Definitions, first: date, *, now: datetime) -> Month:
    """Return a month with what collides in it; `first` is its first day."""
    entries = month_entries(store, definitions, first, now)
    # Caps of several days look back over the first of the month.
    before = month_entries(store, definitions, (first - timedelta(days=1)).replace(day=1), now)
    with store.read() as connection:
        full = [one for one in _caps(connection, definitions, [*before, *entries]) if one.day >= first]
    found = [*full, *_hours(definitions, entries)]
    zone = ZoneInfo(definitions.workspace.zone)
    return Month(
        first=first,
        zone=definitions.workspace.zone,
        today=now.astimezone(zone).date(),
        entries=tuple(entries),
        collisions=tuple(sorted(found, key=lambda one: (one.day, one.kind, one.names))),
        flows=live_titles(store, definitions),
        unscheduled=without_day(store, definitions),
    )


def _caps(
    connection: sa.Connection, definitions: Definitions, entries: Sequence[Entry]
) -> Iterator[Collision]:
    """Give the days on which sends of one class come to people who have no room left for them."""
    by_class: dict[str, list[Entry]] = defaultdict(list)
    caps: dict[str, set[Cap]] = defaultdict(set)
    for one in entries:
        campaign = definitions.campaigns.get(one.name)
        purpose = definitions.policies.purpose(campaign.purpose) if campaign and one.sends else None
        if purpose is not None:
            by_class[purpose.message_class].append(one)
            caps[purpose.message_class] |= set(purpose.cap)
    for name, sends in by_class.items():
        told: set[tuple[date, tuple[str, ...]]] = set()
        for cap in sorted(caps[name], key=lambda one: one.days):
            for number, last in enumerate(sends):
                since = last.day - timedelta(days=cap.days - 1)
                window = [one for one in sends[: number + 1] if since <= one.day]
                names = tuple(dict.fromkeys(one.name for one in window))
                if len(window) <= cap.count or (last.day, names) in told:
                    continue
                words = _overlap(connection, window, cap)
                if words:
                    told.add((last.day, names))
                    yield Collision(last.day, "cap", names, f"{words} (cap {cap_words([cap])}, class {name})")


def _overlap(connection: sa.Connection, sends: Sequence[Entry], cap: Cap) -> str:
    """Say how many people would get more than the cap allows; empty where nobody would."""
    names = " and ".join(dict.fromkeys(one.name for one in sends))
    unknown = [one.name for one in sends if one.plan_id is None]
    if unknown:
        return f"{names} may reach the same people; `tidings plan {unknown[0]}` makes it known"
    parts = [
        sa.select(_members.c.customer_id).where(
            _members.c.plan_id == one.plan_id, _members.c.arm == "treated", _members.c.channel.is_not(None)
        )
        for one in sends
    ]
    every = sa.union_all(*parts).subquery()
    over = (
        sa.select(every.c.customer_id)
        .group_by(every.c.customer_id)
        .having(sa.func.count() > cap.count)
        .subquery()
    )
    count = int(connection.execute(sa.select(sa.func.count()).select_from(over)).scalar_one())
    return f"{names} reach {count:,} of the same people" if count else ""


def _hours(definitions: Definitions, entries: Sequence[Entry]) -> Iterator[Collision]:
    """Give the hours in which several campaigns go out by one channel."""
    zone = ZoneInfo(definitions.workspace.zone)
    together: dict[tuple[date, int, str], list[tuple[Entry, int | None]]] = defaultdict(list)
    for one in entries:
        campaign = definitions.campaigns.get(one.name)
        if not one.sends or one.at is None:
            continue
        channels: Sequence[tuple[str, int | None]] = one.channels
        if not channels and campaign is not None:
            # Not planned yet: its first channel is the one that most will get.
            channels = [(name, None) for name in campaign.via if name in definitions.channels][:1]
        for channel, count in channels:
            hour = int(one.wall[:2]) if one.wall else one.at.astimezone(zone).hour
            together[one.day, hour, channel].append((one, count))
    for (day, hour, channel), sends in together.items():
        names = tuple(dict.fromkeys(one.name for one, _ in sends))
        if len(names) < 2:
            continue
        known = [count for _, count in sends if count is not None]
        more = f"{sum(known):,} messages" if len(known) == len(sends) else f"{sum(known):,} messages and more"
        found = definitions.channels.get(channel)
        rate = found.rate_per_second if found else None
        long = f", {_length(sum(known) / float(rate))} of sending" if rate and known else ""
        yield Collision(day, "hour", names, f"{' and '.join(names)} go out from {hour:02}:00 by {channel}: {more}{long}")  # fmt: skip


def _length(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
