"""What a database hands over of each arm: counts, sums and sums of products; and what follows from them.

Variances come from the textbook formula (Σx² − (Σx)²/n) / (n − 1). It loses about (mean / deviation)² of the sixteen
digits of a float: the sums of tidings are of counts and of integer minor units, exact to 2^53, so that nothing that
people read is lost. What is left of rounding where all values are equal is taken as zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Below this part of Σx² a sum of squared deviations is rounding, not spread.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of `n` values and the variance of one value; `variance` needs two values, else it is 0."""

    n: int
    value: float
    variance: float

    @property
    def squared_error(self) -> float:
        """Return the squared standard error of the mean."""
        return self.variance / self.n


@dataclass(frozen=True, slots=True)
class Sums:
    """n, Σx and Σx² of one metric in one arm."""

    n: int
    total: float
    squares: float

    @classmethod
    def of(cls, values: ArrayLike) -> Sums:
        """Return the sums of the values themselves."""
        array = np.asarray(values, dtype=float)
        return cls(int(array.size), float(array.sum()), float(np.square(array).sum()))

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.n + other.n, self.total + other.total, self.squares + other.squares)

    def mean(self) -> Mean:
        """Return mean and variance. Raises ValueError for an arm without customers."""
        if self.n < 1:
            raise ValueError("an arm without customers has no mean")
        deviations = self.squares - self.total * self.total / self.n
        if self.n < 2 or deviations <= _ROUNDING * self.squares:
            deviations = 0.0
        return Mean(self.n, self.total / self.n, deviations / max(self.n - 1, 1))


@dataclass(frozen=True, slots=True)
class Moments:
    """n, Σv and Σvvᵀ of a metric (first) and its covariates in one arm; moments of arms add."""

    n: int
    totals: NDArray[np.float64]
    products: NDArray[np.float64]

    @classmethod
    def of(cls, rows: ArrayLike) -> Moments:
        """Return the moments of rows of (metric, covariate, …)."""
        matrix = np.asarray(rows, dtype=float)
        return cls(int(matrix.shape[0]), matrix.sum(axis=0), matrix.T @ matrix)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.totals + other.totals, self.products + other.products)

    def scaled(self, factors: ArrayLike) -> Moments:
        """Return the moments of values multiplied by one factor each, such as minor to major units."""
        factor = np.asarray(factors, dtype=float)
        return Moments(self.n, self.totals * factor, self.products * np.outer(factor, factor))

    def metric(self) -> Sums:
        """Return the sums of the metric alone."""
        return Sums(self.n, float(self.totals[0]), float(self.products[0, 0]))

    def deviations(self) -> NDArray[np.float64]:
        """Return the matrix of summed products of deviations from the arm's own means."""
        centred = self.products - np.outer(self.totals, self.totals) / self.n
        scale = np.sqrt(np.abs(np.diag(self.products)))
        flat = np.diag(centred) <= _ROUNDING * np.diag(self.products)
        centred[np.abs(centred) <= _ROUNDING * np.outer(scale, scale)] = 0.0
        centred[flat, :] = 0.0
        centred[:, flat] = 0.0
        result: NDArray[np.float64] = centred
        return result
