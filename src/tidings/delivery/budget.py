"""The budget of a run: what a message may cost is taken before it is claimed, and given back when it was never handed over.

Prices are those of the plan that was approved, by channel, with the segments or pages that it estimated. They, what
is spent and what there is are counted in millionths of the minor unit, so that a fraction of a cent is not lost.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from tidings.customers.knowing import listed, one_of
from tidings.definitions.values import MILLION
from tidings.store.tables import sending

BUDGET = "budget"
_runs, _messages = sending.runs, sending.messages


def reserve(connection: sa.Connection, run_id: int, channel: str, wanted: int) -> int:
    """Take what up to `wanted` messages of a channel cost, and return for how many of them there was enough.

    All of them where the run has no budget or the channel no price. Two at once take one after the other.
    """
    row = connection.execute(
        sa.select(_runs.c.bounds, _runs.c.spent).where(_runs.c.id == run_id).with_for_update()
    ).one()
    budget, price = row.bounds.get("budget"), row.bounds.get("prices", {}).get(channel, 0)
    if budget is None or not price or not wanted:
        return wanted
    left = (budget - row.bounds.get("fixed", 0)) * MILLION - row.spent
    granted = min(wanted, max(left // price, 0))
    if granted:
        connection.execute(
            sa.update(_runs).where(_runs.c.id == run_id).values(spent=_runs.c.spent + granted * price)
        )
    return int(granted)


def in_hand(connection: sa.Connection, run_id: int) -> bool:
    """Tell whether messages of the run are claimed and not handed over yet: what they cost may come back."""
    claims = sending.claims
    return (
        connection.execute(
            sa.select(_messages.c.id)
            .join(claims, claims.c.id == _messages.c.claim_id)
            .where(claims.c.run_id == run_id, claims.c.state == "open", _messages.c.state == "claimed")
            .limit(1)
        ).first()
        is not None
    )


def give_back(connection: sa.Connection, message_ids: Collection[int]) -> None:
    """Give back what messages that were claimed would have cost; each is named once a claim."""
    if not message_ids:
        return
    dialect = connection.dialect.name
    rows = connection.execute(
        sa.select(_messages.c.run_id, _messages.c.channel, sa.func.count())
        .where(one_of(_messages.c.id, dialect))
        .group_by(_messages.c.run_id, _messages.c.channel)
        .order_by(_messages.c.run_id, _messages.c.channel),
        listed(dialect, message_ids),
    ).all()
    for run_id, channel, count in rows:
        bounds = connection.execute(sa.select(_runs.c.bounds).where(_runs.c.id == run_id)).scalar_one()
        price = bounds.get("prices", {}).get(channel, 0)
        if price and bounds.get("budget") is not None:
            less = _runs.c.spent - count * price
            connection.execute(
                sa.update(_runs).where(_runs.c.id == run_id).values(spent=sa.case((less > 0, less), else_=0))
            )
