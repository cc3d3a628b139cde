"""Artifacts, plans, runs, enrolments, the message ledger and what providers said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tidings.store.tables.base import Json, Key, copied, instant, key, metadata, number, reference, text

# States in which a message may still reach somebody, or may have: two of them for one step are impossible.
OPEN_STATES = ("planned", "claimed", "started", "accepted", "deferred", "in_doubt", "delivered")
# unconfirmed: accepted, and no receipt within the patience of its channel; the next channel took over.
CLOSED_STATES = ("rejected", "refused", "bounced", "complained", "cancelled", "unconfirmed")
MESSAGE_STATES = (*OPEN_STATES, *CLOSED_STATES)


def _is_one_of(states: Sequence[str]) -> str:
    """Return the condition that `state` is one of these, those first that messages have most often.

    Not `IN`: SQLite fills a table of its own with such a list in every statement that changes `state`, and marks do so
    all day.
    """
    hot = ("accepted", "started", "claimed", "planned")
    ordered = [state for state in hot if state in states] + [state for state in states if state not in hot]
    return " OR ".join(f"state = '{state}'" for state in ordered)


def in_state(state: str) -> dict[str, Any]:
    """Return what a statement writes that brings messages into a state: the state, and whether they are open in it.

    For statements that close or reopen messages; one that moves open messages between open states leaves `is_open` alone.
    """
    return {"state": state, "is_open": state in OPEN_STATES}


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
    copied("plan_id", "plans.id", primary_key=True),
    copied("customer_id", "customers.id", primary_key=True),
    # arm is NULL for those refused when planning (they are enrolled in no arm), `control` for the global control and
    # `copy` for staff who get the real message and are never counted.
    text("arm", nullable=True),
    text("variant", nullable=True),
    text("channel", nullable=True),
    text("refusal_code", nullable=True),
    text("refusal_rule", nullable=True),
    # The place in `via` of the channel planned. No channel and no refusal: somebody else of the account gets the message.
    sa.Column("leg", sa.SmallInteger, nullable=True),
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
    # Of a live flow: the latest of its versions.
    sa.Column("version", sa.Integer, nullable=False, default=1, server_default="1"),
    # Who wins under a frequency cap: 1 high, 0 normal, -1 low.
    sa.Column("priority", sa.SmallInteger, nullable=False, default=0, server_default="0"),
    # What the messages claimed so far may cost, in millionths of the minor unit of the budget's currency.
    number("spent", default=0, server_default="0"),
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
    copied("run_id", "runs.id"),
    copied("enrolment_id", "enrolments.id"),
    copied("customer_id", "customers.id", index=True),
    text("step", default="main", server_default="main"),
    sa.Column("leg", sa.SmallInteger, nullable=False, default=0, server_default="0"),
    text("channel"),
    text("variant", nullable=True),
    text("state"),
    # The unique index below asks for this and not for `state`, which marks change all day: each change would write
    # the index. Written by those statements alone that close or reopen a message; the check below holds them to it.
    sa.Column("is_open", sa.Boolean, nullable=False, default=True, server_default=sa.true()),
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
    # By which version of a flow it was written.
    sa.Column("version", sa.SmallInteger, nullable=False, default=1, server_default="1"),
    sa.UniqueConstraint("enrolment_id", "step", "leg"),
    sa.CheckConstraint(
        f"(is_open AND ({_is_one_of(OPEN_STATES)})) OR (NOT is_open AND ({_is_one_of(CLOSED_STATES)}))",
        name="state",
    ),
    sa.Index("ix_messages_run", "run_id", "id"),
    # Of what was never claimed nobody asks by its claim.
    sa.Index(
        "ix_messages_claim",
        "claim_id",
        sqlite_where=sa.text("claim_id IS NOT NULL"),
        postgresql_where=sa.text("claim_id IS NOT NULL"),
    ),
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

# The inbox: what providers said, kept as it came. `state`: waiting (its message is not known yet), applied, or
# ignored (says nothing about a message of this store).
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
    text("channel", default="", server_default=sa.text("''")),
    text("state", default="applied", server_default=sa.text("'applied'")),
    text("reference", nullable=True),
    text("provider_ref", nullable=True),
    text("scope", nullable=True),
    sa.Column("permanent", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    text("code", nullable=True),
    text("detail", nullable=True, personal="erase"),
    # In minor units of `currency`; `units` are segments or pages.
    number("cost", nullable=True),
    text("currency", nullable=True),
    number("units", nullable=True),
    sa.UniqueConstraint("provider", "event_id"),
    sa.Index(
        "ix_receipts_waiting",
        "provider_ref",
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    ),
)

# Where receipts name a message only by the provider's reference; a long SMS has one for each of its parts.
provider_refs = sa.Table(
    "provider_refs",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("provider_ref", sa.Text, primary_key=True),
    sa.Column("message_id", Key, sa.ForeignKey("messages.id"), nullable=False, index=True),
    sqlite_with_rowid=False,
)

# The one answer to STOP, START or HELP: outside campaigns, to an address that may belong to nobody we know.
notices = sa.Table(
    "notices",
    metadata,
    key(),
    text("channel"),
    text("kind"),
    text("address", personal="erase"),
    text("address_hash", personal="hash"),
    reference("customer_id", "customers.id", nullable=True),
    text("body"),
    text("event_id"),
    text("state"),
    instant("created_at"),
    instant("ended_at", nullable=True),
    text("provider_ref", nullable=True),
    sa.UniqueConstraint("channel", "event_id"),
    sa.CheckConstraint("kind IN ('stop', 'start', 'help')", name="kind"),
    sa.CheckConstraint("state IN ('planned', 'started', 'accepted', 'rejected', 'in_doubt')", name="state"),
    sqlite_autoincrement=True,
)

# Channels by which nobody is written to, whatever the run: their set-up is refused, or somebody paused them.
channel_pauses = sa.Table(
    "channel_pauses",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    text("reason"),
    instant("at"),
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
