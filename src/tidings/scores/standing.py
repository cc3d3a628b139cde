"""How a score stands: the model and its quality, the values that are stored, and whether the base rate has moved since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tidings.clock import from_micros, to_micros
from tidings.definitions.kinds.measuring import Score
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError
from tidings.scores.applying import usable
from tidings.scores.asking import find_score, question_of, zone_of
from tidings.scores.keeping import Kept, applied, latest
from tidings.scores.reading import last_id, name_ids, read_rows, spans
from tidings.scores.times import cut_at, shifted
from tidings.statistics.proportions import newcombe
from tidings.store.database import Store
from tidings.store.tables import people


@dataclass(frozen=True, slots=True)
class Drift:
    """The share of customers with history who did it in the last window, against the one the model was judged by.

    `said` is the mean chance that the model gave them at that cut-off. `low` and `high` bound the difference (95 %).
    """

    cut_off: int
    customers: int
    did: int
    then: float
    said: float
    low: float
    high: float

    @property
    def now(self) -> float:
        """Return the share of today's window."""
        return self.did / self.customers

    @property
    def moved(self) -> bool:
        """Tell whether the share surely moved, and by a tenth of itself at least."""
        return not self.low <= 0 <= self.high and abs(self.now - self.then) > 0.1 * self.then


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is known of a score. `problem` says why it cannot be applied as it is; `drift` is None without a full window since."""

    score: Score
    kept: Kept | None
    applied: Kept | None
    drift: Drift | None
    problem: str


def standing(store: Store, definitions: Definitions, name: str, *, now: datetime) -> Standing:
    """Return how a score stands as of `now`. Raises UsageError for an unknown score, StoreError for a damaged model."""
    score = find_score(definitions, name)
    with store.read() as connection:
        kept, used = latest(connection, name), applied(connection, name)
        try:
            usable(score, kept)
            problem = ""
        except TidingsError as error:
            problem = error.message
        drift = None if problem or kept is None else _drift(connection, definitions, score, kept, now)
    return Standing(score, kept, used, drift, problem)


def _drift(
    connection: sa.Connection, definitions: Definitions, score: Score, kept: Kept, now: datetime
) -> Drift | None:
    """Compare with the last full window, when it lies wholly after the one that the model was judged by."""
    zone = zone_of(definitions)
    judged: dict[str, Any] = kept.quality["validated"]
    at = shifted(to_micros(now), score.within, -1, zone)
    if at < judged["answers_until"]:
        return None
    cut = cut_at(at, kept.model.history, score.within, zone)
    question = question_of(
        score, definitions, kept.model.sources, kept.model.columns, cut, share=float(kept.quality["share"])
    )
    names, customers, did, said = name_ids(connection), 0, 0, 0.0
    for first, last in spans(last_id(connection)):
        rows = read_rows(connection, question, cut, names, first, last)
        customers, did = customers + len(rows.did), did + int(rows.did.sum())
        said += float(kept.model.chances(kept.model.values(rows.read, cut.at)).sum())
    if not customers:
        return None
    low, high = newcombe(did, customers, judged["did"], judged["customers"])
    return Drift(cut.at, customers, did, judged["base_rate"], said / customers, low, high)


def names_of(store: Store, definitions: Definitions) -> dict[str, int]:
    """Return how many values each score of config/scores.yaml has now."""
    scores = people.scores
    with store.read() as connection:
        counted = {
            row.score: int(row[1])
            for row in connection.execute(
                sa.select(scores.c.score, sa.func.count().label("values")).group_by(scores.c.score)
            )
        }
    return {name: counted.get(name, 0) for name in definitions.scores}


def due(
    score: Score, kept: Kept | None, now: datetime, definitions: Definitions, *, ahead: timedelta
) -> bool:
    """Tell whether a model is older than `retrain` allows, or will be within `ahead`."""
    if kept is None or score.retrain is None:
        return False
    ends = shifted(kept.trained_at, score.retrain, 1, zone_of(definitions))
    return from_micros(ends) <= now + ahead
