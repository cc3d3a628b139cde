"""What is expected of a run when it is approved, kept to stand beside what came: the plan's own figures and `expects:`."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.campaigns.assignment import BUCKETS
from tidings.campaigns.plan import Plan
from tidings.definitions.kinds.campaign import Campaign
from tidings.store.batches import insert_ignoring
from tidings.store.tables import money

_table = money.expectations


def expected_of(plan: Plan, campaign: Campaign) -> list[tuple[str, float, str | None]]:
    """Return (metric, value, currency) of a plan that is approved: counts, shares of 1, money in minor units.

    `holdout_response` is the share that reached the goal in a stretch as long as its window before: what those held out
    should do again. What `expects:` says comes from whoever wrote the campaign.
    """
    found: list[tuple[str, float, str | None]] = [
        ("treated", sum(arm.customers for arm in plan.arms if arm.arm == "treated"), None),
        ("held_out", plan.held_out, None),
        ("messages", sum(count for _, count in plan.messages) + plan.copy_messages, None),
    ]
    if plan.cost is not None:
        found.append(("cost", plan.cost, plan.cost_currency))
    if plan.power is not None:
        found.append(("holdout_response", plan.power.base_rate, None))
    expects = campaign.expects
    if expects is None:
        return found
    if expects.response is not None:
        found.append(("response", expects.response.basis_points / BUCKETS, None))
    for name, number in (("orders", expects.orders), ("redemptions", expects.redemptions)):
        if number is not None:
            found.append((name, number, None))
    for name, amount in (
        ("revenue", expects.revenue),
        ("margin", expects.margin),
        ("profit", expects.profit),
    ):
        if amount is not None:
            found.append((name, amount.minor, amount.currency))
    return found


def keep_expectations(connection: sa.Connection, run_id: int, plan: Plan, campaign: Campaign) -> None:
    """Write down what is expected of a run, once."""
    rows = [
        {"run_id": run_id, "metric": metric, "value": float(value), "currency": currency}
        for metric, value, currency in expected_of(plan, campaign)
    ]
    connection.execute(insert_ignoring(connection, _table), rows)


def expectations(connection: sa.Connection, run_id: int) -> dict[str, tuple[float, str | None]]:
    """Return what was expected of a run by metric: value and currency; empty where nothing was written down."""
    rows = connection.execute(sa.select(_table).where(_table.c.run_id == run_id))
    return {row.metric: (row.value, row.currency) for row in rows}
