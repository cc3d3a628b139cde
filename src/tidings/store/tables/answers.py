"""Links, raw hits, classified responses, touches, conversions and results of tests run elsewhere."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.store.tables.base import Json, Key, instant, key, metadata, number, reference, text

links = sa.Table(
    "links",
    metadata,
    key(),
    reference("run_id", "runs.id", index=True),
    # "" where the campaign has no variants; one position may lead elsewhere in another language.
    text("variant", default="", server_default=sa.text("''")),
    text("locale", default="", server_default=sa.text("''")),
    sa.Column("position", sa.Integer, nullable=False),
    text("url"),
    # Of a flow: which of its messages, in the words of which version.
    text("step", default="main", server_default=sa.text("'main'")),
    sa.Column("version", sa.SmallInteger, nullable=False, default=1, server_default="1"),
    sa.UniqueConstraint("run_id", "step", "version", "variant", "locale", "position"),
)

# Raw: what came over the wire, never deleted or judged here. `spool_key` makes draining idempotent.
hits = sa.Table(
    "hits",
    metadata,
    key(),
    text("spool_key", unique=True),
    text("kind"),
    text("method"),
    reference("message_id", "messages.id", nullable=True, index=True),
    text("url", nullable=True, personal="erase"),
    instant("at"),
    instant("received_at"),
    text("network", nullable=True, personal="erase"),
    text("user_agent", nullable=True, personal="erase"),
    sa.Column("detail", Json, nullable=True, info={"personal": "erase"}),
    # One network that follows links of many people within a minute is looked for at every drain.
    sa.Index(
        "ix_hits_network",
        "network",
        "at",
        sqlite_where=sa.text("kind = 'click'"),
        postgresql_where=sa.text("kind = 'click'"),
    ),
)

# Classified: a judgement on a hit under a rule version; can be made again from the hits at any time.
responses = sa.Table(
    "responses",
    metadata,
    key(),
    reference("hit_id", "hits.id", nullable=True),
    text("kind"),
    text("judged"),
    text("reason", nullable=True),
    number("rule_version"),
    reference("customer_id", "customers.id", nullable=True, index=True),
    reference("message_id", "messages.id", nullable=True, index=True),
    instant("at"),
    # human, machine_proxy, machine_scanner, prefetch or unknown, and all signals, blanks between; NULL where rules before
    # version 3 judged. `reason` is the signal that decided.
    text("class", nullable=True),
    text("signals", nullable=True),
    sa.UniqueConstraint("hit_id", "kind"),
    sa.CheckConstraint("judged IN ('human', 'machine', 'unknown')", name="judged"),
)

touches = sa.Table(
    "touches",
    metadata,
    key(),
    text("channel"),
    text("campaign", nullable=True),
    reference("customer_id", "customers.id", nullable=True, index=True),
    reference("message_id", "messages.id", nullable=True),
    text("kind"),
    instant("at"),
    number("cost", nullable=True),
    text("currency", nullable=True),
    text("dedupe_key", unique=True),
    # Of an ad or a touch in the street: who sold it, who came when nobody is known yet, and by what they were known later.
    text("source", nullable=True),
    text("visitor", nullable=True, personal="hash"),
    text("matched_by", nullable=True),
    number("import_id", nullable=True),
    sa.Index("ix_touches_at", "at"),
    # Few are not known; they are looked for again whenever somebody new may be.
    sa.Index(
        "ix_touches_unmatched",
        "visitor",
        sqlite_where=sa.text("customer_id IS NULL AND visitor IS NOT NULL"),
        postgresql_where=sa.text("customer_id IS NULL AND visitor IS NOT NULL"),
    ),
)

# What a block of ids of another table held when touches or conversions were made of it: only blocks that hold something
# else now are compared row by row.
measured_blocks = sa.Table(
    "measured_blocks",
    metadata,
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("block", sa.BigInteger, primary_key=True, autoincrement=False),
    text("held"),
    sqlite_with_rowid=False,
)

conversions = sa.Table(
    "conversions",
    metadata,
    key(),
    text("goal"),
    text("goal_version"),
    reference("event_id", "events.id"),
    reference("customer_id", "customers.id", index=True),
    reference("enrolment_id", "enrolments.id", nullable=True, index=True),
    instant("at"),
    number("amount", nullable=True),
    text("currency", nullable=True),
    sa.UniqueConstraint("goal", "goal_version", "event_id", "enrolment_id"),
    sa.Index(
        "uq_conversions_no_enrolment",
        "goal",
        "goal_version",
        "event_id",
        unique=True,
        sqlite_where=sa.text("enrolment_id IS NULL"),
        postgresql_where=sa.text("enrolment_id IS NULL"),
    ),
)

# Outcomes of a test run elsewhere (`kind: experiment`): one row an enrolment and metric.
# Money is `value` in minor units with its currency; everything else a plain number.
outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("enrolment_id", Key, sa.ForeignKey("enrolments.id"), primary_key=True),
    sa.Column("metric", sa.Text, primary_key=True),
    text("phase"),
    sa.Column("value", sa.Double, nullable=False),
    text("currency", nullable=True),
    sa.CheckConstraint("phase IN ('before', 'after')", name="phase"),
    sqlite_with_rowid=False,
)
