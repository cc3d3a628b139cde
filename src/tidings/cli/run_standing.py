"""`tidings run` for campaigns that start by themselves: those that come again, and those whose hour is still to come."""

from __future__ import annotations

import getpass
import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from tidings.cli.counted import people

if TYPE_CHECKING:
    from tidings.campaigns.plan import Plan
    from tidings.campaigns.standing import Approval
    from tidings.cli.session import Session
    from tidings.definitions.kinds.campaign import Campaign
    from tidings.flows.recurring import Started
    from tidings.store.database import Store

_SHOWN = 3
LATER = "when it is their hour"


def stands(session: Session, campaign: Campaign) -> bool:
    """Tell whether running the campaign means approving what starts later: it comes again, or its hour is to come.

    One that goes to those who were planned, whatever happens until then, is enrolled when it is approved.
    """
    from tidings.campaigns.hours import Occasion

    if campaign.recurrence is not None:
        return True
    hour = Occasion.of(campaign).anchor(ZoneInfo(session.settings.definitions.workspace.zone))
    return campaign.audience == "fresh at send" and hour is not None and hour > session.clock.now()


def due_now(session: Session, campaign: str) -> list[Started]:
    """Start what is due of a campaign that was approved, and return what became of it."""
    from tidings.flows.recurring import run_due_occurrences

    return run_due_occurrences(session.settings, session.store, clock=session.clock, campaign=campaign)


def approve_plan(
    session: Session, campaign: Campaign, plan: Plan, *, at_most: int | None, yes: bool, as_json: bool
) -> Approval | None:
    """Show the coming times and the bounds, ask, and write the standing approval; None when the answer was no."""
    from tidings.campaigns.standing import approve, bounds_of

    bounds = bounds_of(plan, at_most)
    if not as_json:
        for line in coming_lines(session, campaign):
            click.echo(f"  {line}")
        click.echo(f"  It goes out by itself, to at most {_bounds_words(bounds, plan.recurring)};")
        click.echo("  beyond that it waits and asks.")
    if not yes and not _asked(plan, bounds):
        return None
    return approve(session.store, plan, bounds=bounds, approved_by=getpass.getuser(), now=session.clock.now())


def coming_lines(session: Session, campaign: Campaign) -> list[str]:
    """Return the coming times of a recurring campaign in words."""
    from tidings.campaigns.occurrences import next_ones
    from tidings.campaigns.recurring import shortened

    if campaign.recurrence is None:
        return []
    found = next_ones(
        session.store, campaign, session.settings.definitions, session.clock.now(), _SHOWN
    )  # fmt: skip
    own = "on each recipient's clock" if campaign.clock == "recipient" else ""
    lines = []
    for one in found:
        moved = f" (that of {one.key}, moved off a holiday)" if one.occurrence.moved else ""
        hour = f"{campaign.recurrence.every.at:%H:%M}"
        lines.append(
            f"{'comes' if one is found[0] else 'then'} {one.occurrence.day} {hour} {own}".rstrip() + moved
        )
    if note := shortened(campaign.recurrence):
        lines.append(note)
    return lines


def approval_lines(session: Session, campaign: Campaign) -> list[str]:
    """Return how the approval of a campaign stands, in words; nothing where it never had one."""
    from tidings.campaigns.standing import open_approval

    found = open_approval(session.store, campaign.id)
    if found is None:
        return []
    if found.state == "active":
        who = f"approved by {found.approved_by} on {_day(session, found.approved_at)}"
        return [
            f"It starts by itself ({who}), to at most {_bounds_words(found.bounds, campaign.recurrence is not None)}."
        ]
    go_on = f"tidings resume {campaign.id}" if found.paused else f"tidings run {campaign.id}"
    return [f"HELD: {found.reason}. Go on with:  {go_on}"]


def told(session: Session, campaign: Campaign, done: list[Started], runs: list[dict[str, Any]]) -> str:
    """Return how it stands as JSON."""
    standing = standing_json(session, campaign)
    return json.dumps(
        {
            "campaign": campaign.id,
            "next": standing.pop("next"),
            "approval": standing,
            "occurrences": [
                {"occurrence": one.occurrence, "state": one.state, "reason": one.reason or None}
                for one in done
            ],
            "runs": runs,
        },
        ensure_ascii=False,
        indent=2,
    )


def campaign_state(store: Store, campaign: Campaign) -> str:
    """Return in a word how a campaign stands: as its approval does where it starts by itself, else as its run."""
    from tidings.campaigns.runs import find_run
    from tidings.campaigns.standing import open_approval

    run = find_run(store, campaign.id)
    if run is not None:
        return run.state
    found = open_approval(store, campaign.id)
    if found is None:
        return "not run"
    return "approved" if found.state == "active" else "paused" if found.paused else "held"


def standing_json(session: Session, campaign: Campaign) -> dict[str, Any]:
    """Return the coming times and the approval of a campaign with the stable keys of `--json`."""
    from tidings.campaigns.occurrences import next_ones
    from tidings.campaigns.standing import open_approval

    found = open_approval(session.store, campaign.id)
    coming = next_ones(session.store, campaign, session.settings.definitions, session.clock.now(), _SHOWN)
    return {
        "state": found.state if found else None,
        "reason": found.reason if found else None,
        "bounds": dict(found.bounds) if found else None,
        "next": [
            {"occurrence": one.key, "day": one.occurrence.day.isoformat(), "starts": _iso(one.starts)}
            for one in coming
        ],
    }


def later_words(session: Session, run_id: int) -> str:
    """Return in words that the rest of a run leaves later, by the clock of its recipients; empty when something is due now."""
    import sqlalchemy as sa

    from tidings.clock import from_micros, to_micros
    from tidings.store.tables import sending

    messages, now = sending.messages, to_micros(session.clock.now())
    with session.store.read() as connection:
        first, later, pending = connection.execute(
            sa.select(
                sa.func.min(messages.c.due_at),
                # What failed for a moment is tried again by whoever runs this: it waits for no hour.
                sa.func.count(sa.case((sa.and_(messages.c.state == "planned", messages.c.due_at > now), 1))),
                sa.func.count(),
            ).where(
                messages.c.run_id == run_id,
                messages.c.state.in_(["planned", "deferred", "claimed", "started"]),
            )
        ).one()
    if not later or later < pending:
        return ""
    zone = ZoneInfo(session.settings.definitions.workspace.zone)
    return f"{later:,} leave later, from {from_micros(first).astimezone(zone):%Y-%m-%d %H:%M} on, {LATER}"


def done_lines(done: list[Started]) -> list[str]:
    """Return what became of the occurrences that were due, in words."""
    return [
        f"{one.occurrence}: {one.state}" + (f" ({one.reason})" if one.reason else "")
        for one in done
        if one.occurrence != "once" or one.state != "started"
    ]


def _asked(plan: Plan, bounds: dict[str, Any]) -> bool:
    from tidings.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(
            "this would be approved and there is nobody to ask",
            what_to_do="add --yes once you have read the plan",
        )
    return click.confirm(
        f"\nlet {plan.campaign} go out by itself, to at most {_bounds_words(bounds, plan.recurring)}?",
        default=False,
    )


def _bounds_words(bounds: Any, recurring: bool) -> str:
    from tidings.definitions.money import format_money

    cost, currency = bounds.get("cost"), bounds.get("currency")
    money = f" and {format_money(cost, currency)}" if cost is not None and currency else ""
    return f"{people(bounds['people'])}{money}{' each time' if recurring else ''}"


def _day(session: Session, micros: int) -> str:
    from tidings.clock import from_micros

    return f"{from_micros(micros).astimezone(ZoneInfo(session.settings.definitions.workspace.zone)):%Y-%m-%d}"


def _iso(instant: datetime) -> str:
    from tidings.clock import iso

    return iso(instant)
