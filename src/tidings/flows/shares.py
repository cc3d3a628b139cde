"""Scheduled work in pieces that several machines may do side by side: a round under the lock, and shares of a run.

Plain functions; Prefect's tasks wrap them. Nothing here asks Prefect what is left to do: the ledger says it, so a piece that
was killed anywhere is taken up by whoever comes next.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.runs import enrol
from tidings.clock import to_micros
from tidings.delivery.flow_runs import has_due
from tidings.delivery.ownership import provably_dead
from tidings.delivery.running import deliver_run
from tidings.flows.clock_lock import RENEW_SECONDS, ClockLock
from tidings.flows.opening import Opened
from tidings.flows.round import RoundResult, do_round, words_of
from tidings.flows.work_runs import ROUND, Work, mark_lost, owner_name
from tidings.store.boot import boot_id
from tidings.store.tables import sending

# A batch ends within a quarter of a second after so many.
SHARE = 4_000


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that may have something to send: how many senders hold a living claim on it, and how many claims were left."""

    id: int
    campaign: str
    senders: int
    left: int


def locked_round(here: Opened, *, kind: str) -> RoundResult:
    """Do one round if the clock of the store is free, and give it back; held by another, say by whom."""
    lock = ClockLock(here.store, here.clock, kind=kind)
    other = lock.take()
    if other is not None:
        return RoundResult(held=f"another round is under way ({other.words()})")
    owner = owner_name()
    work = Work(here.store, here.clock, owner, ROUND)
    stop = threading.Event()

    def beat() -> None:
        work.beat()
        if lock.take() is not None:
            stop.set()

    said: list[str] = []
    try:
        with _beating(beat):
            result = do_round(
                here.settings,
                here.store,
                clock=here.clock,
                owner=owner,
                stop=stop,
                say=said.append,
                work=work,
            )
        mark_lost(here.store, here.clock.now())
        return result
    finally:
        lock.release()


def open_runs(here: Opened) -> list[OpenRun]:
    """Return the runs that are sending and due, those of the highest priority first; of flows those with something to send."""
    at = to_micros(here.clock.now())
    runs, claims = sending.runs, sending.claims
    with here.store.read() as connection:
        now = here.store.lease_now(connection)
        rows = connection.execute(
            sa.select(runs.c.id, runs.c.campaign, runs.c.kind)
            .where(
                runs.c.state.in_(["enrolling", "sending"]),
                runs.c.kind.in_(["campaign", "flow"]),
                runs.c.anchor_at <= at,
            )
            .order_by(runs.c.priority.desc(), runs.c.anchor_at, runs.c.id)
        ).all()
        held = connection.execute(
            sa.select(claims.c.run_id, claims.c.owner, claims.c.boot_id, claims.c.leased_until).where(
                claims.c.run_id.in_([row.id for row in rows]), claims.c.state == "open"
            )
        ).all()
    boot = boot_id()
    senders: dict[int, set[str]] = {}
    left: dict[int, int] = {}
    for claim in held:
        if claim.leased_until <= now or provably_dead(claim.owner, claim.boot_id, here=boot):
            left[claim.run_id] = left.get(claim.run_id, 0) + 1
        else:
            senders.setdefault(claim.run_id, set()).add(claim.owner)
    return [
        OpenRun(row.id, row.campaign, len(senders.get(row.id, ())), left.get(row.id, 0))
        for row in rows
        # A campaign is asked for even so: the one who sent its last message may have died before finishing it.
        if row.kind == "campaign" or has_due(here.store, row.id, at, here.kept)
    ]


def deliver_share(here: Opened, run_id: int, at_most: int = SHARE) -> dict[str, Any]:
    """Send about `at_most` messages of a run, by claims of our own, and return where the run stands.

    Another process may send the same run at the same time. What a killed one had claimed is taken over first.
    """
    with here.store.read() as connection:
        campaign = connection.execute(
            sa.select(sending.runs.c.campaign).where(sending.runs.c.id == run_id)
        ).scalar_one()
    enrol(here.store, run_id)
    work = Work(here.store, here.clock, owner_name(), "deliver", campaign)
    stop = threading.Event()
    first: list[int] = []

    def progress(settled: int, total: int) -> None:
        first[:] = first or [settled]
        work.progress(settled, total)
        if settled - first[0] >= at_most:
            stop.set()

    try:
        with _beating(work.beat):
            done = deliver_run(
                here.settings,
                here.store,
                run_id,
                clock=here.clock,
                progress=progress,
                stop=stop,
                kept=here.kept,
            )
    except BaseException as error:
        work.finish(words_of(error), failed=True)
        raise
    full = stop.is_set()
    if done.sent_now:
        work.finish(f"{done.sent_now:,} sent")
    else:
        work.drop()
    return {
        "run": run_id,
        "campaign": campaign,
        "state": done.state,
        "sent": done.sent_now,
        "accepted": done.accepted,
        "refused": done.refused,
        "in_doubt": done.in_doubt,
        "pending": done.pending,
        "reason": "" if full else done.reason,
        "more": full,
    }


@contextmanager
def _beating(beat: Any) -> Iterator[None]:
    """Call `beat` every few seconds until the block ends; what it raises is left to the next one."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(RENEW_SECONDS):
            try:
                beat()
            except Exception:  # noqa: S112
                # The store may be away for a moment; the lease is what counts, and it runs out by itself.
                continue

    thread = threading.Thread(target=repeat, name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
