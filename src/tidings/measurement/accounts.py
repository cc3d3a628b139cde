"""Runs whose arms were drawn by account: how many accounts each arm has, and of what size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.measurement.metrics import COUNTED, arm_name
from tidings.store.tables import people, sending

_enrolments = sending.enrolments
_customers = people.customers
# A customer without an account is drawn alone. The letters keep an account called 7 apart from the customer 7.
UNIT = sa.case(
    (_customers.c.account.is_not(None), "a" + _customers.c.account),
    else_="c" + sa.cast(_customers.c.id, sa.Text),
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many accounts an arm has, their customers, and the sum of the squares of their sizes."""

    accounts: int = 0
    customers: int = 0
    squares: float = 0.0


def units(run_id: int) -> sa.Subquery:
    """Return the accounts of a run, each with its arm, variant and how many of its customers are enrolled."""
    return (
        sa.select(
            UNIT.label("unit"),
            _enrolments.c.arm,
            _enrolments.c.variant,
            sa.func.count().label("size"),
        )
        .select_from(_enrolments.join(_customers, _customers.c.id == _enrolments.c.customer_id))
        .where(_enrolments.c.run_id == run_id, COUNTED)
        .group_by(UNIT, _enrolments.c.arm, _enrolments.c.variant)
        .subquery("units")
    )


def sizes_of(connection: sa.Connection, run_id: int) -> dict[str, Sizes]:
    """Return the sizes of each arm by its name."""
    unit = units(run_id)
    size = sa.cast(unit.c.size, sa.Double)
    rows = connection.execute(
        sa.select(
            unit.c.arm,
            unit.c.variant,
            sa.func.count().label("accounts"),
            sa.func.sum(unit.c.size).label("customers"),
            sa.func.sum(size * size).label("squares"),
        ).group_by(unit.c.arm, unit.c.variant)
    )
    return {
        arm_name(row.arm, row.variant): Sizes(int(row.accounts), int(row.customers), float(row.squares))
        for row in rows
    }


def by_unit(
    per: sa.Subquery, run_id: int, added: list[str], least: list[str], most: list[str]
) -> sa.Subquery:
    """Return what customers did, added up for each account, with its arm and its size.

    `per` has a row for each customer (`customer_id`) with arm and variant; columns in `added` are summed, of those in
    `least` and `most` the least and the greatest are kept.
    """
    unit = units(run_id)
    columns: list[Any] = [
        *(sa.func.sum(per.c[name]).label(name) for name in added),
        *(sa.func.min(per.c[name]).label(name) for name in least),
        *(sa.func.max(per.c[name]).label(name) for name in most),
    ]
    own = (
        sa.select(UNIT.label("unit"), per.c.arm, per.c.variant, *columns)
        .select_from(per.join(_customers, _customers.c.id == per.c.customer_id))
        .group_by(UNIT, per.c.arm, per.c.variant)
        .subquery("own")
    )
    return (
        sa.select(own, unit.c.size)
        .select_from(
            own.join(
                unit,
                sa.and_(
                    unit.c.unit == own.c.unit,
                    unit.c.arm == own.c.arm,
                    unit.c.variant.is_not_distinct_from(own.c.variant),
                ),
            )
        )
        .subquery("by_unit")
    )
