"""Whether the arms have the sizes that were planned: asked before any effect is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import chdtrc

# A drawing that is in order raises this alarm once in a thousand reports.
ALARM = 0.001


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """The chi-square test of the arms' sizes; `p` is None, with a `reason`, where there is nothing to test."""

    p: float | None
    statistic: float | None
    expected: tuple[float, ...]
    reason: str = ""

    @property
    def alarm(self) -> bool:
        """Tell whether the sizes differ by more than the drawing can explain."""
        return self.p is not None and self.p < ALARM


def sample_ratio(observed: Sequence[int], shares: Sequence[float]) -> SampleRatio:
    """Return the test of observed arm sizes against planned shares (in any unit; they are scaled to sum 1).

    Pearson's chi-square with arms − 1 degrees of freedom (Pearson 1900); its use for sample-ratio mismatch and the
    strict threshold follow Fabijan et al. (2019), KDD, 2156-2164. Customers in an arm that was planned empty are
    proof of a mismatch: p is 0. Raises ValueError for counts or shares that do not fit each other.
    """
    if len(observed) != len(shares) or any(count < 0 for count in observed) or any(s < 0 for s in shares):
        raise ValueError("every arm needs one count and one share, none negative")
    total, planned = sum(observed), sum(shares)
    arms = [(count, share / planned) for count, share in zip(observed, shares, strict=True) if share > 0]
    expected = tuple(total * share / planned for share in shares) if planned else ()
    if len(arms) < 2:
        return SampleRatio(None, None, expected, "there is only one arm, so there is no ratio to test")
    if total == 0:
        return SampleRatio(None, None, expected, "nobody is enrolled")
    if any(count and not share for count, share in zip(observed, shares, strict=True)):
        return SampleRatio(0.0, None, expected, "customers stand in an arm that was planned empty")
    statistic = sum((count - total * share) ** 2 / (total * share) for count, share in arms)
    return SampleRatio(float(chdtrc(len(arms) - 1, statistic)), float(statistic), expected)
