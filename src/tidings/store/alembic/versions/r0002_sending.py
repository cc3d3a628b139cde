"""Artifacts, plans, runs, enrolments, the message ledger, receipts and caps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "artifacts",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_artifacts"),
    )
    op.create_table(
        "plans",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("occurrence", sa.Text(), nullable=False),
        sa.Column("definition_hash", sa.Text(), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.Column("anchor_at", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("summary", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_plans"),
        sa.CheckConstraint("state IN ('filling', 'open', 'used', 'superseded')", name=op.f("ck_plans_state")),
        sa.UniqueConstraint("hash", name="uq_plans_hash"),
    )
    op.create_index("ix_plans_campaign", "plans", ["campaign"], unique=False)
    op.create_table(
        "rate_buckets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("refilled_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_rate_buckets"),
    )
    op.create_table(
        "plan_members",
        sa.Column("plan_id", KEY, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("arm", sa.Text(), nullable=True),
        sa.Column("variant", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("refusal_code", sa.Text(), nullable=True),
        sa.Column("refusal_rule", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("plan_id", "customer_id", name="pk_plan_members"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_plan_members_plan_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_plan_members_customer_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "runs",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("occurrence", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("plan_id", KEY, nullable=True),
        sa.Column("definition_hash", sa.Text(), nullable=False),
        sa.Column("policy_hash", sa.Text(), nullable=False),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("anchor_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("bounds", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("campaign", "occurrence", name="uq_runs_campaign_occurrence"),
        sa.CheckConstraint(
            "state IN ('enrolling', 'sending', 'paused', 'finished', 'cancelled')", name=op.f("ck_runs_state")
        ),
        sa.CheckConstraint("kind IN ('campaign', 'experiment', 'flow')", name=op.f("ck_runs_kind")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_runs_plan_id"),
    )
    op.create_table(
        "claims",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=True),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_claims"),
        sa.CheckConstraint("state IN ('open', 'done', 'lost')", name=op.f("ck_claims_state")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_claims_run_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_claims_run_id", "claims", ["run_id"], unique=False)
    op.create_table(
        "enrolments",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("entry", sa.Integer(), server_default="0", nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=True),
        sa.Column("anchor_at", sa.BigInteger(), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_enrolments"),
        sa.UniqueConstraint("run_id", "customer_id", "entry", name="uq_enrolments_run_id_customer_id_entry"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_enrolments_run_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_enrolments_customer_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_enrolments_customer_id", "enrolments", ["customer_id"], unique=False)
    op.create_table(
        "run_artifacts",
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "role", name="pk_run_artifacts"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_artifacts_run_id"),
        sa.ForeignKeyConstraint(["sha256"], ["artifacts.sha256"], name="fk_run_artifacts_sha256"),
    )
    op.create_table(
        "messages",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("enrolment_id", KEY, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("step", sa.Text(), server_default="main", nullable=False),
        sa.Column("leg", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "is_open",
            sa.Boolean(),
            sa.Computed(
                "state = 'accepted' OR state = 'started' OR state = 'claimed' OR state = 'planned' OR state = 'deferred' OR state = 'in_doubt' OR state = 'delivered'",
                persisted=True,
            ),
            nullable=True,
        ),
        sa.Column("variables", JSON, nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("claim_id", KEY, nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("provider_ref", sa.Text(), nullable=True),
        sa.Column("refusal_code", sa.Text(), nullable=True),
        sa.Column("refusal_rule", sa.Text(), nullable=True),
        sa.Column("policy_hash", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.UniqueConstraint("enrolment_id", "step", "leg", name="uq_messages_enrolment_id_step_leg"),
        sa.CheckConstraint(
            "state = 'accepted' OR state = 'started' OR state = 'claimed' OR state = 'planned' OR state = 'deferred' OR state = 'in_doubt' OR state = 'delivered' OR state = 'rejected' OR state = 'refused' OR state = 'bounced' OR state = 'complained' OR state = 'cancelled'",
            name=op.f("ck_messages_state"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_messages_run_id"),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolments.id"], name="fk_messages_enrolment_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_messages_customer_id"),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name="fk_messages_claim_id"),
        sqlite_autoincrement=True,
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("ix_messages_claim", "messages", ["claim_id"], unique=False)
    op.create_index("ix_messages_customer_id", "messages", ["customer_id"], unique=False)
    op.create_index("ix_messages_run", "messages", ["run_id", "id"], unique=False)
    op.create_index(
        "uq_messages_open",
        "messages",
        ["enrolment_id", "step"],
        unique=True,
        sqlite_where=sa.text("is_open"),
        postgresql_where=sa.text("is_open"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("message_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("claim_id", KEY, nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_attempts_message_id"),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name="fk_attempts_claim_id"),
    )
    op.create_index("ix_attempts_message_id", "attempts", ["message_id"], unique=False)
    op.create_table(
        "cap_use",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("cap", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("message_id", KEY, nullable=False),
        sa.Column("reserved_at", sa.BigInteger(), nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_cap_use"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_cap_use_customer_id"),
        sa.UniqueConstraint("message_id", name="uq_cap_use_message_id"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_cap_use_message_id"),
    )
    op.create_index("ix_cap_use_customer", "cap_use", ["customer_id", "cap", "period"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message_id", KEY, nullable=True),
        sa.Column("address_hash", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("raw", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_receipts"),
        sa.UniqueConstraint("provider", "event_id", name="uq_receipts_provider_event_id"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_receipts_message_id"),
    )
    op.create_index("ix_receipts_message_id", "receipts", ["message_id"], unique=False)
