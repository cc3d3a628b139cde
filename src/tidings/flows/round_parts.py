"""The parts of a round, in their order: segments that start flows, occurrences of campaigns, starts and steps of flows."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.delivery.recorded import Recorded, recorded
from tidings.flows import recurring
from tidings.flows.journeys.live import LiveFlow, live_flows
from tidings.flows.journeys.starting import flows_to_start, start_due
from tidings.flows.journeys.starting_segments import segments_to_refresh
from tidings.flows.journeys.walking import walk_due
from tidings.flows.round import Part, Round, Subject
from tidings.measurement.redemptions import catch_up
from tidings.segments.membership import refresh
from tidings.segments.redeemed import asks_for_redemptions
from tidings.store.database import Store
from tidings.store.tables import people

# Segments that start flows are computed anew so often.
REFRESH = timedelta(minutes=5)
_MOST = 300
_LOOK_AGAIN = 60.0
# The definitions asked last whether they ask for redemptions, and the answer. Up to which event codes were looked for in a
# store, and when.
_asking: list[Any] = []
_judged: WeakKeyDictionary[Store, tuple[int, float]] = WeakKeyDictionary()
_known: OrderedDict[tuple[str, int, int], Recorded] = OrderedDict()


def default_parts() -> tuple[Part, ...]:
    """Return what a round does, in order."""
    return (
        Part("redemptions", "codes judged", _codes_due, _judge_codes),
        Part("segments", "segments refreshed", stale_segments, refresh_segment),
        Part("occurrences", "campaigns started", recurring.due_subjects, recurring.start_due),
        Part("starts", "customers entered", _starting, _start),
        Part("steps", "customers moved", _live, _walk),
        Part("papers", "pages mailed", _papers_due, _mail_papers),
    )


def _codes_due(this: Round) -> list[Subject]:
    """Return the one subject of looking for codes in orders, where a definition asks for redemptions and events came since."""
    definitions = this.settings.definitions
    # Definitions are read anew only when a file changes, and a round is done every second.
    if not _asking or _asking[0] is not definitions:
        _asking[:] = [definitions, asks_for_redemptions(definitions)]
    if not _asking[1]:
        return []
    with this.store.read() as connection:
        newest = connection.execute(sa.select(sa.func.max(people.events.c.id))).scalar() or 0
    then, looked = _judged.get(this.store, (0, -_LOOK_AGAIN))
    # On PostgreSQL an event may be seen after one with a higher id.
    due = newest != then or this.clock.monotonic() - looked >= _LOOK_AGAIN
    return [Subject(str(newest))] if due else []


def _judge_codes(this: Round, upto: Subject) -> int:
    found = catch_up(this.store, this.settings.definitions, now=this.clock.now())
    _judged[this.store] = int(upto.name), this.clock.monotonic()
    return found.added + found.changed


def _papers_due(this: Round) -> list[Subject]:
    # Charts and statistics are loaded when somebody wants a page by mail: most rounds of most workspaces need none.
    if this.settings.definitions.workspace.papers is None:
        return []
    from tidings.flows.paper_mails import subjects

    return subjects(this)


def _mail_papers(this: Round, paper: Subject) -> int:
    from tidings.flows.paper_mails import mail_due

    return mail_due(this, paper)


def stale_segments(this: Round, older: timedelta = REFRESH) -> list[Subject]:
    """Return the segments that live flows start by or ask about, and that were not computed for a while."""
    names = segments_to_refresh(this.settings.definitions, this.store)
    if not names:
        return []
    computed = people.segment_runs
    since = to_micros(this.clock.now() - older)
    with this.store.read() as connection:
        fresh = set(
            connection.execute(
                sa.select(computed.c.segment)
                .where(computed.c.segment.in_(names), computed.c.as_of > since)
                .distinct()
            ).scalars()
        )
    return [Subject(name) for name in names if name not in fresh]


def refresh_segment(this: Round, segment: Subject) -> int:
    """Compute one segment, with all that it refers to."""
    return len(refresh(this.store, this.settings.definitions, [segment.name], now=this.clock.now()))


def _starting(this: Round) -> list[Subject]:
    return [_subject(one) for one in flows_to_start(this.store, now=this.clock.now())]


def _live(this: Round) -> list[Subject]:
    return [_subject(one) for one in live_flows(this.store)]


def _subject(one: LiveFlow) -> Subject:
    return Subject(one.flow, one.run_id, one.version)


def _start(this: Round, flow: Subject) -> int:
    run = _approved(this.store, flow)
    return start_due(
        this.store,
        run.definitions.flows[flow.name],
        run.definitions,
        run.run_id,
        now=this.clock.now(),
    )


def _walk(this: Round, flow: Subject) -> int:
    run = _approved(this.store, flow)
    walked = walk_due(
        this.store,
        run.definitions,
        run.definitions.flows[flow.name],
        run.run_id,
        run.version,
        now=this.clock.now(),
        stop=this.stop,
    )
    return walked.moved


def _approved(store: Store, flow: Subject) -> Recorded:
    """Return a flow as it was approved. What a version recorded never changes, so it is read once."""
    key = (store.url, flow.run_id or 0, flow.version)
    found = _known.get(key)
    if found is None:
        found = _known[key] = recorded(store, key[1], flow.version)
        if len(_known) > _MOST:
            _known.popitem(last=False)
    return found
