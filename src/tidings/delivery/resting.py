"""How long a sender may rest: until its queue has become short, or until something becomes due again."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from tidings.clock import Clock, to_micros
from tidings.delivery.work import Job
from tidings.store.database import Store
from tidings.store.tables import sending

# The longest rest while there is something to do, in seconds: then a stop is heard, and somebody told how far it is.
LONGEST = 0.2
# The rest while more than a batch would be in hand.
SHORT = 0.02


class Few:
    """Lets the thread that claims rest until the connections have little left, and theirs tell it so.

    To wake up and look, again and again, costs more processor time than what is looked at: each time the connections
    have to give the processor away.
    """

    def __init__(self) -> None:
        # How many may be queued when the other is to be told, None while it does not wait.
        self.wanted: int | None = None
        self._told = threading.Event()

    def wait(self, few: int, seconds: float) -> None:
        """Wait until at most `few` messages are queued, at 0 until none is under way either, or `seconds` are over.

        Never longer than LONGEST.
        """
        self._told.clear()
        self.wanted = few
        self._told.wait(min(seconds, LONGEST))
        self.wanted = None

    def tell(self, queued: int, *, under_way: bool) -> None:
        """Say how many are queued, and whether any is with a connection or to be written down."""
        # Read once: the other may stop waiting at any moment.
        wanted = self.wanted
        if wanted is not None and queued <= wanted and not (under_way and wanted == 0):
            self._told.set()


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
