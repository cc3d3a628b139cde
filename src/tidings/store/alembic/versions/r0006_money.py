"""Costs of ads, products, codes and redemptions, credit, models of scores, what was expected of a run; cheaper rows and marks of large audiences."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")

# Ids that are copied from rows that have them: `tidings verify` looks them up, not every insert (docs/decisions/0019).
COPIED = {
    "messages": (("run_id", "runs"), ("enrolment_id", "enrolments"), ("customer_id", "customers")),
    "journey_steps": (("enrolment_id", "enrolments"),),
    "plan_members": (("plan_id", "plans"), ("customer_id", "customers")),
    "segment_members": (("customer_id", "customers"),),
}

# What was computed from the state of a message is written with it, where it changes (docs/decisions/0020).
OPEN = "accepted started claimed planned deferred in_doubt delivered".split()
CLOSED = "rejected refused bounced complained cancelled unconfirmed".split()
_NESTED = r"\((?:[^()]|\([^()]*\))*\)"
_COMPUTED = rf"is_open BOOLEAN GENERATED ALWAYS AS ?{_NESTED} STORED"
_STATES = rf"CONSTRAINT ck_messages_state CHECK ?{_NESTED}"


def upgrade() -> None:
    """Add the tables and columns of money, and take off what made rows of large audiences dear."""
    _lighter_writes()
    op.create_table(
        "attributions",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("rule_hash", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("grouping", sa.Text(), nullable=False),
        sa.Column("opens", sa.BigInteger(), nullable=False),
        sa.Column("closes", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("result", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attributions")),
        sa.UniqueConstraint(
            "rule_hash",
            "model",
            "grouping",
            "opens",
            "closes",
            "made_at",
            name=op.f("uq_attributions_rule_hash_model_grouping_opens_closes_made_at"),
        ),
    )
    op.create_table(
        "mailed_papers",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("paper", sa.Text(), nullable=False),
        sa.Column("occurrence", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("marked_at", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailed_papers")),
        sa.UniqueConstraint(
            "paper",
            "occurrence",
            "recipient",
            name=op.f("uq_mailed_papers_paper_occurrence_recipient"),
        ),
        sa.CheckConstraint(
            "state IN ('planned', 'started', 'sent', 'failed', 'in_doubt')",
            name=op.f("ck_mailed_papers_state"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "products",
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("price", sa.BigInteger(), nullable=True),
        sa.Column("cost", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("picture", sa.Text(), nullable=True),
        sa.Column("stock", sa.BigInteger(), nullable=True),
        sa.Column("stock_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("item", name=op.f("pk_products")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bought_together",
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("item", "other", name=op.f("pk_bought_together")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "best_sellers",
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("category", "place", name=op.f("pk_best_sellers")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "recommendation_runs",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("customers", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("pairs", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendation_runs")),
    )
    op.create_table(
        "score_models",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("score", sa.Text(), nullable=False),
        sa.Column("trained_at", sa.BigInteger(), nullable=False),
        sa.Column("cut_off", sa.BigInteger(), nullable=False),
        sa.Column("model", JSON, nullable=False),
        sa.Column("quality", JSON, nullable=False),
        sa.Column("applied_at", sa.BigInteger(), nullable=True),
        sa.Column("scored", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_score_models")),
    )
    op.create_table(
        "costs",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("medium", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), nullable=True),
        sa.Column("impressions", sa.BigInteger(), nullable=True),
        sa.Column("import_id", KEY, nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_costs_import_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_costs")),
        sa.UniqueConstraint("import_id", "line", name=op.f("uq_costs_import_id_line")),
    )
    op.create_index("ix_costs_replace", "costs", ["source", "day"], unique=False)
    op.create_table(
        "expectations",
        sa.Column("run_id", KEY, autoincrement=False, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_expectations_run_id")),
        sa.PrimaryKeyConstraint("run_id", "metric", name=op.f("pk_expectations")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "codes",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("customer_id", KEY, nullable=True),
        sa.Column("message_id", KEY, nullable=True),
        sa.Column("reserved_at", sa.BigInteger(), nullable=True),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('free', 'reserved', 'withdrawn')", name=op.f("ck_codes_state")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_codes_customer_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_codes_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_codes")),
        sa.UniqueConstraint("code", name=op.f("uq_codes_code")),
    )
    op.create_index(op.f("ix_codes_customer_id"), "codes", ["customer_id"], unique=False)
    op.create_index(
        "ix_codes_free",
        "codes",
        ["pool", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'free'"),
        postgresql_where=sa.text("state = 'free'"),
    )
    op.create_index(
        "uq_codes_message",
        "codes",
        ["message_id"],
        unique=True,
        sqlite_where=sa.text("message_id IS NOT NULL"),
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.create_table(
        "offers_given",
        sa.Column("message_id", KEY, autoincrement=False, nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_offers_given_customer_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_offers_given_message_id")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_offers_given")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_offers_given", "offers_given", ["customer_id", "offer", "at"], unique=False)
    op.create_table(
        "redemptions",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("offer", sa.Text(), nullable=True),
        sa.Column("customer_id", KEY, nullable=True),
        sa.Column("event_id", KEY, nullable=True),
        sa.Column("message_id", KEY, nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("discount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("judged", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("order_key", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "judged IN ('good', 'unknown', 'ended', 'again', 'other_customer', 'withdrawn', 'order', 'undone')",
            name=op.f("ck_redemptions_judged"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_redemptions_customer_id")),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_redemptions_event_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_redemptions_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redemptions")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_redemptions_dedupe_key")),
    )
    op.create_index(
        "ix_redemptions_order",
        "redemptions",
        ["order_key"],
        unique=False,
        sqlite_where=sa.text("order_key IS NOT NULL"),
        postgresql_where=sa.text("order_key IS NOT NULL"),
    )
    op.create_index(op.f("ix_redemptions_customer_id"), "redemptions", ["customer_id"], unique=False)
    op.add_column("responses", sa.Column("class", sa.Text(), nullable=True))
    op.add_column("responses", sa.Column("signals", sa.Text(), nullable=True))
    op.add_column("touches", sa.Column("source", sa.Text(), nullable=True))
    op.add_column("touches", sa.Column("visitor", sa.Text(), nullable=True))
    op.add_column("touches", sa.Column("matched_by", sa.Text(), nullable=True))
    op.add_column("touches", sa.Column("import_id", sa.BigInteger(), nullable=True))
    _merging()
    op.create_index("ix_touches_at", "touches", ["at"], unique=False)
    op.create_index(
        "ix_touches_unmatched",
        "touches",
        ["visitor"],
        unique=False,
        sqlite_where=sa.text("customer_id IS NULL AND visitor IS NOT NULL"),
        postgresql_where=sa.text("customer_id IS NULL AND visitor IS NOT NULL"),
    )
    op.create_index(
        "ix_events_visitor",
        "events",
        ["visitor", "customer_id"],
        unique=False,
        sqlite_where=sa.text("visitor IS NOT NULL"),
        postgresql_where=sa.text("visitor IS NOT NULL"),
    )
    # With the currency beside the amount, sums of what customers spent read no row.
    op.drop_index("ix_events_customer", table_name="events")
    op.create_index(
        "ix_events_customer",
        "events",
        ["customer_id", "name_id", "occurred_at", "amount", "currency"],
        unique=False,
    )
    op.create_table(
        "measured_blocks",
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("held", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("what", "block", name=op.f("pk_measured_blocks")),
        sqlite_with_rowid=False,
    )


def _merging() -> None:
    """Make room for customers who were found to be one."""
    op.add_column("customers", sa.Column("merged_into", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_customers_merged_into",
        "customers",
        ["merged_into"],
        unique=False,
        sqlite_where=sa.text("merged_into IS NOT NULL"),
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_table(
        "merges",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("customer_id", KEY, nullable=False),
        sa.Column("into_id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("detail", JSON, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_merges_customer_id")),
        sa.ForeignKeyConstraint(["into_id"], ["customers.id"], name=op.f("fk_merges_into_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merges")),
    )
    op.create_index(op.f("ix_merges_customer_id"), "merges", ["customer_id"], unique=False)
    op.create_index(op.f("ix_merges_into_id"), "merges", ["into_id"], unique=False)
    op.create_index(
        "uq_merges_open",
        "merges",
        ["customer_id"],
        unique=True,
        sqlite_where=sa.text("undone_at IS NULL"),
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    op.create_table(
        "merge_moves",
        sa.Column("merge_id", KEY, autoincrement=False, nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("row_id", KEY, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["merge_id"], ["merges.id"], name=op.f("fk_merge_moves_merge_id")),
        sa.PrimaryKeyConstraint("merge_id", "what", "row_id", name=op.f("pk_merge_moves")),
        sqlite_with_rowid=False,
    )


def _lighter_writes() -> None:
    # Who entered a flow is found through enrolments, by run and customer too.
    op.drop_index("ix_journeys_customer", table_name="journeys")
    op.drop_index("ix_messages_claim", table_name="messages")
    op.create_index(
        "ix_messages_claim",
        "messages",
        ["claim_id"],
        unique=False,
        sqlite_where=sa.text("claim_id IS NOT NULL"),
        postgresql_where=sa.text("claim_id IS NOT NULL"),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in COPIED.items():
            for column, _ in columns:
                op.drop_constraint(op.f(f"fk_{table}_{column}"), table, type_="foreignkey")
        op.execute(
            "ALTER TABLE messages ALTER COLUMN is_open DROP EXPRESSION, "
            "ALTER COLUMN is_open SET DEFAULT true, ALTER COLUMN is_open SET NOT NULL"
        )
        op.drop_constraint(op.f("ck_messages_state"), "messages", type_="check")
        op.create_check_constraint(op.f("ck_messages_state"), "messages", _open_as_stated())
    else:
        _edit_schema()


def _open_as_stated() -> str:
    of_open, of_closed = (" OR ".join(f"state = '{state}'" for state in states) for states in (OPEN, CLOSED))
    return f"(is_open AND ({of_open})) OR (NOT is_open AND ({of_closed}))"


def _edit_schema() -> None:
    """Edit the stored text of the tables: no row is copied, however many there are.

    Foreign keys are taken off, and a stored column that was computed becomes one that is written: its rows look the same.
    The way that SQLite's own documentation gives for a constraint that is removed (ALTER TABLE, section 7).
    """
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    for table, columns in COPIED.items():
        text = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)
        ).scalar_one()
        for column, parent in columns:
            key = (
                rf"\s*CONSTRAINT fk_{table}_{column} FOREIGN KEY ?\({column}\) REFERENCES {parent} ?\(id\),?"
            )
            text, found = re.subn(key, "", text)
            if found != 1:
                raise RuntimeError(f"{table} has no foreign key {column} to {parent}: {text}")
        # Where it stood last, the comma before it is left.
        text = re.sub(r",(\s*\))(?=[^()]*$)", r"\1", text)
        if table == "messages":
            for written, otherwise in (
                (_COMPUTED, "is_open BOOLEAN DEFAULT 1 NOT NULL"),
                (_STATES, f"CONSTRAINT ck_messages_state CHECK ({_open_as_stated()})"),
            ):
                text, found = re.subn(written, otherwise, text)
                if found != 1:
                    raise RuntimeError(f"messages has no {written}: {text}")
        connection.exec_driver_sql(
            "UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?", (text, table)
        )
    connection.exec_driver_sql(f"PRAGMA schema_version = {int(version) + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")
