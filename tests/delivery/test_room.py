"""On SQLite a claim leaves room for its marks: they share out no pages, and nobody ever sees how the room was made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from support.ledger_world import World, message_rows, seed
from tidings.delivery import claiming, room
from tidings.delivery.claiming import look, take
from tidings.delivery.marks import Marker
from tidings.delivery.outcomes import Ended
from tidings.store.database import Store
from tidings.store.tables import sending

_PEOPLE = 400


@pytest.fixture
def sqlite(make_store: Callable[..., Store]) -> Store:
    """A store in a file."""
    return make_store("sqlite")


def _claim(store: Store, world: World, found: tuple[int, ...] = ()) -> claiming.Taken:
    found = found or look(store, world.job, after=0, limit=_PEOPLE).ids
    return take(store, world.job, owner="a:1:1:x", boot_id="b", found=found, lease_seconds=60)


def _pages(store: Store) -> int:
    with store.read() as connection:
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())


def _pages_that_marks_add(store: Store) -> int:
    world = seed(store, _PEOPLE)
    taken = _claim(store, world)
    assert taken.lease is not None
    before = _pages(store)
    marker = Marker(store, world.job, lease_seconds=60, patience_seconds=1)
    marker.hold(taken.lease, len(taken.messages))
    told: list[Ended] = []
    for first in range(0, _PEOPLE, 8):
        group = list(taken.messages[first : first + 8])
        assert marker.write(group, told) is not None
        told = [Ended(one, "accepted", provider_ref=f"2.0.0 Ok {one.message_id}") for one in group]
    assert marker.write([], told) is not None
    marker.close()
    assert marker.counts["accepted"] == _PEOPLE
    return _pages(store) - before


def test_marks_add_no_page_to_what_a_claim_left_room_in(
    make_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _pages_that_marks_add(make_store("sqlite")) == 0
    monkeypatch.setattr(claiming, "makes_room", lambda *_: False)
    assert _pages_that_marks_add(make_store("sqlite")) > 0


@pytest.mark.parametrize("gap", [False, True], ids=["in a row", "with a gap"])
def test_a_claim_leaves_every_name_as_it_was(sqlite: Store, gap: bool) -> None:
    world, messages = seed(sqlite, _PEOPLE), sending.messages
    found = look(sqlite, world.job, after=0, limit=_PEOPLE).ids
    with sqlite.durable("test") as connection:
        connection.execute(
            sa.update(messages).where(messages.c.id % 8 == 0).values(provider_ref="of another attempt")
        )
    ids = found[:100] + found[101:] if gap else found
    assert len(_claim(sqlite, world, ids).messages) == len(ids)
    rows = message_rows(sqlite, world.run_id)
    assert {row.id for row in rows if row.state == "claimed"} == set(ids)
    assert {row.provider_ref for row in rows if row.id % 8 == 0} == {"of another attempt"}
    assert {row.provider_ref for row in rows if row.id % 8} == {None}


def test_only_many_messages_on_sqlite_are_worth_it() -> None:
    assert room.makes_room("sqlite", 50)
    assert not room.makes_room("sqlite", 49)
    assert not room.makes_room("postgresql", 1_000)
