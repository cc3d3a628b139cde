"""Effects in plain words: what changed for how many people, how sure that is, and what nobody can know."""

from __future__ import annotations

from tidings.definitions.money import exponent
from tidings.measurement.effects import Effect, Interval
from tidings.measurement.metrics import HOLDOUT, TREATED, Metric
from tidings.statistics.ratio import Relative

# A smaller reduction of variance stays in the table: it changes nothing that anybody would do.
WORTH_TELLING = 0.05
# A still smaller one would read as 0.0%: the adjusted figures are then those above them.
WORTH_A_ROW = 0.0005


def headlines(effects: tuple[Effect, ...]) -> list[str]:
    """Return the sentences to read first: all treated against the holdout, then variants against each other."""
    first: dict[str, str] = {}
    for effect in effects:
        if effect.against == HOLDOUT:
            first.setdefault(effect.metric.name, effect.arm)
    return [
        sentence(effect)
        for effect in effects
        if effect.against != HOLDOUT or first[effect.metric.name] == effect.arm
    ]


def sentence(effect: Effect) -> str:
    """Return what one effect means, in one to four sentences."""
    words = _first(effect)
    if (
        effect.difference.shown
        and effect.relative.interval is not None
        and effect.relative.estimate is not None
    ):
        low, high = effect.relative.interval
        words += f" That is {_percent(effect.relative.estimate)} ({_percent(low)} to {_percent(high)})."
    adjusted = effect.adjusted
    if (
        adjusted is not None
        and adjusted.difference.interval is not None
        and adjusted.reduction >= WORTH_TELLING
    ):
        amount = " ".join(
            with_limits(effect.metric, adjusted.difference.estimate, adjusted.difference.interval)
        )
        words += (
            f" Allowing for what was known before it is {amount}; "
            f"that took away {reduction(adjusted.reduction)} of the variance."
        )
    if effect.p_holm is not None and effect.difference.p is not None:
        alone, together = effect.difference.p < 0.05, effect.p_holm < 0.05
        if alone and not together:
            words += f" With several metrics looked at, this may still be chance (p {p_value(effect.p_holm)} after Holm)."
    if effect.reached is not None and effect.reached[0] < 0.95:
        share, estimate, interval = effect.reached
        amount = " ".join(with_limits(effect.metric, estimate, interval))
        words += f" Messages reached {share:.0%}; for each one reached that is {amount}."
    if effect.rough and effect.difference.interval is not None:
        words += " Few people stand behind this, so the limits are rough."
    return words


def _first(effect: Effect) -> str:
    metric, difference = effect.metric, effect.difference
    against = "without the message" if effect.against == HOLDOUT else f"in {effect.against}"
    who = "written to" if effect.arm == TREATED else f"in {effect.arm}"
    if difference.interval is None and effect.mean == effect.base == 0:
        return (
            f"{metric.title}: none in {effect.arm} and none in {effect.against}, so nothing can be said yet."
        )
    if difference.interval is None:
        return f"{metric.title}: nothing can be said about {effect.arm} against {effect.against}: {difference.reason}."
    low, high = difference.interval
    if metric.unit == "share":
        base = _base(max(abs(low), abs(high)))
        if not difference.shown:
            return (
                f"{metric.title}: no difference is shown. Of {base:,} customers {who}, between "
                f"{_more(low * base)} and {_more(high * base)} than {against} (95 %)."
            )
        return (
            f"{metric.title}: of {base:,} customers {who}, {_more(difference.estimate * base)} than {against} "
            f"(95 %: {_range(difference.interval, base)})."
        )
    whole = ""
    if effect.total is not None and effect.total[1] is not None and metric.unit != "number":
        total = f"over all {effect.customers:,} of them "
        ends = effect.total[1]
        if difference.shown:
            whole = (
                f"; {total}{_amount(metric, effect.total[0], whole=True)} ({_span(metric, ends, whole=True)})"
            )
        elif metric.unit == "money":
            whole = (
                f"; {total}between a loss of {_amount(metric, -ends[0], whole=True)} and a gain of "
                f"{_amount(metric, ends[1], whole=True)}"
            )
    if not difference.shown:
        than = "the holdout" if effect.against == HOLDOUT else effect.against
        return (
            f"{metric.title}: not distinguishable from no effect. For each customer {who}, between "
            f"{_less_or_more(metric, low)} and {_less_or_more(metric, high)} than in {than} (95 %){whole}."
        )
    direction = "more" if difference.estimate > 0 else "less"
    ends = difference.interval if difference.estimate > 0 else (-high, -low)
    return (
        f"{metric.title}: {_amount(metric, abs(difference.estimate))} {direction} for each customer {who} than "
        f"{against} (95 %: {_span(metric, ends)}){whole}."
    )


def with_limits(metric: Metric, estimate: float, interval: Interval | None) -> tuple[str, str]:
    """Return a difference with its sign and unit, and its limits on the same scale: `+7.66 per 100`, `(7.00 to 8.32)`."""
    largest = max(abs(value) for value in (estimate, *(interval or ())))
    limits = f"({_span(metric, interval, _base(largest))})" if interval else "(no interval)"
    if metric.unit == "share":
        return f"{estimate * _base(largest):+,.2f} per {_base(largest):,}", limits
    return _amount(metric, estimate, sign=True), limits


def level(metric: Metric, value: float) -> str:
    """Return the mean of an arm with its unit: `18.28 %`, `1.42 EUR`."""
    if metric.unit == "share":
        return f"{value * 100:.2f} %"
    return _amount(metric, value) if metric.unit == "money" else f"{value:,.3f}"


def reduction(share: float) -> str:
    """Return a share of variance that was taken away: `42%`, and with one decimal below ten: `3.4%`."""
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def p_value(p: float | None) -> str:
    """Return a p value as people read it."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def relative_span(relative: Relative) -> str:
    """Return the relative difference with its interval, or a dash where it has none."""
    if relative.estimate is None:
        return "–"
    if relative.interval is None:
        return f"{_percent(relative.estimate)}\n(no bounds)"
    low, high = relative.interval
    return f"{_percent(relative.estimate)}\n({_percent(low)} to {_percent(high)})"


def _span(metric: Metric, interval: Interval, base: int = 1, *, whole: bool = False) -> str:
    """Return the two ends of an interval without repeating the unit; shares are told of `base` customers."""
    low, high = interval
    if metric.unit == "share":
        return f"{low * base:,.2f} to {high * base:,.2f}"
    places = 3 if metric.unit != "money" else 0 if whole else exponent(metric.currency or "")
    return f"{low:,.{places}f} to {high:,.{places}f}"


def _percent(value: float) -> str:
    return f"{value * 100:+,.0f} %" if abs(value) >= 0.1 else f"{value * 100:+,.1f} %"


def _base(largest: float) -> int:
    """Return of how many customers to speak, so that the figure is not all zeros."""
    return 100 if largest >= 0.002 else 10_000


def _more(value: float) -> str:
    return f"{abs(value):,.2f} {'more' if value >= 0 else 'fewer'}"


def _less_or_more(metric: Metric, value: float) -> str:
    return f"{_amount(metric, abs(value))} {'more' if value >= 0 else 'less'}"


def _range(interval: Interval, base: int) -> str:
    low, high = interval
    if high < 0:
        low, high = -high, -low
    return f"{low * base:,.2f} to {high * base:,.2f}"


def _amount(metric: Metric, value: float, *, whole: bool = False, sign: bool = False) -> str:
    plus = "+" if sign else ""
    if metric.unit == "money":
        places = 0 if whole else exponent(metric.currency or "")
        return f"{value:{plus},.{places}f} {metric.currency}"
    return f"{value:{plus},.0f}" if whole else f"{value:{plus},.3f}"
