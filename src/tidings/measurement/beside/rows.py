"""One line of the table: credit, what came because of it, cost, and what follows from the three."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidings.definitions.money import exponent
from tidings.definitions.values import MILLION
from tidings.measurement.attribution.answer import major
from tidings.measurement.beside.increments import Increment
from tidings.measurement.beside.spending import Spent
from tidings.statistics.means import Difference
from tidings.statistics.summed import Quotient, effect_over, over_effect, times

# Fewer conversions than this in an arm make an interval rough.
FEW = 10
NO_COST = "no cost is known"


@dataclass(frozen=True, slots=True)
class Row:
    """A campaign, a flow or a channel. `increment` is None with a `reason` where nothing can be known of its effect.

    `runs` are those whose windows meet the period, `measured` those that the increment is of: where these are fewer, or
    something was written outside them, nothing is divided by what only a part of it did (`part` says so). `open` is set
    where windows are not over. `cost` is None where none is known; `touches` are all in the period, whatever counts.
    """

    name: str
    credited: float
    value: int | None
    currency: str
    increment: Increment | None
    reason: str
    runs: int
    measured: int
    part: str
    open: bool
    spent: tuple[Spent, ...] | None
    cost_reason: str
    touches: int
    # Credit of a channel scaled to what those campaigns on it caused that were drawn by lot; the effect itself where that
    # is of the whole.
    calibrated: Difference | None = None

    @property
    def cost(self) -> int | None:
        """Return the cost in minor units, rounded at the end."""
        return None if self.spent is None else round(sum(one.amount for one in self.spent) / MILLION)

    @property
    def over_claiming(self) -> Quotient:
        """Return credited conversions over those that came because of it."""
        if self.increment is None or self.part:
            return Quotient(None, None, self.part or self.reason)
        return over_effect(self.credited, self.increment.conversions)

    @property
    def cost_per_conversion(self) -> float | None:
        """Return the cost of a credited conversion (CPA) in minor units; None without cost or credit."""
        return None if self.cost is None or self.credited <= 0 else self.cost / self.credited

    @property
    def roas(self) -> float | None:
        """Return credited value over cost; None without either."""
        return None if not self.cost or self.value is None else self.value / self.cost

    @property
    def iroas(self) -> Quotient:
        """Return the value that came because of it over the cost."""
        found = self._measured_cost()
        if isinstance(found, Quotient):
            return found
        increment, cost = found
        if increment.value is None:
            return Quotient(None, None, "amounts are not in one currency")
        return effect_over(increment.value, cost)

    @property
    def cost_per_increment(self) -> Quotient:
        """Return the cost, in minor units, of one conversion that would not have come without it."""
        found = self._measured_cost()
        if isinstance(found, Quotient):
            return found
        increment, cost = found
        return over_effect(cost, increment.conversions)

    def _measured_cost(self) -> tuple[Increment, float] | Quotient:
        if self.increment is None or self.part:
            return Quotient(None, None, self.part or self.reason)
        if not self.cost:
            return Quotient(None, None, self.cost_reason or "it cost nothing")
        return self.increment, float(self.cost)

    @property
    def rough(self) -> bool:
        """Tell whether few conversions stand behind the interval."""
        return self.increment is not None and self.increment.few < FEW

    def as_json(self) -> dict[str, Any]:
        """Return the row with stable keys: money in major units, null with a reason where something is not known."""
        increment, scale = self.increment, 10.0 ** -exponent(self.currency)
        cost = self.cost
        parts: dict[str, int] = {}
        for one in self.spent or ():
            parts[one.what] = parts.get(one.what, 0) + one.amount
        per = self.cost_per_conversion
        of_increment = self.cost_per_increment
        scaled = self.calibrated or (None if increment is None or self.part else increment.conversions)
        return {
            "name": self.name,
            "credited": {"conversions": self.credited, "value": major(self.value, self.currency)},
            "incremental": None
            if increment is None
            else {
                "conversions": estimate_json(increment.conversions),
                "value": None if increment.value is None else estimate_json(times(increment.value, scale)),
                "treated": increment.treated,
                "held_out": increment.held,
                "rough": self.rough,
            },
            "reason": self.reason or None,
            "runs": {"all": self.runs, "measured": self.measured},
            "part": self.part or None,
            "open": self.open,
            "calibrated": None if scaled is None else estimate_json(scaled),
            "over_claiming": quotient_json(self.over_claiming),
            "cost": None
            if cost is None
            else {"total": major(cost, self.currency)}
            | {what: round(amount / MILLION * scale, 6) for what, amount in parts.items()},
            "cost_reason": self.cost_reason or None,
            "touches": self.touches,
            "cpa": None if per is None else per * scale,
            "roas": self.roas,
            "iroas": quotient_json(self.iroas),
            "cost_per_incremental": quotient_json(of_increment, scale),
        }


def estimate_json(found: Difference) -> dict[str, Any]:
    """Return an estimate with its interval; null with the reason where chance cannot be judged."""
    return {
        "estimate": found.estimate,
        "interval": None if found.interval is None else list(found.interval),
        "reason": found.reason or None,
    }


def quotient_json(found: Quotient, scale: float = 1.0) -> dict[str, Any]:
    """Return a quotient with its interval, times `scale`; null with the reason where it is not known."""
    return {
        "estimate": None if found.value is None else found.value * scale,
        "interval": None if found.interval is None else [end * scale for end in found.interval],
        "reason": found.reason or None,
    }
