"""Customers, their attributes, events, consents and suppressions."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.store.tables.base import (
    Json,
    Key,
    Quantity,
    copied,
    instant,
    key,
    metadata,
    number,
    reference,
    text,
)

customers = sa.Table(
    "customers",
    metadata,
    key(),
    text("key", unique=True, personal="hash"),
    number("u"),
    text("email", nullable=True, personal="erase"),
    text("phone", nullable=True, personal="erase"),
    text("fax", nullable=True, personal="erase"),
    # Keyed hashes of the normalised addresses: the gate joins suppressions on them without reading an address.
    text("email_hash", nullable=True, personal="hash", index=True),
    text("phone_hash", nullable=True, personal="hash"),
    text("fax_hash", nullable=True, personal="hash"),
    text("locale", nullable=True),
    text("zone", nullable=True),
    text("country", nullable=True),
    text("account", nullable=True, personal="erase", index=True),
    instant("created_at"),
    instant("tombstoned_at", nullable=True),
    # As `u`, of the account: arms may be drawn by company.
    number("account_u", nullable=True),
    # The customer that this one was found to be, the last of them where that one was merged, too.
    number("merged_into", nullable=True),
    # Few have such addresses, and who answers or shares one is looked for by its hash.
    *(
        sa.Index(
            f"ix_customers_{name}",
            name,
            sqlite_where=sa.text(f"{name} IS NOT NULL"),
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )
        for name in ("phone_hash", "fax_hash", "merged_into")
    ),
    sqlite_autoincrement=True,
)

# Each time that two customers were found to be one. `detail`: what the other took over, as far as it can be given back.
merges = sa.Table(
    "merges",
    metadata,
    key(),
    reference("customer_id", "customers.id", index=True),
    reference("into_id", "customers.id", index=True),
    instant("at"),
    text("actor"),
    instant("undone_at", nullable=True),
    text("undone_by", nullable=True),
    sa.Column("detail", Json, nullable=False),
    sa.Index(
        "uq_merges_open",
        "customer_id",
        unique=True,
        sqlite_where=sa.text("undone_at IS NULL"),
        postgresql_where=sa.text("undone_at IS NULL"),
    ),
)

# The rows that went from one customer to the other, so that they can go back: `what` is their table.
merge_moves = sa.Table(
    "merge_moves",
    metadata,
    sa.Column("merge_id", Key, sa.ForeignKey("merges.id"), primary_key=True),
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("row_id", Key, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# The 1:1 table `customer_attributes` is made by the vocabulary migrator; list attributes stand here.
customer_lists = sa.Table(
    "customer_lists",
    metadata,
    sa.Column("customer_id", Key, sa.ForeignKey("customers.id"), primary_key=True),
    sa.Column("attribute", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, primary_key=True, info={"personal": "erase"}),
    sqlite_with_rowid=False,
)

attribute_changes = sa.Table(
    "attribute_changes",
    metadata,
    key(),
    reference("customer_id", "customers.id", index=True),
    text("attribute"),
    text("value", nullable=True, personal="erase"),
    instant("changed_at"),
    text("source"),
)

# What the vocabulary migrator has applied: one row a column of customer_attributes.
vocabulary_columns = sa.Table(
    "vocabulary_columns",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    text("type"),
    text("currency", nullable=True),
    sa.Column("hidden", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
)

event_names = sa.Table(
    "event_names",
    metadata,
    key(),
    text("name", unique=True),
)

events = sa.Table(
    "events",
    metadata,
    key(),
    reference("name_id", "event_names.id"),
    reference("customer_id", "customers.id", nullable=True),
    text("visitor", nullable=True, personal="hash"),
    instant("occurred_at"),
    instant("received_at"),
    text("source"),
    text("dedupe_key"),
    # Net, in minor units: the property that config/events.yaml names as revenue.
    number("amount", nullable=True),
    text("currency", nullable=True),
    sa.Column("properties", Json, nullable=True, info={"personal": "erase"}),
    sa.UniqueConstraint("source", "dedupe_key"),
    sa.CheckConstraint("customer_id IS NOT NULL OR visitor IS NOT NULL", name="subject"),
    # Who did what when, and for how much: all that most questions about customers ask, answered without the rows.
    sa.Index("ix_events_customer", "customer_id", "name_id", "occurred_at", "amount", "currency"),
    sa.Index("ix_events_name", "name_id", "occurred_at"),
    # Few events are of visitors; who they are is looked for by their name.
    sa.Index(
        "ix_events_visitor",
        "visitor",
        "customer_id",
        sqlite_where=sa.text("visitor IS NOT NULL"),
        postgresql_where=sa.text("visitor IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

event_items = sa.Table(
    "event_items",
    metadata,
    sa.Column("event_id", Key, sa.ForeignKey("events.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    text("item"),
    text("name", nullable=True),
    sa.Column("quantity", Quantity, nullable=False),
    number("price"),
    sqlite_with_rowid=False,
)

consents = sa.Table(
    "consents",
    metadata,
    key(),
    reference("customer_id", "customers.id"),
    text("channel"),
    text("purpose"),
    text("topic", nullable=True),
    text("state"),
    text("basis"),
    text("source"),
    text("artifact", nullable=True),
    instant("at"),
    instant("received_at"),
    sa.CheckConstraint("state IN ('granted', 'withdrawn', 'pending')", name="state"),
    sa.Index("ix_consents_latest", "customer_id", "channel", "purpose", "at", "id"),
    sqlite_autoincrement=True,
)

suppressions = sa.Table(
    "suppressions",
    metadata,
    key(),
    text("channel"),
    text("address_hash", personal="hash"),
    text("reason"),
    text("source"),
    instant("at"),
    instant("lifted_at", nullable=True),
    sa.CheckConstraint("reason IN ('bounce', 'complaint', 'manual', 'erased')", name="reason"),
    sa.Index(
        "uq_suppressions_open",
        "address_hash",
        "channel",
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)

# Registers of numbers that want no calls, by keyed hash and list (the id of its mapping); the newest list is the whole of it.
listed_numbers = sa.Table(
    "listed_numbers",
    metadata,
    key(),
    text("channel"),
    text("address_hash", personal="hash"),
    text("mapping"),
    reference("import_id", "imports.id"),
    instant("listed_at"),
    instant("lifted_at", nullable=True),
    sa.UniqueConstraint("address_hash", "channel", "mapping"),
    sqlite_autoincrement=True,
)

imports = sa.Table(
    "imports",
    metadata,
    key(),
    text("mapping"),
    text("file"),
    text("fingerprint"),
    text("state"),
    number("rows_done", default=0),
    sa.Column("counts", Json, nullable=False),
    instant("started_at"),
    instant("updated_at"),
    sa.CheckConstraint("state IN ('running', 'interrupted', 'finished')", name="state"),
    sa.UniqueConstraint("mapping", "fingerprint"),
)

segment_runs = sa.Table(
    "segment_runs",
    metadata,
    key(),
    text("segment", index=True),
    text("definition_hash"),
    instant("as_of"),
    number("members"),
    number("entered"),
    number("left"),
    instant("finished_at"),
)

segment_members = sa.Table(
    "segment_members",
    metadata,
    key(),
    text("segment"),
    copied("customer_id", "customers.id", index=True),
    instant("valid_from"),
    instant("valid_to", nullable=True),
    sa.Index("ix_segment_members_history", "segment", "valid_from"),
    sa.Index(
        "uq_segment_members_open",
        "segment",
        "customer_id",
        unique=True,
        sqlite_where=sa.text("valid_to IS NULL"),
        postgresql_where=sa.text("valid_to IS NULL"),
    ),
)

scores = sa.Table(
    "scores",
    metadata,
    sa.Column("score", sa.Text, primary_key=True),
    sa.Column("customer_id", Key, sa.ForeignKey("customers.id"), primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    text("model"),
    instant("scored_at"),
    sqlite_with_rowid=False,
)
