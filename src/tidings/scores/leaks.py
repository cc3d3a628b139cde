"""Warnings that a score may know its answer: what looks too good, what came in late, what is known only as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.clock import from_micros
from tidings.definitions.kinds.measuring import Score
from tidings.definitions.workspace import Definitions
from tidings.scores.asking import as_of_now
from tidings.scores.features import Feature, Source
from tidings.scores.judging import area
from tidings.scores.reading import name_ids
from tidings.scores.times import DAY, Cut
from tidings.store.tables import people

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

# No honest feature alone orders people so well.
TOO_GOOD = 0.97
# Part of the events of a month that may come in late without a word.
_LATE = 0.05
_MONTH = 30 * DAY


def too_good(features: tuple[Feature, ...], values: Column, did: Column) -> list[str]:
    """Return a sentence for each feature that tells the answer nearly by itself."""
    import numpy as np

    said = []
    for place, one in enumerate(features):
        column = values[:, place]
        if np.isnan(column).all():
            continue
        # Unknown may be the lowest or the highest: never to have done it is long ago, and it is nought times.
        ends = (float(np.nanmin(column)) - 1, float(np.nanmax(column)) + 1)
        areas = [area(np.nan_to_num(column, nan=one), did).value for one in ends]
        alone = max(*areas, *(1 - one for one in areas))
        if alone > TOO_GOOD:
            said.append(
                f"{one.name} alone orders people almost without fault (AUC {alone:.3f}): it may be a trace of the very thing "
                f"that is predicted. If it is, name the event under `keep_out`."
            )
    return said


def came_late(connection: sa.Connection, made_of: tuple[Source, ...], cut: Cut) -> list[str]:
    """Return a sentence for each event that came in after the cut-off though it is dated before it.

    Such an event is there in training and is not there yet when customers are scored. Where a whole history was brought in at
    once afterwards nothing can be told, and nothing is said.
    """
    names, events = name_ids(connection), people.events
    said = []
    for one in made_of:
        if one.event not in names:
            continue
        late = events.c.received_at >= cut.at + DAY
        total, after = connection.execute(
            sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(sa.case((late, 1), else_=0)), 0)).where(
                events.c.name_id == names[one.event],
                events.c.occurred_at >= cut.at - _MONTH,
                events.c.occurred_at < cut.at,
            )
        ).one()
        if after < total and after > _LATE * total:
            said.append(
                f"{after / total:.0%} of {one.event} dated before {from_micros(cut.at):%Y-%m-%d} came in more than a day after it: "
                "what a score looks at changes after its cut-off, so it is somewhat worse than it seems here."
            )
    return said


def of_definition(score: Score, definitions: Definitions) -> list[str]:
    """Return what the definition itself makes doubtful."""
    said = []
    known_now = as_of_now(score, definitions)
    if known_now:
        said.append(
            f"`who: {score.who}` asks for {', '.join(known_now)}, of which only the state of today is kept: if it changes "
            "because of what is predicted, the score has seen a part of the answer."
        )
    for name in score.keep_out:
        if name in score.events:
            said.append(f"{name} stands under `events` and under `keep_out`: it is left out.")
    return said
