"""What people did with a campaign or flow, the days on which nobody got it, and under which approval it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tidings.flows.explaining.facts import AGAINST, Fact, Inquiry
from tidings.store.tables import journeys, keeping

_occurrences, _approvals = journeys.occurrences, journeys.standing_approvals
_LATEST = 5


def occasion_facts(ask: Inquiry, name: str) -> list[Fact]:
    """Say the latest occurrences of a campaign that were skipped or held, with the reason stored."""
    rows = ask.connection.execute(
        sa.select(_occurrences)
        .where(_occurrences.c.campaign == name, _occurrences.c.state.in_(["skipped", "held"]))
        .order_by(_occurrences.c.due_at.desc())
        .limit(_LATEST)
    ).all()
    found = [
        Fact(
            "occurrence",
            f"{row.occurrence} was {row.state}: {row.reason or 'no reason is stored'}",
            AGAINST,
            row.due_at,
            {"occurrence": row.occurrence, "state": row.state},
        )
        for row in rows
    ]
    held = ask.connection.execute(
        sa.select(_approvals).where(_approvals.c.campaign == name, _approvals.c.state == "held")
    ).first()
    if held is not None:
        found.append(Fact("approval", f"the standing approval is held: {held.reason}", AGAINST))
    return found


def decided_facts(ask: Inquiry, name: str) -> list[Fact]:
    """Say the latest entries of the audit trail about a campaign or flow: approved, paused, resumed, cancelled."""
    audit = keeping.audit
    rows = ask.connection.execute(
        sa.select(audit)
        .where(
            sa.or_(
                audit.c.subject == name,
                audit.c.subject == f"approval of {name}",
                audit.c.subject.startswith(f"{name}/", autoescape=True),
            )
        )
        .order_by(audit.c.id.desc())
        .limit(_LATEST)
    ).all()
    return [
        Fact(
            "audit",
            f"{row.action} by {row.actor} on {ask.when(row.at)}{_why(row.detail)}",
            at=row.at,
            data={"action": row.action, "actor": row.actor, "subject": row.subject},
        )
        for row in reversed(rows)
    ]


def _why(detail: Mapping[str, Any]) -> str:
    reason = detail.get("reason")
    return f": {reason}" if reason else ""
