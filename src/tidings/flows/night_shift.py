"""The night's work of one machine: what `flows/nightly.py` does under Prefect and no round does, once a night, in a process of its own.

Rounds refresh segments, start campaigns, deliver and take in receipts all day. What is left for the night takes long and has the
processor for itself: scores, what is bought together, and the opens and clicks of the last days judged again by what came late.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.local_time import at_hour
from tidings.clock import Clock, to_micros
from tidings.config.settings import Settings
from tidings.flows.work_runs import Work, note_trouble, owner_name
from tidings.store.database import Store
from tidings.store.tables import journeys

if TYPE_CHECKING:
    from tidings.flows.opening import Opened

# The hour of the workspace at which the night begins, that of `tidings deploy` as well.
HOUR = time(2, 30)
NIGHT = "night"
LOOK_SECONDS = 60.0
# After a step that went wrong, it is tried again so much later.
_AGAIN = timedelta(hours=1)
_TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of the night: its name in `tidings runs`, and what does it and returns in a sentence what came of it."""

    name: str
    work: Callable[[Opened], str]


# What these import, statistics and learning, is for the process of the night alone: the worker that waits for it stays small.
def _scores(here: Opened) -> str:
    from tidings.flows.nights import scores_applied

    rows = scores_applied(here)
    troubles = [f"{row['score']}: {row['trouble']}" for row in rows if row["trouble"]]
    said = f"{sum(row['scored'] or 0 for row in rows):,} customers scored"
    return "; ".join([said, *troubles]) if rows else "no score is defined"


def _hits(here: Opened) -> str:
    from tidings.flows.nights import hits_judged

    counts = {row["what"]: row["count"] for row in hits_judged(here)}
    changed = counts["judged otherwise than before"]
    return f"{counts['responses looked at']:,} responses looked at, {changed:,} judged otherwise"


def _recommendations(here: Opened) -> str:
    from tidings.flows.nights import recommendations_learnt

    rows = recommendations_learnt(here)
    return (
        "; ".join(
            f"{row['pairs kept']:,} pairs of products of {row['customers']:,} customers" for row in rows
        )
        or "no product has a price"
    )


STEPS = (Step("scores", _scores), Step("recommendations", _recommendations), Step("hits", _hits))


def begin_of_night(now: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which the latest night began: HOUR on the clock of the workspace, at `now` or before."""
    day = now.astimezone(zone).date()
    begin = at_hour(day, HOUR, zone)
    return begin if begin <= now else at_hour(day - timedelta(days=1), HOUR, zone)


def steps_due(store: Store, now: datetime, zone: ZoneInfo) -> list[Step]:
    """Return the steps that were not done since this night began; one that failed is left alone for an hour."""
    rows = journeys.work_runs
    begin, lately = to_micros(begin_of_night(now, zone)), to_micros(now - _AGAIN)
    over = sa.or_(rows.c.state == "done", rows.c.beat_at > lately)
    with store.read() as connection:
        done = set(
            connection.execute(
                sa.select(rows.c.subject).where(rows.c.work == NIGHT, rows.c.started_at >= begin, over)
            ).scalars()
        )
    return [step for step in STEPS if step.name not in done]


def work_through(here: Opened, *, steps: Sequence[Step] | None = None) -> bool:
    """Do the steps that are due, one after the other; one that fails is noted and stops no other. Return whether all went well.

    May be stopped and repeated at any instant: a step that did not end is begun anew.
    """
    zone = ZoneInfo(here.settings.definitions.workspace.zone)
    well = True
    for step in steps_due(here.store, here.clock.now(), zone) if steps is None else steps:
        work = Work(here.store, here.clock, owner_name(), NIGHT, step.name)
        work.beat()
        try:
            said = step.work(here)
        except Exception as error:
            # Whatever is wrong with this one, even a fault of ours, the others are done.
            work.finish(getattr(error, "message", "") or f"{type(error).__name__}: {error}", failed=True)
            well = False
        else:
            work.finish(said)
    return well


class NightShift:
    """Begins the night's work when it is due, and waits for its process; that ends with this one."""

    def __init__(
        self, settings: Settings, store: Store, *, clock: Clock, command: Sequence[str] | None = None
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._command = [*(command or _COMMAND), "--environment", settings.environment.name]
        self._zone = ZoneInfo(settings.definitions.workspace.zone)

    def look(self, stop: threading.Event) -> bool:
        """Do the night's work if it is due and return whether it was; when `stop` is set, its process is asked to end."""
        if not steps_due(self._store, self._clock.now(), self._zone):
            return False
        reading, writing = os.pipe()
        try:
            # A file, not a pipe: nobody reads while the process works.
            with tempfile.TemporaryFile() as errors:
                process = subprocess.Popen(
                    [*self._command, "--lifeline", str(reading)],
                    pass_fds=(reading,),
                    env={**os.environ, "TIDINGS_WORKSPACE": str(self._settings.root.resolve())},
                    process_group=0,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                )
                while process.poll() is None and not stop.wait(_TICK_SECONDS):
                    pass
                # The end of the lifeline ends the process, here and however this one ends.
                os.close(writing)
                writing = -1
                process.wait()
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip()
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)
        if process.returncode and not stop.is_set():
            words = said.splitlines()[-1] if said else f"ended with exit code {process.returncode}"
            note_trouble(self._store, self._clock, owner_name(), NIGHT, None, words)
        return True


_COMMAND = (sys.executable, "-m", "tidings.cli.main", "serve", "--child", "night")
