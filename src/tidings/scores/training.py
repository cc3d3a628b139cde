"""Training a score: read at several cut-offs, fit before, judge after, compare with recency alone, keep as numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tidings.clock import from_micros, local_day
from tidings.definitions.kinds.measuring import Score
from tidings.definitions.money import exponent
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError
from tidings.scores import leaks
from tidings.scores.asking import asked, find_score, made_of, question_of, zone_of
from tidings.scores.features import Feature, Source, columns_of, features_of, value_of
from tidings.scores.fitting import Fitted, fit
from tidings.scores.judging import area, brier, calibration, difference, groups
from tidings.scores.model import Model, Weighted, hash_of
from tidings.scores.reading import Rows, begins, last_id, name_ids, read_all
from tidings.scores.times import DAY, Cut, Times, times_of
from tidings.statistics.proportions import wilson
from tidings.store.tables import people

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    import numpy as np
    from numpy.typing import NDArray

    from tidings.store.database import Store

    Column = NDArray[np.float64]

# Fewer customers, or fewer of either answer, say nothing that holds.
LEAST_CUSTOMERS, LEAST_OF_EITHER = 100, 20
# More customers than this make no better model; a part of them, drawn by their number, is trained on.
MOST_CUSTOMERS = 200_000


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that was trained and judged, not stored yet: `quality` is plain data with stable keys."""

    model: Model
    hash: str
    cut_off: int
    quality: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Window:
    """What was read at one cut-off, and the features made of it."""

    cut: Cut
    rows: Rows
    values: Column


def train(store: Store, definitions: Definitions, name: str, *, now: datetime) -> Trained:
    """Train a score with what had happened before `now`, the last of its windows kept for judging alone.

    Raises UsageError for an unknown score, TidingsError with one sentence when there is too little to learn from.
    """
    score = find_score(definitions, name)
    sources = made_of(score, definitions)
    zone = zone_of(definitions)
    with store.read() as connection:
        start = begins(connection, sources)
        times = times_of(now, score.within, score.history, zone, start)
        if times is None:
            raise _too_short(score, now, start, zone)
        features = features_of(sources, times.history, score.keep_out)
        share = _share(connection)
        training = [
            _read(connection, definitions, score, sources, features, cut, share) for cut in times.training
        ]
        validation = _read(connection, definitions, score, sources, features, times.validation, share)
        late = leaks.came_late(connection, sources, times.validation)
    for what, window in (("training", training[0]), ("validation", validation)):
        _enough(score, what, window, zone)
    return _judged(score, definitions, sources, features, times, training, validation, share, late)


def _judged(
    score: Score,
    definitions: Definitions,
    sources: tuple[Source, ...],
    features: tuple[Feature, ...],
    times: Times,
    training: list[_Window],
    validation: _Window,
    share: float,
    late: list[str],
) -> Trained:
    import numpy as np

    did = np.concatenate([one.rows.did for one in training])
    ids = np.concatenate([one.rows.ids for one in training])
    latest = np.arange(len(did)) < len(training[0].rows.did)
    raw = np.concatenate([one.values for one in training])
    suspects = leaks.too_good(features, training[0].values, training[0].rows.did)
    features, places, means = _kept(features, raw)
    if not features:
        raise TidingsError(
            f"{score.name}: all customers look the same before {_day(times.training[0].at, zone_of(definitions))}; there is nothing to order them by",
            what_to_do="name more events under `events:` in config/scores.yaml",
        )
    fitted = fit(_filled(raw, features, places, means), did, ids, latest)
    model = Model(
        score=score.name,
        asked=asked(score),
        sources=sources,
        history=times.history,
        currency=definitions.workspace.currency,
        exponent=exponent(definitions.workspace.currency),
        weights=tuple(
            Weighted(one, float(fitted.means[i]), float(fitted.scales[i]), float(fitted.weights[i]))
            for i, one in enumerate(features)
        ),
        intercept=fitted.intercept,
        slope=fitted.slope,
        offset=fitted.offset,
        trained_on={
            "cut_offs": [one.cut.at for one in training],
            "answers_until": times.training[0].closes,
            "rows": len(did),
            "did": int(did.sum()),
            "share": share,
            "strength": fitted.strength,
        },
    )
    seen = validation.rows
    chances = model.chances(model.values(seen.read, validation.cut.at))
    simpler = {
        name: _simpler(chosen, training, validation, did, ids, latest)
        for name, chosen in _simple_features(score, sources).items()
    }
    quality = _quality(score, times, training, validation, chances, simpler)
    quality["warnings"] = [
        *suspects,
        *late,
        *leaks.of_definition(score, definitions),
        *_doubts(quality, times),
    ]
    quality["share"] = share
    return Trained(model, hash_of(model.as_json()), validation.cut.at, quality)


def _quality(
    score: Score,
    times: Times,
    training: list[_Window],
    validation: _Window,
    chances: Column,
    simpler: dict[str, Column],
) -> dict[str, Any]:
    did, ids = validation.rows.did, validation.rows.ids
    ours, base = area(chances, did), float(did.mean())
    compared = {}
    for name, others in simpler.items():
        theirs = area(others, did)
        gap, low, high = difference(ours, theirs)
        compared[name] = {
            "auc": theirs.value,
            "brier": brier(others, did),
            "difference": gap,
            "low": low,
            "high": high,
            "better": low > 0,
        }
    return {
        "score": score.name,
        "title": score.title,
        "did": score.did,
        "within": str(score.within),
        "history_days": times.history / DAY,
        "history_wished_days": times.wished / DAY,
        "trained": [_told(one) for one in training],
        "validated": _told(validation),
        "auc": {"value": ours.value, "low": ours.low, "high": ours.high},
        "brier": {
            "value": brier(chances, did),
            "of_base_rate": base * (1 - base),
            "skill": 1 - brier(chances, did) / (base * (1 - base)),
        },
        "calibration": calibration(chances, did),
        "groups": groups(chances, did, ids),
        "compared": compared,
    }


def _told(window: _Window) -> dict[str, Any]:
    did = window.rows.did
    return {
        "cut_off": window.cut.at,
        "answers_until": window.cut.closes,
        "customers": len(did),
        "did": int(did.sum()),
        "base_rate": float(did.mean()),
    }


def _read(
    connection: sa.Connection,
    definitions: Definitions,
    score: Score,
    sources: tuple[Source, ...],
    features: tuple[Feature, ...],
    cut: Cut,
    share: float,
) -> _Window:
    import numpy as np

    question = question_of(score, definitions, sources, columns_of(features), cut, share=share)
    rows = read_all(connection, question, cut, name_ids(connection), last_id(connection))
    places = exponent(definitions.workspace.currency)
    values = np.column_stack([value_of(one, rows.read, cut.at, places) for one in features])
    return _Window(cut, rows, values)


def _share(connection: sa.Connection) -> float:
    count = connection.execute(sa.select(sa.func.count()).select_from(people.customers)).scalar_one()
    return min(1.0, MOST_CUSTOMERS / max(count, 1))


def _kept(features: tuple[Feature, ...], raw: Column) -> tuple[tuple[Feature, ...], list[int], Column]:
    """Return the features that differ between customers, each where it is unknown for some with the one that says so.

    `places` are their columns among `raw`; `means` are those of the known values.
    """
    import numpy as np

    kept: list[Feature] = []
    places: list[int] = []
    means: list[float] = []
    for place, one in enumerate(features):
        column = raw[:, place]
        unknown = np.isnan(column)
        if unknown.all():
            continue
        mean = float(column[~unknown].mean())
        if float(np.ptp(column[~unknown])) > 1e-9:
            kept.append(one)
            places.append(place)
            means.append(mean)
        if unknown.any():
            kept.append(replace(one, unknown=True))
            places.append(place)
            means.append(0.0)
    return tuple(kept), places, np.array(means)


def _filled(raw: Column, features: tuple[Feature, ...], places: list[int], means: Column) -> Column:
    """Return the columns of the features with nothing unknown in them."""
    import numpy as np

    columns = []
    for one, place, mean in zip(features, places, means, strict=True):
        unknown = np.isnan(raw[:, place])
        columns.append(unknown.astype(np.float64) if one.unknown else np.where(unknown, mean, raw[:, place]))
    return np.column_stack(columns)


def _simple_features(score: Score, sources: tuple[Source, ...]) -> dict[str, tuple[Feature, ...]]:
    """Return what a shop would go by without a score: the last time alone, and last time, number and worth (RFM)."""
    main = next((one for one in sources if one.event == score.did), sources[0])
    recency = (Feature("since", main.event),)
    number = Feature("count", main.event)
    return {
        "recency": recency,
        "rfm": (*recency, number, *([Feature("amount", main.event)] if main.priced else [])),
    }


def _simpler(
    chosen: tuple[Feature, ...],
    training: list[_Window],
    validation: _Window,
    did: Column,
    ids: NDArray[np.int64],
    latest: NDArray[np.bool_],
) -> Column:
    """Return the chances by a few features alone, fitted and calibrated in the same way on the same customers."""
    import numpy as np

    def made(window: _Window) -> Column:
        return np.column_stack([value_of(one, window.rows.read, window.cut.at, 2) for one in chosen])

    raw = np.concatenate([made(one) for one in training])
    features, places, means = _kept(chosen, raw)
    if not features:
        return np.full(len(validation.rows.did), float(did.mean()))
    fitted: Fitted = fit(_filled(raw, features, places, means), did, ids, latest)
    return fitted.chances(_filled(made(validation), features, places, means))


def _enough(score: Score, what: str, window: _Window, zone: ZoneInfo) -> None:
    """Raise TidingsError when a window has too few customers, or too few of either answer."""
    count, yes = len(window.rows.did), int(window.rows.did.sum())
    begins_on = _day(window.cut.at, zone)
    span = f"from {begins_on} to {_day(window.cut.closes - 1, zone)}"
    if count < LEAST_CUSTOMERS:
        raise TidingsError(
            f"{score.name} cannot be trained: only {count:,} customers had done anything before {begins_on}, and "
            f"{LEAST_CUSTOMERS} are the least for {what}",
            what_to_do="wait for more customers, or name more events under `events:`",
        )
    if min(yes, count - yes) < LEAST_OF_EITHER:
        few = "did" if yes < count - yes else "did not do"
        raise TidingsError(
            f"{score.name} cannot be trained: of {count:,} customers only {min(yes, count - yes):,} {few} {score.did} {span}, and "
            f"{LEAST_OF_EITHER} are the least for {what}",
            what_to_do="a longer `within:` finds more"
            if yes < count - yes
            else "a shorter `within:` tells people apart",
        )


def _too_short(score: Score, now: datetime, start: int | None, zone: ZoneInfo) -> TidingsError:
    today = local_day(now, zone)
    if start is None or start >= int(now.timestamp() * 1_000_000):
        return TidingsError(
            f"{score.name} cannot be trained: before {today} there is no event of those it learns from",
            what_to_do="bring some in: tidings import FILE --as orders",
        )
    return TidingsError(
        f"{score.name} cannot be trained: events begin on {_day(start, zone)}, and twice {score.within} and a week of history "
        f"before that are needed by {today}",
        what_to_do="import an older history, or shorten `within:`",
    )


def _doubts(quality: dict[str, Any], times: Times) -> list[str]:
    """Return what the figures themselves make doubtful."""
    said = []
    if times.shortened:
        said.append(
            f"Events reach back {times.history / DAY:,.0f} days before the first cut-off instead of the "
            f"{times.wished / DAY:,.0f} of `history`, so features look back {times.history / DAY:,.0f} days."
        )
    if quality["brier"]["skill"] <= 0:
        said.append(
            "The chances are no nearer to what happened than saying the same share of everybody: do not read them as chances."
        )
    said_share, came = quality["calibration"]["said"], quality["calibration"]["did"]
    low, high = wilson(quality["validated"]["did"], quality["validated"]["customers"])
    if not low <= said_share <= high and abs(said_share - came) > 0.1 * came:
        more = "more" if said_share > came else "fewer"
        said.append(
            f"It expected {more} people than came: {said_share:.1%} on average, and {came:.1%} did it."
        )
    slope = quality["calibration"]["slope_high"]
    if slope is not None and slope < 0.8:
        said.append(
            "High chances were too high and low ones too low (slope below 0.8): the order may hold, the chances do not."
        )
    before, after = quality["trained"][0]["base_rate"], quality["validated"]["base_rate"]
    if after and not 0.67 <= before / after <= 1.5:
        said.append(
            f"The share of those who did it moved from {before:.1%} in training to {after:.1%} after it: a season, or a change; "
            "chances follow it only with the next training."
        )
    return said


def _day(at: int, zone: ZoneInfo) -> str:
    return f"{local_day(from_micros(at), zone)}"
