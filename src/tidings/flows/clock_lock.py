"""Who wakes scheduled work: one clock a store, by a row of `locks` whose lease is measured by the store's own clock.

The store records which kind of clock it has (`embedded`: this program; `prefect`: a Prefect server) when one is first
used, so that two kinds never wake the same work.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import Clock, from_micros, iso, to_micros
from tidings.delivery.ownership import own_name, provably_dead
from tidings.errors import TidingsError, UsageError
from tidings.store.audit import append
from tidings.store.batches import insert_ignoring
from tidings.store.boot import boot_id
from tidings.store.database import Store
from tidings.store.tables import keeping

EMBEDDED, PREFECT = "embedded", "prefect"
LEASE_SECONDS = 20.0
RENEW_SECONDS = 5.0
_NAME = "clock"
_MICROS = 1_000_000
_PLACE = "config/workspace.yaml"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the clock: the machine, its process, the kind of clock, since when and the end of the lease.

    `owner` is the name as it stands in the store; `boot` the boot of that machine, empty when it is not known.
    """

    owner: str
    name: str
    boot: str
    since: datetime
    leased_until: int

    @property
    def host(self) -> str:
        """Return the name of the machine."""
        return self.name.split("/", 1)[0]

    @property
    def pid(self) -> str:
        """Return the process id on that machine."""
        parts = self.name.rsplit(":", 3)
        return parts[1] if len(parts) == 4 else "?"

    def words(self) -> str:
        """Return who it is, for people."""
        return f"process {self.pid} on {self.host}, since {iso(self.since)}"


class ClockLock:
    """The lock as one process tries for it; threads may share it."""

    def __init__(
        self, store: Store, clock: Clock, *, kind: str, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self._store = store
        self._clock = clock
        self._kind = kind
        self._lease_seconds = lease_seconds
        self._boot = boot_id()
        self.owner = f"{self._boot or ''}|{to_micros(clock.now())}|{own_name()}"
        self._until = 0.0

    @property
    def mine(self) -> bool:
        """Tell whether the lease is ours for sure: what was asked of the store earlier has not run out."""
        return time.monotonic() < self._until

    def take(self) -> Holder | None:
        """Take the lock, or prolong it; return None when it is ours, else who holds it.

        A lease that ran out is taken over, and so is that of a process which is provably dead. Raises TidingsError when the
        store has a clock of another kind.
        """
        with self._store.read() as connection:
            self._check_kind(connection, holder_of(connection))
            held = self._by_another(connection)
        if held is not None:
            self._until = 0.0
            return held
        # Measured before the store reads its own clock, so our idea of the end is never later than the store's.
        begins = time.monotonic()
        locks = keeping.locks
        with self._store.durable("clock") as connection:
            if connection.execute(sa.select(locks.c.name).where(locks.c.name == _NAME)).first() is None:
                self._first_use(connection)
            connection.execute(sa.select(locks.c.name).where(locks.c.name == _NAME).with_for_update())
            held = self._by_another(connection)
            if held is not None:
                self._until = 0.0
                return held
            until = self._store.lease_now(connection) + int(self._lease_seconds * _MICROS)
            connection.execute(
                locks.update().where(locks.c.name == _NAME).values(owner=self.owner, leased_until=until)
            )
        self._until = begins + self._lease_seconds
        return None

    def release(self) -> None:
        """Give the lock up, so that the next clock need not wait for the end of the lease."""
        self._until = 0.0
        locks = keeping.locks
        with self._store.durable("clock") as connection:
            connection.execute(
                locks.update()
                .where(locks.c.name == _NAME, locks.c.owner == self.owner)
                .values(leased_until=0)
            )

    def _by_another(self, connection: sa.Connection) -> Holder | None:
        holder = holder_of(connection)
        if holder is None or holder.owner == self.owner:
            return None
        if holder.leased_until <= self._store.lease_now(connection):
            return None
        # A worker that was killed and started again on the same machine need not wait for its own ghost.
        if provably_dead(holder.name, holder.boot or None, here=self._boot):
            return None
        return holder

    def _check_kind(self, connection: sa.Connection, holder: Holder | None) -> None:
        recorded = connection.execute(sa.select(keeping.identity.c.clock)).scalar_one()
        if holder is not None and recorded != self._kind:
            raise other_clock(self._store, recorded, self._kind)

    def _first_use(self, connection: sa.Connection) -> None:
        """Record the kind of the store's clock, which it keeps until somebody switches it."""
        made = connection.execute(
            insert_ignoring(connection, keeping.locks)
            .values(name=_NAME, owner=self.owner, leased_until=0)
            .returning(keeping.locks.c.name)
        ).scalar()
        if made is not None:
            connection.execute(keeping.identity.update().values(clock=self._kind))
            return
        recorded = connection.execute(sa.select(keeping.identity.c.clock)).scalar_one()
        if recorded != self._kind:
            raise other_clock(self._store, recorded, self._kind)


def holder_of(connection: sa.Connection) -> Holder | None:
    """Return who holds the clock or held it last, None when no clock was ever used."""
    row = connection.execute(sa.select(keeping.locks).where(keeping.locks.c.name == _NAME)).first()
    return None if row is None else _holder(row)


def used_clock(connection: sa.Connection) -> str:
    """Return the kind of clock that the store has, empty while none was used."""
    if holder_of(connection) is None:
        return ""
    return str(connection.execute(sa.select(keeping.identity.c.clock)).scalar_one())


def check_kind(store: Store, wanted: str) -> None:
    """Raise TidingsError when the store has a clock of another kind than config/workspace.yaml says."""
    with store.read() as connection:
        used = used_clock(connection)
    if used and used != wanted:
        raise other_clock(store, used, wanted)


def other_clock(store: Store, used: str, wanted: str) -> TidingsError:
    """Return the error for two kinds of clock on one store."""
    return TidingsError(
        f"{store.place} is woken by the {used} clock, and {_PLACE} says `clock: {wanted}`",
        what_to_do=f"write `clock: {used}` there, or stop what runs by the {used} clock and switch with `tidings migrate --clock`",
        code="other-clock",
    )


def switch_clock(store: Store, wanted: str, *, actor: str, now: datetime) -> bool:
    """Let the store be woken by another kind of clock; return False when it is that one already, or none was used.

    Raises UsageError while a clock is at work.
    """
    locks = keeping.locks
    with store.durable("clock") as connection:
        used = used_clock(connection)
        if used in ("", wanted):
            return False
        holder = holder_of(connection)
        if (
            holder is not None
            and holder.leased_until > store.lease_now(connection)
            and not provably_dead(holder.name, holder.boot or None, here=boot_id())
        ):
            raise UsageError(
                f"the {used} clock of {store.place} is at work ({holder.words()})",
                what_to_do="stop it first: `tidings serve` there, or the Prefect workers; then switch",
                code="clock-at-work",
            )
        connection.execute(locks.update().where(locks.c.name == _NAME).values(leased_until=0))
        connection.execute(keeping.identity.update().values(clock=wanted))
        append(connection, now, actor, "clock switched", "store", {"from": used, "to": wanted})
    return True


def _holder(row: Any) -> Holder:
    boot, since, name = row.owner.split("|", 2)
    return Holder(row.owner, name, boot, from_micros(int(since)), row.leased_until)
