"""Cases: marketing waits for a customer who has complained and was not answered yet (`case_open` in the policies)."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.definitions.kinds.rules import CaseOpen
from tidings.store.tables import people


def case_is_open(case: CaseOpen) -> sa.ColumnElement[bool]:
    """Return the condition on a row of people.customers that the customer's last word on a case opened one.

    The last of the two events by when it occurred speaks; of two of the same instant, the one recorded later.
    """
    events, names = people.events, people.event_names
    last = (
        sa.select(names.c.name)
        .select_from(events.join(names, names.c.id == events.c.name_id))
        .where(
            events.c.customer_id == people.customers.c.id,
            # By the numbers of the names: the index leads there and to nothing else of the customer.
            events.c.name_id.in_(
                sa.select(names.c.id)
                .where(names.c.name.in_([case.opened_by, case.closed_by]))
                .correlate(None)
                .scalar_subquery()
            ),
        )
        .order_by(events.c.occurred_at.desc(), events.c.id.desc())
        .limit(1)
        .correlate(people.customers)
        .scalar_subquery()
    )
    return sa.func.coalesce(last, "") == sa.literal(case.opened_by, sa.Text)
