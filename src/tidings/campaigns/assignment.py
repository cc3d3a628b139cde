"""Who falls into which arm: the same bucket for the same customer in SQL and in Python, for ever.

bucket = ((a·u + b)^5 mod p) mod 10,000 with p = 2^31 − 1. `u` is the customer's own random number, a and b come
from SHA-256 of the salt. gcd(5, p − 1) = 1, so x^5 permutes 0 … p − 1 and the buckets are uniform to 5 in a million;
the fifth power takes away what structure an affine map would leave between two salts. Every product is below 2^62.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

PRIME = 2**31 - 1
BUCKETS = 10_000
GLOBAL_CONTROL = "global control"


@dataclass(frozen=True, slots=True)
class Coefficients:
    """The a (1 … p − 1) and b (0 … p − 1) of one salt."""

    a: int
    b: int


def coefficients(salt: str) -> Coefficients:
    """Return the coefficients that a salt stands for."""
    digest = sha256(salt.encode()).digest()
    return Coefficients(
        a=1 + int.from_bytes(digest[:8], "big") % (PRIME - 1), b=int.from_bytes(digest[8:16], "big") % PRIME
    )


def salt_for(workspace_salt: str, run: str, purpose: str) -> str:
    """Return the salt of one draw: `purpose` is holdout, variant, split, sample or global control."""
    return f"{workspace_salt}\x1f{run}\x1f{purpose}"


def bucket(u: int, salt: str) -> int:
    """Return the bucket, 0 … 9,999, of a customer's number under a salt."""
    k = coefficients(salt)
    return pow(k.a * u + k.b, 5, PRIME) % BUCKETS


def with_buckets(
    source: sa.FromClause, salts: dict[str, str], numbers: Mapping[str, str] | None = None
) -> sa.Subquery:
    """Return every column of `source` and a bucket column for each name in `salts`.

    `numbers` says for a name which column holds the random number it is drawn from; `u` where nothing is said.

    The power is built up in nested subqueries, one product each, so that no intermediate value leaves 64 bits;
    PostgreSQL would otherwise multiply in 32.
    """
    big = sa.BigInteger
    keep = [column.name for column in source.c]

    def layer(inner: sa.FromClause, step: dict[str, Any], *, carry: list[str]) -> sa.Subquery:
        columns = [inner.c[name] for name in [*keep, *carry]]
        return sa.select(*columns, *[value.label(name) for name, value in step.items()]).subquery()

    names = list(salts)
    drawn_from = {name: source.c[(numbers or {}).get(name, "u")].name for name in names}
    current: sa.FromClause = source
    linear = {
        f"{name}__v": (
            sa.cast(sa.bindparam(None, coefficients(salts[name]).a, type_=big), big)
            * sa.cast(current.c[drawn_from[name]], big)
            + sa.cast(sa.bindparam(None, coefficients(salts[name]).b, type_=big), big)
        )
        % sa.cast(PRIME, big)
        for name in names
    }
    current = layer(current, linear, carry=[])
    v = [f"{name}__v" for name in names]
    current = layer(
        current,
        {f"{name}__s": (current.c[f"{name}__v"] * current.c[f"{name}__v"]) % PRIME for name in names},
        carry=v,
    )
    current = layer(
        current,
        {f"{name}__q": (current.c[f"{name}__s"] * current.c[f"{name}__s"]) % PRIME for name in names},
        carry=v,
    )
    return layer(
        current,
        {
            name: sa.cast(((current.c[f"{name}__q"] * current.c[f"{name}__v"]) % PRIME) % BUCKETS, sa.Integer)
            for name in names
        },
        carry=[],
    )


def shares_to_edges(shares: list[int | None]) -> list[int]:
    """Return the upper bucket edge of each variant; None takes an equal part of what the others leave.

    The last edge is always 10,000 when a share was left open, so that rounding never leaves a gap.
    """
    given = sum(share for share in shares if share is not None)
    free = sum(share is None for share in shares)
    left = BUCKETS - given
    edges: list[int] = []
    total = 0
    taken = 0
    for share in shares:
        if share is None:
            taken += 1
            total += left * taken // free - left * (taken - 1) // free
        else:
            total += share
        edges.append(total)
    return edges
