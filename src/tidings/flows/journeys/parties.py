"""Messages about customers to another party of theirs: `to: dealer`, and one for all customers of a dealer.

The party is a customer too, whose key the attribute holds. Each message is of an enrolment of its own in the arm `party`,
which no report counts, and names the enrolments that it is about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.legs import UNREACHABLE, Leg, choice_column, legs_of, refused_by_all
from tidings.campaigns.steps import PARTY, as_campaign
from tidings.customers.house import RULES, house_of
from tidings.customers.permission import refusal
from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.workspace import Definitions
from tidings.errors import StoreError
from tidings.store.batches import insert_rows, next_ids
from tidings.store.tables import journeys, people, sending

_enrolments, _messages, _customers = sending.enrolments, sending.messages, people.customers
_named = _customers.alias("named")
_subjects = journeys.message_subjects
# Somebody else may take the number of an entry between our look and our writing; again and again, never.
_TRIES = 20
_COLUMNS = (
    "id",
    "run_id",
    "enrolment_id",
    "customer_id",
    "step",
    "leg",
    "channel",
    "version",
    "state",
    "is_open",
    "due_at",
    "expires_at",
    "attempt",
    "refusal_code",
    "refusal_rule",
    "policy_hash",
    "finished_at",
)


@dataclass(frozen=True, slots=True)
class ToParty:
    """What a step writes to the party: by which flow and version, and when (microseconds).

    `at` is the instant of the tick: those who come to the step at the same one share a message where the step says
    `group`. `due_at` is when the message may leave, `expires_at` when it may no longer.
    """

    flow: Flow
    step: Step
    definitions: Definitions
    run_id: int
    version: int
    at: int
    due_at: int
    expires_at: int | None
    policy_hash: str = ""


@dataclass(frozen=True, slots=True)
class PartyMessages:
    """How many messages were planned, how many written as refused, and how many customers joined one of the same tick."""

    planned: int = 0
    refused: int = 0
    joined: int = 0


@dataclass(slots=True)
class _Group:
    """One message: to whom, about which enrolments, by which channel or why not; the last three are its new rows."""

    party: int
    about: list[int]
    leg: Leg
    code: str | None
    enrolment: int = 0
    message: int = 0
    entry: int = 0


def send_to_party(connection: sa.Connection, reached: sa.FromClause, what: ToParty) -> PartyMessages:
    """Plan the messages of a step to the party of those who reached it, in the transaction that moves their journeys.

    `reached` has the columns `enrolment_id` and `party` (the key of another customer) of those treated. Where no channel
    reaches the party the message is written as refused; where there is no such customer it stands with the enrolment of
    the customer it is about (`no_address`). A constant number of statements, however many there are.
    """
    campaign = as_campaign(what.flow, what.step, what.definitions)
    legs = legs_of(campaign, what.definitions)
    if not legs:
        return PartyMessages()
    rows = connection.execute(_asked(reached, what, legs)).all()
    lonely = [row for row in rows if row.party_id is None]
    groups, joined = _groups(connection, [row for row in rows if row.party_id is not None], what, legs)
    _enrol(connection, groups, what)
    # All at once: numbers that are not used yet would be given again.
    numbers = next_ids(connection, _messages, len(groups) + len(lonely))
    for one, number in zip(groups, numbers, strict=False):
        one.message = number
    written = [
        _row(
            what,
            one.message,
            one.enrolment,
            one.party,
            one.leg,
            one.code,
            _rule(one.code, one.leg, campaign.purpose),
        )
        for one in groups
    ]
    written += [
        _row(what, number, row.enrolment_id, row.customer_id, legs[0], "no_address", f"party/{what.step.to}")
        for row, number in zip(lonely, numbers[len(groups) :], strict=True)
    ]
    insert_rows(connection, _messages, written, _COLUMNS)
    about = [(one.message, enrolment) for one in groups for enrolment in one.about]
    insert_rows(connection, _subjects, about + joined, ("message_id", "enrolment_id"))
    refused = len(lonely) + sum(one.code is not None for one in groups)
    return PartyMessages(len(written) - refused, refused, len(joined))


def _asked(reached: sa.FromClause, what: ToParty, legs: Sequence[Leg]) -> sa.Select[Any]:
    """Select those who came with their party, the first leg that reaches it (its place in `legs`), or why none does."""
    campaign = as_campaign(what.flow, what.step, what.definitions)
    purpose = what.definitions.policies.purpose(campaign.purpose)
    assert purpose is not None
    source: sa.FromClause = reached.join(_enrolments, _enrolments.c.id == reached.c.enrolment_id).outerjoin(
        _customers,
        # The record of that key, or the one that it was merged into.
        sa.and_(
            _customers.c.id
            == sa.select(sa.func.coalesce(_named.c.merged_into, _named.c.id))
            .where(_named.c.key == reached.c.party)
            .scalar_subquery(),
            _customers.c.tombstoned_at.is_(None),
        ),
    )
    choice: sa.ColumnElement[str] = sa.cast(sa.null(), sa.Text)
    if any(not leg.for_everybody for leg in legs):
        column = choice_column(what.definitions)
        source = source.outerjoin(column.table, column.table.c.customer_id == _customers.c.id)
        choice = column
    channels = [leg.channel for leg in legs]
    codes = {
        kind: refusal(
            kind,
            purpose,
            campaign.topic,
            now=what.at,
            house=house_of(what.definitions, purpose, kind, channels),
        )
        for kind in dict.fromkeys(leg.kind for leg in legs)
    }
    first = next((leg for leg in legs if not leg.chosen), legs[0])
    return (
        sa.select(
            reached.c.enrolment_id,
            _enrolments.c.customer_id,
            _customers.c.id.label("party_id"),
            sa.case(
                *(
                    (sa.and_(leg.meant(choice), codes[leg.kind].is_(None)), place)
                    for place, leg in enumerate(legs)
                ),
                else_=sa.null(),
            ).label("place"),
            refused_by_all(codes, first).label("code"),
        )
        .select_from(source)
        .order_by(_customers.c.id, reached.c.enrolment_id)
    )


def _groups(
    connection: sa.Connection, rows: Sequence[Any], what: ToParty, legs: Sequence[Leg]
) -> tuple[list[_Group], list[tuple[int, int]]]:
    """Return the messages to write, and who joins a message that an earlier part of the same tick has planned."""
    first = next((leg for leg in legs if not leg.chosen), legs[0])

    def group(row: Any) -> _Group:
        leg = first if row.place is None else legs[row.place]
        return _Group(row.party_id, [row.enrolment_id], leg, row.code if row.place is None else None)

    if not what.step.group:
        return [group(row) for row in rows], []
    open_ = _planned_now(connection, {row.party_id for row in rows}, what)
    joined, found = [], dict[int, _Group]()
    for row in rows:
        if row.party_id in open_:
            joined.append((open_[row.party_id], row.enrolment_id))
        elif row.party_id in found:
            found[row.party_id].about.append(row.enrolment_id)
        else:
            found[row.party_id] = group(row)
    return list(found.values()), joined


def _planned_now(connection: sa.Connection, parties: set[int], what: ToParty) -> dict[int, int]:
    """Return the message of each party that this very tick has planned and nobody has taken yet, and hold it."""
    rows = connection.execute(
        sa.select(_messages.c.customer_id, _messages.c.id)
        .select_from(_messages.join(_enrolments, _enrolments.c.id == _messages.c.enrolment_id))
        .where(
            _messages.c.customer_id.in_(parties),
            _messages.c.run_id == what.run_id,
            _messages.c.step == what.step.name,
            _messages.c.version == what.version,
            _messages.c.state == "planned",
            _messages.c.claim_id.is_(None),
            _enrolments.c.arm == PARTY,
            _enrolments.c.planned_at == what.at,
        )
        .order_by(_messages.c.id)
        .with_for_update(of=_messages, skip_locked=True)
    )
    return {row.customer_id: row.id for row in rows}


def _enrol(connection: sa.Connection, groups: Sequence[_Group], what: ToParty) -> None:
    """Write an enrolment for each message, with the next number of an entry of the party in the run."""
    left = list(groups)
    for _ in range(_TRIES):
        if not left:
            return
        rows = connection.execute(
            sa.select(_enrolments.c.customer_id, sa.func.max(_enrolments.c.entry).label("entry"))
            .where(
                _enrolments.c.run_id == what.run_id,
                _enrolments.c.customer_id.in_({one.party for one in left}),
            )
            .group_by(_enrolments.c.customer_id)
        )
        entries: dict[int, int] = defaultdict(lambda: -1, {row.customer_id: row.entry for row in rows})
        for one, number in zip(left, next_ids(connection, _enrolments, len(left)), strict=True):
            entries[one.party] += 1
            one.enrolment, one.entry = number, entries[one.party]
        insert_rows(
            connection,
            _enrolments,
            [(one.enrolment, what.run_id, one.party, one.entry, PARTY, what.at, what.at) for one in left],
            ("id", "run_id", "customer_id", "entry", "arm", "anchor_at", "planned_at"),
            ignore_conflicts=True,
        )
        there = set(
            connection.execute(
                sa.select(_enrolments.c.id).where(_enrolments.c.id.in_([one.enrolment for one in left]))
            ).scalars()
        )
        left = [one for one in left if one.enrolment not in there]
    if left:
        raise StoreError(
            "others enter the flow all the time, so that no number is left for a message",
            what_to_do="nothing is lost: the journeys are moved at the next tick",
            code="store-busy",
        )


def _row(
    what: ToParty, number: int, enrolment: int, customer: int, leg: Leg, code: str | None, rule: str
) -> tuple[Any, ...]:
    refused = code is not None
    return (
        number,
        what.run_id,
        enrolment,
        customer,
        what.step.name,
        leg.position,
        leg.channel,
        what.version,
        "refused" if refused else "planned",
        not refused,
        what.due_at,
        what.expires_at,
        0,
        code,
        rule if refused else None,
        (what.policy_hash or None) if refused else None,
        what.at if refused else None,
    )


def _rule(code: str | None, leg: Leg, purpose: str) -> str:
    if code in ("no_address", "invalid_address"):
        return f"address/{leg.kind}"
    if code in RULES:
        return RULES[code]
    if code == UNREACHABLE:
        return "via"
    if code is not None and code.startswith("suppressed_"):
        return "suppressions"
    return f"consent/{leg.kind}/{purpose}"
