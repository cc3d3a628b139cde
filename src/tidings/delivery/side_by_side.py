"""The channels of a run at the same time: one that is slow or in trouble holds up none of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from tidings.delivery.claiming import PENDING
from tidings.delivery.sender import BeforeClaim, Progress
from tidings.delivery.work import Delivered
from tidings.errors import StoreError
from tidings.store.database import Store
from tidings.store.tables import sending


class EitherStop(threading.Event):
    """Set when it is set itself, or when the event that it follows is."""

    def __init__(self, followed: threading.Event | None) -> None:
        super().__init__()
        self._followed = followed

    def is_set(self) -> bool:
        """Tell whether to stop."""
        return super().is_set() or (self._followed is not None and self._followed.is_set())


@dataclass(frozen=True, slots=True)
class Beside:
    """What the sender of one channel is given: when to stop, whom to tell, and what to do before each claim."""

    stop: threading.Event
    progress: Progress | None
    before_claim: BeforeClaim | None


def side_by_side(
    work: Mapping[str, Callable[[Beside], Delivered]],
    *,
    stop: threading.Event | None,
    totals: Totals | None,
    before_claim: BeforeClaim | None,
) -> dict[str, Delivered]:
    """Do the work of each channel (by its id) at the same time and return what each delivered.

    What one raises stops none of the others; at the end the first StoreError is raised, else the first of all.
    `before_claim` is called by one channel at a time. Interrupted, all of them end as if told to stop.
    """
    guard = threading.Lock()
    done: dict[str, Delivered] = {}
    raised: list[BaseException] = []

    def alone() -> object:
        assert before_claim is not None
        with guard:
            return before_claim()

    def beside(channel: str) -> Beside:
        return Beside(
            EitherStop(stop), totals.of(channel) if totals else None, alone if before_claim else None
        )

    def do(channel: str, given: Beside) -> None:
        try:
            done[channel] = work[channel](given)
        except BaseException as error:
            raised.append(error)

    all_given = {channel: beside(channel) for channel in work}
    if len(work) == 1:
        for channel, given in all_given.items():
            return {channel: work[channel](given)}
    threads = [
        threading.Thread(target=do, args=(channel, given), name=f"tidings-channel-{channel}")
        for channel, given in all_given.items()
    ]
    begun: list[threading.Thread] = []
    try:
        for thread in threads:
            thread.start()
            begun.append(thread)
        for thread in begun:
            thread.join()
    except BaseException:
        for given in all_given.values():
            given.stop.set()
        for thread in begun:
            thread.join()
        raise
    if raised:
        raise next((error for error in raised if isinstance(error, StoreError)), raised[0])
    return done


class Totals:
    """Adds up what the channels of a run tell of their progress, and tells the sum for the whole run."""

    def __init__(self, store: Store, run_id: int, progress: Progress) -> None:
        self._progress = progress
        self._guard = threading.Lock()
        self._told = _told_so_far(store, run_id)

    def of(self, channel: str) -> Progress:
        """Return the callback for one channel."""

        def tell(settled: int, total: int) -> None:
            with self._guard:
                self._told[channel] = (settled, total)
                told = list(self._told.values())
                self._progress(sum(one for one, _ in told), sum(one for _, one in told))

        return tell


def _told_so_far(store: Store, run_id: int) -> dict[str, tuple[int, int]]:
    messages = sending.messages
    pending = sa.func.coalesce(sa.func.sum(sa.case((messages.c.state.in_(PENDING), 1), else_=0)), 0)
    with store.read() as connection:
        rows = connection.execute(
            sa.select(messages.c.channel, sa.func.count(), pending)
            .where(messages.c.run_id == run_id)
            .group_by(messages.c.channel)
        ).all()
    return {channel: (int(total) - int(left), int(total)) for channel, total, left in rows}
