"""The draw of arms: the same in SQL and Python, uniform, and independent from one salt to the next."""

from __future__ import annotations

import random

import numpy as np
import pytest
import sqlalchemy as sa
from scipy import stats

from tidings.campaigns.assignment import (
    BUCKETS,
    PRIME,
    bucket,
    coefficients,
    salt_for,
    shares_to_edges,
    with_buckets,
)

SALTS = [salt_for("workspace", f"run-{number}", "holdout") for number in range(200)]
EXTREMES = [0, 1, 2, PRIME - 1, PRIME - 2, 46_340, 46_341, 2**16, 2**30, 2**30 + 1]


def buckets_by_numpy(u: np.ndarray, salt: str) -> np.ndarray:
    k = coefficients(salt)
    v = (np.int64(k.a) * u + np.int64(k.b)) % PRIME
    s = v * v % PRIME
    return s * s % PRIME * v % PRIME % BUCKETS


def test_sql_gives_the_bucket_that_python_gives_for_200_salts_and_the_extremes(store) -> None:
    random_numbers = random.Random(20270302)
    numbers = [*EXTREMES, *(random_numbers.randrange(PRIME) for _ in range(190))]
    table = sa.Table(
        "numbers", sa.MetaData(), sa.Column("u", sa.BigInteger, primary_key=True), prefixes=["TEMPORARY"]
    )
    with store.workbench("test") as bench, bench.computing() as connection:
        table.create(connection)
        connection.execute(table.insert(), [{"u": u} for u in set(numbers)])
        for start in range(0, len(SALTS), 20):
            salts = {f"b{index}": salt for index, salt in enumerate(SALTS[start : start + 20])}
            rows = connection.execute(sa.select(with_buckets(table, salts))).mappings().all()
            assert len(rows) == len(set(numbers))
            for row in rows:
                assert {name: row[name] for name in salts} == {
                    name: bucket(row["u"], salt) for name, salt in salts.items()
                }


def test_the_largest_coefficients_do_not_overflow(store, monkeypatch) -> None:
    from tidings.campaigns import assignment

    worst = assignment.Coefficients(PRIME - 1, PRIME - 1)
    monkeypatch.setattr(assignment, "coefficients", lambda _: worst)
    values = sa.select(sa.literal(PRIME - 1, sa.Integer).label("u")).subquery()
    with store.read() as connection:
        found = connection.execute(sa.select(assignment.with_buckets(values, {"b": ""}).c.b)).scalar_one()
    assert found == pow((PRIME - 1) * (PRIME - 1) + PRIME - 1, 5, PRIME) % BUCKETS


def test_numpy_agrees_with_python() -> None:
    u = np.array(EXTREMES, dtype=np.int64)
    assert buckets_by_numpy(u, SALTS[0]).tolist() == [bucket(int(value), SALTS[0]) for value in u]


@pytest.mark.parametrize("sequential", [False, True], ids=["random u", "sequential u"])
def test_two_hundred_salts_are_uniform_and_independent(sequential: bool) -> None:
    n = 100_000
    u = np.arange(1, n + 1) if sequential else np.random.default_rng(7).integers(0, PRIME, n)
    held = np.stack([buckets_by_numpy(u, salt) < 1000 for salt in SALTS]).astype(np.float64)
    # Each share is binomial: the 200 z values of the shares behave as standard normal ones.
    z_shares = (held.mean(axis=1) - 0.1) / np.sqrt(0.09 / n)
    assert stats.kstest(z_shares, "norm").pvalue > 1e-4
    standard = (held - held.mean(axis=1, keepdims=True)) / held.std(axis=1, keepdims=True)
    z = (standard @ standard.T)[np.triu_indices(len(SALTS), 1)] / np.sqrt(n)
    # 19,900 pairs: the largest of so many normal values stays under 5.5, their spread is 1.
    assert abs(z).max() < 5.5
    assert 0.97 < z.std() < 1.03


def test_purposes_of_one_run_draw_apart() -> None:
    u = np.arange(1, 200_001)
    holdout = buckets_by_numpy(u, salt_for("w", "run", "holdout"))
    variant = buckets_by_numpy(u, salt_for("w", "run", "variant"))
    table = np.histogram2d(holdout, variant, bins=[[0, 1000, 10_000], [0, 5000, 10_000]])[0]
    assert stats.chi2_contingency(table).pvalue > 1e-4


@pytest.mark.parametrize(
    ("shares", "edges"),
    [
        ([None], [10_000]),
        ([None, None, None], [3333, 6666, 10_000]),
        ([2000, None, None], [2000, 6000, 10_000]),
        ([5000, 5000], [5000, 10_000]),
        ([1, None], [1, 10_000]),
    ],
)
def test_shares_become_edges_without_a_gap(shares: list[int | None], edges: list[int]) -> None:
    assert shares_to_edges(shares) == edges
