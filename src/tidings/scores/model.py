"""A trained score as plain numbers: what is kept, its hash, and the chance that it gives, with numpy alone.

The chance is a logistic function of a weighted sum. Each feature is taken as its distance from the training mean in
standard deviations; an unknown value counts as the mean. The sum is then calibrated: slope × sum + intercept.
Nothing but numbers and names is kept, so a model says the same in ten years, on any machine, and can run no code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tidings.errors import StoreError
from tidings.scores.features import Feature, Source, columns_of, from_json, value_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Weighted:
    """One feature with its part in the sum: weight × (value - mean) / scale, where an unknown value is `mean`."""

    feature: Feature
    mean: float
    scale: float
    weight: float


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it is kept: what it was asked, what it reads, its numbers. `history` is in microseconds.

    `asked` holds the lines of the definition that it answers; `slope` and `offset` are the calibration.
    """

    score: str
    asked: Mapping[str, Any]
    sources: tuple[Source, ...]
    history: int
    currency: str
    exponent: int
    weights: tuple[Weighted, ...]
    intercept: float
    slope: float
    offset: float
    trained_on: Mapping[str, Any]

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return the features in their order."""
        return tuple(one.feature for one in self.weights)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that must be read of a customer."""
        return columns_of(self.features)

    def values(self, read: Mapping[str, Column], at: int) -> Column:
        """Return the features of customers, one row each, NaN where unknown, out of the columns read of them."""
        import numpy as np

        if not self.weights:
            return np.zeros((len(next(iter(read.values()), ())), 0))
        return np.column_stack([value_of(one, read, at, self.exponent) for one in self.features])

    def parts(self, values: Column) -> Column:
        """Return what each feature adds to the logarithm of the odds, calibration included; an average customer gets 0."""
        import numpy as np

        means = np.array([one.mean for one in self.weights])
        scales = np.array([one.scale for one in self.weights])
        weights = np.array([one.weight for one in self.weights])
        known = np.where(np.isnan(values), means, values)
        found: Column = self.slope * weights * ((known - means) / scales)
        return found

    @property
    def base(self) -> float:
        """Return the logarithm of the odds of an average customer."""
        return self.slope * self.intercept + self.offset

    def chances(self, values: Column) -> Column:
        """Return the chance of each row of features, strictly between 0 and 1."""
        return logistic(self.base + self.parts(values).sum(axis=1))

    def as_json(self) -> dict[str, Any]:
        """Return the model as it is kept."""
        return {
            "format": FORMAT,
            "form": "logistic",
            "score": self.score,
            "asked": dict(self.asked),
            "sources": [
                {
                    "event": one.event,
                    "priced": one.priced,
                    "returns": one.returns,
                    "category": one.category,
                    "listed": one.listed,
                }
                for one in self.sources
            ],
            "history": self.history,
            "currency": self.currency,
            "exponent": self.exponent,
            "features": [
                {
                    "kind": one.feature.kind,
                    "of": one.feature.of,
                    "days": one.feature.days,
                    "unknown": one.feature.unknown,
                    "mean": one.mean,
                    "scale": one.scale,
                    "weight": one.weight,
                }
                for one in self.weights
            ],
            "intercept": self.intercept,
            "calibration": {"kind": "sigmoid", "slope": self.slope, "intercept": self.offset},
            "trained_on": dict(self.trained_on),
        }


def logistic(sums: Column) -> Column:
    """Return 1 / (1 + e^-sum) without overflow, within what a double tells from 0 and 1."""
    import numpy as np

    small = np.exp(-np.abs(sums))
    found: Column = np.where(sums >= 0, 1 / (1 + small), small / (1 + small))
    return found


def canonical(written: Any) -> str:
    """Return JSON with sorted keys and every number as one and the same text, however a database gave it back.

    Whole numbers and doubles look alike (PostgreSQL keeps both as decimals), so 1, 1.0 and 1e0 are one number here.
    """
    return json.dumps(
        _plain(written), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _plain(written: Any) -> Any:
    match written:
        case bool() | str() | None:
            return written
        case int() | float():
            # Adding 0.0 takes the sign off a zero, which a decimal does not have.
            return float(written) + 0.0
        case Mapping():
            return {str(key): _plain(value) for key, value in written.items()}
        case Sequence():
            return [_plain(one) for one in written]
        case _:
            raise TypeError(f"{type(written).__name__} is not kept in a model")


def hash_of(written: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a model as it is kept."""
    return sha256(canonical(written).encode()).hexdigest()


def model_from(written: Mapping[str, Any], expected: str) -> Model:
    """Return the model that was kept under a hash. Raise StoreError when its content is not what was hashed."""
    found = hash_of(written)
    if found != expected:
        raise StoreError(
            f"the model {expected[:12]} of a score is damaged: its numbers are not those that were trained",
            what_to_do=f"train it again: tidings score train {written.get('score', 'NAME')}",
            code="score-model-damaged",
        )
    if int(written["format"]) != FORMAT:
        raise StoreError(
            f"the model {expected[:12]} was trained by a newer tidings",
            what_to_do="use that version, or train it again",
            code="score-model-newer",
        )
    return Model(
        score=written["score"],
        asked=written["asked"],
        sources=tuple(
            Source(
                one["event"],
                bool(one["priced"]),
                one["returns"],
                bool(one["category"]),
                bool(one["listed"]),
            )
            for one in written["sources"]
        ),
        history=int(written["history"]),
        currency=written["currency"],
        exponent=int(written["exponent"]),
        weights=tuple(
            Weighted(from_json(one), float(one["mean"]), float(one["scale"]), float(one["weight"]))
            for one in written["features"]
        ),
        intercept=float(written["intercept"]),
        slope=float(written["calibration"]["slope"]),
        offset=float(written["calibration"]["intercept"]),
        trained_on=written["trained_on"],
    )
