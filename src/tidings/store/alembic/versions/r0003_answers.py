"""Links, hits, responses, touches, conversions, outcomes; identity, audit, locks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audit",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", JSON, nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sa.UniqueConstraint("previous_hash", name="uq_audit_previous_hash"),
        sa.UniqueConstraint("hash", name="uq_audit_hash"),
    )
    op.create_table(
        "identity",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("salt_hash", sa.Text(), nullable=False),
        sa.Column("vocabulary_hash", sa.Text(), nullable=True),
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("latest_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
        sa.CheckConstraint("id = 1", name=op.f("ck_identity_single")),
    )
    op.create_table(
        "locks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_locks"),
    )
    op.create_table(
        "spool_progress",
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("drained", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("file", name="pk_spool_progress"),
    )
    op.create_table(
        "links",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("variant", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("locale", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
        sa.UniqueConstraint(
            "run_id", "variant", "locale", "position", name="uq_links_run_id_variant_locale_position"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_links_run_id"),
    )
    op.create_index("ix_links_run_id", "links", ["run_id"], unique=False)
    op.create_table(
        "conversions",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("goal", sa.Text(), nullable=False),
        sa.Column("goal_version", sa.Text(), nullable=False),
        sa.Column("event_id", KEY, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("enrolment_id", KEY, nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_conversions"),
        sa.UniqueConstraint(
            "goal",
            "goal_version",
            "event_id",
            "enrolment_id",
            name="uq_conversions_goal_goal_version_event_id_enrolment_id",
        ),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_conversions_event_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_conversions_customer_id"),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolments.id"], name="fk_conversions_enrolment_id"),
    )
    op.create_index("ix_conversions_customer_id", "conversions", ["customer_id"], unique=False)
    op.create_index("ix_conversions_enrolment_id", "conversions", ["enrolment_id"], unique=False)
    op.create_index(
        "uq_conversions_no_enrolment",
        "conversions",
        ["goal", "goal_version", "event_id"],
        unique=True,
        sqlite_where=sa.text("enrolment_id IS NULL"),
        postgresql_where=sa.text("enrolment_id IS NULL"),
    )
    op.create_table(
        "outcomes",
        sa.Column("enrolment_id", KEY, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("enrolment_id", "metric", name="pk_outcomes"),
        sa.CheckConstraint("phase IN ('before', 'after')", name=op.f("ck_outcomes_phase")),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolments.id"], name="fk_outcomes_enrolment_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hits",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("spool_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("message_id", KEY, nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("network", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("detail", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_hits"),
        sa.UniqueConstraint("spool_key", name="uq_hits_spool_key"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_hits_message_id"),
    )
    op.create_index("ix_hits_message_id", "hits", ["message_id"], unique=False)
    op.create_index(
        "ix_hits_network",
        "hits",
        ["network", "at"],
        unique=False,
        sqlite_where=sa.text("kind = 'click'"),
        postgresql_where=sa.text("kind = 'click'"),
    )
    op.create_table(
        "touches",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("customer_id", KEY, nullable=True),
        sa.Column("message_id", KEY, nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_touches"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_touches_customer_id"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_touches_message_id"),
        sa.UniqueConstraint("dedupe_key", name="uq_touches_dedupe_key"),
    )
    op.create_index("ix_touches_customer_id", "touches", ["customer_id"], unique=False)
    op.create_table(
        "responses",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("hit_id", KEY, nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("judged", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("rule_version", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", KEY, nullable=True),
        sa.Column("message_id", KEY, nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_responses"),
        sa.UniqueConstraint("hit_id", "kind", name="uq_responses_hit_id_kind"),
        sa.CheckConstraint("judged IN ('human', 'machine', 'unknown')", name=op.f("ck_responses_judged")),
        sa.ForeignKeyConstraint(["hit_id"], ["hits.id"], name="fk_responses_hit_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_responses_customer_id"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_responses_message_id"),
    )
    op.create_index("ix_responses_customer_id", "responses", ["customer_id"], unique=False)
    op.create_index("ix_responses_message_id", "responses", ["message_id"], unique=False)
