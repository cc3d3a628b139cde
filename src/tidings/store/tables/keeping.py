"""The store's own identity, the audit trail, locks, and how far the spool has been drained."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.store.tables.base import Json, instant, key, metadata, number, text

# Exactly one row (id 1). A store of another workspace or environment is refused.
identity = sa.Table(
    "identity",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    text("store_id"),
    text("workspace"),
    text("environment"),
    text("salt_hash"),
    text("vocabulary_hash", nullable=True),
    text("clock"),
    number("epoch"),
    sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
    text("pause_reason", nullable=True),
    instant("latest_at"),
    instant("created_at"),
    sa.CheckConstraint("id = 1", name="single"),
)

# Append-only; each row's hash covers the one before it.
audit = sa.Table(
    "audit",
    metadata,
    key(),
    instant("at"),
    text("actor"),
    text("action"),
    text("subject"),
    sa.Column("detail", Json, nullable=False),
    text("previous_hash", unique=True),
    text("hash", unique=True),
)

locks = sa.Table(
    "locks",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    text("owner"),
    instant("leased_until"),
)

spool_progress = sa.Table(
    "spool_progress",
    metadata,
    sa.Column("file", sa.Text, primary_key=True),
    number("drained"),
    instant("updated_at"),
)
