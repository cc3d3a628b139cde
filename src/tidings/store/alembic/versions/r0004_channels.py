"""Receipts that name their message, provider references, notices, paused channels, arms by account, and the state `unconfirmed`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# The end of the CHECK before and after: as revision 0002 writes it, and as it did when it still said IN.
_LAST, _ADDED = "state = 'cancelled')", "state = 'cancelled' OR state = 'unconfirmed')"
_LAST_IN, _ADDED_IN = "'complained', 'cancelled')", "'complained', 'cancelled', 'unconfirmed')"


def upgrade() -> None:
    """Add the columns and tables, and one more state of a message."""
    op.add_column("customers", sa.Column("account_u", sa.BigInteger(), nullable=True))
    for name in ("phone_hash", "fax_hash"):
        op.create_index(
            f"ix_customers_{name}",
            "customers",
            [name],
            sqlite_where=sa.text(f"{name} IS NOT NULL"),
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )
    op.add_column("plan_members", sa.Column("leg", sa.SmallInteger(), nullable=True))
    for column in (
        sa.Column("channel", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'applied'"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("provider_ref", sa.Text(), nullable=True),
        sa.Column("scope", sa.Text(), nullable=True),
        sa.Column("permanent", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("cost", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("units", sa.BigInteger(), nullable=True),
    ):
        op.add_column("receipts", column)
    op.create_index(
        "ix_receipts_waiting",
        "receipts",
        ["provider_ref"],
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "provider_refs",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("provider_ref", sa.Text(), nullable=False),
        sa.Column("message_id", KEY, nullable=False),
        sa.PrimaryKeyConstraint("channel", "provider_ref", name="pk_provider_refs"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_provider_refs_message_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_provider_refs_message_id", "provider_refs", ["message_id"])
    op.create_table(
        "notices",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("customer_id", KEY, nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("provider_ref", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("channel", "event_id", name="uq_notices_channel_event_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_notices_customer_id"),
        sa.CheckConstraint("kind IN ('stop', 'start', 'help')", name=op.f("ck_notices_kind")),
        sa.CheckConstraint(
            "state IN ('planned', 'started', 'accepted', 'rejected', 'in_doubt')",
            name=op.f("ck_notices_state"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "channel_pauses",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_channel_pauses"),
    )
    _one_more_state()


def _one_more_state() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        states = (
            "accepted started claimed planned deferred in_doubt delivered rejected refused bounced complained "
            "cancelled unconfirmed"
        ).split()
        one_of = " OR ".join(f"state = '{state}'" for state in states)
        op.drop_constraint(op.f("ck_messages_state"), "messages", type_="check")
        op.create_check_constraint(op.f("ck_messages_state"), "messages", one_of)
        return
    # The way that SQLite's own documentation gives for a change of a CHECK (ALTER TABLE, section 7): the stored
    # text of the table is edited, no row is copied, and every other connection sees the new schema version.
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql(
        "UPDATE sqlite_schema SET sql = replace(replace(sql, ?, ?), ?, ?) "
        "WHERE type = 'table' AND name = 'messages'",
        (_LAST, _ADDED, _LAST_IN, _ADDED_IN),
    )
    connection.exec_driver_sql(f"PRAGMA schema_version = {int(version) + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")
