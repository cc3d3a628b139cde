"""What was expected of a run beside what came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tidings.definitions.money import exponent

_TITLES: dict[str, tuple[str, Literal["count", "share", "money"]]] = {
    "treated": ("written to", "count"),
    "held_out": ("held out", "count"),
    "messages": ("messages", "count"),
    "cost": ("cost", "money"),
    "response": ("response", "share"),
    "holdout_response": ("response of the holdout", "share"),
    "orders": ("who bought", "count"),
    "redemptions": ("codes that came back", "count"),
    "revenue": ("revenue", "money"),
    "margin": ("margin", "money"),
    "profit": ("profit", "money"),
}


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One figure: `planned` when the run was approved, `actual` so far; shares of 1, money in major units of `currency`.

    `actual` is None where it cannot be known, and then `difference` is as well.
    """

    metric: str
    title: str
    unit: Literal["count", "share", "money"]
    planned: float
    actual: float | None
    currency: str | None = None

    @property
    def difference(self) -> float | None:
        """Return by how much there was more (or less) than planned."""
        return None if self.actual is None else self.actual - self.planned

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "metric": self.metric,
            "unit": self.unit,
            "currency": self.currency,
            "plan": self.planned,
            "actual": self.actual,
            "difference": self.difference,
        }


def plan_lines(
    planned: Mapping[str, tuple[float, str | None]], actual: Mapping[str, float | None], currency: str | None
) -> tuple[PlanLine, ...]:
    """Return a line for everything that was planned, in the order in which it is read.

    `planned` has money in minor units; `actual` in major units of `currency`, which is not compared with another one.
    """
    found = []
    for metric, (title, unit) in _TITLES.items():
        if metric not in planned:
            continue
        value, of = planned[metric]
        scale = 10.0 ** -exponent(of) if of else 1.0
        comparable = of is None or of == currency
        found.append(
            PlanLine(metric, title, unit, value * scale, actual.get(metric) if comparable else None, of)
        )
    return tuple(found)
