"""What ads cost, by source, medium, campaign and month: money before any credit is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from tidings.definitions.money import from_minor
from tidings.store.tables import money

_costs = money.costs


@dataclass(frozen=True, slots=True)
class CostLine:
    """Costs of one source, medium and campaign in one month (`YYYY-MM`), net in minor units of `currency`.

    `campaign` is ours, None for what matches none of ours: then `label` is how the file calls it, "" where it says nothing.
    `clicks` and `impressions` are None where no row tells them.
    """

    month: str
    source: str
    medium: str
    campaign: str | None
    label: str
    amount: int
    currency: str
    clicks: int | None
    impressions: int | None

    @property
    def per_click(self) -> Decimal | None:
        """Return what one click cost in major units, exactly; None without clicks."""
        return from_minor(self.amount, self.currency) / self.clicks if self.clicks else None

    def as_json(self) -> dict[str, Any]:
        """Return everything with stable keys; money in major units, `cpc` to four places of them."""
        return {
            "month": self.month,
            "source": self.source,
            "medium": self.medium,
            "campaign": self.campaign,
            "label": self.label,
            "amount": float(from_minor(self.amount, self.currency)),
            "currency": self.currency,
            "clicks": self.clicks,
            "impressions": self.impressions,
            "cpc": None if self.per_click is None else round(float(self.per_click), 4),
        }


def cost_lines(
    connection: sa.Connection, *, first: date | None = None, last: date | None = None
) -> tuple[CostLine, ...]:
    """Return the costs of the days from `first` through `last`, in the order of months; unmatched labels stand for themselves."""
    month = sa.func.substr(_costs.c.day, 1, 7)
    label = sa.case((_costs.c.campaign.is_(None), sa.func.coalesce(_costs.c.label, "")), else_="")
    when = [_costs.c.day >= first.isoformat()] if first else []
    when += [_costs.c.day <= last.isoformat()] if last else []
    inner = (
        sa.select(
            month.label("month"),
            _costs.c.source,
            _costs.c.medium,
            _costs.c.campaign,
            label.label("called"),
            _costs.c.currency,
            _costs.c.amount,
            _costs.c.clicks,
            _costs.c.impressions,
        )
        .where(*when)
        .subquery("told")
    )
    groups = (
        inner.c.month,
        inner.c.source,
        inner.c.medium,
        inner.c.campaign,
        inner.c.called,
        inner.c.currency,
    )
    sums = (
        sa.cast(sa.func.sum(column), sa.BigInteger)
        for column in (inner.c.amount, inner.c.clicks, inner.c.impressions)
    )
    rows = connection.execute(sa.select(*groups, *sums).group_by(*groups)).all()
    lines = [
        CostLine(month, source, medium, campaign, called, amount, currency, clicks, shown)
        for month, source, medium, campaign, called, currency, amount, clicks, shown in rows
    ]
    return tuple(sorted(lines, key=_order))


def totals(lines: tuple[CostLine, ...]) -> dict[str, int]:
    """Return the sum by currency."""
    found: dict[str, int] = {}
    for one in lines:
        found[one.currency] = found.get(one.currency, 0) + one.amount
    return dict(sorted(found.items()))


def _order(one: CostLine) -> tuple[Any, ...]:
    return (
        one.month, one.source, one.medium, one.campaign is None, one.campaign or "", -one.amount, one.label, one.currency,
    )  # fmt: skip
