"""Registers of numbers that are not to be called, as their newest lists have them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table of listed numbers."""
    op.create_table(
        "listed_numbers",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("import_id", KEY, nullable=False),
        sa.Column("listed_at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_listed_numbers_import_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listed_numbers")),
        sa.UniqueConstraint(
            "address_hash",
            "channel",
            "mapping",
            name=op.f("uq_listed_numbers_address_hash_channel_mapping"),
        ),
        sqlite_autoincrement=True,
    )
