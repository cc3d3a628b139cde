"""Who came, went up, went down and was lost: one matrix of steps, from which every number of movement is a sum.

Of those on an active step at the start, each is retained (same step), upgraded, downgraded or lost; who is on an active step
at the end and was on none is new, or reactivated when they once stood on one. So
start + new + reactivated − lost = end, and on each step start + in − out = end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidings.definitions.kinds.measuring import Ladder
from tidings.measurement.movement.ladder import NOT_YET, Standing
from tidings.measurement.movement.purchases import Integers, Purchases, Truths
from tidings.measurement.movement.sums import Money, each_of, share

MOVEMENTS = ("new", "reactivated", "retained", "upgraded", "downgraded", "lost")


@dataclass(frozen=True, slots=True)
class Sums:
    """Customers, and their purchases net of returns: in the time looked at and in that just before it, in minor units."""

    customers: int
    orders: int
    value: int
    margin: int
    earlier: int


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the ladder: who stood on it, came, went, and what those who stand on it at the end are worth."""

    name: str
    title: str
    active: bool
    start: int
    from_outside: int
    from_below: int
    from_above: int
    to_outside: int
    to_below: int
    to_above: int
    end: int
    worth: Sums

    @property
    def came(self) -> int:
        """All who came on it."""
        return self.from_outside + self.from_below + self.from_above

    @property
    def went(self) -> int:
        """All who left it."""
        return self.to_outside + self.to_below + self.to_above

    def as_json(self, money: Money) -> dict[str, Any]:
        """Return the step with stable keys."""
        return {
            "step": self.name,
            "title": self.title,
            "active": self.active,
            "start": self.start,
            "in": {"outside": self.from_outside, "below": self.from_below, "above": self.from_above},
            "out": {"outside": self.to_outside, "below": self.to_below, "above": self.to_above},
            "end": self.end,
        } | worth_json(self.worth, money)


@dataclass(frozen=True, slots=True)
class Moves:
    """What became of customers in a time. `matrix` counts from (row) to (column): outside first, then the steps.

    `kinds` are the sums of each of MOVEMENTS.
    """

    ladder: Ladder
    matrix: NDArray[np.int64]
    steps: tuple[Step, ...]
    kinds: dict[str, Sums]
    start: int
    end: int
    known: tuple[int, int]

    def rate(self, kind: str) -> float | None:
        """Return a movement as a part of those active at the start, None where nobody was."""
        return share(self.kinds[kind].customers, self.start)

    @property
    def kept(self) -> float | None:
        """The part of those active at the start who are at the end, on whatever step."""
        return share(self.start - self.kinds["lost"].customers, self.start)

    def as_json(self, money: Money) -> dict[str, Any]:
        """Return the movement with stable keys; rates are parts of those active at the start."""
        return {
            "start": self.start,
            **{name: self.kinds[name].customers for name in MOVEMENTS},
            "end": self.end,
            "rates": {
                **{name: self.rate(name) for name in MOVEMENTS},
                "kept": self.kept,
                "growth": share(self.end - self.start, self.start),
            },
            "worth": {name: worth_json(self.kinds[name], money) for name in MOVEMENTS},
            "known": {"start": self.known[0], "end": self.known[1]},
            "steps": [one.as_json(money) for one in self.steps],
            "matrix": {
                "names": ["outside", *(one.name for one in self.steps)],
                "from_to": self.matrix.tolist(),
            },
        }


def worth_json(sums: Sums, money: Money) -> dict[str, Any]:
    """Return what customers are worth in major units; None for what is not known."""
    return {
        "customers": sums.customers,
        "orders": sums.orders,
        "value": money.major(sums.value),
        "value_before": money.major(sums.earlier),
        "value_per_customer": money.each(sums.value, sums.customers),
        "margin": money.major(sums.margin) if money.margin else None,
        "margin_per_customer": money.each(sums.margin, sums.customers) if money.margin else None,
    }


def moves_of(
    standing: Standing,
    purchases: Purchases,
    *,
    opens: int,
    closes: int,
    earlier: int,
    these: Truths | None = None,
) -> Moves:
    """Return the movement of all customers or of `these`, and what they bought in [opens, closes) and in [earlier, opens)."""
    chosen = np.ones(standing.customer.size, dtype=bool) if these is None else these
    before, after = standing.before.astype(np.int64), standing.after.astype(np.int64)
    now = each_of(purchases, standing.customer, purchases.during(opens, closes))
    then = each_of(purchases, standing.customer, purchases.during(earlier, opens))
    height = len(standing.ladder.rungs)
    start, end = np.maximum(before, 0), np.maximum(after, 0)
    matrix = np.bincount((start * (height + 1) + end)[chosen], minlength=(height + 1) ** 2).reshape(
        height + 1, height + 1
    )

    def sums(who: Truths) -> Sums:
        who = who & chosen
        orders, value, margin = (int(one[who].sum()) for one in (now.orders, now.value, now.margin))
        return Sums(int(who.sum()), orders, value, margin, int(then.value[who].sum()))

    kinds = {name: sums(who) for name, who in kinds_of(standing).items()}
    active = standing.active
    return Moves(
        standing.ladder,
        matrix,
        tuple(_step(place, standing.ladder, matrix, sums(after == place)) for place in range(1, height + 1)),
        kinds,
        start=int((active[before] & chosen).sum()),
        end=int((active[after] & chosen).sum()),
        known=(int(((before != NOT_YET) & chosen).sum()), int(((after != NOT_YET) & chosen).sum())),
    )


def kinds_of(standing: Standing) -> dict[str, Truths]:
    """Tell for each of MOVEMENTS who made it; nobody made two."""
    before, after = standing.before, standing.after
    was, is_ = standing.active[before], standing.active[after]
    return {
        "new": ~was & is_ & ~standing.once,
        "reactivated": ~was & is_ & standing.once,
        "retained": was & is_ & (before == after),
        "upgraded": was & is_ & (before < after),
        "downgraded": was & is_ & (before > after),
        "lost": was & ~is_,
    }


def _step(place: int, ladder: Ladder, matrix: Integers, worth: Sums) -> Step:
    rung = ladder.rungs[place - 1]
    into, out = matrix[:, place], matrix[place, :]
    return Step(
        rung.name,
        rung.title or rung.name,
        rung.active,
        start=int(out.sum()),
        from_outside=int(into[0]),
        from_below=int(into[1:place].sum()),
        from_above=int(into[place + 1 :].sum()),
        to_outside=int(out[0]),
        to_below=int(out[1:place].sum()),
        to_above=int(out[place + 1 :].sum()),
        end=int(into.sum()),
        worth=worth,
    )
