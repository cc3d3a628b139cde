"""What an import of costs says at its end: the sum, what it replaced, and what was paid for no campaign of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidings.customers.cost_rows import CostRows
from tidings.definitions.money import from_minor, to_minor

_SHOWN = 50


@dataclass(frozen=True, slots=True)
class CostAnswer:
    """The money of a file in minor units of `currency`.

    `net` is what is kept, `gross` what the file itself adds up to (the same where it holds no tax). `days` are pairs of source and
    day; `before` and `after` are what those of them that were known held until now, by currency, and hold now. `unmatched` are
    labels that are no campaign or flow, the most expensive first, `unmatched_net` what was paid for all of them; `labels` counts them.
    """

    currency: str
    rows: int
    gross: int
    net: int
    days: int
    days_replaced: int
    before: dict[str, int] = field(default_factory=dict)
    after: int = 0
    labels: int = 0
    unmatched: tuple[tuple[str, int], ...] = ()
    unmatched_net: int = 0

    @property
    def change(self) -> int | None:
        """Return by how much the days that were known cost more now; None where they were in another currency."""
        return (
            None if self.before.keys() - {self.currency} else self.after - self.before.get(self.currency, 0)
        )

    def as_json(self) -> dict[str, Any]:
        """Return everything with stable keys; money in major units."""

        def major(minor: int, currency: str = self.currency) -> float:
            return float(from_minor(minor, currency))

        return self.as_stored() | {
            "gross": major(self.gross),
            "net": major(self.net),
            "before": {currency: major(minor, currency) for currency, minor in sorted(self.before.items())},
            "after": major(self.after),
            "unmatched": [[label, major(net)] for label, net in self.unmatched],
            "unmatched_net": major(self.unmatched_net),
        }

    def as_stored(self) -> dict[str, Any]:
        """Return everything as an import keeps it: money in minor units."""
        return {
            "currency": self.currency,
            "rows": self.rows,
            "gross": self.gross,
            "net": self.net,
            "days": self.days,
            "days_replaced": self.days_replaced,
            "before": dict(sorted(self.before.items())),
            "after": self.after,
            "labels": self.labels,
            "unmatched": [[label, net] for label, net in self.unmatched],
            "unmatched_net": self.unmatched_net,
        }


def cost_answer(read: CostRows, kept: Mapping[str, int]) -> CostAnswer:
    """Return the answer from what was read and what storing it counted."""
    unmatched = sorted(read.unmatched.items(), key=lambda pair: (-pair[1], pair[0]))
    return CostAnswer(
        currency=read.currency,
        rows=read.rows,
        gross=to_minor(read.gross, read.currency),
        net=read.net,
        days=kept.get("days", 0),
        days_replaced=kept.get("days_replaced", 0),
        before={
            name.removeprefix("before "): value for name, value in kept.items() if name.startswith("before ")
        },
        after=kept.get(f"after {read.currency}", 0),
        labels=len(unmatched),
        unmatched=tuple(unmatched[:_SHOWN]),
        unmatched_net=sum(read.unmatched.values()),
    )


def from_json(told: Mapping[str, Any]) -> CostAnswer:
    """Return an answer as `as_stored` wrote it."""
    unmatched = tuple((str(label), int(net)) for label, net in told["unmatched"])
    return CostAnswer(**{**told, "unmatched": unmatched})
