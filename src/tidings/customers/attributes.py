"""Where a value of a customer stands: a fixed column of `customers`, a column of `customer_attributes`, or the list table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import sqlalchemy as sa

from tidings.definitions.conditions import AttributeCondition
from tidings.definitions.kinds.rules import FIXED_COLUMNS, Attributes
from tidings.definitions.workspace import Definitions
from tidings.store.tables import people
from tidings.store.vocabulary import attributes_table


def value_column(attributes: Attributes, name: str) -> sa.Column[Any]:
    """Return the column of a fixed field or of an attribute that is not a list; KeyError when there is none."""
    if name in FIXED_COLUMNS:
        return people.customers.c[name]
    return attributes_table(attributes).c[name]


def tracked(definitions: Definitions) -> frozenset[str]:
    """Return the attributes whose changes are kept: marked `history`, or used by a segment."""
    marked = {one.name for one in definitions.attributes.attributes if one.history}
    return frozenset(marked | set(_used(definitions.segments.values())))


def _used(parts: Iterable[Any]) -> Iterable[str]:
    for part in parts:
        if isinstance(part, AttributeCondition):
            yield part.attribute
        elif isinstance(part, tuple):
            yield from _used(part)
        elif is_dataclass(part) and not isinstance(part, type):
            yield from _used(getattr(part, one.name) for one in fields(part))
