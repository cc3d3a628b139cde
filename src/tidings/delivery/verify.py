"""Recomputes the ledger from its rows: the sums of every run and each rule that they must obey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.delivery.copied_rules import COPIED_RULES
from tidings.delivery.flow_rules import FLOW_RULES
from tidings.delivery.leg_rules import LEG_RULES
from tidings.delivery.offer_rules import OFFER_RULES
from tidings.delivery.reservation_rules import RESERVATION_RULES
from tidings.delivery.rules import RULES, Broken
from tidings.errors import StoreError
from tidings.store import audit
from tidings.store.database import Store
from tidings.store.tables import sending

_RULES = (*RULES, *COPIED_RULES, *LEG_RULES, *FLOW_RULES, *RESERVATION_RULES, *OFFER_RULES)
_SUMS = {
    "accepted": ("accepted", "delivered", "complained"),
    "rejected": ("rejected", "bounced"),
    "refused": ("refused",),
    "in_doubt": ("in_doubt",),
    "pending": ("planned", "claimed", "started", "deferred"),
    "cancelled": ("cancelled",),
    "unconfirmed": ("unconfirmed",),
}


@dataclass(frozen=True, slots=True)
class RunSum:
    """The messages of one run: `planned` is all of them, the others are its parts."""

    run_id: int
    campaign: str
    occurrence: str
    state: str
    planned: int
    accepted: int
    rejected: int
    refused: int
    in_doubt: int
    pending: int
    cancelled: int
    unconfirmed: int = 0

    @property
    def balanced(self) -> bool:
        """Tell whether the parts are the whole."""
        parts: list[int] = [getattr(self, name) for name in _SUMS]
        return self.planned == sum(parts)

    def as_json(self) -> dict[str, Any]:
        """Return the sums with the stable keys of `tidings verify --json`."""
        return {
            "run": self.run_id,
            "campaign": self.campaign,
            "occurrence": self.occurrence,
            "state": self.state,
            "planned": self.planned,
            **{name: getattr(self, name) for name in _SUMS},
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was checked and what is broken; `broken` is empty when the ledger holds."""

    runs: tuple[RunSum, ...]
    checks: tuple[str, ...]
    broken: tuple[Broken, ...]
    audit_rows: int

    def as_json(self) -> dict[str, Any]:
        """Return the verdict with the stable keys of `tidings verify --json`."""
        return {
            "holds": not self.broken,
            "runs": [run.as_json() for run in self.runs],
            "checks": list(self.checks),
            "broken": [
                {
                    "check": one.check,
                    "sentence": one.sentence,
                    "count": one.count,
                    "examples": list(one.examples),
                }
                for one in self.broken
            ],
            "audit_rows": self.audit_rows,
        }


def verify(store: Store) -> Verdict:
    """Check the whole ledger in one consistent view of the store, changing nothing."""
    broken: list[Broken] = []
    with store.read() as connection:
        if store.dialect == "postgresql":
            # Every row is read anyway. Row by row through an index is what PostgreSQL chooses for tables that it believes to be
            # empty, as it does for a minute after they were filled, and then takes a minute for 20,000 messages.
            connection.exec_driver_sql("SET LOCAL enable_nestloop = off")
        runs = _sums(connection)
        broken += [
            Broken(
                "sums",
                f"the messages of run {run.run_id} ({run.campaign}) do not add up",
                1,
                (str(run.run_id),),
            )
            for run in runs
            if not run.balanced
        ]
        for rule in _RULES:
            broken += rule.broken(connection)
        audit_rows = 0
        try:
            audit_rows = audit.verify(connection)
        except StoreError as error:
            broken.append(Broken("audit", error.message, 1, ()))
    return Verdict(runs, ("sums", *(rule.name for rule in _RULES), "audit"), tuple(broken), audit_rows)


def _sums(connection: sa.Connection) -> tuple[RunSum, ...]:
    """Count each run's messages: all of them by themselves, and again by state."""
    runs, messages = sending.runs, sending.messages
    parts = [
        sa.func.coalesce(sa.func.sum(sa.case((messages.c.state.in_(states), 1), else_=0)), 0).label(name)
        for name, states in _SUMS.items()
    ]
    rows = connection.execute(
        sa.select(
            runs.c.id, runs.c.campaign, runs.c.occurrence, runs.c.state, sa.func.count(messages.c.id), *parts
        )
        .select_from(runs.outerjoin(messages, messages.c.run_id == runs.c.id))
        .group_by(runs.c.id, runs.c.campaign, runs.c.occurrence, runs.c.state)
        .order_by(runs.c.id)
    )
    return tuple(RunSum(*row[:4], *(int(value) for value in row[4:])) for row in rows)
