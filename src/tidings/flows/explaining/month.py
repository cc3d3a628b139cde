"""A month on the workspace's clock: what is planned, ran or comes again, days off, what ends, and which flows are live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.local_time import instant_of
from tidings.campaigns.occurrences import coming
from tidings.campaigns.standing import Approval, open_approval
from tidings.clock import from_micros, iso, local_day, local_midnight, to_micros
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.values import Duration
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.live import live_flows
from tidings.store.database import Store
from tidings.store.tables import journeys, sending

_runs, _plans, _occurrences = sending.runs, sending.plans, journeys.occurrences


@dataclass(frozen=True, slots=True)
class Entry:
    """Something on a day. `kind`: run, planned, coming, skipped, held, holiday, workday or offer ends.

    `at` is the instant, None for a whole day. `approved`: an occurrence to come runs by itself. `people` are those
    written to (or planned), None where no plan is stored; `plan_id` is that plan, `channels` with their messages. `wall` is the hour as written where each recipient's
    clock decides: `at` is then the instant of the earliest zone.
    """

    day: date
    kind: str
    name: str
    title: str
    at: datetime | None = None
    detail: str = ""
    approved: bool | None = None
    people: int | None = None
    plan_id: int | None = None
    channels: tuple[tuple[str, int], ...] = ()
    clock: str = "workspace"
    wall: str = ""

    @property
    def sends(self) -> bool:
        """Tell whether something goes out, or went out."""
        return self.kind in ("run", "planned", "coming")

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "day": self.day.isoformat(),
            "kind": self.kind,
            "name": self.name or None,
            "title": self.title,
            "at": iso(self.at) if self.at else None,
            "clock": self.clock if self.sends else None,
            "hour": self.wall or None,
            "detail": self.detail or None,
            "approved": self.approved,
            "people": self.people,
            "channels": dict(self.channels),
        }


@dataclass(frozen=True, slots=True)
class Collision:
    """Two or more sends that get into each other's way on a day: `kind` is cap or hour, `names` those of the campaigns."""

    day: date
    kind: str
    names: tuple[str, ...]
    words: str

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "day": self.day.isoformat(),
            "kind": self.kind,
            "campaigns": list(self.names),
            "words": self.words,
        }


@dataclass(frozen=True, slots=True)
class Month:
    """A month: the first of its days, everything on them in order, what collides, and the live flows with their titles."""

    first: date
    zone: str
    today: date
    entries: tuple[Entry, ...]
    collisions: tuple[Collision, ...] = ()
    flows: tuple[tuple[str, str], ...] = ()
    unscheduled: tuple[str, ...] = field(default=())

    @property
    def last(self) -> date:
        """The last day."""
        return (self.first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "month": f"{self.first:%Y-%m}",
            "clock": self.zone,
            "entries": [one.as_json() for one in self.entries],
            "collisions": [one.as_json() for one in self.collisions],
            "flows": [{"flow": name, "title": title} for name, title in self.flows],
            "unscheduled": list(self.unscheduled),
        }


def month_entries(store: Store, definitions: Definitions, first: date, now: datetime) -> list[Entry]:
    """Return what stands on the days of a month, by day and hour."""
    zone = ZoneInfo(definitions.workspace.zone)
    last = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    begins, ends = local_midnight(first, zone), local_midnight(last, zone)
    found = [*_days_off(definitions, first, last)]
    with store.read() as connection:
        found += _ran(connection, definitions, begins, ends, zone)
        found += _not_sent(connection, definitions, begins, ends, zone)
        ran = {(row.campaign, row.occurrence) for row in connection.execute(sa.select(_runs.c.campaign, _runs.c.occurrence))}  # fmt: skip
        plans = _latest_plans(connection)
    for campaign in definitions.campaigns.values():
        plan = plans.get(campaign.id)
        if campaign.recurrence is not None:
            found += _to_come(store, definitions, campaign, plan, begins, ends, now, ran)
        elif campaign.at is not None and (campaign.id, "once") not in ran:
            at = instant_of(campaign.at.value, zone)
            if begins <= at < ends:
                approval = open_approval(store, campaign.id)
                word = "approved" if approval else "planned" if plan else "not planned yet"
                late = "; its hour is past" if at < now and not approval else ""
                found.append(
                    _entry(campaign, "planned", local_day(at, zone), at, word + late, approval, plan)
                )
        found += _offers(campaign, first, last)
    return sorted(found, key=_order)


def live_titles(store: Store, definitions: Definitions) -> tuple[tuple[str, str], ...]:
    """Return the live flows with their titles."""
    return tuple(
        (one.flow, definitions.flows[one.flow].title if one.flow in definitions.flows else one.flow)
        for one in live_flows(store)
    )


def without_day(store: Store, definitions: Definitions) -> tuple[str, ...]:
    """Return the campaigns that have no day and did not run: they go out when somebody runs them."""
    with store.read() as connection:
        ran = set(connection.execute(sa.select(_runs.c.campaign).distinct()).scalars())
    return tuple(
        one.id
        for one in definitions.campaigns.values()
        if one.at is None and one.recurrence is None and one.id not in ran
    )


def _order(one: Entry) -> tuple[date, bool, float, str]:
    return (one.day, one.at is not None, one.at.timestamp() if one.at else 0.0, one.name)


def _entry(
    campaign: Campaign, kind: str, day: date, at: datetime, detail: str, approval: Approval | None, plan: Any
) -> Entry:
    summary = plan.summary if plan is not None else {}
    messages = tuple((name, int(count)) for name, count in summary.get("messages", ()))
    return Entry(
        day=day,
        kind=kind,
        name=campaign.id,
        title=campaign.title,
        at=at,
        detail=detail,
        approved=approval is not None and approval.state == "active",
        people=sum(count for _, count in messages) if plan is not None else None,
        plan_id=plan.id if plan is not None else None,
        channels=messages,
        clock=campaign.clock,
        wall=_wall(campaign),
    )


def _wall(campaign: Campaign | None) -> str:
    """Return the hour that a campaign is written with where it is one of its recipients' clocks; else nothing."""
    if campaign is None or campaign.clock != "recipient":
        return ""
    if campaign.recurrence is not None:
        return f"{campaign.recurrence.every.at:%H:%M}"
    return f"{campaign.at.value:%H:%M}" if campaign.at is not None else ""


def _days_off(definitions: Definitions, first: date, last: date) -> Iterator[Entry]:
    holidays = definitions.holidays
    for day, title in holidays.days.items():
        if first <= day < last and day not in holidays.workdays:
            yield Entry(day, "holiday", "", title)
    for day in holidays.workdays:
        if first <= day < last:
            yield Entry(day, "workday", "", "worked in exchange for a day off")


def _ran(connection: sa.Connection, definitions: Definitions, begins: datetime, ends: datetime, zone: ZoneInfo) -> Iterator[Entry]:  # fmt: skip
    messages = sending.messages
    rows = connection.execute(
        sa.select(_runs, _plans.c.summary)
        .select_from(_runs.outerjoin(_plans, _plans.c.id == _runs.c.plan_id))
        .where(
            _runs.c.kind == "campaign",
            _runs.c.anchor_at >= to_micros(begins),
            _runs.c.anchor_at < to_micros(ends),
        )
    ).all()
    for row in rows:
        counts = connection.execute(
            sa.select(messages.c.channel, sa.func.count())
            .where(messages.c.run_id == row.id, messages.c.state.not_in(["refused", "cancelled"]))
            .group_by(messages.c.channel)
            .order_by(messages.c.channel)
        ).all()
        campaign = definitions.campaigns.get(row.campaign)
        at = from_micros(row.anchor_at)
        yield Entry(
            day=local_day(at, zone),
            kind="run",
            name=row.campaign,
            title=campaign.title if campaign else row.campaign,
            at=at,
            detail=row.state,
            people=sum(count for _, count in counts),
            plan_id=row.plan_id,
            channels=tuple((name, int(count)) for name, count in counts),
            clock=campaign.clock if campaign else "workspace",
            wall=_wall(campaign),
        )


def _not_sent(connection: sa.Connection, definitions: Definitions, begins: datetime, ends: datetime, zone: ZoneInfo) -> Iterator[Entry]:  # fmt: skip
    rows = connection.execute(
        sa.select(_occurrences).where(
            _occurrences.c.state.in_(["skipped", "held"]),
            _occurrences.c.due_at >= to_micros(begins),
            _occurrences.c.due_at < to_micros(ends),
        )
    )
    for row in rows:
        campaign = definitions.campaigns.get(row.campaign)
        at = from_micros(row.due_at)
        title = campaign.title if campaign else row.campaign
        yield Entry(
            local_day(at, zone), row.state, row.campaign, title, at, row.reason or "", wall=_wall(campaign)
        )


def _to_come(
    store: Store,
    definitions: Definitions,
    campaign: Campaign,
    plan: Any,
    begins: datetime,
    ends: datetime,
    now: datetime,
    ran: set[tuple[str, str]],
) -> Iterator[Entry]:
    """Give the occurrences that are not decided yet; those of the past that nobody approved are not to come."""
    approval = open_approval(store, campaign.id)
    after = max(begins - timedelta(microseconds=1), now)
    for one in coming(store, campaign, definitions, after, ends - timedelta(microseconds=1)):
        if (campaign.id, one.key) in ran:
            continue
        if one.occurrence.left_out:
            yield Entry(
                one.occurrence.day,
                "skipped",
                campaign.id,
                campaign.title,
                one.starts,
                one.occurrence.left_out,
                wall=_wall(campaign),
            )
            continue
        word = "not approved" if approval is None else "approved" if approval.state == "active" else f"held: {approval.reason}"  # fmt: skip
        moved = f", moved from {one.key}" if one.occurrence.moved else ""
        yield _entry(campaign, "coming", one.occurrence.day, one.starts, word + moved, approval, plan)


def _offers(campaign: Campaign, first: date, last: date) -> Iterator[Entry]:
    offer = campaign.offer
    if offer is None or offer.ends is None or isinstance(offer.ends, Duration):
        return
    day = offer.ends.date() if isinstance(offer.ends, datetime) else offer.ends
    if first <= day < last:
        hour = f" at {offer.ends:%H:%M}" if isinstance(offer.ends, datetime) else ""
        yield Entry(day, "offer ends", campaign.id, campaign.title, detail=f"{offer.gives}{hour}")


def _latest_plans(connection: sa.Connection) -> dict[str, Any]:
    """Return the latest whole plan of each campaign."""
    newest = (
        sa.select(sa.func.max(_plans.c.id)).where(_plans.c.state != "filling").group_by(_plans.c.campaign)
    )
    rows = connection.execute(sa.select(_plans).where(_plans.c.id.in_(newest)))
    return {row.campaign: row for row in rows}
