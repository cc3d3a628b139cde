"""On SQLite a mark asks the gate again exactly when somebody else has written since the claim."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest
import sqlalchemy as sa

from support.ledger_world import World, message_rows, seed, states
from support.stores import open_store
from tidings.channels.protocol import Outcome
from tidings.clock import FixedClock, to_micros
from tidings.customers.consent import ConsentRow, record
from tidings.delivery import quickly
from tidings.delivery.claiming import look
from tidings.delivery.marks import Marker
from tidings.delivery.outcomes import Ended, ended_by
from tidings.delivery.pause import pause
from tidings.delivery.starting import StartMark, Word
from tidings.delivery.work import Claimed
from tidings.errors import StoreError
from tidings.store.database import Store
from tidings.store.quick import QuickWriter
from tidings.store.tables import people, sending


@pytest.fixture
def sqlite(make_store: Callable[..., Store]) -> Store:
    """A store in a file."""
    return make_store("sqlite")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Which messages the whole gate was asked about at their mark."""
    found: list[list[int]] = []
    really = StartMark.prepared

    def prepared(self: StartMark, dialect: sa.Dialect, fence: int, ids: Sequence[int], now: int):
        found.append(list(ids))
        return really(self, dialect, fence, ids, now)

    monkeypatch.setattr(StartMark, "prepared", prepared)
    return found


def _claimed(store: Store, world: World) -> tuple[Marker, list[Claimed]]:
    marker = Marker(store, world.job, lease_seconds=60, patience_seconds=1)
    taken = marker.take(look(store, world.job, after=0, limit=100).ids, owner="a:1:1:x", boot_id="b")
    assert taken.lease is not None
    marker.hold(taken.lease, len(taken.messages))
    return marker, list(taken.messages)


def _withdraw(store: Store, customer: int, clock: FixedClock) -> None:
    now = to_micros(clock.now())
    with store.durable("test") as connection:
        record(connection, [ConsentRow(customer, "email", "marketing", "withdrawn", "", "link", now, now)])


def _accepted(world: World, messages: Sequence[Claimed], clock: FixedClock) -> list[Ended]:
    return [
        ended_by(world.job, one, Outcome("accepted", provider_ref=f"Q{one.message_id}"), clock.now())
        for one in messages
    ]


def test_while_nobody_else_writes_the_gate_of_the_claim_holds(
    sqlite: Store, clock: FixedClock, asked: list[list[int]]
) -> None:
    world = seed(sqlite, 6)
    marker, messages = _claimed(sqlite, world)
    assert marker.write(messages[:3], []) == {one.message_id: Word.GO for one in messages[:3]}
    # Our own outcomes and renewals say nothing against anybody.
    marker._renew()
    ended = _accepted(world, messages[:3], clock)
    assert marker.write(messages[3:], ended) == {one.message_id: Word.GO for one in messages[3:]}
    marker.close()
    assert asked == []
    rows = message_rows(sqlite, world.run_id)
    assert [(row.state, row.attempt, row.provider_ref) for row in rows] == [
        ("accepted", 1, f"Q{number}") for number in (1, 2, 3)
    ] + [("started", 1, None)] * 3
    assert {row.started_at for row in rows} == {to_micros(clock.now())}


def test_what_another_process_commits_after_the_claim_keeps_a_message_back(
    sqlite: Store, clock: FixedClock, asked: list[list[int]]
) -> None:
    world = seed(sqlite, 4)
    marker, messages = _claimed(sqlite, world)
    with open_store(sqlite.url, clock) as other:
        _withdraw(other, 2, clock)
    words = marker.write(messages[:2], [])
    assert words == {messages[0].message_id: Word.GO, messages[1].message_id: Word.REFUSED}
    # It stays so for the rest of this claim, whoever wrote last.
    assert marker.write(messages[2:], []) == {one.message_id: Word.GO for one in messages[2:]}
    marker.close()
    assert len(asked) >= 2
    assert asked[-1] == [one.message_id for one in messages[2:]]


def test_a_pause_after_the_claim_holds_everything_back(
    sqlite: Store, clock: FixedClock, asked: list[list[int]]
) -> None:
    world = seed(sqlite, 2)
    marker, messages = _claimed(sqlite, world)
    pause(sqlite, None, reason="a wrong price", actor="ann", now=clock.now())
    words = marker.write(messages, [])
    marker.close()
    assert words is not None
    assert set(words.values()) == {Word.HELD}
    assert set(states(sqlite, world.run_id).values()) == {"claimed"}
    assert asked


def test_a_message_that_expires_after_the_claim_stays_here_though_nobody_wrote(
    sqlite: Store, clock: FixedClock
) -> None:
    world = seed(sqlite, 2)
    marker, messages = _claimed(sqlite, world)
    clock.sleep(24 * 3600)
    words = marker.write(messages, [])
    marker.close()
    assert words is not None
    assert set(words.values()) == {Word.REFUSED}
    assert {row.refusal_code for row in message_rows(sqlite, world.run_id)} == {"expired"}


def test_an_address_suppressed_by_our_own_mark_keeps_back_a_second_message_to_it(
    sqlite: Store, clock: FixedClock
) -> None:
    world = seed(sqlite, 3)
    with sqlite.durable("test") as connection:
        shared = connection.execute(
            sa.select(people.customers.c.email, people.customers.c.email_hash).where(
                people.customers.c.id == 1
            )
        ).one()
        connection.execute(
            sa.update(people.customers)
            .where(people.customers.c.id == 2)
            .values(email=shared.email, email_hash=shared.email_hash)
        )
    marker, messages = _claimed(sqlite, world)
    assert marker.write(messages[:1], []) == {messages[0].message_id: Word.GO}
    nobody = Outcome("rejected", "recipient", "550 5.1.1 no such mailbox")
    words = marker.write(messages[1:], [ended_by(world.job, messages[0], nobody, clock.now())])
    marker.close()
    assert words == {messages[1].message_id: Word.REFUSED, messages[2].message_id: Word.GO}


def test_groups_of_several_claims_are_one_commit_and_a_settled_claim_is_done(
    sqlite: Store, clock: FixedClock, asked: list[list[int]]
) -> None:
    world = seed(sqlite, 4)
    marker = Marker(sqlite, world.job, lease_seconds=60, patience_seconds=1)
    ids = look(sqlite, world.job, after=0, limit=4).ids
    messages: list[Claimed] = []
    for some in (ids[:2], ids[2:]):
        taken = marker.take(some, owner="a:1:1:x", boot_id="b")
        assert taken.lease is not None
        marker.hold(taken.lease, 2)
        messages += taken.messages
    marker.write(messages, [])
    marker.write([], _accepted(world, messages[:3], clock))
    assert len(marker.fences) == 1
    marker.write([], _accepted(world, messages[3:], clock))
    assert marker.fences == frozenset()
    assert marker.renew_at() is None
    marker.close()
    assert asked == []
    assert marker.counts["accepted"] == 4
    with sqlite.read() as connection:
        assert set(connection.execute(sa.select(sending.claims.c.state)).scalars()) == {"done"}
    marks = next(use for use in sqlite.lock_report() if use.purpose == "marks")
    assert marks.count == 3


def test_a_mark_on_a_database_that_was_locked_for_a_moment_asks_the_gate_on_its_new_connection(
    sqlite: Store, clock: FixedClock, asked: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = seed(sqlite, 2)
    marker, messages = _claimed(sqlite, world)
    really, tried = QuickWriter.transaction, []

    def locked_once(self: QuickWriter):
        tried.append(self)
        if len(tried) == 1:
            raise StoreError("locked", code="store-locked")
        return really(self)

    monkeypatch.setattr(QuickWriter, "transaction", locked_once)
    assert marker.write(messages[:1], []) == {messages[0].message_id: Word.GO}
    assert marker.write(messages[1:], []) == {messages[1].message_id: Word.GO}
    marker.close()
    assert len(tried) == 2
    assert tried[0] is not tried[1]
    # It knows of nobody who passed the gate before.
    assert asked == [[messages[0].message_id], [messages[1].message_id]]


def test_each_message_of_a_group_with_gaps_and_out_of_order_keeps_its_own_mark(
    sqlite: Store, clock: FixedClock, asked: list[list[int]]
) -> None:
    world = seed(sqlite, 40)
    marker, messages = _claimed(sqlite, world)
    # Runs of three, one, and more than one statement takes; 4 and 6 lie between them and are not ours to mark yet.
    group = [messages[one - 1] for one in (5, 3, 1, 2, *range(40, 6, -1))]
    assert marker.write(group, []) == {one.message_id: Word.GO for one in group}
    found = {row.customer_id: (row.state, row.attempt) for row in message_rows(sqlite, world.run_id)}
    assert {one: mark for one, mark in found.items() if mark != ("started", 1)} == dict.fromkeys(
        (4, 6), ("claimed", 0)
    )
    marker.write([], _accepted(world, group, clock))
    marker.close()
    assert asked == []
    rows = {row.customer_id: row for row in message_rows(sqlite, world.run_id)}
    assert {rows[one].provider_ref for one in (4, 6)} == {None}
    assert {rows[one].state for one in (4, 6)} == {"claimed"}
    for one in group:
        row = rows[one.customer_id]
        assert (row.state, row.provider_ref) == ("accepted", f"Q{one.message_id}")
    assert marker.counts["accepted"] == 38
    assert len(marker.fences) == 1


def test_a_mark_made_twice_is_one_attempt(sqlite: Store, clock: FixedClock, asked: list[list[int]]) -> None:
    world = seed(sqlite, 2)
    marker, messages = _claimed(sqlite, world)
    for _ in range(2):
        assert marker.write(messages, []) == {one.message_id: Word.GO for one in messages}
    marker.close()
    # The quick mark found nothing to do the second time, so the whole gate was asked.
    assert asked == [[one.message_id for one in messages]]
    assert [row.attempt for row in message_rows(sqlite, world.run_id)] == [1, 1]


def test_a_group_of_which_one_message_was_taken_over_marks_the_others_alone(
    sqlite: Store, clock: FixedClock
) -> None:
    world = seed(sqlite, 3)
    marker, messages = _claimed(sqlite, world)
    with sqlite.durable("test") as connection:
        connection.execute(
            sa.update(sending.messages).where(sending.messages.c.customer_id == 2).values(state="in_doubt")
        )
    words = marker.write(messages, [])
    assert words == {one.message_id: Word.LOST if one.customer_id == 2 else Word.GO for one in messages}
    marker.write([], _accepted(world, [messages[0], messages[2]], clock))
    marker.close()
    assert states(sqlite, world.run_id) == {1: "accepted", 2: "in_doubt", 3: "accepted"}


@pytest.mark.parametrize("statement", [quickly._STARTED, quickly._accepted(1), quickly._accepted(8)])
def test_a_mark_needs_no_table_of_its_own(sqlite: Store, statement: str) -> None:
    values = (1,) * max(int(number) for number in re.findall(r"\?(\d+)", statement))
    with sqlite.read() as connection:
        program = connection.exec_driver_sql(f"EXPLAIN {statement}", values)
        codes = [row[1] for row in program]
    assert "Insert" in codes
    assert "IdxInsert" not in codes
    # No index is read or written: all columns that one mentions stay as they are.
    assert codes.count("OpenWrite") == 1
    # SQLite fills a table for a list of more than two values, also for one in a CHECK or a computed column.
    assert not [code for code in codes if "Ephemeral" in code or "Autoindex" in code]


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_claim_of_which_a_message_is_left_in_the_store_stays_open(
    sqlite: Store, clock: FixedClock, gap: bool, place: int
) -> None:
    world = seed(sqlite, 4)
    if gap:
        # Then the claim is no stretch of the table, and its messages are found by the index.
        with sqlite.durable("test") as connection:
            connection.exec_driver_sql("UPDATE messages SET due_at = due_at + 1000000 WHERE id = 2")
    marker, messages = _claimed(sqlite, world)
    assert len(messages) == (3 if gap else 4)
    marker.write(messages, [])
    # A mark that the store lost: nobody in this process knows of it.
    with sqlite.marks() as connection:
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id == messages[place].message_id)
            .values(claim_id=messages[0].claim_id, state="claimed")
        )
    marker.write([], _accepted(world, messages, clock))
    with sqlite.read() as connection:
        assert list(connection.execute(sa.select(sending.claims.c.state)).scalars()) == ["open"]
