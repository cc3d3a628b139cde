"""What a chart is drawn from: plain figures with the words that stand beside them. No chart looks anything up."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite


def _finite(*values: float | None) -> None:
    if not all(value is None or isfinite(value) for value in values):
        raise ValueError("a chart was given a figure that is not a number")


@dataclass(frozen=True, slots=True)
class Figures:
    """How the figures of one axis are written: with so many places, a unit before or after, in thousands as 12k."""

    unit: str = ""
    places: int = 0
    signed: bool = False

    def text(self, value: float) -> str:
        """Return a figure with its unit, and a real minus sign."""
        return f"{self.bare(value)} {self.unit}".rstrip()

    def bare(self, value: float) -> str:
        """Return a figure without its unit."""
        shown = f"{value:+,.{self.places}f}" if self.signed else f"{value:,.{self.places}f}"
        if not any(sign in "123456789" for sign in shown):
            shown = shown.lstrip("+-")
        return shown.replace("-", "\u2212")

    def mark(self, value: float, step: float) -> str:
        """Return a figure as it stands at an axis whose marks are `step` apart."""
        if abs(value) >= 10_000 and step >= 1000:
            return Figures(places=1 if step < 1000 * round(step / 1000) else 0).bare(value / 1000) + "k"
        places = 0
        while places < 6 and abs(step * 10**places - round(step * 10**places)) > 1e-6:
            places += 1
        return Figures(places=places).bare(value)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One line of the intervals: what is compared, the estimate with its ends, and `why` it is missing where it is.

    Raises ValueError for a figure that is no number.
    """

    label: str
    estimate: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        _finite(self.estimate, self.low, self.high)

    @property
    def shown(self) -> bool:
        """Tell whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True)
class Panel:
    """The lines of one metric, on one axis."""

    title: str
    figures: Figures
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True)
class ArmFunnel:
    """How far one arm came: a count for each stage, None where the stage cannot be had or is not known."""

    label: str
    counts: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class CreditLine:
    """What one campaign was credited with and what it caused, in the same unit.

    `factor` says how many times the effect the credit is, in words; `why` says why the effect is not known.
    Raises ValueError for a figure that is no number.
    """

    label: str
    credited: float
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    factor: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        _finite(self.credited, self.effect, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a grid: how many, what stands below it in small, and how dark it is, 0 … 1. None of `count`: no cell."""

    count: int | None
    note: str = ""
    shade: float = 0.0

    def __post_init__(self) -> None:
        _finite(self.shade)


@dataclass(frozen=True, slots=True)
class CohortLine:
    """Those who began in one period: how many, the share that was there in each later one, what each brought in all."""

    label: str
    customers: int
    kept: tuple[float, ...]
    note: str = ""

    def __post_init__(self) -> None:
        _finite(*self.kept)


@dataclass(frozen=True, slots=True)
class GoalLine:
    """One goal in parts of its target: what is there, what was due by now, the forecast with its interval.

    `words` says the figures, `standing` how it stands; what is not known is None.
    """

    label: str
    standing: str
    words: str
    actual: float | None
    plan: float | None = None
    forecast: float | None = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        _finite(self.actual, self.plan, self.forecast, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the ladder: who stood on it at the start and at the end, and who came and went, by what happened.

    `came` and `went` are (what happened, how many); start plus those who came less those who went is the end.
    """

    label: str
    start: int
    end: int
    came: tuple[tuple[str, int], ...] = ()
    went: tuple[tuple[str, int], ...] = ()
