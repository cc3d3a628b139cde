"""How many may enter a flow by itself: what was approved with its plan, and the pause when more would.

The limit is one of any 28 days in a row, counted from the approval; a tally by local day is kept beside the marks of the
start, in the transaction that lets people in. When more want to enter than it leaves, nobody does: the run pauses and asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.assignment import BUCKETS
from tidings.clock import to_micros
from tidings.definitions.kinds.rules import Policies
from tidings.store.audit import append
from tidings.store.database import Store
from tidings.store.tables import journeys, sending

NAME = "entered"
_ANEW = "approve it anew with `tidings run {}`"
# So many days in a row the limit is for; the plan looks as far back (of dates: ahead) to tell what is to be expected.
DAYS = 28
_marks, _runs = journeys.trigger_marks, sending.runs


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` people in 28 days. `days` counts by local date who entered, `asked` is how many made it pause."""

    most: int
    days: dict[str, int]
    asked: int = 0

    def room(self, today: date) -> int:
        """Return how many more may enter today; never below 0."""
        return max(self.most - sum(_recent(self.days, today).values()), 0)


def most_of(policies: Policies, expected: int, asked: int = 0) -> int:
    """Return the limit that approving an estimate sets: the people expected, and the drift that the policies allow."""
    likely = max(expected, asked)
    return likely + max(likely * policies.drift_share.basis_points // BUCKETS, policies.drift_people)


def limit_of(connection: sa.Connection, run_id: int) -> Limit | None:
    """Return the limit of a run, or None where none was approved."""
    kept = connection.execute(
        sa.select(_marks.c.detail).where(_marks.c.run_id == run_id, _marks.c.name == NAME)
    ).scalar()
    return None if kept is None else Limit(kept["most"], kept["days"], kept["asked"])


def set_limit(connection: sa.Connection, run_id: int, most: int) -> None:
    """Make `most` the limit of a run from now on: who entered before does not count."""
    _write(connection, run_id, Limit(most, {}))


def count_in(connection: sa.Connection, run_id: int, count: int, *, zone: ZoneInfo, now: datetime) -> None:
    """Count those who enter in the transaction that lets them in."""
    limit = limit_of(connection, run_id) if count else None
    if limit is not None:
        today = now.astimezone(zone).date()
        days = _recent(limit.days, today)
        days[today.isoformat()] = days.get(today.isoformat(), 0) + count
        _write(connection, run_id, Limit(limit.most, days))


def too_many(store: Store, flow_id: str, run_id: int, wanted: int, *, zone: ZoneInfo, now: datetime) -> bool:
    """Tell whether so many more lie beyond the limit of a run; then the run is paused, and says why."""
    today = now.astimezone(zone).date()
    with store.read() as connection:
        limit = limit_of(connection, run_id)
    if limit is None or wanted <= limit.room(today):
        return False
    entered = limit.most - limit.room(today)
    reason = (
        f"{entered + wanted:,} people would have entered in {DAYS} days, and {limit.most:,} were approved; "
        f"{_ANEW.format(flow_id)}"
    )
    with store.durable("limit") as connection:
        paused = connection.execute(
            sa.update(_runs)
            .where(_runs.c.id == run_id, _runs.c.state == "sending")
            .values(state="paused", pause_reason=reason)
        ).rowcount
        _write(connection, run_id, Limit(limit.most, limit.days, entered + wanted))
        if paused:
            append(
                connection, to_micros(now), "tidings", "paused", flow_id, {"reason": reason, "runs": [run_id]}
            )
    return True


def approve_anew(
    store: Store, flow_id: str, run_id: int, most: int, *, approved_by: str, now: datetime
) -> bool:
    """Give a live flow another limit; return whether that let one go on that had paused because of its limit.

    A pause that somebody wanted stays.
    """
    with store.durable("limit") as connection:
        going = connection.execute(
            sa.update(_runs)
            .where(
                _runs.c.id == run_id,
                _runs.c.state == "paused",
                _runs.c.pause_reason.endswith(_ANEW.format(flow_id), autoescape=True),
            )
            .values(state="sending", pause_reason=None)
        ).rowcount
        set_limit(connection, run_id, most)
        append(
            connection,
            to_micros(now),
            approved_by,
            "flow limit approved",
            flow_id,
            {"most": most, "days": DAYS},
        )
    return bool(going)


def stopped_by_limit(reason: str | None, flow_id: str) -> bool:
    """Tell whether the reason of a pause is the limit of a flow."""
    return (reason or "").endswith(_ANEW.format(flow_id))


def _recent(days: dict[str, int], today: date) -> dict[str, int]:
    since = (today - timedelta(days=DAYS - 1)).isoformat()
    return {day: count for day, count in days.items() if day >= since}


def _write(connection: sa.Connection, run_id: int, limit: Limit) -> None:
    detail: dict[str, Any] = {"most": limit.most, "days": limit.days, "asked": limit.asked}
    which = (_marks.c.run_id == run_id, _marks.c.name == NAME)
    if connection.execute(sa.update(_marks).where(*which).values(detail=detail)).rowcount == 0:
        connection.execute(_marks.insert().values(run_id=run_id, name=NAME, low=0, detail=detail))
