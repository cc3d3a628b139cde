"""The revisions lead from nothing to exactly the tables of the code, in one piece."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event

from support.sqlite_facts import sqlite_facts
from support.stores import ATTRIBUTES, ENVIRONMENT, START, WORKSPACE, Stores, open_store
from tidings.clock import FixedClock
from tidings.errors import StoreError
from tidings.store import identity, migrations, upgrading
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import metadata, people, sending
from tidings.store.vocabulary import TABLE, check_vocabulary

POSTGRESQL_FACTS = """
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'column', table_name, column_name, ordinal_position || ' ' || data_type || ' ' || is_nullable
  || ' ' || coalesce(column_default, '') || ' ' || coalesce(generation_expression, '')
  FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'table', relname, relkind::text, coalesce(reloptions::text, '')
  FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""


def _target(url: str, attributes=ATTRIBUTES) -> upgrading.Target:
    return upgrading.Target(url, FixedClock(START), WORKSPACE, ENVIRONMENT, "", attributes)


def _facts(connection: sa.Connection) -> set[tuple[object, ...]]:
    if connection.dialect.name == "sqlite":
        return sqlite_facts(connection.connection.driver_connection, frozenset({"alembic_version"}))
    rows = connection.exec_driver_sql(POSTGRESQL_FACTS)
    return {tuple(row) for row in rows if row[1] != "alembic_version"}


def test_upgrading_from_empty_gives_the_tables_of_the_code(
    make_store: Callable[..., Store], dialect: str
) -> None:
    store = make_store(dialect, bare=True)
    with store.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_upgrading_gives_in_every_detail_what_create_all_gives(
    stores: Callable[[str], Stores], make_store: Callable[..., Store], dialect: str
) -> None:
    upgraded = make_store(dialect, bare=True)
    created_url = stores(dialect).empty(dialect)
    if dialect == "sqlite":
        Path(created_url.removeprefix("sqlite:///")).touch()
    created = Store.unchecked(
        created_url, clock=FixedClock(START), workspace=WORKSPACE, environment=ENVIRONMENT
    )
    with created, created.durable("create") as connection:
        metadata.create_all(connection)
        expected = _facts(connection)
    with upgraded.read() as connection:
        assert _facts(connection) == expected
    kinds = {fact[0] for fact in expected}
    assert kinds == (
        {"table", "column", "foreign key", "clause", "index"}
        if dialect == "sqlite"
        else {"constraint", "index", "column", "table"}
    )


_PLAIN = """
CREATE TABLE other (id INTEGER PRIMARY KEY);
CREATE TABLE t (
  id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT NOT NULL, b BIGINT DEFAULT 1, o BIGINT REFERENCES other (id),
  c BOOLEAN GENERATED ALWAYS AS (b IN (1, 2)) STORED, CONSTRAINT ck_b CHECK (b > 0), UNIQUE (a, b));
CREATE TABLE k (x TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE INDEX ix_b ON t (b) WHERE a IS NOT NULL;
"""


@pytest.mark.parametrize(
    ("written", "otherwise"),
    [
        ("a TEXT NOT NULL", "a TEXT"),
        ("b BIGINT DEFAULT 1", "b BIGINT DEFAULT 2"),
        ("b BIGINT DEFAULT 1", "b INTEGER DEFAULT 1"),
        ("REFERENCES other (id)", "REFERENCES k (x)"),
        (" REFERENCES other (id)", ""),
        ("(b IN (1, 2)) STORED", "(b IN (1, 3)) STORED"),
        ("(b IN (1, 2)) STORED", "(b IN (1, 2)) VIRTUAL"),
        ("CHECK (b > 0)", "CHECK (b > 1)"),
        (", UNIQUE (a, b)", ", UNIQUE (b, a)"),
        (", UNIQUE (a, b)", ""),
        (" AUTOINCREMENT", ""),
        (" WITHOUT ROWID", ""),
        (" WHERE a IS NOT NULL", ""),
        ("INDEX ix_b", "UNIQUE INDEX ix_b"),
        ("ON t (b)", "ON t (b DESC)"),
    ],
)
def test_the_comparison_of_sqlite_tables_sees_each_difference(written: str, otherwise: str) -> None:
    facts = []
    for script in (_PLAIN, _PLAIN.replace("\n  ", " "), _PLAIN.replace(written, otherwise)):
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(script)
            facts.append(sqlite_facts(connection))
    assert facts[0] == facts[1]
    assert facts[0] != facts[2]


def _store_at(stores: Callable[[str], Stores], dialect: str, revision: str) -> str:
    """Make a store at an older schema that holds a customer with an accepted message; return its address."""
    from alembic import command

    url = stores(dialect).empty(dialect)
    if dialect == "sqlite":
        Path(url.removeprefix("sqlite:///")).touch()
    with Store.unchecked(url, clock=FixedClock(START), workspace=WORKSPACE, environment=ENVIRONMENT) as store:
        with store.durable("migrate") as connection:
            config = migrations._config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
        migrations.record_owner(store, salt="")
        with store.durable("test") as connection:
            for statement in (
                "INSERT INTO customers (id, key, u, phone_hash, created_at) VALUES (1, 'c', 1, 'p', 1)",
                "INSERT INTO runs (id, campaign, occurrence, kind, definition_hash, policy_hash, salt, state, anchor_at, created_at, bounds) VALUES (1, 'c', 'o', 'campaign', 'h', 'h', 's', 'sending', 1, 1, '{}')",
                "INSERT INTO enrolments (id, run_id, customer_id, arm, anchor_at, planned_at) VALUES (1, 1, 1, 'treated', 1, 1)",
                "INSERT INTO messages (id, run_id, enrolment_id, customer_id, leg, channel, state, due_at) VALUES (1, 1, 1, 1, 0, 'email', 'accepted', 0)",
                "INSERT INTO receipts (id, provider, event_id, kind, message_id, at, received_at) VALUES (1, 'x', 'e', 'delivered', 1, 1, 1)",
            ):
                connection.exec_driver_sql(statement)
    return url


def test_a_store_with_messages_is_brought_to_the_channels(
    stores: Callable[[str], Stores], dialect: str
) -> None:
    url = _store_at(stores, dialect, "0003")
    copy = upgrading.migrate(_target(url))
    assert (copy is not None) == (dialect == "sqlite")
    with open_store(url) as store:
        with store.durable("test") as connection:
            connection.exec_driver_sql(
                "UPDATE messages SET state = 'unconfirmed', is_open = false WHERE id = 1"
            )
            is_open, state = connection.exec_driver_sql("SELECT is_open, state FROM messages").one()
            assert (bool(is_open), state) == (False, "unconfirmed")
            row = connection.exec_driver_sql("SELECT channel, state, permanent FROM receipts").one()
            assert (row[0], row[1], bool(row[2])) == ("", "applied", False)
            if dialect == "sqlite":
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
                assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        with pytest.raises(StoreError), store.durable("test") as connection:
            connection.exec_driver_sql("UPDATE messages SET state = 'lost' WHERE id = 1")
    if copy is not None:
        with closing(sqlite3.connect(copy)) as kept:
            assert kept.execute("SELECT version_num FROM alembic_version").fetchone() == ("0003",)
            assert kept.execute("SELECT state FROM messages").fetchall() == [("accepted",)]


def test_rows_of_audiences_lose_their_foreign_keys_and_nothing_else(
    stores: Callable[[str], Stores], make_store: Callable[..., Store], dialect: str
) -> None:
    url = _store_at(stores, dialect, "0005")
    with (
        Store.unchecked(url, clock=FixedClock(START), workspace=WORKSPACE, environment=ENVIRONMENT) as store,
        store.durable("test") as connection,
    ):
        for statement in (
            "INSERT INTO plans (id, hash, campaign, occurrence, definition_hash, planned_at, anchor_at, salt, state, summary) VALUES (1, 'h', 'c', 'o', 'h', 1, 1, 's', 'open', '{}')",
            "INSERT INTO plan_members (plan_id, customer_id, arm) VALUES (1, 1, 'treated')",
            "INSERT INTO segment_members (segment, customer_id, valid_from) VALUES ('s', 1, 1)",
            "INSERT INTO journeys (enrolment_id, run_id, customer_id, start_ref, state, step, due_at, reached_at) VALUES (1, 1, 1, 'r', 'walking', 'b', 1, 1)",
            "INSERT INTO journey_steps (enrolment_id, step, what, at) VALUES (1, 'a', 'reached', 1)",
        ):
            connection.exec_driver_sql(statement)
    upgrading.migrate(_target(url))
    kept = ("messages", "plan_members", "segment_members", "journeys", "journey_steps")
    with open_store(url) as store:
        with store.durable("test") as connection:
            for table in kept:
                assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 1
            if dialect == "sqlite":
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
            for statement in (
                "UPDATE messages SET customer_id = 777",
                "UPDATE plan_members SET plan_id = 777",
                "UPDATE segment_members SET customer_id = 777",
                "UPDATE journey_steps SET enrolment_id = 777",
            ):
                assert connection.exec_driver_sql(statement).rowcount == 1
        for statement in (
            "UPDATE messages SET claim_id = 777",
            "UPDATE journeys SET customer_id = 777",
            "UPDATE enrolments SET customer_id = 777",
        ):
            with pytest.raises(StoreError), store.durable("test") as connection:
                connection.exec_driver_sql(statement)
        audiences = {"messages", "plan_members", "segment_members", "journeys", "journey_steps"}
        fresh = make_store(dialect, bare=True)
        with store.read() as upgraded, fresh.read() as other:
            mine = {fact for fact in _facts(upgraded) if fact[1] in audiences}
            assert mine == {fact for fact in _facts(other) if fact[1] in audiences}


@pytest.mark.parametrize("listed", [False, True])
def test_messages_that_were_computed_to_be_open_stay_so_and_are_written_from_then_on(
    stores: Callable[[str], Stores], dialect: str, listed: bool
) -> None:
    url = _store_at(stores, dialect, "0005")
    with (
        Store.unchecked(url, clock=FixedClock(START), workspace=WORKSPACE, environment=ENVIRONMENT) as store,
        store.durable("test") as connection,
    ):
        if listed and dialect == "sqlite":
            schema = "SELECT sql FROM sqlite_schema WHERE name = 'messages'"
            text = connection.exec_driver_sql(schema).scalar_one()
            states = re.compile(r"state = '\w+'(?: OR state = '\w+')*")
            text = states.sub(lambda found: f"state IN ({found[0].replace(' OR state =', ',')[8:]})", text)
            assert text.count("state IN (") == 2
            version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
            connection.exec_driver_sql("PRAGMA writable_schema = ON")
            connection.exec_driver_sql("UPDATE sqlite_schema SET sql = ? WHERE name = 'messages'", (text,))
            connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
            connection.exec_driver_sql("PRAGMA writable_schema = OFF")
        for leg, state in enumerate(sending.CLOSED_STATES, start=1):
            connection.exec_driver_sql(
                "INSERT INTO messages (id, run_id, enrolment_id, customer_id, leg, channel, state, due_at)"
                f" VALUES ({leg + 1}, 1, 1, 1, {leg}, 'email', '{state}', 0)"
            )
    upgrading.migrate(_target(url))
    with open_store(url) as store:
        with store.durable("test") as connection:
            rows = connection.exec_driver_sql("SELECT state, is_open FROM messages").all()
            assert {state: bool(is_open) for state, is_open in rows} == {
                "accepted": True,
                **dict.fromkeys(sending.CLOSED_STATES, False),
            }
            if dialect == "sqlite":
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
            connection.exec_driver_sql("UPDATE messages SET state = 'delivered' WHERE leg = 0")
        another = "state = 'accepted', is_open = true WHERE leg = 1"
        for wrong in ("state = 'cancelled' WHERE leg = 0", "state = 'accepted' WHERE leg = 1", another):
            with pytest.raises(StoreError), store.durable("test") as connection:
                connection.exec_driver_sql(f"UPDATE messages SET {wrong}")


def test_the_head_that_opening_asks_for_is_the_newest_revision() -> None:
    scripts = ScriptDirectory.from_config(migrations._config())
    assert scripts.get_heads() == [identity.HEAD]
    assert [step.revision for step in scripts.walk_revisions()] == sorted(
        (step.revision for step in scripts.walk_revisions()), reverse=True
    )


def test_upgrading_twice_does_nothing_the_second_time(store: Store) -> None:
    assert migrations.current(store) == identity.HEAD
    assert migrations.pending(store) == ()
    assert migrations.upgrade(store) == ()


def test_a_new_store_is_planned_without_making_it_and_then_made(
    stores: Callable[[str], Stores], dialect: str
) -> None:
    url = stores(dialect).empty(dialect)
    target = _target(url)
    plan = upgrading.plan_migration(target)
    assert plan.new
    assert plan.schema_sentences == (f"make a new store at {plan.place}",)
    assert 'add the attribute "lifetime_value" (money in EUR)' in plan.vocabulary.sentences
    if dialect == "sqlite":
        assert not Path(plan.place).exists()
    assert upgrading.migrate(target) is None
    assert upgrading.plan_migration(target).empty
    with open_store(url) as store:
        check_vocabulary(store, ATTRIBUTES)


def test_another_workspaces_store_is_not_migrated(store: Store) -> None:
    target = upgrading.Target(store.url, FixedClock(START), "other", ENVIRONMENT, "", ATTRIBUTES)
    for act in (upgrading.plan_migration, upgrading.migrate):
        with pytest.raises(StoreError) as caught:
            act(target)
        assert caught.value.code == "store-other-workspace"


def test_tables_of_something_else_are_left_alone(stores: Callable[[str], Stores], dialect: str) -> None:
    url = stores(dialect).empty(dialect)
    if dialect == "sqlite":
        Path(url.removeprefix("sqlite:///")).touch()
    with (
        Store.unchecked(
            url, clock=FixedClock(START), workspace=WORKSPACE, environment=ENVIRONMENT
        ) as foreign,
        foreign.durable("x") as connection,
    ):
        connection.exec_driver_sql("CREATE TABLE invoices (id integer)")
    with pytest.raises(StoreError) as caught:
        upgrading.migrate(_target(url))
    assert caught.value.code == "store-foreign"


def test_a_newer_store_is_not_migrated(store: Store) -> None:
    with store.durable("test") as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(StoreError) as caught:
        upgrading.migrate(_target(store.url))
    assert caught.value.code == "store-newer"


class Broken(Exception):
    """The process dies here."""


def _break_at(store: Store, number: int) -> list[int]:
    """Let the store's durable connection fail at its statement `number` from now; return the running count."""
    seen = [0]

    @event.listens_for(store._durable, "before_cursor_execute")
    def _count(*_: object) -> None:
        seen[0] += 1
        if seen[0] == number:
            raise Broken

    return seen


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.nightly)])
def test_an_upgrade_interrupted_at_any_statement_leaves_nothing_half_done(
    stores: Callable[[str], Stores], dialect: str, step: int
) -> None:
    url = stores(dialect).empty(dialect)
    if dialect == "sqlite":
        Path(url.removeprefix("sqlite:///")).touch()
    number, finished = 0, False
    while not finished:
        number += step
        with Store.unchecked(
            url, clock=FixedClock(START), workspace=WORKSPACE, environment=ENVIRONMENT
        ) as store:
            seen = _break_at(store, number)
            try:
                migrations.upgrade(store)
                finished = True
            except Broken:
                with store.read() as connection:
                    assert sa.inspect(connection).get_table_names() == []
    assert seen[0] > 60
    with Store.unchecked(url, clock=FixedClock(START), workspace=WORKSPACE, environment=ENVIRONMENT) as store:
        assert migrations.current(store) == identity.HEAD


def _one_customer(store: Store) -> None:
    with store.durable("test") as connection:
        insert_rows(connection, people.customers, [("c1", 1, 1)], ("key", "u", "created_at"))


def test_a_sqlite_store_with_customers_is_copied_before_its_tables_change(
    make_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("sqlite")
    _one_customer(store)
    ran = []
    pending = (migrations.Revision("0007", "Something new"),)
    monkeypatch.setattr(migrations, "pending", lambda _: pending)
    monkeypatch.setattr(migrations, "upgrade", ran.append)
    plan = upgrading.plan_migration(_target(store.url))
    assert plan.schema_sentences == ("bring the tables to schema 0007: something new",)
    copy = upgrading.migrate(_target(store.url))
    assert copy is not None
    assert copy.name.endswith(".before-migrate-20270302T090000Z.sqlite")
    assert len(ran) == 1
    with open_store(f"sqlite:///{copy}") as kept, kept.read() as connection:
        assert connection.execute(sa.select(people.customers.c.key)).scalars().all() == ["c1"]


def test_an_empty_store_needs_no_copy(make_store: Callable[..., Store], dialect: str) -> None:
    store = make_store(dialect)
    assert migrations.backup(store) is None


def test_the_vocabulary_table_is_not_alembics(store: Store) -> None:
    assert TABLE not in metadata.tables
    with store.read() as connection:
        assert sa.inspect(connection).has_table(TABLE)
