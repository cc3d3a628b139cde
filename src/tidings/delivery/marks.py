"""The marker: writes the marks of all connections of a channel, grouped into few commits, and keeps the leases.

Everything that was told before a group is written with it, outcomes first, so at any instant each connection has at
most one batch whose outcomes the store does not know: that is the bound on doubt when the process is killed.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.delivery import outcomes
from tidings.delivery.asking import Asking
from tidings.delivery.claiming import Found, Lease, Taken, look, renew, take
from tidings.delivery.outcomes import Ended
from tidings.delivery.patience import persist
from tidings.delivery.quickly import Quickly, Written
from tidings.delivery.starting import Started, StartMark, Word
from tidings.delivery.work import Claimed, Job
from tidings.store.database import Store
from tidings.store.tables import sending

# A mark that a crash of the server took back leaves a message behind: then the claim stays open and is recovered.
_CLAIMS_DONE = (
    sa.update(sending.claims)
    .where(
        sending.claims.c.id.in_(sa.bindparam("fences", expanding=True)),
        sending.claims.c.state == "open",
        ~sa.select(sa.literal_column("1"))
        .where(
            sending.messages.c.claim_id == sending.claims.c.id,
            sending.messages.c.state.in_(["claimed", "started"]),
        )
        .correlate(sending.claims)
        .exists(),
    )
    .values(state="done")
)


class Marker:
    """Writes marks from one thread. `failure` holds what ended it early, `held` why nothing may go out.

    `hold`, `unsettled` and `fences` may be used from another thread than the rest.
    """

    def __init__(
        self,
        store: Store,
        job: Job,
        *,
        lease_seconds: float,
        patience_seconds: float,
        keep_refs: bool = False,
    ) -> None:
        self._store = store
        self._job = job
        self._lease_seconds = lease_seconds
        self._patience = patience_seconds
        self._keep_refs = keep_refs
        self._start_mark = StartMark(job)
        self._asking = Asking(job)
        self._quickly = (
            Quickly(store, job, self._start_mark, self._asking) if store.dialect == "sqlite" else None
        )
        self._guard = threading.Lock()
        self._leases: dict[int, Lease] = {}
        self._left: dict[int, int] = {}
        self._renew_at: float | None = None
        self.counts: Counter[str] = Counter()
        self.failure: Exception | None = None
        self.held = ""

    def look(self, *, after: int, limit: int) -> Found:
        """Find what is due, see `claiming.look`."""
        if self._quickly is None:
            return look(self._store, self._job, after=after, limit=limit, asking=self._asking)
        return self._quickly.look(after=after, limit=limit)

    def take(self, found: Sequence[int], *, owner: str, boot_id: str | None) -> Taken:
        """Claim those of the messages found that are still due, see `claiming.take`; `hold` what it brought."""
        if self._job.ahead is not None:
            self._job.ahead(found)
        if self._quickly is None:
            return take(
                self._store,
                self._job,
                owner=owner,
                boot_id=boot_id,
                found=found,
                lease_seconds=self._lease_seconds,
                asking=self._asking,
            )
        return self._quickly.take(found, owner=owner, boot_id=boot_id, lease_seconds=self._lease_seconds)

    def hold(self, lease: Lease, size: int) -> None:
        """Take charge of a claim of `size` messages: renew its lease until each of them is settled."""
        with self._guard:
            self._leases[lease.fence] = lease
            self._left[lease.fence] = size
            self._set_renewal()

    @property
    def unsettled(self) -> int:
        """How many messages of the claims in hand have no outcome in the store yet."""
        with self._guard:
            return sum(self._left.values())

    @property
    def fences(self) -> frozenset[int]:
        """The claims that are not settled yet."""
        with self._guard:
            return frozenset(self._left)

    def in_time(self, fence: int) -> bool:
        """Tell whether the lease of a claim still holds by our own clock; asked in the instant before a hand-over."""
        lease = self._leases.get(fence)
        return lease is not None and time.monotonic() < lease.until

    def renew_at(self) -> float | None:
        """Return the monotonic second at which a lease is to be renewed, None without leases."""
        return self._renew_at

    def keep(self) -> None:
        """Renew leases when it is time; a failure ends the marker."""
        renew_at = self._renew_at
        if renew_at is None or time.monotonic() < renew_at:
            return
        try:
            self._renew()
        except Exception as error:
            self.failure = error

    def write(self, waiting: Sequence[Claimed], ended: Sequence[Ended]) -> dict[int, Word] | None:
        """Write outcomes and then marks in one commit; return the word for each message that waits.

        None: it could not be written, and `failure` says why; nothing may be handed over.
        """
        self.keep()
        if self.failure is not None:
            return None
        try:
            if self._quickly is not None and not self._keep_refs:
                written = self._quickly.commit(waiting, ended, self._left)
                if written is not None:
                    return self._noted(written)
            started, changed = persist(lambda: self._commit(waiting, ended), self._patience)
        except Exception as error:
            self.failure = error
            return None
        self.counts.update(changed)
        self.counts["refused"] += started.refused
        self.held = started.held or self.held
        return dict(started.words)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection that sees one state, on SQLite the one that wrote the marks; not while others write them."""
        return self._store.read() if self._quickly is None else self._quickly.reading()

    def durable(self, purpose: str) -> AbstractContextManager[sa.Connection]:
        """Begin a durable transaction as `Store.durable` does; not while others write marks."""
        return self._store.durable(purpose) if self._quickly is None else self._quickly.durable(purpose)

    def close(self) -> None:
        """Give up the connection for marks; the next sender may go on with it where nothing failed."""
        if self._quickly is not None and self.failure is None:
            self._quickly.give_back()
        elif self._quickly is not None:
            self._quickly.close()

    def _noted(self, written: Written) -> dict[int, Word]:
        self.counts["accepted"] += written.accepted
        self._settle(written.settled, written.done)
        return written.words

    def _settle(self, settled: Iterable[tuple[int, int]], done: Sequence[int]) -> None:
        """Take note of messages that are out of our hands, by claim, and of claims of which nothing is left."""
        with self._guard:
            for fence, count in settled:
                if fence in self._left:
                    self._left[fence] -= count
            for fence in done:
                self._left.pop(fence, None)
                self._leases.pop(fence, None)
            if done:
                self._set_renewal()
        if done and self._quickly is not None:
            self._quickly.forget(done)

    def _set_renewal(self) -> None:
        ends = [lease.until for lease in self._leases.values()]
        self._renew_at = min(ends) - self._lease_seconds * 2 / 3 if ends else None

    def _renew(self) -> None:
        with self._guard:
            leases = list(self._leases.values())
        kept = {lease.fence: lease for lease in persist(lambda: self._prolonged(leases), self._patience)}
        with self._guard:
            for lease in leases:
                if lease.fence in kept:
                    self._leases[lease.fence] = kept[lease.fence]
                else:
                    # Lost: nothing of it may be handed over any more, and nothing is left for us to settle.
                    self._leases.pop(lease.fence, None)
                    self._left.pop(lease.fence, None)
            self._set_renewal()

    def _prolonged(self, leases: Sequence[Lease]) -> list[Lease]:
        if self._quickly is None:
            return renew(self._store, leases, self._lease_seconds)
        return self._quickly.renew(leases, self._lease_seconds)

    def _written(self, ended: Sequence[Ended], *, flushed: bool) -> AbstractContextManager[sa.Connection]:
        if self._quickly is not None:
            # A rejection may suppress an address, and what is settled by a policy is planned again.
            changed = any(one.kind in ("rejected", "in_doubt") for one in ended)
            return self._quickly.written(flushed=flushed, gate_changed=changed)
        return self._store.durable("start") if flushed else self._store.marks()

    def _commit(self, waiting: Sequence[Claimed], ended: Sequence[Ended]) -> tuple[Started, dict[str, int]]:
        """Write one group in one transaction: durable where a hand-over follows, cheaper where none does."""
        # SQLite keeps a committed mark through a kill either way; what a power cut takes, the boot id gives away.
        # A rejection may suppress an address, and that must last.
        flushed = (bool(waiting) and self._store.dialect == "postgresql") or any(
            one.kind == "rejected" for one in ended
        )
        with self._written(ended, flushed=flushed) as connection:
            now = to_micros(self._store.clock.now())
            changed = (
                outcomes.write(connection, self._job, ended, now, keep_refs=self._keep_refs) if ended else {}
            )
            started = self._start_mark.mark(connection, waiting, now) if waiting else Started({})
            settled = self._settled(waiting, ended, started)
            with self._guard:
                done = [fence for fence, count in settled.items() if self._left.get(fence, 0) == count]
            if done:
                connection.execute(_CLAIMS_DONE, {"fences": done})
        self._settle(settled.items(), done)
        return started, changed

    @staticmethod
    def _settled(waiting: Sequence[Claimed], ended: Sequence[Ended], started: Started) -> Counter[int]:
        """Count by claim the messages that this group takes out of our hands."""
        settled = Counter([one.message.claim_id for one in ended])
        words = started.words
        for message in waiting:
            if words.get(message.message_id) in (None, Word.LOST, Word.REFUSED):
                settled[message.claim_id] += 1
        return settled
