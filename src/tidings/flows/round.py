"""One round of scheduled work: a plain function that either clock calls, the one in `serve` or a Prefect flow.

Each part is asked for each of its subjects (a flow, a segment, a campaign) by itself: what goes wrong with one is said once,
stored, and stops no other. Every part may be repeated without harm, so a round may be killed at any instant.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from tidings.clock import Clock
from tidings.config.settings import Settings
from tidings.errors import DefinitionErrors, StoreError, TidingsError
from tidings.flows.work_runs import ROUND, Work, note_trouble
from tidings.store.database import Store
from tidings.store.tables import keeping

Say = Callable[[str], None]
# After trouble with one subject it is left alone for so long.
REST_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What a part is asked about: its name for people, and of a flow its run and version."""

    name: str
    run_id: int | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Round:
    """What every part is given; `owner` is the name of the process, `stop` asks to end early."""

    settings: Settings
    store: Store
    clock: Clock
    owner: str
    stop: threading.Event


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a round: `subjects` lists what there is to ask about, `work` does it and returns how many it was done for.

    `did` is what happened to them, for people: "customers entered".
    """

    name: str
    did: str
    subjects: Callable[[Round], Sequence[Subject]]
    work: Callable[[Round, Subject], int]


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What a round did: how many by part, what went wrong (each time), and why it did nothing, if it was held."""

    done: dict[str, int] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()
    held: str = ""
    outcome: str = ""

    @property
    def busy(self) -> bool:
        """Tell whether anything was done."""
        return any(self.done.values())


class Resting:
    """What had trouble a moment ago and is left alone for now; kept by a clock between its rounds."""

    def __init__(self, clock: Clock, seconds: float = REST_SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until: dict[tuple[str, str], float] = {}

    def rests(self, part: Part, subject: Subject) -> bool:
        """Tell whether a subject is left alone for now."""
        return self._until.get((part.name, subject.name), 0.0) > self._clock.monotonic()

    def failed(self, part: Part, subject: Subject) -> None:
        """Leave a subject alone for a while."""
        self._until[part.name, subject.name] = self._clock.monotonic() + self._seconds


def do_round(
    settings: Settings,
    store: Store,
    *,
    clock: Clock,
    owner: str,
    stop: threading.Event | None = None,
    parts: Sequence[Part] | None = None,
    say: Say | None = None,
    resting: Resting | None = None,
    work: Work | None = None,
) -> RoundResult:
    """Do all scheduled work that is due now, and return what was done.

    In order: segments that start flows are refreshed, occurrences of recurring campaigns that are due are started, flows
    are started for whom it is time, those in flows go on. `parts` replaces these. `work` is the row of
    the run table that beats while this takes long; a round that did nothing leaves none. While the whole store is paused
    nothing is done. Raises StoreError when the store is away, or the clock of the machine was set back.
    """
    from tidings.flows.round_parts import default_parts

    now = clock.now()
    store.check_clock(now)
    with store.read() as connection:
        paused = connection.execute(
            sa.select(keeping.identity.c.pause_reason).where(keeping.identity.c.paused)
        ).first()
    if paused is not None:
        return RoundResult(held=f"all sending is paused{f': {paused[0]}' if paused[0] else ''}")
    this = Round(settings, store, clock, owner, stop or threading.Event())
    row = work or Work(store, clock, owner, ROUND)
    resting = resting or Resting(clock)
    done: dict[str, int] = {}
    words: list[str] = []
    troubles: list[str] = []
    try:
        for part in default_parts() if parts is None else parts:
            count = _do_part(part, this, resting, row, sum(done.values()), troubles, say)
            done[part.name] = count
            if count:
                words.append(f"{count:,} {part.did}")
            if this.stop.is_set():
                break
    except BaseException as error:
        if any(done.values()):
            row.finish(f"{', '.join(words)}; then: {words_of(error)}", failed=True)
        else:
            row.drop()
        raise
    if words:
        with store.durable("clock") as connection:
            store.note_time(connection, now)
        row.finish(", ".join(words))
    else:
        row.drop()
    return RoundResult(done, tuple(troubles), outcome=", ".join(words))


def _do_part(
    part: Part, this: Round, resting: Resting, row: Work, before: int, troubles: list[str], say: Say | None
) -> int:
    """Ask one part about all its subjects; return how many it was done for."""
    count = 0
    try:
        subjects = part.subjects(this)
    except StoreError:
        raise
    except Exception as error:
        # A part that cannot even list its subjects must not keep the others from theirs.
        _trouble(part, Subject(""), error, this, resting, troubles, say)
        return 0
    for subject in subjects:
        if this.stop.is_set():
            break
        if resting.rests(part, subject):
            continue
        try:
            count += part.work(this, subject)
        except StoreError:
            # The store is away for everybody.
            raise
        except Exception as error:
            # Whatever is wrong with this one, even a fault of ours, the others go on.
            _trouble(part, subject, error, this, resting, troubles, say)
        row.progress(before + count)
    return count


def _trouble(
    part: Part,
    subject: Subject,
    error: Exception,
    this: Round,
    resting: Resting,
    troubles: list[str],
    say: Say | None,
) -> None:
    words = words_of(error)
    line = f"{subject.name}: {words}" if subject.name else words
    troubles.append(line)
    resting.failed(part, subject)
    new = note_trouble(this.store, this.clock, this.owner, part.name, subject.name or None, words)
    if new and say is not None:
        say(f"{line} ({part.name}; the others go on)")


def words_of(error: BaseException) -> str:
    """Return what went wrong in one sentence; of several problems in files the first, with its place."""
    if isinstance(error, DefinitionErrors):
        first, more = error.problems[0], len(error.problems) - 1
        place = f"{first.at.path}:{first.at.line}: {first.message}"
        return f"{place} (and {more:,} more)" if more else place
    if isinstance(error, TidingsError):
        return error.message
    return f"{type(error).__name__}: {error}".rstrip(": ")
