"""How long a sender may rest: until its queue has become short, or until something becomes due again."""

from __future__ import annotations

import time

import sqlalchemy as sa

from tidings.clock import Clock, to_micros
from tidings.delivery.work import Job
from tidings.store.database import Store
from tidings.store.tables import sending

# The shortest and the longest rest while there is enough to do, in seconds, and how much of the time it is reckoned with.
SHORT = 0.02
_LONG, _SURE = 0.1, 0.8


class Resting:
    """Rests of one sender, short enough that its queue never runs dry.

    Long enough, too, to leave the processor to the connections: to wake up and look costs as much as a message.
    """

    def __init__(self) -> None:
        # How many were queued when it was last looked, and the monotonic second of that.
        self._seen = (0, 0.0)

    def until_few(self, queued: int, enough: int) -> float:
        """Return for how many seconds more than `enough` are queued, going by how fast the queue became shorter."""
        now = time.monotonic()
        (before, then), self._seen = self._seen, (queued, now)
        if before <= queued:
            return SHORT
        return min(max((queued - enough) * (now - then) / (before - queued) * _SURE, SHORT), _LONG)


def next_in(store: Store, job: Job, clock: Clock) -> float | None:
    """Return the seconds until something of a job may become sendable: a message that is due, a lease that ends; or None."""
    messages, claims = sending.messages, sending.claims
    with store.read() as connection:
        due = connection.execute(
            sa.select(sa.func.min(messages.c.due_at)).where(
                messages.c.run_id == job.run_id,
                messages.c.channel == job.channel,
                messages.c.state.in_(["planned", "deferred"]),
                *job.mine(),
            )
        ).scalar_one()
        lease_end = connection.execute(
            sa.select(sa.func.min(claims.c.leased_until)).where(
                claims.c.run_id == job.run_id, claims.c.state == "open"
            )
        ).scalar_one()
        waits = []
        if due is not None:
            waits.append((due - to_micros(clock.now())) / 1e6)
        if lease_end is not None:
            waits.append((lease_end - store.lease_now(connection)) / 1e6)
    return min(waits, default=None)
