"""What the table of messages promises by itself: cheap marks, and never two open messages for one step."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tidings.errors import StoreError
from tidings.store.database import Store
from tidings.store.tables.sending import MESSAGE_STATES, in_state

_PEOPLE = (
    "INSERT INTO customers (id, key, u, created_at) VALUES (1, 'c', 1, 1)",
    "INSERT INTO runs (id, campaign, occurrence, kind, definition_hash, policy_hash, salt, state, anchor_at, created_at, bounds) VALUES (1, 'c', 'o', 'campaign', 'h', 'h', 's', 'sending', 1, 1, '{}')",
    "INSERT INTO enrolments (id, run_id, customer_id, arm, anchor_at, planned_at) VALUES (1, 1, 1, 't', 1, 1)",
)


def test_marks_of_state_are_cheap_updates_on_postgresql(make_store: Callable[..., Store]) -> None:
    store = make_store("postgresql")
    with store.durable("test") as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(
            "INSERT INTO messages (run_id, enrolment_id, customer_id, channel, state, due_at)"
            " SELECT 1, n, n, 'email', 'planned', 0 FROM generate_series(1, 500) n"
        )
    with store.durable("test") as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(
            "UPDATE messages SET state = 'started', started_at = 1 WHERE mod(id, 5) = 0"
        )
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
    with store.durable("test") as connection:
        hot, all_ = connection.exec_driver_sql(
            "SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'messages'"
        ).one()
    assert all_ == 100
    assert hot == 100


def test_two_open_messages_for_one_step_are_impossible(store: Store) -> None:
    with store.durable("test") as connection:
        for statement in _PEOPLE:
            connection.exec_driver_sql(statement)
    message = (
        "INSERT INTO messages (run_id, enrolment_id, customer_id, leg, channel, state, is_open, due_at)"
        " VALUES (1, 1, 1, {leg}, 'email', '{state}', {is_open}, 0)"
    )
    with store.durable("test") as connection:
        connection.exec_driver_sql(message.format(leg=0, state="bounced", is_open="false"))
        connection.exec_driver_sql(message.format(leg=1, state="planned", is_open="true"))
    with pytest.raises(StoreError), store.durable("test") as connection:
        connection.exec_driver_sql(message.format(leg=2, state="in_doubt", is_open="true"))
    with pytest.raises(StoreError), store.durable("test") as connection:
        connection.exec_driver_sql("UPDATE messages SET state = 'accepted', is_open = true WHERE leg = 0")
    with store.durable("test") as connection:
        connection.exec_driver_sql("UPDATE messages SET state = 'rejected', is_open = false WHERE leg = 1")
        connection.exec_driver_sql(message.format(leg=2, state="planned", is_open="true"))


@pytest.mark.parametrize("state", MESSAGE_STATES)
def test_a_message_is_open_in_exactly_the_open_states(store: Store, state: str) -> None:
    with store.durable("test") as connection:
        for statement in _PEOPLE:
            connection.exec_driver_sql(statement)
    right = in_state(state)["is_open"]
    message = (
        "INSERT INTO messages (run_id, enrolment_id, customer_id, channel, state, is_open, due_at)"
        " VALUES (1, 1, 1, 'email', '{state}', {is_open}, 0)"
    )
    for wrong in (not right, None):
        with pytest.raises(StoreError), store.durable("test") as connection:
            connection.exec_driver_sql(
                message.format(state=state, is_open="NULL" if wrong is None else wrong)
            )
    with store.durable("test") as connection:
        connection.exec_driver_sql(message.format(state=state, is_open=right))
    for changed in (
        f"is_open = {not right}",
        f"state = '{'rejected' if right else 'planned'}'",
        "state = 'lost'",
        "is_open = NULL",
    ):
        with pytest.raises(StoreError), store.durable("test") as connection:
            connection.exec_driver_sql(f"UPDATE messages SET {changed}")
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT state FROM messages").scalars().all() == [state]


def test_marks_write_no_index_on_sqlite(make_store: Callable[..., Store]) -> None:
    store = make_store("sqlite")
    with store.read() as connection:
        writes = {
            changed: [
                row[1]
                for row in connection.exec_driver_sql(f"EXPLAIN UPDATE messages SET {changed} WHERE id = 1")
                if row[1].startswith("Idx")
            ]
            for changed in ("state = 'accepted'", "state = 'rejected', is_open = 0")
        }
    assert writes["state = 'accepted'"] == []
    assert writes["state = 'rejected', is_open = 0"] != []
