"""How many people unknown values drop or keep, and what customers did with messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from support.naive_segments import Person, World
from support.segment_world import ATTRIBUTES, CURRENCY, EVENTS, MOMENTS, SEGMENTS, fill, make_world, scope_of
from support.stores import START
from tidings.clock import to_micros
from tidings.definitions import conditions as c
from tidings.definitions import values as v
from tidings.definitions.kinds.segment import Segment
from tidings.segments.compile import compile_conditions
from tidings.segments.unknowns import UnknownCount, unknown_counts
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending

RUSSIAN = c.AttributeCondition("country", v.Is("RU"))
GOLD = c.AttributeCondition("level", v.Is("gold"))


@pytest.fixture
def count(make_store: Callable[..., Store], dialect: str) -> Callable[..., dict[str, tuple[int, int]]]:
    """Count what unknown values do to three golden and one other customer, of whom two have no country."""
    people = [
        Person(1, {"key": "1", "country": "RU"}, {"level": "gold"}),
        Person(2, {"key": "2", "country": None}, {"level": "gold"}),
        Person(3, {"key": "3", "country": "SE"}, {"level": "gold"}),
        Person(4, {"key": "4", "country": None}, {"level": "go"}),
        Person(5, {"key": "5", "country": None}, {"level": "gold"}, erased=True),
    ]
    world = World(people, ATTRIBUTES, EVENTS, CURRENCY, SEGMENTS, MOMENTS[0][1], make_world(1, 0).zone)
    store = make_store(dialect, bare=True)
    fill(store, world)

    def count(*where: c.Condition, **more: Any) -> dict[str, tuple[int, int]]:
        segment = Segment("x", "X", "", where=where, **more)
        with store.read() as connection:
            found = unknown_counts(connection, segment, scope_of(world))
        return {one.attribute: (one.dropped, one.kept) for one in found}

    return count


def test_those_left_out_or_let_in_by_an_unknown_value_alone_are_counted(count: Callable[..., Any]) -> None:
    assert count(RUSSIAN) == {"country": (2, 0)}
    # Customer 4 is out anyway.
    assert count(RUSSIAN, GOLD) == {"country": (1, 0)}
    assert count(c.AttributeCondition("country", v.Not(v.Is("RU")))) == {"country": (0, 2)}
    assert count(c.NoneOfThese((RUSSIAN,)), GOLD) == {"country": (0, 1)}
    assert count(GOLD, except_=(RUSSIAN,)) == {"country": (0, 1)}


def test_asking_whether_a_value_is_known_counts_nobody(count: Callable[..., Any]) -> None:
    assert count(c.AttributeCondition("country", v.Unknown())) == {}
    assert count(c.AttributeCondition("country", v.Not(v.Known()))) == {}
    assert count(c.AnyOfThese((RUSSIAN, c.AttributeCondition("country", v.Unknown())))) == {}


def test_conditions_of_segments_referred_to_are_counted_too(count: Callable[..., Any]) -> None:
    assert count(c.SegmentCondition("gold"), RUSSIAN) == {"country": (1, 0)}
    assert count(c.AttributeCondition("tags", v.Not(v.OneOf(("roses",))))) == {"tags": (0, 4)}


def test_the_sentence_says_both_directions() -> None:
    assert UnknownCount("country", 1204, 0).sentence() == "1,204 left out because country is unknown"
    assert UnknownCount("country", 1, 2).sentence() == "1 left out and 2 let in because country is unknown"


@pytest.fixture
def answered(store: Store) -> Store:
    """Customer 1 got and clicked a message, 2 got one that a program clicked, 3 had one that was never accepted."""
    at = to_micros(START)
    run = {
        "id": 1, "campaign": "x", "occurrence": "1", "kind": "campaign", "definition_hash": "", "policy_hash": "",
        "salt": "", "state": "sending", "anchor_at": at, "created_at": at, "bounds": {},
    }  # fmt: skip
    customers = [{"id": one, "key": str(one), "u": one, "created_at": at} for one in (1, 2, 3)]
    enrolments = [
        {"id": one, "run_id": 1, "customer_id": one, "arm": "treated", "anchor_at": at, "planned_at": at}
        for one in (1, 2, 3)
    ]
    messages = [
        {"id": one, "run_id": 1, "enrolment_id": one, "customer_id": one, "channel": "email", "due_at": at,
         **sending.in_state("accepted" if one < 3 else "refused"), "accepted_at": at if one < 3 else None}
        for one in (1, 2, 3)
    ]  # fmt: skip
    responses = [
        {
            "kind": kind,
            "judged": judged,
            "rule_version": 1,
            "customer_id": one,
            "message_id": one,
            "at": at + later,
        }
        for kind, judged, one, later in (
            ("clicked", "human", 1, 0),
            ("clicked", "human", 1, 5),
            ("clicked", "machine", 2, 0),
            ("opened", "unknown", 2, 0),
            ("unsubscribed", "human", 1, 60_000_000),
        )
    ]
    with store.durable("test") as connection:
        for table, rows in (
            (people.customers, customers),
            (sending.runs, [run]),
            (sending.enrolments, enrolments),
            (sending.messages, messages),
            (answers.responses, responses),
        ):
            connection.execute(table.insert(), rows)
    return store


def test_responses_count_like_events_and_machines_do_not(answered: Store) -> None:
    world = make_world(1, 0)

    def did(name: str, times: c.Times = c.Times(), *, later: int = 0, negated: bool = False) -> set[int]:
        world.now = START + timedelta(minutes=later)
        condition = c.DidCondition(name, times, negated=negated)
        with answered.read() as connection:
            return set(connection.execute(compile_conditions((condition,), scope=scope_of(world))).scalars())

    assert did("sent") == {1, 2}
    assert did("clicked", later=1) == {1}
    assert did("clicked", c.Times(2), later=1) == {1}
    assert did("clicked", c.Times(3), later=1) == set()
    assert did("opened") == {2}
    assert did("unsubscribed") == set()
    assert did("unsubscribed", later=1) == {1}
    assert did("clicked", later=1, negated=True) == {2, 3}


def test_a_name_that_never_came_in_is_done_by_nobody_and_not_done_by_all(answered: Store) -> None:
    world = make_world(1, 0)
    for negated, expected in ((False, 0), (True, 3)):
        statement = compile_conditions(
            (c.DidCondition("never_came", negated=negated),), scope=scope_of(world)
        )
        with answered.read() as connection:
            counted = connection.execute(sa.select(sa.func.count()).select_from(statement.subquery()))
            assert counted.scalar() == expected


def test_what_providers_said_counts_once_a_message_and_a_text_of_parts_when_all_arrived(
    answered: Store,
) -> None:
    at = to_micros(START)
    said = [
        # Customer 1: said twice, then a complaint. Customer 2: two parts, of which one arrived first. 3: returned.
        ("delivered", 1, None, 60), ("delivered", 1, None, 0), ("complained", 1, None, 120),
        ("delivered", 2, "a", 0), ("queued", 2, "b", 0), ("bounced", 3, None, 30), ("deferred", 3, None, 0),
    ]  # fmt: skip

    def receipts(rows: list[tuple[str, int, str | None, int]], start: int, state: str = "applied") -> None:
        with answered.durable("test") as connection:
            connection.execute(
                sending.receipts.insert(),
                [
                    {
                        "provider": "p", "event_id": f"e{start + place}", "kind": kind, "message_id": message, "state": state,
                        "at": at + seconds * 1_000_000, "received_at": at, "channel": "email", "provider_ref": part,
                    }
                    for place, (kind, message, part, seconds) in enumerate(rows)
                ],
            )  # fmt: skip

    receipts(said, 0)
    with answered.durable("test") as connection:
        refs = [{"channel": "email", "provider_ref": part, "message_id": 2} for part in ("a", "b")]
        connection.execute(sending.provider_refs.insert(), refs)
    receipts([("bounced", 1, None, 0)], 100, state="ignored")
    world = make_world(1, 0)

    def did(name: str, times: c.Times = c.Times(), *, later: int = 10, negated: bool = False) -> set[int]:
        world.now = START + timedelta(minutes=later)
        condition = c.DidCondition(name, times, negated=negated)
        with answered.read() as connection:
            return set(connection.execute(compile_conditions((condition,), scope=scope_of(world))).scalars())

    assert did("delivered") == did("delivered", later=0) == {1}
    assert did("delivered", c.Times(2)) == set()
    assert did("delivered", negated=True) == {2, 3}
    assert (did("bounced"), did("bounced", later=0)) == ({3}, set())
    assert (did("spam_reported"), did("spam_reported", later=1)) == ({1}, set())
    receipts([("delivered", 2, "b", 240)], 200)
    assert (did("delivered"), did("delivered", later=3)) == ({1, 2}, {1})
