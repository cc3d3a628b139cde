"""Filling the table of scores: a span of customers is read and computed without the write lock, then written in chunks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.customers.alive import alive
from tidings.definitions.kinds.measuring import Score
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError
from tidings.scores.asking import asked, find_score, question_of
from tidings.scores.keeping import Kept, find, latest
from tidings.scores.reading import last_id, name_ids, read_rows, spans
from tidings.scores.times import cut_at
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import money, people

_scores, _models = people.scores, money.score_models
# What comes after the cut-off is not known yet, and nobody asks for it.
_NO_ANSWER, _UTC = Duration(1, Unit.MINUTE), ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Applied:
    """What was written: how many customers have a value now, how many of all have none, the mean chance, and by which model."""

    score: str
    hash: str
    at: int
    scored: int
    without: int
    mean: float | None


def usable(score: Score, kept: Kept | None) -> Kept:
    """Return the model of a score. Raises TidingsError when there is none, or the definition was changed since."""
    if kept is None:
        raise TidingsError(
            f"the score {score.name} was never trained",
            what_to_do=f"train it: tidings score train {score.name}",
        )
    now, then = asked(score), dict(kept.model.asked)
    changed = sorted(key for key in now if now[key] != then.get(key))
    if changed:
        raise TidingsError(
            f"{', '.join(f'`{one}`' for one in changed)} of the score {score.name} changed since the model {kept.hash[:12]} was trained",
            what_to_do=f"train it again: tidings score train {score.name}",
        )
    return kept


def apply(
    store: Store,
    definitions: Definitions,
    name: str,
    *,
    now: datetime,
    hash_begins: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Applied:
    """Give every customer with history the chance as of `now`; whoever has none any more loses theirs.

    Of an apply that was stopped half way, the customers it came to have their new value already; the next one finishes it.
    `progress` is told ids looked at and the highest one. Raises as `usable` and when a model is damaged.
    """
    score = find_score(definitions, name)
    at = to_micros(now)
    with store.read() as connection:
        found = find(connection, name, hash_begins) if hash_begins else latest(connection, name)
        kept = usable(score, found)
        names, last = name_ids(connection), last_id(connection)
    model = kept.model
    cut = cut_at(at, model.history, _NO_ANSWER, _UTC)
    question = question_of(score, definitions, model.sources, model.columns, cut)
    scored, total = 0, 0.0
    for first, until in spans(last):
        with store.read() as connection:
            rows = read_rows(connection, question, cut, names, first, until)
        chances = model.chances(model.values(rows.read, at))
        scored, total = scored + len(chances), total + float(chances.sum())
        _write(store, name, kept.hash, at, first, until, rows.ids.tolist(), chances.tolist())
        if progress is not None:
            progress(until, last)
    with store.durable("scores") as connection:
        connection.execute(
            _models.update()
            .where(_models.c.score == name, _models.c.hash != kept.hash)
            .values(applied_at=None, scored=None)
        )
        connection.execute(
            _models.update().where(_models.c.hash == kept.hash).values(applied_at=at, scored=scored)
        )
        everybody = connection.execute(
            sa.select(sa.func.count()).select_from(people.customers).where(alive())
        ).scalar_one()
    return Applied(name, kept.hash, at, scored, everybody - scored, total / scored if scored else None)


def _write(
    store: Store,
    name: str,
    model: str,
    at: int,
    first: int,
    until: int,
    ids: list[int],
    chances: list[float],
) -> None:
    """Put the values of a span of ids in the place of those that stand there, a chunk a transaction.

    A power cut may lose the last chunks, and the next apply makes them again.
    """
    low = first
    for start, end in store.paced("scores").spans(1, max(len(ids), 1)):
        high = until if end >= len(ids) else ids[end - 1]
        with store.marks("scores") as connection:
            connection.execute(
                _scores.delete().where(_scores.c.score == name, _scores.c.customer_id.between(low, high))
            )
            insert_rows(
                connection,
                _scores,
                [(name, ids[i], chances[i], model, at) for i in range(start - 1, min(end, len(ids)))],
                ("score", "customer_id", "value", "model", "scored_at"),
                ignore_conflicts=True,
            )
        low = high + 1
