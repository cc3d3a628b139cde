"""Each treated arm against the holdout, all of them together, and the variants against each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

from tidings.measurement.metrics import HOLDOUT, TREATED, Arm, Metric
from tidings.statistics.corrections import holm
from tidings.statistics.cuped import adjust
from tidings.statistics.means import Difference, welch
from tidings.statistics.proportions import newcombe
from tidings.statistics.ratio import Relative, fieller
from tidings.statistics.sequential import any_time
from tidings.statistics.sums import Mean, Moments

Interval = tuple[float, float]

# Fewer customers than this with a value that is not zero (or, for a share, not one) make an interval rough.
FEW_CONVERTED = 10
FEW_PAYING = 100
# Fewer accounts than this in an arm: the delta method is for many.
FEW_ACCOUNTS = 30
# Where people come in all the time, limits for every look are made tightest at so many.
ROLLING = 10_000


@dataclass(frozen=True, slots=True)
class AdjustedEffect:
    """The same comparison after adjustment by what was known before; `reduction` is of the variance."""

    difference: Difference
    relative: Relative
    reduction: float
    covariates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """One comparison of one metric, per customer, in the metric's units.

    `mean` and `base` are the means of the arm and of the arm it stands against, `customers` the size of the arm.
    `p_holm` allows for the other metrics of the same comparison. `total` is the effect over all customers
    of the arm with its interval (against a holdout only). `reached` is the effect on those whom a message reached.
    `accounts` counts what intervals rest on where accounts were drawn. `any_time` are limits that hold at all looks together,
    while windows are open; the interval of `difference` holds at the end alone.
    """

    metric: Metric
    arm: str
    against: str
    customers: int
    mean: float
    base: float
    difference: Difference
    relative: Relative
    adjusted: AdjustedEffect | None
    rough: bool
    p_holm: float | None = None
    total: tuple[float, Interval | None] | None = None
    reached: tuple[float, float, Interval | None] | None = None
    accounts: int | None = None
    any_time: Interval | None = None


def all_effects(
    metrics: tuple[Metric, ...],
    arms: tuple[Arm, ...],
    reached: dict[str, int] | None = None,
    *,
    early: bool = False,
    rolling: bool = False,
) -> tuple[Effect, ...]:
    """Return every comparison that can be made, the most asked for first.

    `reached` counts the customers of each arm whom a message reached (or may have). An arm without customers is
    compared with nothing. While it is `early`, limits for every look come too; `rolling` tells that people still come in.
    """
    filled = [arm for arm in arms if arm.customers]
    treated = [arm.name for arm in filled if not arm.held_out]
    holdout = any(arm.held_out for arm in filled)
    union = TREATED if TREATED not in treated else "all treated"
    found: list[Effect] = []
    for metric in metrics:
        pairs: list[tuple[str, tuple[str, ...], str]] = []
        if holdout and metric.every_arm:
            if len(treated) > 1:
                pairs.append((union, tuple(treated), HOLDOUT))
            pairs += [(name, (name,), HOLDOUT) for name in treated]
        pairs += [(left, (left,), right) for left, right in combinations(treated, 2)]
        found += [_effect(metric, name, members, against, reached) for name, members, against in pairs]
    if early:
        members = {union: tuple(treated)}
        found = [
            replace(one, any_time=_any_time(one, members.get(one.arm, (one.arm,)), rolling=rolling))
            for one in found
        ]
    return _corrected(found)


def _any_time(effect: Effect, members: tuple[str, ...], *, rolling: bool) -> Interval | None:
    """Return the limits for every look, tuned by what was known before the first: values before, and who was drawn."""
    treated, _ = effect.metric.together(members)
    control, _ = effect.metric.together((effect.against,))
    spread = _spread_before(effect.metric, treated, control)
    if spread is None:
        return None
    size = 1 / (1 / treated.n + 1 / control.n)
    planned = size / (treated.n + control.n) * ROLLING if rolling else size
    return any_time(effect.difference, size=size, spread=spread, planned=planned)


def _spread_before(metric: Metric, treated: Moments, control: Moments) -> float | None:
    """Return the variance of a customer's value in the window before; without any before, that of one buyer in twenty."""
    if len(treated.totals) > 1 and treated.n + control.n > 2:
        within = treated.deviations()[1, 1] + control.deviations()[1, 1]
        if within > 0:
            return float(within) / (treated.n + control.n - 2)
    return 0.05 * 0.95 if metric.unit in ("share", "count") else None


def _effect(
    metric: Metric, name: str, members: tuple[str, ...], against: str, reached: dict[str, int] | None
) -> Effect:
    moments, customers = metric.together(members)
    control, _ = metric.together((against,))
    mean, base = moments.metric().mean(), control.metric().mean()
    some = (metric.with_some(members), metric.with_some((against,)))
    difference = welch(mean, base)
    if difference.interval is None and metric.unit == "share" and not metric.missing:
        # Where nobody, or everybody, converted, the score interval still says how large a difference could be.
        difference = replace(difference, interval=newcombe(some[0], mean.n, some[1], base.n))
    relative = fieller(mean, base, degrees=difference.degrees)
    return Effect(
        metric=metric,
        arm=name,
        against=against,
        customers=customers,
        accounts=None if metric.clusters is None else moments.n,
        mean=mean.value,
        base=base.value,
        difference=difference,
        relative=relative,
        adjusted=_adjusted(metric, moments, control),
        rough=_rough(metric, some, (mean, base)),
        total=_times(difference, customers) if against == HOLDOUT else None,
        reached=_on_reached(difference, customers, members, against, reached),
    )


def _adjusted(metric: Metric, treated: Moments, control: Moments) -> AdjustedEffect | None:
    found = adjust(treated, control)
    if found is None:
        return None
    difference = welch(found.treated, found.control)
    relative = fieller(found.treated, found.control, degrees=difference.degrees, shared=found.shared)
    used = tuple(name for name, slope in zip(metric.covariates, found.slopes, strict=True) if slope != 0)
    return AdjustedEffect(difference, relative, found.reduction, used)


def _rough(metric: Metric, some: tuple[int, int], means: tuple[Mean, Mean]) -> bool:
    if metric.clusters is not None and min(means[0].n, means[1].n) < FEW_ACCOUNTS:
        return True
    if metric.clusters is not None and metric.unit == "share":
        # Most accounts may have somebody who converted, and yet most of their customers did not.
        return min(some) < FEW_CONVERTED
    if metric.unit == "share":
        return min(*some, means[0].n - some[0], means[1].n - some[1]) < FEW_CONVERTED
    return min(some) < FEW_PAYING


def _times(difference: Difference, customers: int) -> tuple[float, Interval | None]:
    interval = difference.interval
    scaled = None if interval is None else (interval[0] * customers, interval[1] * customers)
    return difference.estimate * customers, scaled


def _on_reached(
    difference: Difference,
    customers: int,
    members: tuple[str, ...],
    against: str,
    reached: dict[str, int] | None,
) -> tuple[float, float, Interval | None] | None:
    """Return (share reached, effect on those reached, its interval).

    Bloom (1984), Evaluation Review 8, 225-246: nobody in a holdout gets the message, and one that did not arrive
    has no effect, so the whole effect is that on those reached; their share is known, not estimated.
    """
    if reached is None or against != HOLDOUT:
        return None
    share = sum(reached.get(member, 0) for member in members) / customers
    if share <= 0:
        return None
    interval = difference.interval
    scaled = None if interval is None else (interval[0] / share, interval[1] / share)
    return share, difference.estimate / share, scaled


def _corrected(effects: list[Effect]) -> tuple[Effect, ...]:
    """Give each effect the p value that allows for the other metrics of the same comparison (Holm)."""
    corrected: dict[int, float] = {}
    for pair in {(effect.arm, effect.against) for effect in effects}:
        family = [
            (place, effect.difference.p)
            for place, effect in enumerate(effects)
            if (effect.arm, effect.against) == pair and effect.difference.p is not None
        ]
        for (place, _), p in zip(family, holm([p for _, p in family]), strict=True):
            corrected[place] = p
    return tuple(replace(effect, p_holm=corrected.get(place)) for place, effect in enumerate(effects))
