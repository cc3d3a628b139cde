"""One effect as JSON data, without a number that is not one."""

from __future__ import annotations

from typing import Any

from tidings.measurement.effects import Effect, Interval
from tidings.statistics.means import Difference
from tidings.statistics.ratio import Relative


def effect_json(effect: Effect, *, doubt: str | None, early: bool) -> dict[str, Any]:
    """Return the effect with stable keys.

    `estimate` and `interval` are per customer: a difference of rates (0 … 1), of counts, or of money in
    major units of `currency`; `any_time_interval` holds at all looks together and is there while windows are open. Where something cannot be known it is null and the `…reason` beside it says why.
    `doubt` is the sentence why the figures are no finding, None where they may be believed.
    """
    adjusted = effect.adjusted
    return {
        "metric": effect.metric.name,
        "arm": effect.arm,
        "against": effect.against,
        "unit": effect.metric.unit,
        "currency": effect.metric.currency,
        "customers": effect.customers,
        "accounts": effect.accounts,
        "mean": effect.mean,
        "base": effect.base,
        **_pair(effect.difference, effect.relative),
        "reason": effect.difference.reason,
        "relative_reason": effect.relative.reason,
        "p_holm": effect.p_holm,
        "adjusted": None
        if adjusted is None
        else {
            **_pair(adjusted.difference, adjusted.relative),
            "reduction": adjusted.reduction,
            "covariates": list(adjusted.covariates),
        },
        "total": None
        if effect.total is None
        else {"estimate": effect.total[0], "interval": _ends(effect.total[1])},
        "reached": None
        if effect.reached is None
        else {
            "share": effect.reached[0],
            "estimate": effect.reached[1],
            "interval": _ends(effect.reached[2]),
        },
        "any_time_interval": _ends(effect.any_time),
        "rough": effect.rough,
        "doubtful": doubt is not None,
        "doubtful_reason": doubt,
        "early": early,
    }


def _pair(difference: Difference, relative: Relative) -> dict[str, Any]:
    return {
        "estimate": difference.estimate,
        "interval": _ends(difference.interval),
        "p": difference.p,
        "relative": relative.estimate,
        "relative_interval": _ends(relative.interval),
    }


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)
