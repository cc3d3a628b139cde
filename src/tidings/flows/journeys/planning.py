"""The plan of a flow: who would enter now, where people stand in the live one, and what an edit would change."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tidings.clock import from_micros, iso, to_micros
from tidings.customers.zones import fill_areas
from tidings.definitions.hashing import definition_hash
from tidings.definitions.kinds.flow import Flow
from tidings.definitions.kinds.rules import REDEEMED
from tidings.definitions.references import flow_segments
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.bounds import bounds_of
from tidings.flows.journeys.entering import Entrance, computed, count_entering
from tidings.flows.journeys.late_commits import Ahead, Reach
from tidings.flows.journeys.limits import DAYS, limit_of, most_of
from tidings.flows.journeys.live import OCCURRENCE, LiveFlow, find_flow, find_live, heads
from tidings.flows.journeys.starting_dates import date_starts
from tidings.flows.journeys.starting_events import start_tests
from tidings.flows.journeys.starting_redemptions import redemption_tests
from tidings.flows.journeys.starting_segments import computed_segments, enters_starts
from tidings.flows.journeys.versions import unfilled
from tidings.measurement.redemptions import catch_up
from tidings.segments.doing import named
from tidings.segments.membership import refresh
from tidings.store.database import Store
from tidings.store.tables import money, people
from tidings.store.vocabulary import check_vocabulary

# What happened in so many days before (of dates: what comes in so many) says what is to be expected.
EXPECTED_DAYS = DAYS


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step: `heads` people wait before it now. `change`: same, added, changed or removed.

    A removed step with people says in `moved` where they go: a step, or `end`; empty when nothing says so.
    """

    name: str
    verb: str
    heads: int
    change: str = "same"
    moved: str = ""


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """What letting a flow go live, or its edited version, would do.

    `kind`: new, edit, or unchanged (this very version is live). `entering` counts those who enter at once, by arm;
    `expected` how many starts there were in the last 28 days (of dates: come in the next), None where that cannot be
    told; `most` is the limit that approving it sets on them (`limits`), None where too little is known. `missing` are removed steps where people wait and nothing says where they go: it cannot go live so. Instants are
    microseconds since 1970; `holdout` is a share in parts of 10,000.
    """

    flow: str
    title: str
    kind: str
    hash: str
    version: int
    state: str
    planned_at: int
    live_since: int | None
    purpose: str
    entering: dict[str, int]
    expected: int | None
    most: int | None
    holdout: int
    holdout_reason: str
    steps: tuple[PlannedStep, ...]
    missing: tuple[tuple[str, int], ...]
    new_start: bool
    bounds: dict[str, Any]

    @property
    def people(self) -> int:
        """How many are on the way now."""
        return sum(step.heads for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """Return the plan with stable keys; instants as ISO text."""
        plain = asdict(self)
        plain["planned_at"] = iso(from_micros(self.planned_at))
        plain["live_since"] = None if self.live_since is None else iso(from_micros(self.live_since))
        plain["missing"] = [{"step": step, "heads": count} for step, count in self.missing]
        plain["people"] = self.people
        del plain["bounds"]
        return plain


def plan_flow(store: Store, definitions: Definitions, flow_id: str, *, now: datetime) -> FlowPlan:
    """Return what letting a flow go live, or its edited version, would do now; nobody enters or moves.

    Its segments are computed anew. Raises UsageError for an unknown flow and StoreError for attributes that the store does
    not have.
    """
    flow = find_flow(definitions, flow_id)
    check_vocabulary(store, definitions.attributes)
    catch_up(store, definitions, now=now)
    refresh(store, definitions, computed_segments(definitions, flow_segments(flow)), now=now)
    wanted, live = definition_hash(definitions, flow_id), find_live(store, flow_id)
    bounds = bounds_of(flow, definitions)
    kind = "new" if live is None else "unchanged" if live.definition_hash == wanted else "edit"
    missing: list[tuple[str, int]] = []
    waiting: dict[str, int] = {}
    if live is not None:
        with store.read() as connection:
            waiting = heads(connection, live.run_id)
            missing = unfilled(connection, flow, live)
    new_start = live is None or live.bounds.get("starts") != bounds["starts"]
    entering = _entering(store, flow, definitions, live, bounds["holdout"], now) if new_start else {}
    expected = _expected(store, flow, definitions, now)
    return FlowPlan(
        flow=flow.id,
        title=flow.title,
        kind=kind,
        hash=wanted[:12],
        version=1 if live is None else live.version + (kind == "edit"),
        state="not live" if live is None else live.state,
        planned_at=to_micros(now),
        live_since=None if live is None else live.created_at,
        purpose=flow.purpose,
        entering=entering,
        expected=expected,
        most=_most(store, flow, definitions, live, sum(entering.values()), expected, now),
        holdout=bounds["holdout"],
        holdout_reason=bounds["holdout_reason"],
        steps=_steps(flow, live, bounds, waiting),
        missing=tuple(missing),
        new_start=new_start,
        bounds=bounds,
    )


def _steps(
    flow: Flow, live: LiveFlow | None, bounds: dict[str, Any], waiting: dict[str, int]
) -> tuple[PlannedStep, ...]:
    """Return the steps of the new version in order, then those that were taken out."""
    before = {name: says for name, _, _, says in (live.bounds.get("steps", ()) if live else ())}
    verbs = {name: verb for name, verb, _, _ in (live.bounds.get("steps", ()) if live else ())}
    moved, found = dict(flow.moved), []
    for name, verb, _, says in bounds["steps"]:
        change = (
            "same" if live is None or before.get(name) == says else "changed" if name in before else "added"
        )
        found.append(PlannedStep(name, verb, waiting.get(name, 0), change))
    known = {step.name for step in flow.steps}
    gone = [*(name for name in before if name not in known)]
    gone += sorted(name for name in waiting if name not in known and name not in before)
    return (
        *found,
        *(
            PlannedStep(name, verbs.get(name, ""), waiting.get(name, 0), "removed", moved.get(name, ""))
            for name in gone
        ),
    )


def _entering(
    store: Store,
    flow: Flow,
    definitions: Definitions,
    live: LiveFlow | None,
    holdout: int,
    now: datetime,
) -> dict[str, int]:
    """Return how many would enter at once if the flow went live now, by arm."""
    since, nothing = to_micros(now), Ahead((), Reach(0))
    starts: sa.Select[Any] | None = None
    if flow.starts.kind == "enters":
        with store.read() as connection:
            known = connection.execute(sa.select(sa.func.max(people.segment_members.c.id))).scalar() or 0
        starts = enters_starts(flow, definitions, since=since, known=known, ahead=nothing, inside=True)
    elif flow.starts.kind == "date":
        if flow.clock == "recipient":
            fill_areas(store)
        with store.read() as connection:
            starts = date_starts(connection, flow, definitions, since=since, now=now)
    if starts is None:
        return {}
    run_id = 0 if live is None else live.run_id
    entrance = Entrance(run_id, flow, definitions, f"{flow.id}/{OCCURRENCE}", holdout)
    with computed(store, entrance, starts) as bench:
        return count_entering(bench)


def _most(
    store: Store,
    flow: Flow,
    definitions: Definitions,
    live: LiveFlow | None,
    entering: int,
    expected: int | None,
    now: datetime,
) -> int | None:
    """Return the limit that the plan sets; None where what it is estimated by does not reach back far enough."""
    asked, known = 0, bool(expected)
    with store.read() as connection:
        limit = limit_of(connection, live.run_id) if live is not None else None
        if limit is not None:
            asked = limit.asked
        if known and flow.starts.kind == "event":
            events = people.events
            earlier = to_micros(now - timedelta(days=EXPECTED_DAYS))
            before: sa.Select[Any] = sa.select(sa.literal_column("1"))
            if flow.starts.event == REDEEMED.name:
                before = before.where(money.redemptions.c.at <= earlier)
            else:
                before = before.where(named(flow.starts.event), events.c.occurred_at <= earlier)
            known = connection.execute(before.limit(1)).first() is not None
    if not known and not asked:
        return None
    return most_of(definitions.policies, entering + (expected or 0), asked)


def _expected(store: Store, flow: Flow, definitions: Definitions, now: datetime) -> int | None:
    """Return how many starts there were in the last four weeks, or of dates come in the next ones."""
    moment = to_micros(now)
    earlier = to_micros(now - timedelta(days=EXPECTED_DAYS))
    events, members = people.events, people.segment_members
    kind = flow.starts.kind
    with store.read() as connection:
        if flow.starts.event == REDEEMED.name:
            codes = money.redemptions
            counted = sa.select(sa.func.count()).where(
                *redemption_tests(flow, definitions, now),
                codes.c.customer_id.is_not(None),
                codes.c.at.between(earlier, moment),
            )
        elif kind == "event":
            counted = sa.select(sa.func.count()).where(
                *start_tests(flow, definitions, now),
                events.c.customer_id.is_not(None),
                events.c.occurred_at.between(earlier, moment),
            )
        elif kind == "date":
            ahead = now + timedelta(days=EXPECTED_DAYS)
            ever = replace(flow, starts=replace(flow.starts, catch_up="everybody"), clock="workspace")
            coming = date_starts(connection, ever, definitions, since=moment, now=ahead).subquery()
            counted = sa.select(sa.func.count()).select_from(coming).where(coming.c.anchor_at > moment)
        else:
            at = members.c.valid_from if kind == "enters" else members.c.valid_to
            # When a segment is computed for the first time, everybody comes into it at once.
            first = connection.execute(
                sa.select(sa.func.min(members.c.valid_from)).where(members.c.segment == flow.starts.segment)
            ).scalar()
            if first is None or first > earlier:
                return None
            counted = sa.select(sa.func.count()).where(
                members.c.segment == flow.starts.segment, at.between(earlier, moment)
            )
        return int(connection.execute(counted).scalar_one())
