"""Ids that are copied without a foreign key: `tidings verify` finds each that belongs to no row."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tidings.delivery.copied_rules import copied_columns
from tidings.delivery.verify import verify
from tidings.store.database import Store

_ROWS = """
INSERT INTO customers (id, key, u, created_at) VALUES (1, 'c', 1, 1);
INSERT INTO plans (id, hash, campaign, occurrence, definition_hash, planned_at, anchor_at, salt, state, summary)
  VALUES (1, 'h', 'c', 'o', 'h', 1, 1, 's', 'open', '{}');
INSERT INTO plan_members (plan_id, customer_id) VALUES (1, 1);
INSERT INTO runs (id, campaign, occurrence, kind, definition_hash, policy_hash, salt, state, anchor_at, created_at, bounds)
  VALUES (1, 'c', 'o', 'campaign', 'h', 'h', 's', 'sending', 1, 1, '{}');
INSERT INTO enrolments (id, run_id, customer_id, arm, anchor_at, planned_at) VALUES (1, 1, 1, 'treated', 1, 1);
INSERT INTO messages (run_id, enrolment_id, customer_id, channel, state, due_at) VALUES (1, 1, 1, 'email', 'planned', 1);
INSERT INTO journey_steps (enrolment_id, step, what, at) VALUES (1, 's', 'reached', 1);
INSERT INTO segment_members (segment, customer_id, valid_from) VALUES ('s', 1, 1)
"""
_NAMES = [f"{column.table.name}.{column.name}" for column, _ in copied_columns()]


def _references(store: Store) -> list[tuple[int, tuple[str, ...]]]:
    return [(one.count, one.examples) for one in verify(store).broken if one.check == "references"]


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with a row in every table that has copied ids."""
    with store.durable("test") as connection:
        for statement in _ROWS.split(";"):
            connection.exec_driver_sql(statement)
    return store


def test_every_row_of_large_audiences_has_copied_ids() -> None:
    assert sorted(_NAMES) == [
        "journey_steps.enrolment_id",
        "messages.customer_id",
        "messages.enrolment_id",
        "messages.run_id",
        "plan_members.customer_id",
        "plan_members.plan_id",
        "segment_members.customer_id",
    ]


def test_ids_of_rows_that_are_there_are_no_finding(filled: Store) -> None:
    assert _references(filled) == []


@pytest.mark.parametrize("name", _NAMES)
def test_an_id_of_a_row_that_is_not_there_is_found(filled: Store, name: str) -> None:
    table, column = name.split(".")
    with filled.durable("break") as connection:
        connection.execute(sa.text(f"UPDATE {table} SET {column} = 777"))
    assert _references(filled) == [(1, (f"{name} 777",))]
