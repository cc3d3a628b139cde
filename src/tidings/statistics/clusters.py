"""Customers who were drawn together: what an interval must rest on are the accounts, not the people in them.

Members of one account share their arm and much of their fate. Counted one by one they look like more evidence than
they are, and intervals come out too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidings.statistics.sums import Moments


@dataclass(frozen=True, slots=True)
class Clusters:
    """Sums over accounts of one arm: their number, Σm, Σm² of their sizes, Σv, Σvvᵀ and Σvm of what their members did.

    `v` is the sum over the members of one account: the metric first, then its covariates. Clusters of arms add.
    """

    accounts: int
    customers: int
    size_squares: float
    totals: NDArray[np.float64]
    products: NDArray[np.float64]
    with_size: NDArray[np.float64]

    @classmethod
    def of(cls, rows: ArrayLike, account: ArrayLike) -> Clusters:
        """Return the sums of customers' rows of (metric, covariate, …), each with its account."""
        matrix = np.asarray(rows, dtype=float)
        _, place = np.unique(np.asarray(account), return_inverse=True)
        sizes = np.bincount(place).astype(float)
        sums = np.zeros((len(sizes), matrix.shape[1]))
        np.add.at(sums, place, matrix)
        return cls(
            len(sizes), len(matrix), float(sizes @ sizes), sums.sum(axis=0), sums.T @ sums, sums.T @ sizes
        )

    def __add__(self, other: Clusters) -> Clusters:
        return Clusters(
            self.accounts + other.accounts,
            self.customers + other.customers,
            self.size_squares + other.size_squares,
            self.totals + other.totals,
            self.products + other.products,
            self.with_size + other.with_size,
        )

    def scaled(self, factors: ArrayLike) -> Clusters:
        """Return the sums of values multiplied by one factor each, such as minor to major units."""
        factor = np.asarray(factors, dtype=float)
        return Clusters(
            self.accounts,
            self.customers,
            self.size_squares,
            self.totals * factor,
            self.products * np.outer(factor, factor),
            self.with_size * factor,
        )

    def moments(self) -> Moments:
        """Return moments over accounts whose means are those per customer.

        The mean per customer Σv / Σm is a ratio of two sums over accounts. Each account stands for the value
        R + (v − R m) / m̄, with R that ratio and m̄ the mean size: their mean is R, and their variance over the number
        of accounts is the variance of R by the delta method (Deng, Knoblich and Lu 2018, KDD, 233-242).
        """
        if not self.accounts:
            return Moments(0, self.totals, self.products)
        ratio = self.totals / self.customers
        size = self.customers / self.accounts
        spread = (
            self.products
            - np.outer(ratio, self.with_size)
            - np.outer(self.with_size, ratio)
            + self.size_squares * np.outer(ratio, ratio)
        ) / size**2
        return Moments(self.accounts, self.accounts * ratio, spread + self.accounts * np.outer(ratio, ratio))
