"""Who is a customer of ours now: neither erased nor found to be another one."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.store.tables import people


def alive(customers: Any = people.customers) -> sa.ColumnElement[bool]:
    """Return the condition on rows of `customers` (or an alias of it) that they stand for somebody to be reckoned with."""
    return sa.and_(customers.c.tombstoned_at.is_(None), customers.c.merged_into.is_(None))
