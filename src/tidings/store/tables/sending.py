"""Artifacts, plans, runs, enrolments, the message ledger and what providers said."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.store.tables.base import Json, Key, instant, key, metadata, number, reference, text

# States in which a message may still reach somebody, or may have: two of them for one step are impossible.
OPEN_STATES = ("planned", "claimed", "started", "accepted", "deferred", "in_doubt", "delivered")
MESSAGE_STATES = (*OPEN_STATES, "rejected", "refused", "bounced", "complained", "cancelled")
_OPEN = "state IN (" + ", ".join(f"'{state}'" for state in OPEN_STATES) + ")"

artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True),
    text("kind"),
    sa.Column("bytes", sa.LargeBinary, nullable=False),
    instant("created_at"),
)

# A plan is a definition hash and a stored audience snapshot; `tidings run --plan HASH` runs that snapshot.
plans = sa.Table(
    "plans",
    metadata,
    key(),
    text("hash", unique=True),
    text("campaign", index=True),
    text("occurrence"),
    text("definition_hash"),
    instant("planned_at"),
    instant("anchor_at"),
    text("salt"),
    text("state"),
    sa.Column("summary", Json, nullable=False),
    sa.CheckConstraint("state IN ('filling', 'open', 'used', 'superseded')", name="state"),
)

plan_members = sa.Table(
    "plan_members",
    metadata,
    sa.Column("plan_id", Key, sa.ForeignKey("plans.id"), primary_key=True),
    sa.Column("customer_id", Key, sa.ForeignKey("customers.id"), primary_key=True),
    # arm is NULL for those refused when planning (they are enrolled in no arm) and `control` for the global control.
    text("arm", nullable=True),
    text("variant", nullable=True),
    text("channel", nullable=True),
    text("refusal_code", nullable=True),
    text("refusal_rule", nullable=True),
    sqlite_with_rowid=False,
)

runs = sa.Table(
    "runs",
    metadata,
    key(),
    text("campaign"),
    text("occurrence"),
    text("kind"),
    reference("plan_id", "plans.id", nullable=True),
    text("definition_hash"),
    text("policy_hash"),
    text("salt"),
    text("state"),
    text("pause_reason", nullable=True),
    text("approved_by", nullable=True),
    instant("approved_at", nullable=True),
    instant("anchor_at"),
    instant("created_at"),
    instant("finished_at", nullable=True),
    sa.Column("bounds", Json, nullable=False),
    sa.UniqueConstraint("campaign", "occurrence"),
    sa.CheckConstraint("state IN ('enrolling', 'sending', 'paused', 'finished', 'cancelled')", name="state"),
    sa.CheckConstraint("kind IN ('campaign', 'experiment', 'flow')", name="kind"),
)

run_artifacts = sa.Table(
    "run_artifacts",
    metadata,
    sa.Column("run_id", Key, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, sa.ForeignKey("artifacts.sha256"), nullable=False),
)

enrolments = sa.Table(
    "enrolments",
    metadata,
    key(),
    reference("run_id", "runs.id"),
    reference("customer_id", "customers.id", index=True),
    sa.Column("entry", sa.Integer, nullable=False, default=0, server_default="0"),
    text("arm"),
    text("variant", nullable=True),
    instant("anchor_at"),
    instant("planned_at"),
    sa.UniqueConstraint("run_id", "customer_id", "entry"),
    sqlite_autoincrement=True,
)

# A claim is a lease on a batch; its id is the fence that every mark must carry.
claims = sa.Table(
    "claims",
    metadata,
    key(),
    reference("run_id", "runs.id", index=True),
    text("owner"),
    text("boot_id", nullable=True),
    instant("claimed_at"),
    instant("leased_until"),
    number("size"),
    text("state"),
    sa.CheckConstraint("state IN ('open', 'done', 'lost')", name="state"),
    sqlite_autoincrement=True,
)

messages = sa.Table(
    "messages",
    metadata,
    key(),
    reference("run_id", "runs.id"),
    reference("enrolment_id", "enrolments.id"),
    reference("customer_id", "customers.id", index=True),
    text("step", default="main", server_default="main"),
    sa.Column("leg", sa.SmallInteger, nullable=False, default=0, server_default="0"),
    text("channel"),
    text("variant", nullable=True),
    text("state"),
    # Computed by the database. The unique index below asks for this and not for `state`: on PostgreSQL an index
    # that mentions a column makes every change of it costly (no HOT update), and marks change `state` all day.
    sa.Column("is_open", sa.Boolean, sa.Computed(_OPEN, persisted=True)),
    sa.Column("variables", Json, nullable=True, info={"personal": "erase"}),
    instant("due_at"),
    instant("expires_at", nullable=True),
    sa.Column("claim_id", Key, sa.ForeignKey("claims.id"), nullable=True),
    sa.Column("attempt", sa.Integer, nullable=False, default=0, server_default="0"),
    instant("started_at", nullable=True),
    instant("accepted_at", nullable=True),
    instant("finished_at", nullable=True),
    text("provider_ref", nullable=True),
    text("refusal_code", nullable=True),
    text("refusal_rule", nullable=True),
    text("policy_hash", nullable=True),
    sa.UniqueConstraint("enrolment_id", "step", "leg"),
    sa.CheckConstraint(
        "state IN (" + ", ".join(f"'{state}'" for state in MESSAGE_STATES) + ")", name="state"
    ),
    sa.Index("ix_messages_run", "run_id", "id"),
    sa.Index("ix_messages_claim", "claim_id"),
    sa.Index(
        "uq_messages_open",
        "enrolment_id",
        "step",
        unique=True,
        sqlite_where=sa.text("is_open"),
        postgresql_where=sa.text("is_open"),
    ),
    sqlite_autoincrement=True,
    postgresql_with={"fillfactor": "70"},
)

# One row for every attempt that did not end in plain acceptance, and for each resolved doubt.
attempts = sa.Table(
    "attempts",
    metadata,
    key(),
    reference("message_id", "messages.id", index=True),
    sa.Column("number", sa.Integer, nullable=False),
    reference("claim_id", "claims.id", nullable=True),
    instant("ended_at"),
    text("outcome"),
    # What the provider answered; mail servers repeat the address in it.
    text("detail", nullable=True, personal="erase"),
)

receipts = sa.Table(
    "receipts",
    metadata,
    key(),
    text("provider"),
    text("event_id"),
    text("kind"),
    reference("message_id", "messages.id", nullable=True, index=True),
    text("address_hash", nullable=True, personal="hash"),
    instant("at"),
    instant("received_at"),
    sa.Column("raw", Json, nullable=True, info={"personal": "erase"}),
    sa.UniqueConstraint("provider", "event_id"),
)

cap_use = sa.Table(
    "cap_use",
    metadata,
    key(),
    reference("customer_id", "customers.id"),
    text("cap"),
    text("period"),
    reference("message_id", "messages.id", unique=True),
    instant("reserved_at"),
    instant("released_at", nullable=True),
    sa.Index("ix_cap_use_customer", "customer_id", "cap", "period"),
)

rate_buckets = sa.Table(
    "rate_buckets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("tokens", sa.Double, nullable=False),
    instant("refilled_at"),
)
