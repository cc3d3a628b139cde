"""Customers, events, consents, suppressions, segments and scores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "customers",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("u", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("fax", sa.Text(), nullable=True),
        sa.Column("email_hash", sa.Text(), nullable=True),
        sa.Column("phone_hash", sa.Text(), nullable=True),
        sa.Column("fax_hash", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("tombstoned_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
        sa.UniqueConstraint("key", name="uq_customers_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_customers_account", "customers", ["account"], unique=False)
    op.create_index("ix_customers_email_hash", "customers", ["email_hash"], unique=False)
    op.create_table(
        "event_names",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_names"),
        sa.UniqueConstraint("name", name="uq_event_names_name"),
    )
    op.create_table(
        "imports",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rows_done", sa.BigInteger(), nullable=False),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
        sa.CheckConstraint("state IN ('running', 'interrupted', 'finished')", name=op.f("ck_imports_state")),
        sa.UniqueConstraint("mapping", "fingerprint", name="uq_imports_mapping_fingerprint"),
    )
    op.create_table(
        "segment_runs",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("definition_hash", sa.Text(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("members", sa.BigInteger(), nullable=False),
        sa.Column("entered", sa.BigInteger(), nullable=False),
        sa.Column("left", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_segment_runs"),
    )
    op.create_index("ix_segment_runs_segment", "segment_runs", ["segment"], unique=False)
    op.create_table(
        "suppressions",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_suppressions"),
        sa.CheckConstraint(
            "reason IN ('bounce', 'complaint', 'manual', 'erased')", name=op.f("ck_suppressions_reason")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_suppressions_open",
        "suppressions",
        ["address_hash", "channel"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "vocabulary_columns",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("hidden", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_vocabulary_columns"),
    )
    op.create_table(
        "attribute_changes",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("attribute", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attribute_changes"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_attribute_changes_customer_id"),
    )
    op.create_index("ix_attribute_changes_customer_id", "attribute_changes", ["customer_id"], unique=False)
    op.create_table(
        "consents",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("artifact", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
        sa.CheckConstraint("state IN ('granted', 'withdrawn', 'pending')", name=op.f("ck_consents_state")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_consents_customer_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_consents_latest", "consents", ["customer_id", "channel", "purpose", "at", "id"], unique=False
    )
    op.create_table(
        "customer_lists",
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("attribute", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "attribute", "value", name="pk_customer_lists"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_customer_lists_customer_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("name_id", KEY, nullable=False),
        sa.Column("customer_id", KEY, nullable=True),
        sa.Column("visitor", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("properties", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("source", "dedupe_key", name="uq_events_source_dedupe_key"),
        sa.CheckConstraint("customer_id IS NOT NULL OR visitor IS NOT NULL", name=op.f("ck_events_subject")),
        sa.ForeignKeyConstraint(["name_id"], ["event_names.id"], name="fk_events_name_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_events_customer_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_events_customer", "events", ["customer_id", "name_id", "occurred_at", "amount"], unique=False
    )
    op.create_index("ix_events_name", "events", ["name_id", "occurred_at"], unique=False)
    op.create_table(
        "scores",
        sa.Column("score", sa.Text(), nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("scored_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("score", "customer_id", name="pk_scores"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_scores_customer_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "segment_members",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_segment_members"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_segment_members_customer_id"),
    )
    op.create_index("ix_segment_members_history", "segment_members", ["segment", "valid_from"], unique=False)
    op.create_index(
        "uq_segment_members_open",
        "segment_members",
        ["segment", "customer_id"],
        unique=True,
        sqlite_where=sa.text("valid_to IS NULL"),
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "event_items",
        sa.Column("event_id", KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "position", name="pk_event_items"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_event_items_event_id"),
        sqlite_with_rowid=False,
    )
