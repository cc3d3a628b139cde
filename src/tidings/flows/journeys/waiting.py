"""Waits for something that a customer does: answered by the first event since the wait began, or not at all.

Who waits is looked at again when something came in that may be an answer, and at the end of `up_to`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.definitions.kinds.flow import Step, WaitFor
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES, REDEEMED
from tidings.flows.journeys import verdicts as said
from tidings.flows.journeys.deciding import Walk, stage
from tidings.flows.journeys.late_commits import Reach, Running, ahead
from tidings.segments.doing import about_subject, event_tests, named
from tidings.segments.heard import HEARD, heard_at
from tidings.segments.redeemed import COUNTS
from tidings.segments.scope import Journey, Scope
from tidings.store.tables import answers, money, people, sending
from tidings.store.tables.journeys import journeys, message_subjects

# What became of messages is read from the ledger and its receipts: whoever waits for it is looked at every time.
BY_LEDGER = frozenset(("sent", *HEARD))
# What came in is looked through in stretches of so many ids.
_STRETCH = 20_000
# Where the looking begins, ids so far back may still become visible.
_MARGIN = 10_000


@dataclass(frozen=True, slots=True)
class Looked:
    """How far what may answer a wait has been looked through."""

    events: Reach
    responses: Reach
    redemptions: Reach

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {name: reach.as_json() for name, reach in self._reaches().items()}

    def behind(self, event: int, response: int, redemption: int) -> bool:
        """Tell whether there is more to look at, given the newest ids."""
        newest = (event, response, redemption)
        return any(
            id_ > reach.top or reach.gaps for id_, reach in zip(newest, self._reaches().values(), strict=True)
        )

    def _reaches(self) -> dict[str, Reach]:
        return {"events": self.events, "responses": self.responses, "redemptions": self.redemptions}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Looked:
        """Return what `as_json` gave; what an earlier version remembered says nothing of redemptions."""
        codes = stored.get("redemptions", {"top": 0})
        return cls(*(Reach.from_json(one) for one in (stored["events"], stored["responses"], codes)))


def beginning(connection: sa.Connection, others: Running) -> Looked:
    """Return where to begin: waits that are made from now on look at what is there by themselves."""

    def reach(table: sa.Table) -> Reach:
        top = connection.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0
        return ahead(connection, table, Reach(max(top - _MARGIN, 0)), others).then

    return Looked(reach(people.events), reach(answers.responses), reach(money.redemptions))


def table_of(waited: WaitFor) -> sa.Table:
    """Return where what a wait is for comes in."""
    if waited.event == REDEEMED.name:
        return money.redemptions
    return answers.responses if waited.event in BUILT_IN_RESPONSES else people.events


def settle(connection: sa.Connection, walk: Walk, step: Step) -> None:
    """Find what the staged customers did since their waits began, and decide; who goes on waiting is taken off the table."""
    waited = step.wait_for
    assert waited is not None
    waiting = stage.c.verdict == said.WAITING
    until = sa.case((stage.c.later < walk.at, stage.c.later), else_=sa.literal(walk.at, sa.BigInteger))
    if waited.event == REDEEMED.name:
        found: sa.ColumnElement[int] = _redeemed(walk, waited, until)
    elif waited.event in BUILT_IN_RESPONSES:
        found = _responses(walk, step, until)
    else:
        found = _events(walk, waited, until)
    connection.execute(sa.update(stage).where(waiting).values(happened=found))
    connection.execute(
        sa.update(stage)
        .where(waiting)
        .values(
            verdict=sa.case(
                (stage.c.happened.is_not(None), said.ANSWERED),
                (stage.c.later <= walk.at, said.UNANSWERED),
                else_=said.WAITING,
            ),
            at=sa.case(
                (stage.c.happened.is_not(None), stage.c.happened),
                (stage.c.later <= walk.at, stage.c.later),
                else_=stage.c.at,
            ),
        )
    )
    connection.execute(sa.delete(stage).where(waiting, stage.c.begun))


def candidates(
    connection: sa.Connection, walk: Walk, step: Step, ranges: tuple[tuple[int, int], ...]
) -> Iterator[list[int]]:
    """Yield the enrolments that wait at a step and may have got an answer by what has an id in `ranges`."""
    waited = step.wait_for
    assert waited is not None
    # The sum keeps SQLite from looking through all that wait at the step.
    here = (
        journeys.c.run_id == walk.run_id,
        sa.func.coalesce(journeys.c.step, "") == step.name,
        journeys.c.state == "walking",
    )
    if waited.event in BY_LEDGER:
        chosen = sa.select(journeys.c.enrolment_id).where(
            journeys.c.run_id == walk.run_id, journeys.c.step == step.name, journeys.c.state == "walking"
        )
        yield from connection.execute(chosen).scalars().partitions(_STRETCH)  # type: ignore[misc]
        return
    table = table_of(waited)
    for low, high in ranges:
        for first in range(low, high + 1, _STRETCH):
            came = table.c.id.between(first, min(first + _STRETCH - 1, high))
            if table is answers.responses:
                messages, responses = sending.messages, answers.responses
                of = sa.select(messages.c.enrolment_id).where(
                    responses.c.message_id == messages.c.id, came, responses.c.kind == waited.event
                )
                about = sa.select(message_subjects.c.enrolment_id).where(
                    responses.c.message_id == message_subjects.c.message_id, came
                )
                new = sa.union(of, about).subquery()
                chosen = sa.select(journeys.c.enrolment_id).join(
                    new, new.c.enrolment_id == journeys.c.enrolment_id
                )
            else:
                who = sa.select(table.c.customer_id).where(came).distinct()
                enrolments = sending.enrolments
                chosen = (
                    sa.select(journeys.c.enrolment_id)
                    .join(enrolments, enrolments.c.id == journeys.c.enrolment_id)
                    .where(enrolments.c.run_id == walk.run_id, enrolments.c.customer_id.in_(who))
                )
            found = list(connection.execute(chosen.where(*here)).scalars())
            if found:
                yield found


def _redeemed(walk: Walk, waited: WaitFor, until: sa.ColumnElement[int]) -> sa.ScalarSelect[int]:
    """Return when a code was first redeemed that counts; with `of` or `by`, one that a message of the journey gave."""
    codes, messages = money.redemptions, sending.messages
    scope = _scope(walk)
    which = [*event_tests(REDEEMED, waited.with_, scope), *about_subject(REDEEMED, scope)]
    if waited.of or waited.by:
        given = sa.select(messages.c.id).where(
            messages.c.id == codes.c.message_id,
            messages.c.enrolment_id == stage.c.enrolment_id,
            *_which_messages(walk, waited),
        )
        which.append(sa.exists(given.correlate(codes, stage)))
    return (
        sa.select(sa.func.min(codes.c.at))
        .where(
            codes.c.customer_id == stage.c.customer_id, COUNTS, codes.c.at.between(stage.c.at, until), *which
        )
        .correlate(stage)
        .scalar_subquery()
    )


def _which_messages(walk: Walk, waited: WaitFor) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of `of` and `by` on messages."""
    messages = sending.messages
    which: list[sa.ColumnElement[bool]] = []
    if waited.of:
        which.append(messages.c.step == waited.of)
    if waited.by:
        channels = [one.id for one in walk.definitions.channels.values() if waited.by in (one.id, one.kind)]
        which.append(messages.c.channel.in_(channels))
    return which


def _scope(walk: Walk) -> Scope:
    again = walk.flow.again
    return Scope(
        attributes=walk.definitions.attributes,
        events=walk.definitions.events,
        now=walk.now,
        zone=walk.zone,
        currency=walk.definitions.workspace.currency,
        journey=Journey(
            each=again.each, subject=stage.c.subject if again.how == "each" else None, tables=(stage,)
        ),
    )


def _events(walk: Walk, waited: WaitFor, until: sa.ColumnElement[int]) -> sa.ScalarSelect[int]:
    events, scope = people.events, _scope(walk)
    event = walk.definitions.events.get(waited.event)
    return (
        sa.select(sa.func.min(events.c.occurred_at))
        .where(
            events.c.customer_id == stage.c.customer_id,
            named(waited.event),
            events.c.occurred_at.between(stage.c.at, until),
            *event_tests(event, waited.with_, scope),
            *about_subject(event, scope),
        )
        .correlate(stage)
        .scalar_subquery()
    )


def _responses(walk: Walk, step: Step, until: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """Return when a message of the journey was first answered, or one to another party about the customer."""
    own = _answered(walk, step, until, of_party=False)
    if not any(one.to for one in walk.flow.steps):
        return own
    theirs = _answered(walk, step, until, of_party=True)
    return sa.case((own <= theirs, own), else_=sa.func.coalesce(theirs, own))


def _answered(
    walk: Walk, step: Step, until: sa.ColumnElement[int], *, of_party: bool
) -> sa.ScalarSelect[int]:
    waited = step.wait_for
    assert waited is not None
    messages, responses = sending.messages, answers.responses
    which = _which_messages(walk, waited)
    if of_party:
        source: sa.FromClause = message_subjects.join(
            messages, messages.c.id == message_subjects.c.message_id
        )
        which.append(message_subjects.c.enrolment_id == stage.c.enrolment_id)
    else:
        source = messages
        which.append(messages.c.enrolment_id == stage.c.enrolment_id)
    if waited.event == "sent":
        at: sa.ColumnElement[int] = messages.c.accepted_at
    elif waited.event in HEARD:
        at = heard_at(waited.event)
    else:
        # Machines open and click too: only what was judged an act of a person answers.
        source = source.join(responses, responses.c.message_id == messages.c.id)
        which += [responses.c.kind == waited.event, responses.c.judged == "human"]
        at = responses.c.at
    return (
        sa.select(sa.func.min(at))
        .select_from(source)
        .where(*which, at.between(stage.c.at, until))
        .correlate(stage)
        .scalar_subquery()
    )
