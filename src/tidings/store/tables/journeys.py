"""Journeys of flows, occurrences of recurring campaigns, tasks of the staff, and the runs of scheduled work."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.store.tables.base import Json, Key, copied, instant, key, metadata, number, reference, text

# Where each enrolment of a flow stands: before which step, and when that is due. `start_ref` says what started it (an event,
# a membership, a day) and is unique within the run: the same thing starts a journey once, whoever looks how often.
journeys = sa.Table(
    "journeys",
    metadata,
    sa.Column("enrolment_id", Key, sa.ForeignKey("enrolments.id"), primary_key=True, autoincrement=False),
    reference("run_id", "runs.id"),
    reference("customer_id", "customers.id"),
    text("start_ref", personal="hash"),
    # Of `again: for each contract`: which one. Else empty.
    text("subject", default="", server_default=sa.text("''"), personal="hash"),
    # The event whose properties the steps may ask for: the one that started it, or the latest of its kind while waiting for quiet.
    reference("event_id", "events.id", nullable=True),
    text("state"),
    text("step"),
    instant("due_at"),
    # When the step before was reached (the entry, before the first): `after` counts from here.
    instant("reached_at"),
    text("outcome", nullable=True),
    instant("ended_at", nullable=True),
    sa.UniqueConstraint("run_id", "start_ref"),
    sa.CheckConstraint("state IN ('walking', 'ended')", name="state"),
    sa.Index(
        "ix_journeys_due",
        "run_id",
        "step",
        "due_at",
        sqlite_where=sa.text("state = 'walking'"),
        postgresql_where=sa.text("state = 'walking'"),
    ),
    postgresql_with={"fillfactor": "80"},
)

# What became of each step that a journey came to. No step is come to twice: flows only lead onwards.
# what: reached, passed (its `when` did not hold, or it stands instead of one that was reached), answered, unanswered
# (of a wait), left, moved (its step was taken out of the flow).
journey_steps = sa.Table(
    "journey_steps",
    metadata,
    copied("enrolment_id", "enrolments.id", primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    text("what"),
    instant("at"),
    # The rule that decided, in words of the definition; empty where there was nothing to decide.
    text("detail", nullable=True),
    sqlite_with_rowid=False,
)

# How far the starts of a flow have been looked through, each by its name.
trigger_marks = sa.Table(
    "trigger_marks",
    metadata,
    sa.Column("run_id", Key, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    number("low"),
    sa.Column("detail", Json, nullable=True),
    sqlite_with_rowid=False,
)

# The versions of a live flow: whoever waits goes on by the latest, and each message says by which it was written.
flow_versions = sa.Table(
    "flow_versions",
    metadata,
    sa.Column("run_id", Key, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    text("definition_hash"),
    text("policy_hash"),
    text("approved_by"),
    instant("approved_at"),
    sa.Column("moved", Json, nullable=True),
    sqlite_with_rowid=False,
)

# The customers that a message to another party (a dealer, say) is about.
message_subjects = sa.Table(
    "message_subjects",
    metadata,
    sa.Column("message_id", Key, sa.ForeignKey("messages.id"), primary_key=True),
    sa.Column("enrolment_id", Key, sa.ForeignKey("enrolments.id"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

# Work for people: `notify` of a step, with what they need to know of the customer.
tasks = sa.Table(
    "tasks",
    metadata,
    key(),
    reference("run_id", "runs.id"),
    reference("enrolment_id", "enrolments.id"),
    text("step"),
    reference("customer_id", "customers.id", index=True),
    text("person"),
    text("email"),
    text("card", personal="erase"),
    instant("created_at"),
    instant("due_at", nullable=True),
    text("state"),
    text("answer", nullable=True, personal="erase"),
    instant("answered_at", nullable=True),
    # Of the mail that tells the person: planned, started, sent, in_doubt or failed; `mail_at` is when that was marked.
    text("mail"),
    instant("mail_at", nullable=True),
    # When it was past due and nobody had answered; `escalation` is of the mail that tells the owner, as `mail` is.
    instant("escalated_at", nullable=True),
    text("escalation", nullable=True),
    sa.UniqueConstraint("enrolment_id", "step"),
    sa.CheckConstraint("state IN ('open', 'accepted', 'returned', 'done', 'withdrawn')", name="state"),
    sqlite_autoincrement=True,
)

# A recurring campaign may run by itself while it is what was approved and stays within the bounds.
standing_approvals = sa.Table(
    "standing_approvals",
    metadata,
    key(),
    text("campaign"),
    text("definition_hash"),
    sa.Column("bounds", Json, nullable=False),
    text("approved_by"),
    instant("approved_at"),
    text("state"),
    text("reason", nullable=True),
    sa.CheckConstraint("state IN ('active', 'held', 'revoked')", name="state"),
    sa.Index(
        "uq_standing_approvals_open",
        "campaign",
        unique=True,
        sqlite_where=sa.text("state <> 'revoked'"),
        postgresql_where=sa.text("state <> 'revoked'"),
    ),
)

# One row for every day on which a recurring campaign was due, whatever became of it. `occurrence` is the local date.
occurrences = sa.Table(
    "occurrences",
    metadata,
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("occurrence", sa.Text, primary_key=True),
    instant("due_at"),
    text("state"),
    text("reason", nullable=True),
    reference("run_id", "runs.id", nullable=True),
    instant("decided_at"),
    sa.CheckConstraint("state IN ('starting', 'started', 'skipped', 'held')", name="state"),
    sqlite_with_rowid=False,
)

# Which time zones may be those of customers with the same zone, country and start of a phone number (`customers.zones`).
zone_areas = sa.Table(
    "zone_areas",
    metadata,
    sa.Column("area", sa.Text, primary_key=True),
    # Names by spaces, in order; empty when nothing is known.
    text("zones"),
    text("data"),
    sqlite_with_rowid=False,
)

# Scheduled work, one row each time it ran (idle rounds are not kept): `tidings runs`.
work_runs = sa.Table(
    "work_runs",
    metadata,
    key(),
    text("work"),
    text("subject", nullable=True),
    text("owner"),
    text("state"),
    instant("started_at"),
    instant("beat_at"),
    instant("finished_at", nullable=True),
    number("done", default=0),
    number("total", nullable=True),
    text("outcome", nullable=True),
    sa.CheckConstraint("state IN ('running', 'done', 'failed', 'lost')", name="state"),
    sa.Index("ix_work_runs_started", "started_at"),
    sqlite_autoincrement=True,
)

# A page of results for each reader and each time that one is due: `occurrence` is the local date. The mail is handed over at
# most once: it is marked started, durably, before it goes, and what is in doubt is never repeated.
mailed_papers = sa.Table(
    "mailed_papers",
    metadata,
    key(),
    text("paper"),
    text("occurrence"),
    text("recipient"),
    instant("due_at"),
    text("state"),
    instant("marked_at"),
    text("detail", nullable=True),
    sa.UniqueConstraint("paper", "occurrence", "recipient"),
    sa.CheckConstraint("state IN ('planned', 'started', 'sent', 'failed', 'in_doubt')", name="state"),
    sqlite_autoincrement=True,
)
