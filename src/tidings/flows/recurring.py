"""Start what is due under standing approvals: occurrences of recurring campaigns, and campaigns whose hour has come.

Each occurrence is decided once, in a row of its own, before anything is done for it; its run is unique too. So a look may be
repeated, killed between any two statements, or made by several at once: what is missing is added, and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.hours import ONCE, Occasion, starts_at
from tidings.campaigns.misfires import LATEST, Decision, decide, rule_of
from tidings.campaigns.occurrences import Coming, coming, company_holidays, customers_zones, next_ones
from tidings.campaigns.plan import Plan
from tidings.campaigns.planning import differing, estimated, load_plan, make_plan
from tidings.campaigns.recurring import occurrences
from tidings.campaigns.runs import enrol, find_run, start_run
from tidings.campaigns.standing import Approval, active_approvals, close, hold, outside
from tidings.clock import Clock, from_micros, to_micros
from tidings.config.settings import Settings
from tidings.definitions.hashing import definition_hash
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.workspace import Definitions
from tidings.errors import RefusedByPolicy, UsageError
from tidings.flows.round import Round, Subject
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import journeys

_table = journeys.occurrences
# Occurrences decided already are looked at again so far back: where customers are decides when the first hour comes.
_MARGIN = timedelta(days=3)
# A holiday moves an occurrence by so much at most.
_MOVED = timedelta(days=70)


@dataclass(frozen=True, slots=True)
class Started:
    """What became of one occurrence: `state` is started, skipped or held, `reason` why where it is not as usual."""

    campaign: str
    occurrence: str
    state: str
    reason: str = ""
    run_id: int | None = None


def due_subjects(this: Round) -> list[Subject]:
    """Return the campaigns that run under a standing approval, for a round."""
    return [Subject(one.campaign) for one in active_approvals(this.store)]


def start_due(this: Round, subject: Subject) -> int:
    """Start what is due of one campaign, for a round; return how many runs. Raises RefusedByPolicy when it is held now."""
    found = run_due_occurrences(
        this.settings, this.store, clock=this.clock, stop=this.stop, campaign=subject.name
    )
    held = next((one for one in found if one.state == "held"), None)
    if held is not None:
        raise RefusedByPolicy(
            f"held, for {held.reason}", what_to_do=f"`tidings run {held.campaign}` shows it and asks anew"
        )
    return sum(one.state == "started" for one in found)


def run_due_occurrences(
    settings: Settings,
    store: Store,
    *,
    clock: Clock,
    stop: threading.Event | None = None,
    campaign: str | None = None,
) -> list[Started]:
    """Decide and start every occurrence that is due under an active approval (of one campaign, or of all).

    Returns what became of each that was decided now. An occurrence outside the bounds approved, or of definitions that are
    not those approved, is held with its approval, and nothing more happens until somebody approves again.
    """
    done: list[Started] = []
    for approval in active_approvals(store):
        if campaign is not None and approval.campaign != campaign:
            continue
        if stop is not None and stop.is_set():
            break
        done += _Approved(settings.definitions, store, approval, clock).start()
    return done


class _Approved:
    """Starts what is due under one approval."""

    def __init__(self, definitions: Definitions, store: Store, approval: Approval, clock: Clock) -> None:
        self._definitions = definitions
        self._store = store
        self._approval = approval
        self._now = clock.now()
        self._zone = ZoneInfo(definitions.workspace.zone)

    def start(self) -> list[Started]:
        """Decide what is due and start what is to be started, oldest first."""
        campaign = self._definitions.campaigns.get(self._approval.campaign)
        skipped = [] if campaign is None else self._decide(campaign)
        rows = self._starting()
        return skipped + [self._start_one(campaign, row) for row in rows]

    def _decide(self, campaign: Campaign) -> list[Started]:
        """Put down what becomes of each occurrence that has come since the last look; return those skipped now."""
        due = self._undecided(campaign)
        if not due:
            return []
        purpose = self._definitions.policies.purpose(campaign.purpose)
        assert purpose is not None
        following = next_ones(self._store, campaign, self._definitions, self._now, 1)
        zones = customers_zones(self._store) if campaign.clock == "recipient" else ()

        def start_on(day: date) -> datetime:
            return starts_at(campaign, day, zones, self._zone)

        decisions = decide(
            due,
            rule_of(campaign.misfire, purpose),
            self._now,
            following=following[0].starts if following else None,
            start_on=start_on,
        )
        return [one for decision in decisions if (one := self._put_down(decision)) is not None]

    def _undecided(self, campaign: Campaign) -> list[Coming]:
        """Return the occurrences since the approval, or since shortly before the last one decided, that nobody decided yet."""
        approved = from_micros(self._approval.approved_at)
        with self._store.read() as connection:
            latest = connection.execute(
                sa.select(sa.func.max(_table.c.due_at)).where(
                    _table.c.campaign == campaign.id, _table.c.due_at <= to_micros(self._now)
                )
            ).scalar()
        since = approved if latest is None else max(approved, from_micros(latest) - _MARGIN)
        found = coming(self._store, campaign, self._definitions, since, self._now)
        if not found:
            return []
        with self._store.read() as connection:
            known = set(
                connection.execute(
                    sa.select(_table.c.occurrence).where(
                        _table.c.campaign == campaign.id, _table.c.occurrence.in_([one.key for one in found])
                    )
                ).scalars()
            )
        return [one for one in found if one.key not in known]

    def _put_down(self, decision: Decision) -> Started | None:
        name = self._approval.campaign
        with self._store.durable("occurrence") as connection:
            mine = connection.execute(
                insert_ignoring(connection, _table)
                .values(
                    campaign=name,
                    occurrence=decision.key,
                    due_at=to_micros(decision.due),
                    state=decision.state,
                    reason=decision.reason or None,
                    decided_at=to_micros(self._now),
                )
                .returning(_table.c.occurrence)
            ).first()
        if mine is None or decision.state != "skipped":
            return None
        return Started(name, decision.key, "skipped", decision.reason)

    def _starting(self) -> Sequence[Any]:
        """Return what is to be started by now, also what another look put down and did not come to."""
        with self._store.read() as connection:
            return connection.execute(
                sa.select(_table)
                .where(
                    _table.c.campaign == self._approval.campaign,
                    _table.c.state == "starting",
                    _table.c.due_at <= to_micros(self._now),
                )
                .order_by(_table.c.due_at)
            ).all()

    def _start_one(self, campaign: Campaign | None, row: Any) -> Started:
        name, key = self._approval.campaign, row.occurrence
        run = find_run(self._store, name, key)
        if run is not None:
            # Started by a look that ended before it could say so.
            enrol(self._store, run.id)
            return self._started(row, run.id)
        changed = self._changed(campaign)
        if campaign is None or changed:
            return self._held(row, changed)
        try:
            occasion = self._occasion(campaign, row)
            if occasion is None:
                return self._held(row, f"{key} is none of its days any more")
            return self._run(campaign, row, occasion)
        except (RefusedByPolicy, UsageError) as error:
            return self._held(row, error.message)

    def _run(self, campaign: Campaign, row: Any, occasion: Occasion) -> Started:
        """Plan an occurrence as of now, and start it inside the bounds approved."""
        plan_id, _, approved = load_plan(self._store, self._approval.bounds["plan"])
        fixed = campaign.audience == "fixed when planned"
        plan = make_plan(
            self._store,
            self._definitions,
            campaign.id,
            now=self._now,
            occasion=occasion,
            among=plan_id if fixed else None,
        )
        # What a message takes was estimated with people when it was approved; the words are the same.
        units = {one.channel: one.units for one in approved.costs if one.estimated}
        plan = estimated(self._store, plan, units) if units else plan
        # Days on which everybody is held out count: without them too few would be held out.
        if not plan.people and not plan.held_out:
            return self._skipped(row, "nobody is to be written to")
        beyond = outside(plan, self._approval.bounds) or self._drifted(campaign, approved, plan)
        if beyond:
            return self._held(row, beyond)
        run = start_run(
            self._store,
            self._definitions,
            plan.hash,
            approved_by=self._approval.approved_by,
            now=self._now,
        )
        return self._started(row, run.id)

    def _drifted(self, campaign: Campaign, approved: Plan, plan: Plan) -> str:
        """Return how far the people of a campaign that goes out once are others than those approved; empty when few are."""
        if campaign.recurrence is not None:
            return ""
        drift, allowed = differing(self._store, approved.hash, plan.hash), self._approval.bounds["drift"]
        if plan.people + drift <= self._approval.bounds["people"] or drift <= allowed:
            return ""
        return (
            f"its audience has moved by {drift:,} people since it was approved, and {allowed:,} are allowed"
        )

    def _changed(self, campaign: Campaign | None) -> str:
        if campaign is None:
            return "there is no such campaign in the files any more"
        if definition_hash(self._definitions, campaign.id) != self._approval.definition_hash:
            return "its definitions are not those that were approved"
        return ""

    def _occasion(self, campaign: Campaign, row: Any) -> Occasion | None:
        """Return the occasion of a row; one caught up goes out as soon as it may. None when it is no day of the rhythm."""
        starts = from_micros(row.due_at)
        late = self._now - starts > LATEST
        if row.occurrence == ONCE or campaign.recurrence is None:
            return Occasion.of(campaign, by_itself=True) if row.occurrence == ONCE else None
        own = date.fromisoformat(row.occurrence)
        noon = datetime(own.year, own.month, own.day, 12, tzinfo=self._zone)
        found = occurrences(
            campaign.recurrence,
            self._zone,
            noon - timedelta(days=1),
            noon + _MOVED,
            company_holidays(self._definitions),
        )
        one = next((one for one in found if one.key == row.occurrence), None)
        if one is None:
            return None
        if late:
            return Occasion(row.occurrence, None, recurring=True, by_itself=True)
        hour = campaign.recurrence.every.at
        day = one.day
        if row.reason:
            day = self._day_starting(campaign, starts) or day
        return Occasion(row.occurrence, datetime.combine(day, hour), recurring=True, by_itself=True)

    def _day_starting(self, campaign: Campaign, starts: datetime) -> date | None:
        """Return the day whose first hour is an instant: that to which an occurrence was put off."""
        zones = customers_zones(self._store) if campaign.clock == "recipient" else ()
        near = starts.astimezone(self._zone).date()
        days = (near + timedelta(days=ahead) for ahead in (0, 1, -1))
        return next((day for day in days if starts_at(campaign, day, zones, self._zone) == starts), None)

    def _started(self, row: Any, run_id: int) -> Started:
        self._settle(row, "started", row.reason, run_id)
        if row.occurrence == ONCE:
            close(self._store, self._approval, "its run has started")
        return Started(row.campaign, row.occurrence, "started", row.reason or "", run_id)

    def _skipped(self, row: Any, reason: str) -> Started:
        self._settle(row, "skipped", reason, None)
        return Started(row.campaign, row.occurrence, "skipped", reason)

    def _held(self, row: Any, reason: str) -> Started:
        hold(self._store, self._approval, reason, now=self._now, occurrence=row.occurrence)
        return Started(row.campaign, row.occurrence, "held", reason)

    def _settle(self, row: Any, state: str, reason: str | None, run_id: int | None) -> None:
        with self._store.durable("occurrence") as connection:
            connection.execute(
                _table.update()
                .where(
                    _table.c.campaign == row.campaign,
                    _table.c.occurrence == row.occurrence,
                    _table.c.state == "starting",
                )
                .values(state=state, reason=reason, run_id=run_id, decided_at=to_micros(self._now))
            )
