"""What every table is built from: one MetaData, key and instant columns, the personal mark.

Instants are integers of microseconds since 1970 in UTC (`tidings.clock.to_micros`), money is integer
minor units beside its currency, JSON is `JSON` (binary on PostgreSQL). Each column that can hold personal data
says in `info["personal"]` what erasure does with it: erase, hash or keep.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives a rowid alias only to a column declared exactly INTEGER.
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# None is NULL, never the JSON text `null`.
Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


class Quantity(sa.TypeDecorator[Decimal]):
    """An exact amount of things with up to six decimals, stored as integer millionths: SQLite has no decimals.

    A sum or a comparison keeps the type; a product in SQL (`quantity * price`) is a plain integer in millionths.
    """

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | float | str | None, dialect: sa.Dialect) -> int | None:
        """Return millionths; more than six decimals are rounded half to even."""
        return None if value is None else int((Decimal(str(value)) * 1_000_000).to_integral_value())

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> Decimal | None:
        """Return the decimal."""
        return None if value is None else Decimal(int(value)) / 1_000_000


def key() -> sa.Column[int]:
    """Return an integer primary key that is never used twice."""
    return sa.Column("id", Key, primary_key=True, autoincrement=True)


def instant(name: str, *, nullable: bool = False, **more: Any) -> sa.Column[int]:
    """Return a column of microseconds since 1970 in UTC."""
    return sa.Column(name, sa.BigInteger, nullable=nullable, **more)


def reference(name: str, target: str, *, nullable: bool = False, **more: Any) -> sa.Column[int]:
    """Return a foreign key column to `table.column`."""
    return sa.Column(name, Key, sa.ForeignKey(target), nullable=nullable, **more)


def copied(name: str, target: str, **more: Any) -> sa.Column[int]:
    """Return a column of ids of `table.column` that are copied, within one statement, from rows that have them.

    For tables with a row for everybody of an audience. It is no foreign key: the database would look every id up once more
    at a fifth to a third of the price of the row (docs/decisions/0019). `tidings verify` looks instead.
    """
    return sa.Column(name, Key, nullable=False, info={"copied": target}, **more)


def text(name: str, *, nullable: bool = False, personal: str | None = None, **more: Any) -> sa.Column[str]:
    """Return a text column; `personal` says what erasure does with it."""
    info = {"personal": personal} if personal else {}
    return sa.Column(name, sa.Text, nullable=nullable, info=info, **more)


def number(name: str, *, nullable: bool = False, **more: Any) -> sa.Column[int]:
    """Return a 64-bit integer column."""
    return sa.Column(name, sa.BigInteger, nullable=nullable, **more)
