"""How much of the answer is in: windows that are closed, and until when events are known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.clock import from_micros, iso, to_micros
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES
from tidings.measurement.metrics import COUNTED
from tidings.measurement.windows import windows
from tidings.store.tables import people, sending

_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Maturity:
    """`closed` is the share of customers whose longest window is over; instants in microseconds.

    `known_until` is the latest event of the goals that the store has; None when there is none or none is needed.
    `silent` means that events are needed and none is known since the first anchor, so that every arm counts nothing.
    """

    closed: float
    silent: bool
    last_anchor: int
    last_close: int | None
    known_until: int | None
    as_of: int

    @property
    def early(self) -> bool:
        """Tell whether some window is still open, so that the figures will move."""
        return self.closed < 1

    def as_json(self) -> dict[str, Any]:
        """Return the maturity with stable keys; instants as ISO text."""
        return {
            "closed": self.closed,
            "early": self.early,
            "silent": self.silent,
            "last_close": iso(from_micros(self.last_close)) if self.last_close is not None else None,
            "known_until": iso(from_micros(self.known_until)) if self.known_until is not None else None,
        }

    def sentences(self, zone: ZoneInfo) -> list[str]:
        """Return what a reader must know about the state of the figures."""
        if self.last_close is None:
            return []
        found = []
        end = _wall(self.last_close, zone)
        if self.early:
            found.append(
                f"Early: the window is over for {self.closed:.0%} of the customers, for the last on {end}; "
                "figures and intervals will still move and are valid only then."
            )
        else:
            found.append(f"The window is over for everybody since {end}.")
        due = min(self.last_close, self.as_of)
        # Events come in bursts and imports once a day: a short silence means nothing.
        silence = max(2 * _DAY, (self.last_close - self.last_anchor) // 10)
        late = self.known_until is not None and self.known_until < due - silence and due > self.last_anchor
        # A silent report says it as a warning.
        if late and self.known_until is not None and not self.silent:
            found.append(
                f"The last event known is of {_wall(self.known_until, zone)}; import newer ones before you believe the figures."
            )
        return found

    def silence(self, zone: ZoneInfo) -> str:
        """Return what a reader must know of a silent report, one sentence before any effect."""
        last = (
            "no event of the goal is in the store"
            if self.known_until is None
            else f"the last event known is of {_wall(self.known_until, zone)}"
        )
        return f"Nothing is known since it was sent: {last}; import newer ones before you believe any effect."


def _wall(micros: int, zone: ZoneInfo) -> str:
    return from_micros(micros).astimezone(zone).strftime("%Y-%m-%d %H:%M")


def maturity(
    connection: sa.Connection,
    campaign: Campaign | None,
    *,
    run_id: int,
    anchors: list[int],
    zone: ZoneInfo,
    as_of: datetime,
) -> Maturity:
    """Return the maturity of a run; without a goal nothing is awaited and all is closed."""
    now = to_micros(as_of)
    goals = ((campaign.goal,) if campaign and campaign.goal else ()) + (campaign.also if campaign else ())
    if not goals or not anchors:
        return Maturity(1.0, False, now, None, None, now)
    enrolments = sending.enrolments
    longest = max(
        (windows(enrolments.c.anchor_at, anchors, goal.within, zone) for goal in goals),
        key=lambda window: window.last_close,
    )
    closed = 1.0
    if now < longest.first_close:
        closed = 0.0
    elif now < longest.last_close:
        done = sa.func.avg(sa.case((longest.closes <= now, 1.0), else_=0.0))
        closed = float(
            connection.execute(sa.select(done).where(enrolments.c.run_id == run_id, COUNTED)).scalar_one()
            or 0.0
        )
    names, events = people.event_names, people.events
    awaited = [goal.did for goal in goals if goal.did not in BUILT_IN_RESPONSES]
    known = connection.execute(
        sa.select(sa.func.max(events.c.occurred_at))
        .select_from(events.join(names, names.c.id == events.c.name_id))
        .where(names.c.name.in_(awaited), events.c.occurred_at < now)
    ).scalar_one()
    silent = bool(awaited) and (known is None or known < min(anchors))
    return Maturity(closed, silent, longest.last_anchor, longest.last_close, known, now)
