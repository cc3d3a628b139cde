"""The effects of a report as the figures that charts and cards show, each metric in the unit in which people speak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidings.definitions.money import exponent
from tidings.measurement.metrics import HOLDOUT
from tidings.measurement.words import WORTH_TELLING, reduction
from tidings.papers.charts.figures import Estimate, Figures, Panel
from tidings.papers.paper import KeyFigure

if TYPE_CHECKING:
    from tidings.measurement.effects import Effect, Interval
    from tidings.measurement.metrics import Metric
    from tidings.measurement.report import Report


def panels(effects: Sequence[Effect]) -> list[Panel]:
    """Return a panel for each metric, in the order of the report; every comparison is a line of it."""
    found: dict[str, list[Effect]] = {}
    for effect in effects:
        found.setdefault(effect.metric.name, []).append(effect)
    return [_panel(together) for together in found.values()]


def _panel(effects: list[Effect]) -> Panel:
    metric = effects[0].metric
    base = 1
    if metric.unit == "share":
        ends = [abs(end) for one in effects for end in one.difference.interval or (one.difference.estimate,)]
        base = 100 if max(ends, default=0) >= 0.002 else 10_000
    return Panel(metric.title, _figures(metric, base), tuple(_estimate(one, base) for one in effects))


def _figures(metric: Metric, base: int) -> Figures:
    if metric.unit == "share":
        return Figures(f"per {base:,} customers", 2, signed=True)
    if metric.unit == "money":
        return Figures(
            f"{metric.currency} per customer", max(exponent(metric.currency or ""), 2), signed=True
        )
    return Figures("per customer", 3, signed=True)


def _estimate(effect: Effect, base: int) -> Estimate:
    label = f"{effect.arm} against {effect.against}"
    interval = effect.difference.interval
    if interval is None:
        why = effect.difference.reason or "nothing can be said yet"
        if effect.mean == effect.base == 0:
            why = f"none in {effect.arm} and none in {effect.against}, so nothing can be said yet"
        return Estimate(label, None, why=why)
    adjusted, note = effect.adjusted, "few people: rough" if effect.rough else ""
    if adjusted is not None and adjusted.difference.interval and adjusted.reduction >= WORTH_TELLING:
        # The narrower interval is the better answer to the same question; the plain one stands in the report's table.
        low, high = adjusted.difference.interval
        words = f"adjusted, variance \u2212{reduction(adjusted.reduction)}"
        return Estimate(label, adjusted.difference.estimate * base, low * base, high * base, note=words)
    low, high = interval
    return Estimate(label, effect.difference.estimate * base, low * base, high * base, note=note)


def key_figures(report: Report) -> tuple[KeyFigure, ...]:
    """Return the figures to see first: what was caused over all customers, how many were written to and left alone."""
    found = []
    first: dict[str, Effect] = {}
    for effect in report.findings():
        if effect.against == HOLDOUT and effect.total is not None:
            first.setdefault(effect.metric.unit, effect)
    for unit in ("share", "money"):
        one = first.get(unit)
        if one is not None and one.total is not None and one.total[1] is not None:
            found.append(_card(one, one.total[0], one.total[1]))
    treated = sum(arm.customers for arm in report.arms if not arm.held_out)
    held = sum(arm.customers for arm in report.arms if arm.held_out)
    if treated:
        named = [arm for arm in report.arms if not arm.held_out]
        note = f"in {len(named)} arms" if len(named) > 1 else ""
        found.append(KeyFigure(f"{treated:,}", "customers in the campaign", note))
    if held:
        found.append(
            KeyFigure(f"{held:,}", "customers held out", f"{held / (held + treated):.0%} of all, by chance")
        )
    return tuple(found)


def _card(effect: Effect, total: float, interval: Interval) -> KeyFigure:
    metric = effect.metric
    unit = f" {metric.currency}" if metric.unit == "money" else ""
    figures = Figures(signed=True)
    ends = f"{figures.bare(interval[0])} to {figures.bare(interval[1])}{unit}"
    # A count below zero is how many fewer, without its sign.
    fewer = metric.unit != "money" and effect.difference.shown and total < 0
    what = (
        metric.title
        if metric.unit == "money"
        else f"customers {'fewer' if fewer else 'more'}: {metric.title}"
    )
    if not effect.difference.shown:
        return KeyFigure("not shown", what, f"between {ends} (95 %)")
    return KeyFigure(
        figures.bare(total).lstrip("\u2212") if fewer else f"{figures.bare(total)}{unit}",
        what,
        f"95 %: {ends}, caused over all {effect.customers:,}",
    )
