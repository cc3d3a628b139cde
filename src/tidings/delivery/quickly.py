"""Claims and marks of one sender on SQLite, through the one connection that it keeps.

Most groups of marks are alike: all accepted, all may go. They are written with a few prepared statements of the driver.
The gate that was asked in the claim still holds for its messages as long as nobody but this connection has committed
anything, which SQLite tells; only then the mark asks for no more than that the message is still ours and not expired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from tidings.clock import to_micros
from tidings.delivery.asking import Asking, Candidate
from tidings.delivery.claiming import Found, Lease, Taken, look, renew, take
from tidings.delivery.outcomes import Ended
from tidings.delivery.patience import PASSING
from tidings.delivery.starting import StartMark, Word
from tidings.delivery.work import Claimed, Job
from tidings.errors import StoreError
from tidings.store.database import Store
from tidings.store.quick import Asked, QuickWriter

T = TypeVar("T")

SQLITE = sqlite.dialect(paramstyle="qmark")
# Messages of a group mostly have ids one after another, and then one statement finds them by their key from the first
# to the last. A list of ids, or a row of values for each, makes SQLite fill a table of its own first, and between all
# that else is done for a message that costs more than the marks themselves. SQLite would look for them in the index of
# claims first, which finds the same rows by a longer way.
_STARTED = (
    "UPDATE messages NOT INDEXED SET state = 'started', started_at = ?1, attempt = attempt + 1 "
    "WHERE id BETWEEN ?2 AND ?3 AND claim_id = ?4 AND state = 'claimed' AND (expires_at IS NULL OR expires_at > ?1)"
)
# So many at most are accepted by one statement: each number of them is a text of its own, which the driver keeps.
_TOGETHER = 16
_DONE = (
    "UPDATE claims SET state = 'done' WHERE id = ?1 AND state = 'open' AND NOT EXISTS "
    "(SELECT 1 FROM messages{way} claim_id = ?1 AND (state = 'claimed' OR state = 'started'))"
)
_DONE_OF_SPAN = _DONE.format(way=" NOT INDEXED WHERE id BETWEEN ?2 AND ?3 AND")
_DONE_OF_ANY = _DONE.format(way=" WHERE")


def _accepted(size: int) -> str:
    """Return the statement for `size` messages with ids one after another; the references stand behind the fence."""
    refs = "?5"
    if size > 1:
        refs = f"CASE id - ?2 {' '.join(f'WHEN {place} THEN ?{place + 5}' for place in range(size))} END"
    return (
        f"UPDATE messages NOT INDEXED SET state = 'accepted', accepted_at = ?1, provider_ref = {refs} "
        "WHERE id BETWEEN ?2 AND ?3 AND claim_id = ?4 AND (state = 'started' OR state = 'in_doubt')"
    )


_ACCEPTED = [_accepted(size) for size in range(_TOGETHER + 1)]


class _OtherwiseError(Exception):
    """Something of the group is held back: why has to be found out."""


@dataclass(slots=True)
class Written:
    """What a group changed: words for those that waited, rows accepted, messages settled by claim, claims done."""

    words: dict[int, Word]
    accepted: int
    settled: list[tuple[int, int]]
    done: list[int]


class Quickly:
    """All writing of one sender to a SQLite store; used by one thread at a time."""

    def __init__(self, store: Store, job: Job, start_mark: StartMark, asking: Asking) -> None:
        self._store = store
        self._timed = job.terms.timed
        self._job = job
        self._start_mark = start_mark
        self._asking = asking
        self._writer: QuickWriter | None = None
        # The state of the file in which the messages of a claim passed the gate.
        self._gated: dict[int, int] = {}
        # The first and the last message of a claim that has all between them.
        self._spans: dict[int, tuple[int, int]] = {}
        # What was found last and in which state of the file; and whether nobody wrote between the last look and its claim.
        self._looked: tuple[Found, int] | None = None
        self._alone = True

    def look(self, *, after: int, limit: int) -> Found:
        """Find what is due as `claiming.look` does; ask the gate at once while nobody else writes."""
        found = look(
            self._store,
            self._job,
            after=after,
            limit=limit,
            asking=self._asking,
            # What the processes share of a rate is asked through SQLAlchemy.
            read=self.reading if self._job.terms.rate else self._looking,
            judging=self._alone,
        )
        self._looked = (found, self._open().version)
        return found

    def _known(self, found: Sequence[int], now: int) -> Sequence[Candidate] | None:
        """Return what the gate said when these were found, None where it may say something else by now."""
        looked, self._looked = self._looked, None
        if looked is None or looked[0].ids is not found:
            return None
        before, version = looked
        self._alone = version == self._open().version
        if not (self._alone and before.judged) or now < before.at:
            return None
        if now > before.at and any(row[12] is not None and row[12] <= now for row in before.judged):
            # One has expired, and what that means is the gate's to say.
            return None
        return before.judged

    def take(self, found: Sequence[int], *, owner: str, boot_id: str | None, lease_seconds: float) -> Taken:
        """Claim as `claiming.take` does."""
        writer = self._open()
        try:
            taken = take(
                self._store,
                self._job,
                owner=owner,
                boot_id=boot_id,
                found=found,
                lease_seconds=lease_seconds,
                # Whatever a claim writes is of messages that were read in this very state.
                durable=partial(writer.durable, trusted=True),
                asking=self._asking,
                known=partial(self._known, found),
            )
        except StoreError:
            self.close()
            raise
        if taken.lease is not None:
            fence, messages = taken.lease.fence, taken.messages
            self._gated[fence] = writer.version
            first, last = messages[0].message_id, messages[-1].message_id
            if last - first == len(messages) - 1:
                self._spans[fence] = first, last
        return taken

    def renew(self, leases: Sequence[Lease], lease_seconds: float) -> list[Lease]:
        """Prolong leases as `claiming.renew` does."""
        return renew(self._store, leases, lease_seconds, durable=self._open().durable)

    def forget(self, fences: Sequence[int]) -> None:
        """Forget claims that are settled or lost."""
        for fence in fences:
            self._gated.pop(fence, None)
            self._spans.pop(fence, None)

    def written(self, *, flushed: bool, gate_changed: bool) -> AbstractContextManager[sa.Connection]:
        """Give a connection for a group of another kind; `gate_changed`: it may speak against other messages."""
        if gate_changed:
            self._gated.clear()
            self._looked = None
        writer = self._open()
        return writer.durable("start") if flushed else writer.marks()

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection that sees one state of the file and does not write."""
        return self._given(lambda: self._open().reading())

    def _looking(self) -> AbstractContextManager[Asked]:
        """Give the driver's connection as `reading` gives that of SQLAlchemy."""
        return self._given(lambda: self._open().looking())

    def durable(self, purpose: str) -> AbstractContextManager[sa.Connection]:
        """Begin a durable transaction."""
        return self._given(lambda: self._open().durable(purpose))

    @contextmanager
    def _given(self, begin: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
        try:
            with begin() as connection:
                yield connection
        except StoreError:
            # The next use opens another.
            self.close()
            raise

    def commit(
        self, waiting: Sequence[Claimed], ended: Sequence[Ended], left: Mapping[int, int]
    ) -> Written | None:
        """Write a group as most of them are: all accepted, all may go.

        `left` is how many messages of each claim are not settled. None where the group is another, or the database
        is away for a moment: then nothing was written.
        """
        told = _by_claim(ended)
        if told is None:
            return None
        asked, words = _asked(waiting)
        settled = [(fence, len(refs)) for fence, refs in told.items()]
        done = [fence for fence, count in settled if left.get(fence) == count]
        accepted = 0
        try:
            writer = self._writer or self._open()
            with writer.transaction() as driver:
                now = to_micros(self._store.clock.now())
                if self._timed and any(one.closes and one.closes <= now for one in waiting):
                    raise _OtherwiseError
                for fence, refs in told.items():
                    for first, last in _spans(refs, _TOGETHER):
                        size = last - first + 1
                        names = map(refs.__getitem__, range(first, last + 1))
                        accepted += driver.execute(
                            _ACCEPTED[size], (now, first, last, fence, *names)
                        ).rowcount
                for fence, ids in asked.items():
                    if self._gated.get(fence) == writer.version:
                        started = 0
                        for first, last in _spans(ids, len(ids)):
                            started += driver.execute(_STARTED, (now, first, last, fence)).rowcount
                    else:
                        text, given = self._start_mark.prepared(SQLITE, fence, list(ids), now)
                        started = len(driver.execute(text, given).fetchall())
                    if started != len(ids):
                        raise _OtherwiseError
                for fence in done:
                    span = self._spans.get(fence)
                    driver.execute(_DONE_OF_SPAN if span else _DONE_OF_ANY, (fence, *(span or ())))
        except _OtherwiseError:
            return None
        except StoreError as error:
            self.close()
            if error.code in PASSING:
                return None
            raise
        return Written(words, accepted, settled, done)

    def close(self) -> None:
        """Give up the connection; the next use opens another, to which nothing is known to have passed the gate."""
        writer = self._forgotten()
        if writer is not None:
            writer.close()

    def give_back(self) -> None:
        """End the work: leave the connection, on which nothing failed, to the next sender."""
        writer = self._forgotten()
        if writer is not None:
            writer.give_back()

    def _forgotten(self) -> QuickWriter | None:
        writer, self._writer = self._writer, None
        self._gated.clear()
        self._spans.clear()
        self._looked = None
        return writer

    def _open(self) -> QuickWriter:
        if self._writer is None:
            self._writer = self._store.quick_writer()
            assert self._writer is not None
        return self._writer


def _by_claim(ended: Sequence[Ended]) -> dict[int, dict[int, str | None]] | None:
    """Return the references of accepted messages by claim and id, None where one ended otherwise."""
    told: dict[int, dict[int, str | None]] = {}
    fence, refs = 0, {}
    for one in ended:
        if one.kind != "accepted":
            return None
        message = one.message
        if message.claim_id != fence:
            fence = message.claim_id
            refs = told.setdefault(fence, {})
        refs[message.message_id] = one.provider_ref
    return told


def _asked(waiting: Sequence[Claimed]) -> tuple[dict[int, dict[int, Word]], dict[int, Word]]:
    """Return the ids of messages by claim, and all of them, each with the word to go."""
    asked: dict[int, dict[int, Word]] = {}
    go, fence, ids = Word.GO, 0, {}
    for message in waiting:
        if message.claim_id != fence:
            fence = message.claim_id
            ids = asked.setdefault(fence, {})
        ids[message.message_id] = go
    if len(asked) < 2:
        return asked, ids
    return asked, {one: go for some in asked.values() for one in some}


def _spans(ids: Mapping[int, object], most: int) -> list[tuple[int, int]]:
    """Cut ids into runs without a gap, of at most `most`; return the first and the last of each."""
    first, last = min(ids), max(ids)
    if last - first == len(ids) - 1 < most:
        return [(first, last)]
    spans = []
    start = before = first
    for one in sorted(ids):
        if one > before + 1 or one - start == most:
            spans.append((start, before))
            start = one
        before = one
    spans.append((start, before))
    return spans
