"""The hours of a run as a temporary table by zones and channel, for statements that enrol people to join."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.hours import GRACE, Schedule
from tidings.customers.zones import area_column, fill_areas
from tidings.store.database import Store
from tidings.store.tables import journeys, people, sending
from tidings.store.workbench import Workbench

_metadata = sa.MetaData()
# `channel` is empty for those without a message of their own.
_hours = sa.Table(
    "run_hours",
    _metadata,
    sa.Column("zones", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("anchor", sa.BigInteger, nullable=False),
    sa.Column("due", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=False),
    sa.Column("too_late", sa.Boolean, nullable=False),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True, slots=True)
class Timetable:
    """Expressions over rows of `plan_members`: each one's hour, when the message leaves and ends.

    `too_late`: the hour passed between planning and starting, and the campaign says to skip those.
    """

    anchor: sa.ColumnElement[int]
    due: sa.ColumnElement[int]
    expires: sa.ColumnElement[int]
    too_late: sa.ColumnElement[bool]
    by_zone: bool

    def beside(self, members: sa.Table) -> sa.FromClause:
        """Return the members, joined with what the expressions read."""
        if not self.by_zone:
            return members
        customers, areas = people.customers, journeys.zone_areas
        return (
            members.join(customers, customers.c.id == members.c.customer_id)
            .outerjoin(areas, areas.c.area == area_column())
            .join(
                _hours,
                sa.and_(
                    _hours.c.zones == sa.func.coalesce(areas.c.zones, ""),
                    _hours.c.channel == sa.func.coalesce(members.c.channel, ""),
                ),
            )
        )


def fill_timetable(store: Store, bench: Workbench, run: Any) -> Timetable:
    """Compute the hours of a run (a row of `runs`) into a temporary table, where zones decide anything."""
    kept = run.bounds.get("schedule")
    if not kept:
        at = sa.literal(run.anchor_at, sa.BigInteger)
        return Timetable(at, at, sa.literal(run.bounds["expires_at"], sa.BigInteger), sa.false(), False)
    schedule = Schedule.from_json(kept)
    fill_areas(store)
    areas, members = journeys.zone_areas, sending.plan_members
    # As of the approval, so that a start that is taken up gives everybody the same hours.
    now = run.created_at
    with bench.computing() as connection:
        _hours.create(connection)
        zones = {"", *connection.execute(sa.select(areas.c.zones).distinct()).scalars()}
        channels = connection.execute(
            sa.select(sa.func.coalesce(members.c.channel, ""))
            .where(members.c.plan_id == run.plan_id)
            .distinct()
        ).scalars()
        rows = [
            _row(schedule, one, channel, now)
            for channel in sorted(channels)
            for one in sorted(zones)
        ]  # fmt: skip
        if rows:
            connection.execute(_hours.insert(), rows)
    return Timetable(_hours.c.anchor, _hours.c.due, _hours.c.expires, _hours.c.too_late, True)


def _row(schedule: Schedule, zones: str, channel: str, now: int) -> dict[str, Any]:
    due = schedule.due(zones, channel, now)
    grace = max(schedule.grace, GRACE.seconds * 1_000_000)
    return {
        "zones": zones,
        "channel": channel,
        "anchor": due.anchor,
        "due": due.at,
        "expires": due.at + schedule.lifetime,
        "too_late": schedule.late == "skip" and due.late and due.anchor + grace < now,
    }
