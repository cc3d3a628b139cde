"""Standing approvals: a campaign may start its runs by itself while it is what was approved, inside the bounds approved.

A recurring campaign has one, and so has a campaign whose audience is looked at again when its hour comes. One approval a
campaign is open at a time; it is `active`, or `held` with the reason, until it is revoked or another one takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.assignment import BUCKETS
from tidings.campaigns.hours import ONCE
from tidings.campaigns.misfires import LATEST
from tidings.campaigns.plan import Plan
from tidings.clock import to_micros
from tidings.definitions.money import format_money
from tidings.store.audit import append
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import journeys

_PAUSED = "paused"
_MICROSECOND = timedelta(microseconds=1)
_approvals, _occurrences = journeys.standing_approvals, journeys.occurrences


@dataclass(frozen=True, slots=True)
class Approval:
    """One open approval. `bounds`: people, cost (minor units of `currency`) and the hash of the plan that was shown."""

    id: int
    campaign: str
    definition_hash: str
    bounds: Mapping[str, Any]
    approved_by: str
    approved_at: int
    state: str
    reason: str | None

    @property
    def paused(self) -> bool:
        """Tell whether somebody paused it, so that `tidings resume` lets it go on."""
        return self.state == "held" and (self.reason or "").startswith(_PAUSED)


def bounds_of(plan: Plan, people: int | None = None) -> dict[str, Any]:
    """Return the bounds that approving a plan sets: its people and the drift allowed, and what so many cost.

    `people` is the most that one occurrence may write to, where somebody named it.
    """
    drift = max(plan.people * plan.bounds["drift_share"] // BUCKETS, plan.bounds["drift_people"])
    most = plan.people + drift if people is None else people
    cost = plan.cost
    if cost is not None and plan.people:
        fixed = sum(minor for _, minor, _ in plan.fixed_costs)
        cost = fixed + -(-(cost - fixed) * most // plan.people)
    if plan.budget is not None:
        cost = plan.budget
    return {
        "people": most,
        "cost": cost if plan.people or plan.budget is not None else None,
        "currency": plan.cost_currency or plan.budget_currency,
        "drift": drift,
        "plan": plan.hash,
    }


def outside(plan: Plan, bounds: Mapping[str, Any]) -> str:
    """Return in what a plan lies outside the bounds approved, in words; empty when it does not."""
    if plan.people > bounds["people"]:
        return f"it would write to {plan.people:,} people, and {bounds['people']:,} were approved"
    most, currency = bounds.get("cost"), plan.cost_currency
    if most is None or plan.cost is None or currency is None or currency != bounds.get("currency"):
        return ""
    if plan.cost > most:
        return f"it would cost {format_money(plan.cost, currency)}, and {format_money(most, currency)} were approved"
    return ""


def approve(
    store: Store,
    plan: Plan,
    *,
    bounds: Mapping[str, Any],
    approved_by: str,
    now: datetime,
) -> Approval:
    """Write a standing approval in place of one that was open, and let go on what that one held lately.

    For a campaign that goes out once, its hour is put down to be started.
    """
    at = to_micros(now)
    with store.durable("approval") as connection:
        store.note_time(connection, now)
        connection.execute(
            _approvals.update()
            .where(_approvals.c.campaign == plan.campaign, _approvals.c.state != "revoked")
            .values(state="revoked", reason="approved anew")
        )
        connection.execute(
            insert_ignoring(connection, _approvals).values(
                campaign=plan.campaign,
                definition_hash=plan.definition_hash,
                bounds=dict(bounds),
                approved_by=approved_by,
                approved_at=at,
                state="active",
            )
        )
        connection.execute(
            _occurrences.update()
            .where(
                _occurrences.c.campaign == plan.campaign,
                _occurrences.c.state == "held",
                sa.or_(
                    _occurrences.c.due_at >= at - LATEST // _MICROSECOND, _occurrences.c.occurrence == ONCE
                ),
            )
            .values(state="starting", reason=None, decided_at=at)
        )
        if not plan.recurring:
            _put_down(connection, plan, at)
        append(
            connection,
            at,
            approved_by,
            "standing approval",
            plan.campaign,
            {"plan": plan.hash, "definitions": plan.definition_hash, "bounds": dict(bounds)},
        )
    found = open_approval(store, plan.campaign)
    assert found is not None
    return found


def _put_down(connection: sa.Connection, plan: Plan, at: int) -> None:
    """Put down the hour of a campaign that goes out once; a later approval moves it while it has not come."""
    values = {"due_at": plan.anchor_at, "state": "starting", "reason": None, "decided_at": at}
    connection.execute(
        insert_ignoring(connection, _occurrences).values(campaign=plan.campaign, occurrence=ONCE, **values)
    )
    connection.execute(
        _occurrences.update()
        .where(
            _occurrences.c.campaign == plan.campaign,
            _occurrences.c.occurrence == ONCE,
            _occurrences.c.run_id.is_(None),
        )
        .values(**values)
    )


def open_approval(store: Store, campaign: str) -> Approval | None:
    """Return the approval of a campaign that is active or held, or None."""
    with store.read() as connection:
        row = connection.execute(
            sa.select(_approvals).where(_approvals.c.campaign == campaign, _approvals.c.state != "revoked")
        ).first()
    return None if row is None else _approval(row)


def open_approvals(store: Store) -> list[Approval]:
    """Return all approvals that are active or held, in order of their campaigns."""
    with store.read() as connection:
        rows = connection.execute(
            sa.select(_approvals).where(_approvals.c.state != "revoked").order_by(_approvals.c.campaign)
        ).all()
    return [_approval(row) for row in rows]


def active_approvals(store: Store) -> list[Approval]:
    """Return all active approvals, in order of their campaigns."""
    with store.read() as connection:
        rows = connection.execute(
            sa.select(_approvals).where(_approvals.c.state == "active").order_by(_approvals.c.campaign)
        ).all()
    return [_approval(row) for row in rows]


def hold(
    store: Store, approval: Approval, reason: str, *, now: datetime, occurrence: str | None = None
) -> None:
    """Hold an approval until somebody approves again; with `occurrence`, what was to be started is held with it."""
    at = to_micros(now)
    with store.durable("approval") as connection:
        held = connection.execute(
            _approvals.update()
            .where(_approvals.c.id == approval.id, _approvals.c.state == "active")
            .values(state="held", reason=reason)
        ).rowcount
        if occurrence is not None:
            connection.execute(
                _occurrences.update()
                .where(
                    _occurrences.c.campaign == approval.campaign,
                    _occurrences.c.occurrence == occurrence,
                    _occurrences.c.state == "starting",
                )
                .values(state="held", reason=reason, decided_at=at)
            )
        if held:
            append(connection, at, "tidings", "standing approval held", approval.campaign, {"reason": reason})


def close(store: Store, approval: Approval, reason: str) -> None:
    """End an approval that has done what it was for."""
    with store.durable("approval") as connection:
        connection.execute(
            _approvals.update()
            .where(_approvals.c.id == approval.id, _approvals.c.state != "revoked")
            .values(state="revoked", reason=reason)
        )


def pause_approval(store: Store, campaign: str, *, reason: str, actor: str, now: datetime) -> bool:
    """Hold the active approval of a campaign because somebody wants it; return whether there was one."""
    words = f"{_PAUSED} by {actor}" + (f": {reason}" if reason else "")
    return _switch(store, campaign, "active", "held", words, actor, "paused", now)


def resume_approval(store: Store, campaign: str, *, actor: str, now: datetime) -> bool:
    """Let a paused approval go on; return whether there was one. Occurrences of the pause are judged as late ones are."""
    found = open_approval(store, campaign)
    if found is None or not found.paused:
        return False
    return _switch(store, campaign, "held", "active", None, actor, "resumed", now)


def revoke(store: Store, campaign: str, *, actor: str, now: datetime) -> bool:
    """End the approval of a campaign, and what was to be started under it; return whether there was one."""
    at = to_micros(now)
    with store.durable("approval") as connection:
        ended = connection.execute(
            _approvals.update()
            .where(_approvals.c.campaign == campaign, _approvals.c.state != "revoked")
            .values(state="revoked", reason=f"cancelled by {actor}")
        ).rowcount
        if ended:
            connection.execute(
                _occurrences.update()
                .where(_occurrences.c.campaign == campaign, _occurrences.c.state.in_(["starting", "held"]))
                .values(state="skipped", reason=f"cancelled by {actor}", decided_at=at)
            )
            append(connection, at, actor, "standing approval revoked", campaign, {})
    return bool(ended)


def _switch(
    store: Store,
    campaign: str,
    before: str,
    after: str,
    reason: str | None,
    actor: str,
    action: str,
    now: datetime,
) -> bool:
    with store.durable("approval") as connection:
        changed = connection.execute(
            _approvals.update()
            .where(_approvals.c.campaign == campaign, _approvals.c.state == before)
            .values(state=after, reason=reason)
        ).rowcount
        if changed:
            append(
                connection, to_micros(now), actor, action, f"approval of {campaign}", {"reason": reason or ""}
            )
    return bool(changed)


def _approval(row: Any) -> Approval:
    return Approval(
        row.id,
        row.campaign,
        row.definition_hash,
        row.bounds,
        row.approved_by,
        row.approved_at,
        row.state,
        row.reason,
    )
