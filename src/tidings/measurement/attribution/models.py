"""All models of credit over the same paths, by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tidings.definitions.kinds.measuring import MODELS
from tidings.statistics import credit as by_path
from tidings.statistics.credit import Credit, Floats, Paths
from tidings.statistics.markov import chain
from tidings.statistics.shapley import Worth, shapley

DAY = 86_400_000_000
# Models that share a conversion by looking at nothing but its own path.
ALONE = ("first", "last", "linear", "time_decay", "position")


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the models are told: half-life in microseconds, shares of first and last, order of the chain, worth of sets."""

    half_life: float = 7.0 * DAY
    ends: tuple[float, float] = (0.4, 0.4)
    order: int = 1
    worth: Worth = "conversions"


def give_credit(
    paths: Paths, models: Iterable[str], tuning: Tuning, ages: Floats | None = None
) -> dict[str, Credit]:
    """Return the credit of each model asked for, in the order of MODELS.

    `ages` are microseconds before the conversion, one a step; without them `time_decay` is left out.
    """
    asked = set(models)
    found: dict[str, Credit] = {}
    for model in MODELS:
        if model not in asked or (model == "time_decay" and ages is None):
            continue
        if model == "markov":
            found[model] = chain(paths, tuning.order).credit(paths)
        elif model == "shapley":
            found[model] = shapley(paths, tuning.worth)
        elif model == "first":
            found[model] = by_path.first(paths)
        elif model == "last":
            found[model] = by_path.last(paths)
        else:
            found[model] = by_path.shared(paths, parts_of(paths, model, tuning, ages))
    return found


def parts_of(paths: Paths, model: str, tuning: Tuning, ages: Floats | None = None) -> Floats:
    """Return what a model that looks at one path gives to each step; ValueError for any other model."""
    if model == "time_decay" and ages is not None:
        return by_path.decay_parts(paths, ages, tuning.half_life)
    if model == "position":
        return by_path.position_parts(paths, tuning.ends)
    if model not in by_path.PARTS:
        raise ValueError(f"{model} does not look at one path alone")
    return by_path.PARTS[model](paths)
