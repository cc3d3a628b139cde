"""Who does not get a campaign this time: whoever had it already (`again`), whose hour is past (`late`), who is not in the sample.

Each is one statement over the staged audience. Enrolments of every arm count as having had it, so that those held out
are treated as those written to.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from tidings.campaigns.assignment import salt_for, with_buckets
from tidings.campaigns.hours import ONCE, Occasion, Schedule, zone_words
from tidings.campaigns.legs import by_account
from tidings.campaigns.staging import stage
from tidings.clock import from_micros
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.errors import RefusedByPolicy
from tidings.segments.days import shift_day
from tidings.store.tables import people, sending
from tidings.store.vocabulary import attributes_table

AGAIN, LATE = "again", "late"
# Stands in `refusal_rule` of those let in by `again: for each X`, before the value of X.
EACH = "each "
_UNCOUNTED = ("copy", "party")
_EXACT = {Unit.MINUTE: timedelta(minutes=1), Unit.HOUR: timedelta(hours=1)}


def keep_sample(connection: sa.Connection, campaign: Campaign, definitions: Definitions) -> int | None:
    """Drop everybody from the stage who is not in the campaign's sample; return how many there were, None without one.

    The sample is drawn by the campaign's own name, so it stays the same whenever it is drawn.
    """
    if campaign.sample is None:
        return None
    before = int(
        connection.execute(
            sa.select(sa.func.count()).select_from(stage).where(stage.c.copied.is_(sa.false()))
        ).scalar_one()
    )
    salt = salt_for(definitions.workspace.salt, campaign.id, "sample")
    drawn = with_buckets(stage, {"sample_bucket": salt}, {"sample_bucket": "unit_u"})
    outside = sa.select(drawn.c.customer_id).where(drawn.c.sample_bucket >= campaign.sample.basis_points)
    connection.execute(
        sa.delete(stage).where(stage.c.copied.is_(sa.false()), stage.c.customer_id.in_(outside))
    )
    return before


def refuse_late(connection: sa.Connection, campaign: Campaign, schedule: Schedule, now: int) -> int:
    """Refuse those whose hour is past where the campaign says `late: skip`; return how many are late.

    Raises RefusedByPolicy where some are and the campaign does not say what to do.
    """
    if schedule.wall is None:
        return 0
    open_ = (stage.c.code.is_(None), stage.c.copied.is_(sa.false()), stage.c.channel.is_not(None))
    groups = connection.execute(
        sa.select(stage.c.zones, stage.c.channel, sa.func.count())
        .where(*open_)
        .group_by(stage.c.zones, stage.c.channel)
    ).all()
    late = [
        (zones, channel, count)
        for zones, channel, count in groups
        if schedule.due(zones or "", channel, now).late
    ]
    if not late or schedule.late == "send":
        return sum(count for _, _, count in late)
    if not schedule.late:
        people_late = sum(count for _, _, count in late)
        first = min(late, key=lambda one: schedule.due(one[0] or "", one[1], now).anchor)
        raise RefusedByPolicy(
            f"{campaign.id} goes out at {schedule.wall:%Y-%m-%d %H:%M} on the recipient's clock, and that is past already for "
            f"{people_late:,} people (first in {zone_words(first[0] or '')})",
            what_to_do="write `late: send` (they get it at once) or `late: skip`, or set a later `at:`",
        )
    for channel in dict.fromkeys(channel for _, channel, _ in late):
        zones = [one for one, by, _ in late if by == channel]
        connection.execute(
            sa.update(stage)
            .where(*open_, stage.c.channel == channel, sa.func.coalesce(stage.c.zones, "").in_(zones))
            .values(code=LATE)
        )
    return sum(count for _, _, count in late)


def refuse_again(
    connection: sa.Connection,
    campaign: Campaign,
    definitions: Definitions,
    occasion: Occasion,
    anchor: int,
) -> None:
    """Refuse those who had an earlier run of the campaign, as `again` says. Accounts had it when one of them had."""
    again = campaign.again
    if again is None or again.how == "always":
        return
    runs, enrolments, customers = sending.runs, sending.enrolments, people.customers
    rows = connection.execute(
        sa.select(runs.c.id, runs.c.occurrence, runs.c.anchor_at).where(
            runs.c.campaign == campaign.id, runs.c.kind == "campaign", runs.c.occurrence != occasion.key
        )
    ).all()
    recent = _recent(again.after, occasion, anchor) if again.after else None
    counted = [row.id for row in rows if recent is None or recent(row.occurrence, row.anchor_at)]
    if not counted:
        return
    had = sa.select(enrolments.c.customer_id).where(
        enrolments.c.run_id.in_(counted), enrolments.c.arm.not_in(_UNCOUNTED)
    )
    if again.how == "each":
        members, value = sending.plan_members, _each_value(definitions, again.each)
        had = (
            had.join(runs, runs.c.id == enrolments.c.run_id)
            .join(
                members,
                sa.and_(
                    members.c.plan_id == runs.c.plan_id, members.c.customer_id == enrolments.c.customer_id
                ),
            )
            .join(value.table, value.table.c.customer_id == enrolments.c.customer_id)
            .where(members.c.refusal_rule == sa.literal(EACH, sa.Text).concat(sa.cast(value, sa.Text)))
        )
    tests = [stage.c.customer_id.in_(had)]
    if by_account(campaign):
        accounts = sa.select(customers.c.account).where(
            customers.c.account.is_not(None), customers.c.id.in_(had)
        )
        tests.append(stage.c.account.in_(accounts))
    connection.execute(
        sa.update(stage)
        .where(stage.c.code.is_(None), stage.c.copied.is_(sa.false()), sa.or_(*tests))
        .values(code=AGAIN)
    )


def rule_let_in(campaign: Campaign, definitions: Definitions, customer_id: sa.ColumnElement[int]) -> sa.ColumnElement[str | None]:  # fmt: skip
    """Return what is kept beside somebody enrolled, so that `again: for each X` knows for which X; NULL for other rules."""
    if campaign.again is None or campaign.again.how != "each":
        return sa.cast(sa.null(), sa.Text)
    value = _each_value(definitions, campaign.again.each)
    found = (
        sa.select(sa.literal(EACH, sa.Text).concat(sa.cast(value, sa.Text)))
        .where(value.table.c.customer_id == customer_id)
        .scalar_subquery()
    )
    return found


def _each_value(definitions: Definitions, name: str) -> sa.Column[object]:
    attribute = definitions.attributes.get(name)
    if attribute is None or attribute.type == "list":
        raise RefusedByPolicy(
            f"`again: for each {name}`: customers have no attribute {name} with one value",
            what_to_do="name an attribute of config/attributes.yaml; events start flows, not campaigns",
        )
    column: sa.Column[object] = attributes_table(definitions.attributes).c[name]
    return column


def _recent(after: Duration, occasion: Occasion, anchor: int) -> Callable[[str, int], bool]:
    """Return what tells whether a run (its occurrence and anchor) is too recent for another one.

    Days and longer are counted from local date to local date, so that a change of the clocks decides nothing.
    """
    exact = _EXACT.get(after.unit)
    if exact is not None or occasion.wall is None:
        length = exact * after.amount if exact else None
        begins = from_micros(anchor) - length if length else None

        def by_instant(_: str, at: int) -> bool:
            if begins is not None:
                return from_micros(at) > begins
            return from_micros(at).date() > shift_day(from_micros(anchor).date(), after, -1)

        return by_instant
    first = shift_day(occasion.wall.date(), after, -1)

    def by_day(occurrence: str, at: int) -> bool:
        return _day_of(occurrence, at) > first

    return by_day


def _day_of(occurrence: str, anchor: int) -> date:
    return from_micros(anchor).date() if occurrence == ONCE else datetime.fromisoformat(occurrence).date()
