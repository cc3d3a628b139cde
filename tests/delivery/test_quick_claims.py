"""On SQLite a claim asks the gate again exactly when anything may have changed since its messages were found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import sqlalchemy as sa

from support.ledger_world import World, message_rows, seed, states
from tidings.channels.protocol import Outcome
from tidings.clock import FixedClock, to_micros
from tidings.customers.consent import ConsentRow, record
from tidings.delivery.asking import Asking
from tidings.delivery.claiming import Taken
from tidings.delivery.marks import Marker
from tidings.delivery.outcomes import ended_by
from tidings.delivery.pause import pause
from tidings.store.database import Store
from tidings.store.tables import people, sending


@pytest.fixture
def sqlite(make_store: Callable[..., Store]) -> Store:
    """A store in a file."""
    return make_store("sqlite")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Which messages the gate was asked about inside a claim."""
    found: list[list[int]] = []
    really = Asking.candidates

    def candidates(self: Asking, connection: sa.Connection, ids: Sequence[int], now: int):
        found.append(list(ids))
        return really(self, connection, ids, now)

    monkeypatch.setattr(Asking, "candidates", candidates)
    return found


def _marker(store: Store, world: World) -> Marker:
    return Marker(store, world.job, lease_seconds=60, patience_seconds=1)


def _take(marker: Marker, found: Sequence[int]) -> Taken:
    taken = marker.take(found, owner="a:1:1:x", boot_id="b")
    if taken.lease is not None:
        marker.hold(taken.lease, len(taken.messages))
    return taken


def _whom(taken: Taken) -> list[int]:
    return [one.customer_id for one in taken.messages]


def test_while_nobody_writes_the_look_is_all_that_is_asked(sqlite: Store, asked: list[list[int]]) -> None:
    world = seed(sqlite, 5)
    marker = _marker(sqlite, world)
    first = marker.look(after=0, limit=3)
    taken = _take(marker, first.ids)
    # Our own marks between a look and its claim change nothing.
    second = marker.look(after=first.ids[-1], limit=3)
    assert marker.write(list(taken.messages), []) is not None
    rest = _take(marker, second.ids)
    marker.close()
    assert asked == []
    assert (_whom(taken), _whom(rest)) == ([1, 2, 3], [4, 5])
    assert [(one.address, one.key, one.step, one.attempt) for one in rest.messages] == [
        (f"{one}@shop.example", f"c{one}", "main", 0) for one in (4, 5)
    ]
    assert {row.claim_id for row in message_rows(sqlite, world.run_id)} == {
        taken.lease.fence if taken.lease else 0,
        rest.lease.fence if rest.lease else 0,
    }


def test_somebody_who_withdraws_between_the_look_and_the_claim_gets_nothing(
    sqlite: Store, clock: FixedClock, asked: list[list[int]]
) -> None:
    world, now = seed(sqlite, 3), to_micros(clock.now())
    marker = _marker(sqlite, world)
    found = marker.look(after=0, limit=10)
    with sqlite.durable("test") as connection:
        record(connection, [ConsentRow(2, "email", "marketing", "withdrawn", "", "link", now, now)])
    taken = _take(marker, found.ids)
    marker.close()
    assert asked == [list(found.ids)]
    assert _whom(taken) == [1, 3]
    assert states(sqlite, world.run_id)[2] == "refused"


def test_a_pause_between_the_look_and_the_claim_holds_everything(sqlite: Store, clock: FixedClock) -> None:
    world = seed(sqlite, 2)
    marker = _marker(sqlite, world)
    found = marker.look(after=0, limit=10)
    pause(sqlite, None, reason="a wrong price", actor="ann", now=clock.now())
    assert _take(marker, found.ids).held == "all sending is paused: a wrong price"
    marker.close()
    assert set(states(sqlite, world.run_id).values()) == {"planned"}


def test_what_another_sender_took_between_the_look_and_the_claim_is_left_to_it(sqlite: Store) -> None:
    world = seed(sqlite, 3)
    ours, theirs = _marker(sqlite, world), _marker(sqlite, world)
    found = ours.look(after=0, limit=10)
    assert _whom(_take(theirs, theirs.look(after=0, limit=2).ids)) == [1, 2]
    assert _whom(_take(ours, found.ids)) == [3]
    ours.close()
    theirs.close()


def test_an_address_that_our_own_mark_suppressed_between_the_look_and_the_claim_gets_nothing(
    sqlite: Store, clock: FixedClock, asked: list[list[int]]
) -> None:
    world = seed(sqlite, 3)
    customers = people.customers
    with sqlite.durable("test") as connection:
        of_first = connection.execute(
            sa.select(customers.c.email, customers.c.email_hash).where(customers.c.id == 1)
        ).one()
        connection.execute(
            sa.update(customers)
            .where(customers.c.id == 3)
            .values(email=of_first.email, email_hash=of_first.email_hash)
        )
    marker = _marker(sqlite, world)
    first = _take(marker, marker.look(after=0, limit=1).ids)
    marker.write(list(first.messages), [])
    found = marker.look(after=first.messages[0].message_id, limit=10)
    nobody = Outcome("rejected", "recipient", "550 5.1.1 no such mailbox")
    marker.write([], [ended_by(world.job, first.messages[0], nobody, clock.now())])
    taken = _take(marker, found.ids)
    marker.close()
    assert asked == [list(found.ids)]
    assert _whom(taken) == [2]


def test_a_message_that_expires_between_the_look_and_the_claim_is_refused(
    sqlite: Store, clock: FixedClock, asked: list[list[int]]
) -> None:
    world = seed(sqlite, 2)
    with sqlite.durable("test") as connection:
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.customer_id == 2)
            .values(expires_at=to_micros(clock.now()) + 1)
        )
    marker = _marker(sqlite, world)
    found = marker.look(after=0, limit=10)
    clock.sleep(1)
    taken = _take(marker, found.ids)
    marker.close()
    assert asked == [list(found.ids)]
    assert (_whom(taken), taken.refused) == ([1], 1)
    assert message_rows(sqlite, world.run_id)[1].refusal_code == "expired"


def test_beside_others_who_write_the_gate_is_asked_once_and_in_the_claim(
    sqlite: Store, asked: list[list[int]]
) -> None:
    world = seed(sqlite, 6)
    marker, after = _marker(sqlite, world), 0
    judged = []
    for _ in range(3):
        found = marker.look(after=after, limit=2)
        judged.append(len(found.judged))
        with sqlite.marks():
            pass
        with sqlite.durable("test") as connection:
            connection.execute(sa.update(sending.runs).values(spent=sending.runs.c.spent + 1))
        after = _take(marker, found.ids).messages[-1].message_id
    marker.close()
    # Only the first look asked in vain.
    assert judged == [2, 0, 0]
    assert len(asked) == 3
