"""Why somebody was not in an audience: each condition of the recorded definition, asked for this customer as of now.

What a customer's attributes were at an earlier day is not kept, so conditions are asked of what is stored now. Membership of a
segment is kept with its days, and is told as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.assignment import BUCKETS, bucket, salt_for
from tidings.campaigns.legs import by_account
from tidings.clock import from_micros
from tidings.definitions.aloud.parts import Parts
from tidings.definitions.conditions import (
    AllOfThese,
    AnyOfThese,
    AttributeCondition,
    Condition,
    DidCondition,
    NoneOfThese,
    SegmentCondition,
)
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.rules import FIXED_COLUMNS, REDEEMED
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.money import from_minor
from tidings.flows.explaining.facts import AGAINST, PASSED, Fact, Inquiry
from tidings.flows.explaining.happenings import happenings
from tidings.segments.compile import Compiled, segment_clause, select_members
from tidings.segments.ranking import place_of
from tidings.segments.scope import Scope
from tidings.store.tables import people
from tidings.store.vocabulary import attributes_table

_members = people.segment_members


def audience_facts(ask: Inquiry, campaign: Campaign, planned_at: int | None) -> list[Fact]:
    """Say for each part of a campaign's audience whether the customer is in it, and which conditions say so."""
    found: list[Fact] = []
    for name in campaign.to.segments:
        found += segment_facts(ask, name, planned_at, wanted=True)
    if campaign.to.where:
        found += list(condition_facts(ask, campaign.to.where))
    for name in campaign.to.except_:
        found += segment_facts(ask, name, planned_at, wanted=False)
    if campaign.sample is not None:
        number = ask.person.unit_u if by_account(campaign) else ask.person.u
        place = bucket(number, salt_for(ask.definitions.workspace.salt, campaign.id, "sample"))
        inside = place < campaign.sample.basis_points
        found.append(
            Fact(
                "sample",
                f"bucket {place:,} of {BUCKETS:,}; the sample of {campaign.sample} is those below "
                f"{campaign.sample.basis_points:,}",
                PASSED if inside else AGAINST,
                data={"bucket": place, "below": campaign.sample.basis_points},
            )
        )
    return found


def segment_facts(ask: Inquiry, name: str, planned_at: int | None, *, wanted: bool) -> list[Fact]:
    """Say whether the customer is in a segment now, was when it was planned, and each condition of it."""
    segment = ask.definitions.segments.get(name)
    if segment is None:
        return [Fact("segment", f"what “{name}” said then was not kept", data={"segment": name})]
    inside = holds(ask, segment)
    title = f"the segment “{segment.title}” ({name})"
    good = inside is wanted
    then = "" if planned_at is None else _then(ask, name, planned_at)
    text = f"{'is' if inside else 'is not'} in {title} as of now{then}"
    if not wanted:
        text += "; whoever is in it is left out"
    found = [Fact("segment", text, PASSED if good else AGAINST, data={"segment": name, "inside": inside})]
    if segment.members == "listed":
        return found
    found += condition_facts(ask, segment.where)
    found += condition_facts(ask, segment.except_, wanted=False)
    if segment.rank is not None:
        found += _rank_facts(ask, segment, wanted=wanted)
    return found


def _rank_facts(ask: Inquiry, segment: Segment, *, wanted: bool) -> list[Fact]:
    """Say the place of the customer among those left after the conditions; nothing of who is not left."""
    assert segment.rank is not None
    compiled = Compiled.under(Scope.of(ask.definitions, ask.now, looking=True))
    order, left = compiled.ranked(segment)
    row = ask.connection.execute(place_of(order, segment.rank, left, ask.person.id)).first()
    if row is None:
        return []
    by, keep = Parts.of(ask.definitions).names.attribute(segment.rank.by), f"the top {segment.rank.keep} stay"
    text = f"place {row.place:,} of {row.left:,} left by {by}; {keep}"
    if not row.known:
        text = f"nothing is known of {by}; {keep}, and whoever has no value does not"
    return [
        Fact(
            "rank",
            text,
            PASSED if bool(row.kept) is wanted else AGAINST,
            data={"by": segment.rank.by, "place": row.place if row.known else None, "left": row.left},
        )
    ]


def condition_facts(ask: Inquiry, conditions: Sequence[Condition], *, wanted: bool = True) -> Iterator[Fact]:
    """Say each condition, whether it holds now, and what is stored about it."""
    parts = Parts.of(ask.definitions)
    for one in conditions:
        inside = condition_holds(ask, one)
        know = _known(ask, one)
        word = "holds" if inside else "does not hold"
        left_out = "" if wanted else "; for whom it holds is left out"
        yield Fact(
            "condition",
            f"{parts.condition(one)}: {word} now{f' ({know})' if know else ''}{left_out}",
            PASSED if inside is wanted else AGAINST,
            data={"holds": inside, "wanted": wanted},
        )


def holds(ask: Inquiry, segment: Segment) -> bool:
    """Tell whether the customer is in a segment as of now, by the recorded definition."""
    compiled = Compiled.under(Scope.of(ask.definitions, ask.now, looking=True))
    return _is_selected(ask, compiled, segment_clause(compiled, segment))


def condition_holds(ask: Inquiry, condition: Condition) -> bool:
    """Tell whether a condition holds for the customer as of now."""
    compiled = Compiled.under(Scope.of(ask.definitions, ask.now, looking=True))
    return _is_selected(ask, compiled, compiled.clause(condition))


def _is_selected(ask: Inquiry, compiled: Compiled, clause: sa.ColumnElement[bool]) -> bool:
    chosen = select_members(compiled, clause).where(people.customers.c.id == ask.person.id)
    return ask.connection.execute(chosen).first() is not None


def _then(ask: Inquiry, name: str, at: int) -> str:
    """Say what stored membership knows of a day."""
    row = ask.connection.execute(
        sa.select(_members.c.valid_from, _members.c.valid_to)
        .where(
            _members.c.segment == name, _members.c.customer_id == ask.person.id, _members.c.valid_from <= at
        )
        .order_by(_members.c.valid_from.desc())
        .limit(1)
    ).first()
    day = ask.when(at)
    if row is None:
        return f" (and was not on {day}, by stored membership)"
    if row.valid_to is None or row.valid_to > at:
        return f" (and was on {day}, by stored membership)"
    return f" (was until {ask.when(row.valid_to)}, by stored membership)"


def _known(ask: Inquiry, condition: Condition) -> str:
    """Say what is stored about what a condition asks for."""
    match condition:
        case AttributeCondition(name):
            return value_of(ask, name)
        case DidCondition(event=event):
            return _events(ask, event)
        case AllOfThese(inside) | AnyOfThese(inside) | NoneOfThese(inside):
            said = [
                f"{Parts.of(ask.definitions).condition(one)}: {'yes' if condition_holds(ask, one) else 'no'}"
                for one in inside
            ]
            return "; ".join(said)
        case SegmentCondition():
            return ""
        case _:
            return ""


def value_of(ask: Inquiry, name: str) -> str:
    """Return what is stored of an attribute now, in words."""
    title = Parts.of(ask.definitions).names.attribute(name)
    if name in FIXED_COLUMNS:
        column: Any = people.customers.c[name]
        value = ask.connection.execute(
            sa.select(column).where(people.customers.c.id == ask.person.id)
        ).scalar()
        return f"{title} is {value if value is not None else 'not known'}"
    declared = ask.today.attributes.get(name)
    if declared is None:
        return f"{title} is no attribute any more"
    if declared.type == "list":
        lists = people.customer_lists
        values = ask.connection.execute(
            sa.select(lists.c.value).where(lists.c.customer_id == ask.person.id, lists.c.attribute == name)
        ).scalars()
        return f"{title}: {', '.join(sorted(values)) or 'none'}"
    table = attributes_table(ask.today.attributes)
    value = ask.connection.execute(
        sa.select(table.c[name]).where(table.c.customer_id == ask.person.id)
    ).scalar()
    if value is None:
        return f"{title} is not known"
    if declared.type == "flag":
        return f"{title} is {'yes' if value else 'no'}"
    if declared.type == "money":
        currency = declared.currency or ask.today.workspace.currency
        return f"{title} is {from_minor(value, currency)} {currency}"
    if declared.type == "instant":
        return f"{title} is {ask.when(value)}"
    if declared.type == "number":
        return f"{title} is {value:g}"
    return f"{title} is {value}"


def _events(ask: Inquiry, event: str) -> str:
    """Say how often and when last the customer did something, as far as it is stored."""
    if event != REDEEMED.name and event not in {one.name for one in ask.definitions.events.events}:
        return ""
    done = happenings(event, ask.person.id).subquery()
    count, last = ask.connection.execute(sa.select(sa.func.count(), sa.func.max(done.c.occurred_at))).one()
    if not count:
        return "never did so far"
    times = "once" if count == 1 else f"{count:,} times"
    return f"{times} so far, last on {from_micros(last).astimezone(ask.zone):%Y-%m-%d}"
