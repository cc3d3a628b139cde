"""The marker: one thread that writes the marks of all connections, grouped into few commits.

A connection waits for the answer to `start` and does not wait after `end`. Everything that was told before a
group is written with it, outcomes first, so at any instant each connection has at most one message whose
outcome the store does not know: that is the bound on doubt when the process is killed.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.delivery import outcomes
from tidings.delivery.claiming import Lease, renew
from tidings.delivery.outcomes import Ended
from tidings.delivery.patience import persist
from tidings.delivery.starting import Started, StartMark, Word
from tidings.delivery.work import Claimed, Job
from tidings.store.database import Store
from tidings.store.tables import sending

# How long a mark waits for marks of other connections; an answer of a mail server takes longer than that.
_GATHER_SECONDS = 0.0005

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


@dataclass(slots=True)
class _Wait:
    """A connection that waits for its answer."""

    message: Claimed
    done: threading.Event = field(default_factory=threading.Event)
    word: Word = Word.LOST


class Marker:
    """Writes marks until closed. Thread-safe; `failure` holds what ended it early, `held` why nothing may go out."""

    def __init__(
        self, store: Store, job: Job, *, connections: int, lease_seconds: float, patience_seconds: float
    ) -> None:
        self._store = store
        self._job = job
        self._lease_seconds = lease_seconds
        self._patience = patience_seconds
        self._company = connections // 2
        self._start_mark = StartMark(job)
        self._changed = threading.Condition()
        self._waiting: list[_Wait] = []
        self._ended: list[Ended] = []
        self._leases: dict[int, Lease] = {}
        self._left: dict[int, int] = {}
        self._closing = False
        self.counts: Counter[str] = Counter()
        self.failure: Exception | None = None
        self.held = ""
        self._thread = threading.Thread(target=self._run, name="tidings-marker", daemon=True)
        self._thread.start()

    def hold(self, lease: Lease, size: int) -> None:
        """Take charge of a claim of `size` messages: renew its lease until each of them is settled."""
        with self._changed:
            self._leases[lease.fence] = lease
            self._left[lease.fence] = size

    @property
    def fences(self) -> frozenset[int]:
        """The claims that are not settled yet."""
        with self._changed:
            return frozenset(self._left)

    def start(self, message: Claimed) -> Word:
        """Mark a message started and return whether it may be handed over; waits for the commit."""
        wait = _Wait(message)
        with self._changed:
            if self._closing or self.failure is not None:
                return Word.LOST
            self._waiting.append(wait)
            self._changed.notify_all()
        wait.done.wait()
        return wait.word

    def in_time(self, fence: int) -> bool:
        """Tell whether the lease of a claim still holds by our own clock; asked in the instant before a hand-over."""
        lease = self._leases.get(fence)
        return lease is not None and time.monotonic() < lease.until

    def end(self, ended: Ended) -> None:
        """Tell how a message ended; does not wait."""
        with self._changed:
            self._ended.append(ended)
            self._changed.notify_all()

    def close(self) -> None:
        """Write what was told and stop; connections must have stopped before."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        """Write groups until closed."""
        try:
            while self._once():
                pass
        except Exception as error:
            self.failure = error
        with self._changed:
            self._closing = True
            for wait in self._waiting:
                wait.done.set()
            self._waiting.clear()

    def _once(self) -> bool:
        with self._changed:
            renew_at = min((lease.until for lease in self._leases.values()), default=None)
            pause = None
            if renew_at is not None:
                pause = max(renew_at - self._lease_seconds * 2 / 3 - time.monotonic(), 0.0)
            if not self._waiting and not self._ended and not self._closing:
                self._changed.wait(pause)
            lonely = 0 < len(self._waiting) < self._company
        if lonely:
            # The others are about to ask too: one commit for all is a fraction of the work of one each.
            time.sleep(_GATHER_SECONDS)
        with self._changed:
            waiting, self._waiting = self._waiting, []
            ended, self._ended = self._ended, []
            closing = self._closing
            leases = list(self._leases.values())
        if leases and min(lease.until for lease in leases) - time.monotonic() < self._lease_seconds * 2 / 3:
            self._renew(leases)
        if waiting or ended:
            self._write(waiting, ended)
        return not closing or bool(self._waiting or self._ended)

    def _renew(self, leases: list[Lease]) -> None:
        kept = {
            lease.fence: lease
            for lease in persist(lambda: renew(self._store, leases, self._lease_seconds), self._patience)
        }
        with self._changed:
            for lease in leases:
                if lease.fence in kept:
                    self._leases[lease.fence] = kept[lease.fence]
                else:
                    # Lost: nothing of it may be handed over any more, and nothing is left for us to settle.
                    self._leases.pop(lease.fence, None)
                    self._left.pop(lease.fence, None)

    def _write(self, waiting: list[_Wait], ended: list[Ended]) -> None:
        try:
            started, changed = persist(lambda: self._commit(waiting, ended), self._patience)
        except BaseException:
            for wait in waiting:
                wait.done.set()
            raise
        with self._changed:
            self.counts.update(changed)
            self.counts["refused"] += started.refused
            if started.held:
                self.held = started.held
        for wait in waiting:
            wait.word = started.words.get(wait.message.message_id, Word.LOST)
            wait.done.set()

    def _commit(self, waiting: list[_Wait], ended: list[Ended]) -> tuple[Started, dict[str, int]]:
        """Write one group in one transaction: durable where a hand-over follows, cheaper where none does."""
        # SQLite keeps a committed mark through a kill either way; what a power cut takes, the boot id gives away.
        # A rejection may suppress an address, and that must last.
        flushed = (bool(waiting) and self._store.dialect == "postgresql") or any(
            one.kind == "rejected" for one in ended
        )
        with self._store.durable("start") if flushed else self._store.marks() as connection:
            now = to_micros(self._store.clock.now())
            changed = outcomes.write(connection, self._job, ended, now) if ended else {}
            started = (
                self._start_mark.mark(connection, [wait.message for wait in waiting], now)
                if waiting
                else Started({})
            )
            done = self._finished_claims(waiting, ended, started)
            if done:
                connection.execute(_CLAIMS_DONE, {"fences": done})
        self._forget(waiting, ended, started, done)
        return started, changed

    def _finished_claims(self, waiting: list[_Wait], ended: list[Ended], started: Started) -> list[int]:
        settled = self._settled(waiting, ended, started)
        with self._changed:
            return [fence for fence, count in settled.items() if self._left.get(fence, 0) == count]

    def _forget(self, waiting: list[_Wait], ended: list[Ended], started: Started, done: list[int]) -> None:
        with self._changed:
            for fence, count in self._settled(waiting, ended, started).items():
                if fence in self._left:
                    self._left[fence] -= count
            for fence in done:
                self._left.pop(fence, None)
                self._leases.pop(fence, None)

    @staticmethod
    def _settled(waiting: list[_Wait], ended: list[Ended], started: Started) -> Counter[int]:
        """Count by claim the messages that this group takes out of our hands."""
        settled = Counter(one.message.claim_id for one in ended)
        settled.update(
            wait.message.claim_id
            for wait in waiting
            if started.words.get(wait.message.message_id) in (None, Word.LOST, Word.REFUSED)
        )
        return settled
