"""What ads cost, what is sold, codes and their redemption, credit that was given, models of scores, plans of promotions."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.store.tables.base import Json, Key, instant, key, metadata, number, reference, text

# One row of a cost file, whatever was bought: net of tax, in minor units. `day` is an ISO date on the workspace clock.
# A later file of the same source and day takes the place of the rows of the earlier one.
costs = sa.Table(
    "costs",
    metadata,
    key(),
    text("mapping"),
    text("day"),
    text("source"),
    text("medium"),
    # As the file calls it, and the campaign of ours that it is for; NULL when none was matched: kept, and said.
    text("label", nullable=True),
    text("campaign", nullable=True),
    number("amount"),
    text("currency"),
    number("clicks", nullable=True),
    number("impressions", nullable=True),
    reference("import_id", "imports.id"),
    number("line"),
    sa.UniqueConstraint("import_id", "line"),
    sa.Index("ix_costs_replace", "source", "day"),
)

products = sa.Table(
    "products",
    metadata,
    sa.Column("item", sa.Text, primary_key=True),
    text("name"),
    text("category", nullable=True),
    number("price", nullable=True),
    # What one piece costs the shop: price less cost is the margin.
    number("cost", nullable=True),
    text("currency", nullable=True),
    text("url", nullable=True),
    text("picture", nullable=True),
    sa.Column("stock", sa.BigInteger, nullable=True),
    instant("stock_at", nullable=True),
    instant("updated_at"),
    sqlite_with_rowid=False,
)

# What those who bought `item` bought, too: by how many people, and how near the two are (0 to 1). Learnt anew each night.
bought_together = sa.Table(
    "bought_together",
    metadata,
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("other", sa.Text, primary_key=True),
    number("people"),
    sa.Column("score", sa.Double, nullable=False),
    sqlite_with_rowid=False,
)

# What most people bought lately, in a category or ("") of everything; the first has place 1.
best_sellers = sa.Table(
    "best_sellers",
    metadata,
    sa.Column("category", sa.Text, primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
    text("item"),
    number("people"),
    sqlite_with_rowid=False,
)

# Each time that the two were learnt, from orders before `as_of`.
recommendation_runs = sa.Table(
    "recommendation_runs",
    metadata,
    key(),
    instant("as_of"),
    number("customers"),
    number("items"),
    number("pairs"),
    instant("finished_at"),
)

# Codes of pools. Reserved in the transaction that claims the message, never given twice; back to `free` only when the
# message surely did not leave. A code shared by all has no row here.
codes = sa.Table(
    "codes",
    metadata,
    key(),
    text("pool"),
    text("code", unique=True),
    text("state"),
    reference("customer_id", "customers.id", nullable=True, index=True),
    reference("message_id", "messages.id", nullable=True),
    instant("reserved_at", nullable=True),
    instant("ends_at", nullable=True),
    instant("added_at"),
    sa.CheckConstraint("state IN ('free', 'reserved', 'withdrawn')", name="state"),
    sa.Index(
        "ix_codes_free",
        "pool",
        "id",
        sqlite_where=sa.text("state = 'free'"),
        postgresql_where=sa.text("state = 'free'"),
    ),
    sa.Index(
        "uq_codes_message",
        "message_id",
        unique=True,
        sqlite_where=sa.text("message_id IS NOT NULL"),
        postgresql_where=sa.text("message_id IS NOT NULL"),
    ),
)

# Which customer was promised which offer by which message, for `at_most: 1 each per 90 days`. `offer` is a campaign, or FLOW.STEP.
offers_given = sa.Table(
    "offers_given",
    metadata,
    sa.Column("message_id", Key, sa.ForeignKey("messages.id"), primary_key=True, autoincrement=False),
    text("offer"),
    reference("customer_id", "customers.id"),
    instant("at"),
    instant("ends_at", nullable=True),
    sa.Index("ix_offers_given", "customer_id", "offer", "at"),
    sqlite_with_rowid=False,
)

# A code that came back with an order or through the API. `judged` says why one does not count: `order` where its order told of it as
# well, and `undone` where the sale was. `event_id`: the order, as soon as it is known; until then what the API told.
redemptions = sa.Table(
    "redemptions",
    metadata,
    key(),
    text("code"),
    text("offer", nullable=True),
    reference("customer_id", "customers.id", nullable=True, index=True),
    reference("event_id", "events.id", nullable=True),
    reference("message_id", "messages.id", nullable=True),
    instant("at"),
    number("discount", nullable=True),
    text("currency", nullable=True),
    text("judged"),
    text("dedupe_key", unique=True),
    # The number of the order, by which what a till told is known again in what the order tells.
    text("order_key", nullable=True),
    sa.CheckConstraint(
        "judged IN ('good', 'unknown', 'ended', 'again', 'other_customer', 'withdrawn', 'order', 'undone')",
        name="judged",
    ),
    sa.Index(
        "ix_redemptions_order",
        "order_key",
        sqlite_where=sa.text("order_key IS NOT NULL"),
        postgresql_where=sa.text("order_key IS NOT NULL"),
    ),
)

# Credit given once, kept so that a later answer under another rule can be compared with it.
attributions = sa.Table(
    "attributions",
    metadata,
    key(),
    text("rule_hash"),
    text("model"),
    text("grouping"),
    instant("opens"),
    instant("closes"),
    instant("made_at"),
    sa.Column("result", Json, nullable=False),
    sa.UniqueConstraint("rule_hash", "model", "grouping", "opens", "closes", "made_at"),
)

# A trained score as plain numbers: coefficients, calibration, what it was trained on and how good it was. Never code.
score_models = sa.Table(
    "score_models",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    text("score"),
    instant("trained_at"),
    instant("cut_off"),
    sa.Column("model", Json, nullable=False),
    sa.Column("quality", Json, nullable=False),
    # When the values of `scores` were last made with it, all of them, and how many they were; NULL when another one made them.
    instant("applied_at", nullable=True),
    number("scored", nullable=True),
)

# What was expected of a run when it was approved, to stand beside what came.
expectations = sa.Table(
    "expectations",
    metadata,
    sa.Column("run_id", Key, sa.ForeignKey("runs.id"), primary_key=True, autoincrement=False),
    sa.Column("metric", sa.Text, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    text("currency", nullable=True),
    sqlite_with_rowid=False,
)
