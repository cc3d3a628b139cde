"""Starts by a date: its day comes, so many days before or after, at an hour of the flow's clock."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.local_time import at_hour
from tidings.clock import from_micros, local_day, to_micros
from tidings.customers.zones import area_column
from tidings.definitions.kinds.flow import DayOffset, Flow
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.due import DAY, after_instant, day_number, instant_wall, wall_instant
from tidings.flows.journeys.named_values import IsoDay
from tidings.flows.journeys.recipients import recipient_instant
from tidings.flows.journeys.starting_events import subject_column
from tidings.segments.doing import named
from tidings.segments.properties import property_value
from tidings.store.tables import journeys, people
from tidings.store.tables.base import Key
from tidings.store.vocabulary import attributes_table

# A day that was missed by less than this starts the flow all the same: the clock may have stood still for a while.
LATE = Duration(1, Unit.DAY)
# A recipient's day comes at one of these minutes of an hour: clocks of the world differ by quarters of an hour.
_QUARTER = 15 * 60 * 1_000_000
# Dates that became known after their day are looked for this often.
_RELOOK = 10 * 60 * 1_000_000


def date_starts(
    connection: sa.Connection, flow: Flow, definitions: Definitions, *, since: int, now: datetime
) -> sa.Select[Any]:
    """Return the customers (or events) whose day has come, as candidates.

    The start is the day's instant, or that of going live if it was before. How late it may be: a day after going live and
    nothing before, or as `catch_up` says. Recipients' zones are those of `zone_areas`, filled by then. Of several events about the same subject the latest says the date.
    """
    moment = to_micros(now)
    zone = ZoneInfo(definitions.workspace.zone)
    earliest = _earliest(flow, since, moment, zone)
    dated = _dated(flow, definitions, _days_around(flow, earliest, moment, zone), moment)
    source: sa.FromClause = dated
    wall = _wall(dated.c.day, flow)
    # Of an earlier day only that it was before is asked, which clocks of another year tell as well.
    lowest = max(earliest if earliest is not None else since, since - 366 * DAY)
    if flow.clock == "recipient":
        customers, areas = people.customers, journeys.zone_areas
        source = dated.join(customers, customers.c.id == dated.c.customer_id).outerjoin(
            areas, areas.c.area == area_column()
        )
        known = connection.execute(sa.select(areas.c.zones).distinct()).scalars().all()
        comes = recipient_instant(wall, areas.c.zones, known, zone, lowest, moment)
    else:
        comes = wall_instant(wall, zone, lowest, moment)
    due = (
        sa.select(
            dated.c.customer_id,
            dated.c.iso,
            dated.c.subject,
            dated.c.event_id,
            comes.label("comes"),
        ).select_from(source)
    ).subquery("due")
    reference = (
        sa.literal("d", sa.Text)
        .concat(due.c.iso)
        .concat(sa.literal("/", sa.Text))
        .concat(sa.cast(due.c.customer_id, sa.Text))
        .concat(sa.literal("/", sa.Text))
        .concat(due.c.subject)
    )
    chosen = sa.select(
        due.c.customer_id,
        reference.label("start_ref"),
        due.c.subject,
        due.c.event_id,
        sa.case((due.c.comes < since, since), else_=due.c.comes).label("anchor_at"),
    ).where(due.c.comes <= moment)
    return chosen if earliest is None else chosen.where(due.c.comes >= earliest)


def next_look(flow: Flow, definitions: Definitions, now: datetime) -> int:
    """Return when to look for days the next time, if nothing is known to have changed before."""
    assert flow.starts.day is not None
    moment, hour = to_micros(now), flow.starts.day.at
    if flow.clock == "recipient":
        minute = (hour.minute * 60 + hour.second) * 1_000_000
        coming = moment - (moment - minute) % _QUARTER + _QUARTER
    else:
        zone = ZoneInfo(definitions.workspace.zone)
        today = local_day(now, zone)
        hours = (to_micros(at_hour(today + timedelta(days=ahead), hour, zone)) for ahead in (0, 1, 2))
        coming = next(one for one in hours if one > moment)
    return min(coming, moment + _RELOOK)


def _earliest(flow: Flow, since: int, moment: int, zone: ZoneInfo) -> int | None:
    """Return the first instant of a day that still starts the flow; None: all of them do."""
    catch_up = flow.starts.catch_up
    if catch_up == "everybody":
        return None
    if isinstance(catch_up, Duration):
        return after_instant(moment, catch_up, zone, -1)
    return max(since, after_instant(moment, LATE, zone, -1))


def _days_around(flow: Flow, earliest: int | None, moment: int, zone: ZoneInfo) -> tuple[date | None, date]:
    """Return the first and last date whose day may have come in time, whatever zone somebody is in."""
    assert flow.starts.day is not None
    back = timedelta(days=flow.starts.day.days)
    first = None
    if earliest is not None:
        first = local_day(from_micros(earliest), zone) - back - timedelta(days=2)
    return first, local_day(from_micros(moment), zone) - back + timedelta(days=2)


def _dated(flow: Flow, definitions: Definitions, days: tuple[date | None, date], moment: int) -> sa.Subquery:
    """Return customer_id, event_id, subject, iso (the date as text) and day (its number) of every date in those days."""
    day = flow.starts.day
    assert day is not None
    if flow.starts.event:
        return _of_events(flow, definitions, day, days, moment)
    attributes = attributes_table(definitions.attributes)
    column, owner = attributes.c[day.date], attributes.c.customer_id
    declared = definitions.attributes.get(day.date)
    subject, known = subject_column(flow, definitions, owner, sa.cast(sa.null(), Key))
    first, last = days
    inside: list[sa.ColumnElement[bool]] = [column.is_not(None)]
    if declared is not None and declared.type == "instant":
        number = _number_of_instant(column, ZoneInfo(definitions.workspace.zone), first, last, moment)
        low = None if first is None else _midnight(first) - DAY
        inside += [column <= _midnight(last) + 2 * DAY, *([] if low is None else [column >= low])]
        iso: sa.ColumnElement[str] = sa.cast(number, sa.Text)
    else:
        iso = IsoDay(column)
        number = day_number(iso)
        inside += [
            column <= sa.literal(last, sa.Date),
            *([] if first is None else [column >= sa.literal(first, sa.Date)]),
        ]
    return (
        sa.select(
            owner.label("customer_id"),
            sa.cast(sa.null(), Key).label("event_id"),
            subject.label("subject"),
            iso.label("iso"),
            number.label("day"),
        )
        .where(*inside, *known)
        .subquery("dated")
    )


def _of_events(
    flow: Flow, definitions: Definitions, day: DayOffset, days: tuple[date | None, date], moment: int
) -> sa.Subquery:
    events = people.events
    subject, known = subject_column(flow, definitions, events.c.customer_id, events.c.id)
    iso = property_value(events.c.properties, day.date, "date")
    rows = sa.select(
        events.c.customer_id.label("customer_id"),
        sa.cast(events.c.id, Key).label("event_id"),
        subject.label("subject"),
        iso.label("iso"),
    ).where(
        named(flow.starts.event),
        events.c.customer_id.is_not(None),
        events.c.occurred_at <= moment,
        *known,
    )
    if flow.again.how == "each":
        # A contract that was prolonged has the date of its latest event.
        latest = sa.func.row_number().over(
            partition_by=(events.c.customer_id, subject),
            order_by=(events.c.occurred_at.desc(), events.c.id.desc()),
        )
        ranked = rows.add_columns(latest.label("latest")).subquery("ranked")
        rows = sa.select(ranked.c.customer_id, ranked.c.event_id, ranked.c.subject, ranked.c.iso).where(
            ranked.c.latest == 1
        )
    found = rows.subquery("of_events")
    first, last = days
    inside = [found.c.iso <= last.isoformat(), *([] if first is None else [found.c.iso >= first.isoformat()])]
    return sa.select(*found.c, day_number(found.c.iso).label("day")).where(*inside).subquery("dated")


def _number_of_instant(
    column: sa.ColumnElement[Any], zone: ZoneInfo, first: date | None, last: date, moment: int
) -> sa.ColumnElement[int]:
    low = _midnight(first) - 2 * DAY if first is not None else moment - 20 * 366 * DAY
    wall = instant_wall(column, zone, low, _midnight(last) + 3 * DAY)
    day = sa.literal(DAY, sa.BigInteger)
    return sa.case((wall >= 0, wall // day), else_=(wall - day + 1) // day)


def _wall(day: sa.ColumnElement[int], flow: Flow) -> sa.ColumnElement[int]:
    """Return what the clock shows at the start's hour of the day that is so many days from a date."""
    offset = flow.starts.day
    assert offset is not None
    hour = (offset.at.hour * 3600 + offset.at.minute * 60 + offset.at.second) * 1_000_000
    days = (day + sa.literal(offset.days, sa.BigInteger)) * sa.literal(DAY, sa.BigInteger)
    return days + sa.literal(hour, sa.BigInteger)


def _midnight(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY
