"""Models in the store: kept under their hash, never changed; which one the values of a score were made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.errors import TidingsError
from tidings.scores.model import Model, model_from
from tidings.scores.training import Trained
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import money

_models = money.score_models


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored model, its content checked against its hash. Instants in microseconds since 1970.

    `applied_at` is when the values of the score were last made with it, all of them, `scored` how many: None when they are not.
    """

    model: Model
    hash: str
    trained_at: int
    cut_off: int
    quality: dict[str, Any]
    applied_at: int | None
    scored: int | None


def keep(store: Store, trained: Trained, *, now: int) -> None:
    """Store a trained model; the same numbers are kept once, as trained at the later instant."""
    with store.durable("scores") as connection:
        connection.execute(
            insert_ignoring(connection, _models).values(
                hash=trained.hash,
                score=trained.model.score,
                trained_at=now,
                cut_off=trained.cut_off,
                model=trained.model.as_json(),
                quality=trained.quality,
            )
        )
        connection.execute(_models.update().where(_models.c.hash == trained.hash).values(trained_at=now))


def latest(connection: sa.Connection, score: str) -> Kept | None:
    """Return the model trained last, None when none ever was. Raises StoreError when its content does not fit its hash."""
    return _kept(connection, sa.select(_models).where(_models.c.score == score))


def applied(connection: sa.Connection, score: str) -> Kept | None:
    """Return the model that the stored values were made with, None when it was never applied."""
    return _kept(
        connection, sa.select(_models).where(_models.c.score == score, _models.c.applied_at.is_not(None))
    )


def find(connection: sa.Connection, score: str, hash_begins: str) -> Kept:
    """Return the model of a score whose hash begins so. Raises TidingsError unless there is exactly one."""
    found = connection.execute(
        sa.select(_models.c.hash)
        .where(_models.c.score == score, _models.c.hash.startswith(hash_begins, autoescape=True))
        .limit(2)
    ).all()
    if len(found) != 1:
        raise TidingsError(
            f'{score} has no model "{hash_begins}"'
            if not found
            else f'several models begin with "{hash_begins}"',
            what_to_do=f"`tidings score show {score}` names the last one",
        )
    one = _kept(connection, sa.select(_models).where(_models.c.hash == found[0].hash))
    assert one is not None
    return one


def _kept(connection: sa.Connection, chosen: sa.Select[Any]) -> Kept | None:
    row = connection.execute(chosen.order_by(_models.c.trained_at.desc(), _models.c.hash).limit(1)).first()
    if row is None:
        return None
    return Kept(
        model_from(row.model, row.hash),
        row.hash,
        row.trained_at,
        row.cut_off,
        row.quality,
        row.applied_at,
        row.scored,
    )
