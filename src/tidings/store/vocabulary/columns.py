"""`customer_attributes`: one typed column for each attribute that is no list."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from tidings.definitions.kinds.rules import Attributes
from tidings.store.tables import people
from tidings.store.tables.base import Key

TABLE = "customer_attributes"
TYPES: dict[str, Any] = {
    "text": sa.Text,
    "number": sa.Double,
    "money": sa.BigInteger,
    "date": sa.Date,
    "instant": sa.BigInteger,
    "flag": sa.Boolean,
}
# PostgreSQL cuts names at 63 bytes, which 22 Chinese characters exceed.
_LONGEST_NAME = 63


def column_name(attribute: str) -> str:
    """Return the column of an attribute: its name, or a cut one with a hash where PostgreSQL would cut it."""
    raw = attribute.encode()
    if len(raw) <= _LONGEST_NAME:
        return attribute
    digest = hashlib.sha256(raw).hexdigest()[:8]
    return raw[: _LONGEST_NAME - 9].decode(errors="ignore") + "_" + digest


# The same attributes give the same table: statements about another one are compiled, and kept, once more.
@lru_cache(maxsize=32)
def attributes_table(attributes: Attributes) -> sa.Table:
    """Return `customer_attributes` with one typed column for each attribute that is no list.

    Reach a column as `table.c[attribute.name]`; `info["personal"]` says what erasure does with it. Equal attributes have
    the same table: leave it as it is.
    """
    columns = [
        sa.Column(
            column_name(one.name),
            TYPES[one.type],
            key=one.name,
            nullable=True,
            info={"personal": one.personal, "type": one.type, "currency": one.currency},
        )
        for one in attributes.attributes
        if one.type != "list"
    ]
    return sa.Table(
        TABLE,
        sa.MetaData(),
        sa.Column(
            "customer_id", Key, sa.ForeignKey(people.customers.c.id), primary_key=True, autoincrement=False
        ),
        *columns,
    )


def vocabulary_hash(attributes: Attributes) -> str:
    """Return the hash of what the store must know of the attributes: names, types and currencies, in any order."""
    known = sorted((one.name, one.type, one.currency or "") for one in attributes.attributes)
    return hashlib.sha256(json.dumps(known, ensure_ascii=False).encode()).hexdigest()
