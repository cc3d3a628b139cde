"""Journeys of flows, occurrences of recurring campaigns, tasks of the staff, time zones, and scheduled work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Add the tables and columns of scheduled work."""
    op.create_table(
        "standing_approvals",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("definition_hash", sa.Text(), nullable=False),
        sa.Column("bounds", JSON, nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('active', 'held', 'revoked')", name=op.f("ck_standing_approvals_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_approvals")),
    )
    op.create_index(
        "uq_standing_approvals_open",
        "standing_approvals",
        ["campaign"],
        unique=True,
        sqlite_where=sa.text("state <> 'revoked'"),
        postgresql_where=sa.text("state <> 'revoked'"),
    )
    op.create_table(
        "work_runs",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("work", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('running', 'done', 'failed', 'lost')", name=op.f("ck_work_runs_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_runs")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_work_runs_started", "work_runs", ["started_at"], unique=False)
    op.create_table(
        "zone_areas",
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("zones", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("area", name=op.f("pk_zone_areas")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "flow_versions",
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("definition_hash", sa.Text(), nullable=False),
        sa.Column("policy_hash", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.BigInteger(), nullable=False),
        sa.Column("moved", JSON, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_flow_versions_run_id")),
        sa.PrimaryKeyConstraint("run_id", "version", name=op.f("pk_flow_versions")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "occurrences",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("occurrence", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("run_id", KEY, nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('starting', 'started', 'skipped', 'held')", name=op.f("ck_occurrences_state")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_occurrences_run_id")),
        sa.PrimaryKeyConstraint("campaign", "occurrence", name=op.f("pk_occurrences")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "trigger_marks",
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("detail", JSON, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_trigger_marks_run_id")),
        sa.PrimaryKeyConstraint("run_id", "name", name=op.f("pk_trigger_marks")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "journey_steps",
        sa.Column("enrolment_id", KEY, nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_journey_steps_enrolment_id")
        ),
        sa.PrimaryKeyConstraint("enrolment_id", "step", name=op.f("pk_journey_steps")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "journeys",
        sa.Column("enrolment_id", KEY, autoincrement=False, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("start_ref", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("event_id", KEY, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("reached_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('walking', 'ended')", name=op.f("ck_journeys_state")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_journeys_customer_id")),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolments.id"], name=op.f("fk_journeys_enrolment_id")),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_journeys_event_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_journeys_run_id")),
        sa.PrimaryKeyConstraint("enrolment_id", name=op.f("pk_journeys")),
        sa.UniqueConstraint("run_id", "start_ref", name=op.f("uq_journeys_run_id_start_ref")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("ix_journeys_customer", "journeys", ["run_id", "customer_id"], unique=False)
    op.create_index(
        "ix_journeys_due",
        "journeys",
        ["run_id", "step", "due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'walking'"),
        postgresql_where=sa.text("state = 'walking'"),
    )
    op.create_table(
        "tasks",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("enrolment_id", KEY, nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("mail", sa.Text(), nullable=False),
        sa.Column("mail_at", sa.BigInteger(), nullable=True),
        sa.Column("escalated_at", sa.BigInteger(), nullable=True),
        sa.Column("escalation", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'accepted', 'returned', 'done', 'withdrawn')", name=op.f("ck_tasks_state")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_tasks_customer_id")),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolments.id"], name=op.f("fk_tasks_enrolment_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_tasks_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("enrolment_id", "step", name=op.f("uq_tasks_enrolment_id_step")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tasks_customer_id"), "tasks", ["customer_id"], unique=False)
    op.create_table(
        "message_subjects",
        sa.Column("message_id", KEY, nullable=False),
        sa.Column("enrolment_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_message_subjects_enrolment_id")
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_message_subjects_message_id")),
        sa.PrimaryKeyConstraint("message_id", "enrolment_id", name=op.f("pk_message_subjects")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_message_subjects_enrolment_id", "message_subjects", ["enrolment_id"])
    op.create_index("ix_segment_members_customer_id", "segment_members", ["customer_id"])
    op.add_column("messages", sa.Column("version", sa.SmallInteger(), server_default="1", nullable=False))
    op.add_column("runs", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("runs", sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("runs", sa.Column("spent", sa.BigInteger(), server_default="0", nullable=False))
    # SQLite changes a constraint by writing the table anew: links are few, some for each wording of a run.
    with op.batch_alter_table("links") as links:
        links.add_column(sa.Column("step", sa.Text(), server_default=sa.text("'main'"), nullable=False))
        links.add_column(sa.Column("version", sa.SmallInteger(), server_default="1", nullable=False))
        links.drop_constraint("uq_links_run_id_variant_locale_position", type_="unique")
        links.create_unique_constraint(
            "uq_links_run_id_step_version_variant_locale_position",
            ["run_id", "step", "version", "variant", "locale", "position"],
        )
