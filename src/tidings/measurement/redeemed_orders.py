"""The orders of codes that a till redeemed: found by their number among the customer's own, when they come.

What an order earns and what its coupon costs belong together, whether the order names the code or the till told of it.
"""

from __future__ import annotations

import sqlalchemy as sa

from tidings.campaigns.bought_together import purchase_ids
from tidings.definitions.kinds.rules import REDEMPTION
from tidings.definitions.workspace import Definitions
from tidings.segments.properties import property_value
from tidings.store.database import Store
from tidings.store.tables import money, people

_events, _names, _table = people.events, people.event_names, money.redemptions


def tie(store: Store, definitions: Definitions) -> int:
    """Give redemptions that were told with the number of an order the event of that order; return how many found theirs."""
    told, order = _events.alias("told"), _events.alias("order_event")
    number = _table.c.order_key
    start = sa.literal('["order", "', sa.Text) + number + sa.literal('", ', sa.Text)
    with store.read() as connection:
        name = connection.execute(sa.select(_names.c.id).where(_names.c.name == REDEMPTION.name)).scalar()
        if name is None:
            return 0
        purchases = purchase_ids(connection, definitions) or [-1]
        found = connection.execute(
            sa.select(_table.c.id, sa.func.min(order.c.id))
            .join(told, told.c.id == _table.c.event_id)
            .join(order, order.c.customer_id == _table.c.customer_id)
            .where(
                told.c.name_id == name,
                _table.c.judged == "good",
                number.is_not(None),
                order.c.name_id.in_(purchases),
                sa.or_(
                    order.c.dedupe_key == sa.literal("id:", sa.Text) + number,
                    sa.func.substr(order.c.dedupe_key, 1, sa.func.length(start)) == start,
                    property_value(order.c.properties, "order", "text") == number,
                ),
            )
            .group_by(_table.c.id)
        ).all()
    for part in store.paced("redemptions").chunks(found):
        with store.marks("redemptions") as connection:
            connection.execute(
                sa.update(_table)
                .where(_table.c.id == sa.bindparam("of"))
                .values(event_id=sa.bindparam("order_id")),
                [{"of": row[0], "order_id": row[1]} for row in part],
            )
    return len(found)
