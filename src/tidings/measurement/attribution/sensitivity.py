"""How much the answer hangs on what was chosen: every model, with half, the set and double windows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidings.definitions.kinds.measuring import MODELS
from tidings.measurement.attribution.answer import credit_facts
from tidings.measurement.attribution.asking import Asked
from tidings.statistics.credit import Integers

_LEVEL = 1e-9
STRETCHES = ((0.5, "half"), (1.0, "as set"), (2.0, "double"))


@dataclass(frozen=True, slots=True)
class Choice:
    """One model with one stretch of the windows: what is attributed, the share of each label, how the ranking agrees.

    `tau` is Kendall's tau-b against the model of the rule with the windows as set: 1 is the same order, −1 the reverse;
    None where fewer than two labels, or all with the same credit, have no order. `swapped` counts the pairs of labels that
    stand the other way round.
    """

    model: str
    windows: str
    attributed: int
    shares: dict[str, float]
    ranking: tuple[str, ...]
    tau: float | None
    swapped: int


@dataclass(frozen=True, slots=True)
class Stability:
    """Of the pairs that the model of the rule tells apart, how many no choice turns round (level is not turned round)."""

    pairs: int
    kept: int

    @property
    def share(self) -> float | None:
        """Return the share of pairs that keep their order; None where there is no pair."""
        return self.kept / self.pairs if self.pairs else None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """All choices, and what of the answer does not hang on them."""

    model: str
    choices: tuple[Choice, ...]
    stability: Stability
    words: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the panel with stable keys."""
        return {
            "model": self.model,
            "choices": [
                {
                    "model": one.model,
                    "windows": one.windows,
                    "attributed": one.attributed,
                    "shares": one.shares,
                    "ranking": list(one.ranking),
                    "tau": one.tau,
                    "swapped": one.swapped,
                }
                for one in self.choices
            ],
            "stability": {
                "pairs": self.stability.pairs,
                "kept": self.stability.kept,
                "share": self.stability.share,
            },
            "words": list(self.words),
        }


def sensitivity(asked: Asked, by: str) -> Sensitivity:
    """Return the panel. `asked` must have read touches twice as far back as the windows say."""
    credit: dict[tuple[str, str], tuple[dict[str, float], int]] = {}
    for scale, windows in STRETCHES:
        answer = credit_facts(
            asked.facts,
            asked.rule,
            asked.period,
            by=by,
            rates=asked.rates,
            currency=asked.definitions.workspace.currency,
            scale=scale,
        )
        for model, given in answer.models.items():
            credit[model, windows] = given.conversions, answer.attributed.count
    base = credit.get((asked.rule.model, "as set"), ({}, 0))[0]
    choices = []
    for model in MODELS:
        for _, windows in STRETCHES:
            if (model, windows) not in credit:
                continue
            shares, attributed = credit[model, windows]
            together = sum(shares.values())
            tau, swapped = agreement(base, shares)
            choices.append(
                Choice(
                    model,
                    windows,
                    attributed,
                    {label: value / together if together else 0.0 for label, value in shares.items()},
                    tuple(label for label, _ in sorted(shares.items(), key=lambda one: (-one[1], one[0]))),
                    tau,
                    swapped,
                )
            )
    stability = stable([base, *(shares for shares, attributed in credit.values() if attributed)])
    return Sensitivity(asked.rule.model, tuple(choices), stability, tuple(_words(choices, stability, by)))


def stable(rankings: Sequence[dict[str, float]]) -> Stability:
    """Return how many of the pairs that the first ranking tells apart none of the others turns round."""
    labels = sorted({label for one in rankings for label in one})
    first, *others = (_orders(one, labels) for one in rankings)
    turned = np.zeros(first.size, dtype=bool)
    for one in others:
        turned |= first * one < 0
    apart = first != 0
    return Stability(int(apart.sum()), int((apart & ~turned).sum()))


def agreement(one: dict[str, float], other: dict[str, float]) -> tuple[float | None, int]:
    """Return Kendall's tau-b of two rankings of the same labels, and how many pairs stand the other way round."""
    labels = sorted({*one, *other})
    here, there = _orders(one, labels), _orders(other, labels)
    scale = math.sqrt(np.count_nonzero(here) * np.count_nonzero(there))
    swapped = int((here * there < 0).sum())
    return (float((here * there).sum() / scale) if scale else None), swapped


def _orders(of: dict[str, float], labels: list[str]) -> Integers:
    """Return for each pair of labels which has more, as the sign of the difference."""
    upper = np.triu_indices(len(labels), 1)
    values = np.array([of.get(label, 0.0) for label in labels])
    difference = values[upper[0]] - values[upper[1]]
    # What rounding alone tells apart is level.
    return np.where(np.abs(difference) < _LEVEL, 0, np.sign(difference)).astype(np.int64)


def _words(choices: list[Choice], stability: Stability, by: str) -> list[str]:
    counted = [one for one in choices if one.attributed and len(one.ranking) > 1]
    if not counted:
        return [
            "There are not two places that credit could go to, so nothing hangs on the model or the windows."
        ]
    heads = Counter(one.ranking[0] for one in counted)
    (leader, times), *others = heads.most_common()
    if not others:
        said = [f"{leader} comes first whatever the model and the windows."]
    else:
        rest = ", ".join(f"{label} in {count}" for label, count in others)
        said = [f"Who comes first hangs on the choice: {leader} in {times} of {len(counted)}, {rest}."]
    if stability.share is not None:
        said.append(
            f"{stability.kept:,} of {stability.pairs:,} pair{'s' if stability.pairs != 1 else ''} of {by}s "
            f"({stability.share:.0%}) keep their order in all of them."
        )
    spread: dict[str, list[float]] = {}
    for one in counted:
        for label, share in one.shares.items():
            spread.setdefault(label, []).append(share)
    widest = max(spread, key=lambda label: max(spread[label]) - min(spread[label]))
    said.append(
        f"The widest span is that of {widest}: from {min(spread[widest]):.0%} to {max(spread[widest]):.0%} of the credit."
    )
    return said
