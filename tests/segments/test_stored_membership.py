"""Refreshing membership: intervals, order, interruption, age, locks; and audiences that read it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from support.naive_segments import World
from support.segment_world import ATTRIBUTES, EVENTS, MOMENTS, SEGMENTS, fill, make_world, scope_of
from tidings.clock import to_micros
from tidings.definitions import values as v
from tidings.definitions.conditions import AttributeCondition, DidCondition, SegmentCondition
from tidings.definitions.kinds.campaign import Audience, Campaign
from tidings.definitions.kinds.rules import Policies, Workspace
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.workspace import Definitions
from tidings.errors import DefinitionErrors, Position, UsageError
from tidings.segments.audience import audience_segments, audience_select
from tidings.segments.compile import compile_segment
from tidings.segments.membership import latest_runs, refresh, stored_members
from tidings.segments.references import fingerprint, ordered
from tidings.store.database import Store
from tidings.store.tables import people

ZONE, NOW = MOMENTS[0]
LATER = NOW + timedelta(days=1)
DEFINITIONS = Definitions(
    "",
    Workspace("test", "Test", ZONE, "salt", "EUR"),
    Policies(()),
    ATTRIBUTES,
    EVENTS,
    segments=SEGMENTS,
)


@pytest.fixture
def world() -> World:
    return make_world(7, 150)


@pytest.fixture
def filled(make_store: Callable[..., Store], dialect: str, world: World) -> Store:
    store = make_store(dialect, bare=True)
    fill(store, world)
    return store


def members(store: Store, segment: str) -> set[int]:
    with store.read() as connection:
        return set(connection.execute(stored_members(segment)).scalars())


def intervals(store: Store, segment: str, customer: int) -> list[tuple[int, int | None]]:
    table = people.segment_members
    with store.read() as connection:
        return [
            (row.valid_from, row.valid_to)
            for row in connection.execute(
                sa.select(table)
                .where(table.c.segment == segment, table.c.customer_id == customer)
                .order_by(table.c.id)
            )
        ]


def set_level(store: Store, customer: int, level: str | None) -> None:
    from tidings.store.vocabulary import attributes_table

    table = attributes_table(ATTRIBUTES)
    with store.durable("test") as connection:
        connection.execute(table.delete().where(table.c.customer_id == customer))
        connection.execute(table.insert().values(customer_id=customer, level=level))


def test_stored_members_are_those_of_the_statement_and_references_come_first(
    filled: Store, world: World
) -> None:
    runs = refresh(filled, DEFINITIONS, ["rich"], now=NOW)
    assert [run.segment for run in runs] == ["buyers", "rich"]
    for run in runs:
        segment = SEGMENTS[run.segment]
        expected = world.members(segment.where, segment.except_)
        assert members(filled, run.segment) == expected
        assert (run.members, run.entered, run.left, run.as_of) == (
            len(expected),
            len(expected),
            0,
            to_micros(NOW),
        )
    assert 0 < runs[1].members < runs[0].members


def test_reading_stored_references_selects_as_putting_them_inside_does(filled: Store, world: World) -> None:
    refresh(filled, DEFINITIONS, ["rich"], now=NOW)
    with filled.read() as connection:
        found = [
            set(
                connection.execute(
                    compile_segment(SEGMENTS["rich"], scope_of(world, inline=inline))
                ).scalars()
            )
            for inline in (True, False)
        ]
    assert found[0] == found[1] != set()


def test_leaving_closes_an_interval_and_coming_back_opens_another(filled: Store) -> None:
    with filled.read() as connection:
        one = (
            connection.execute(
                sa.select(people.customers.c.id).where(people.customers.c.tombstoned_at.is_(None))
            )
            .scalars()
            .first()
        )
    assert one is not None
    moments = [NOW, LATER, LATER + timedelta(days=1)]
    for level, now in zip(("gold", None, "gold"), moments, strict=True):
        set_level(filled, one, level)
        run = refresh(filled, DEFINITIONS, ["gold"], now=now)[-1]
        if now > NOW:
            assert (run.entered, run.left) == ((0, 1) if level is None else (1, 0))
    first, second, third = map(to_micros, moments)
    assert intervals(filled, "gold", one) == [(first, second), (third, None)]


def test_a_second_refresh_at_the_same_instant_changes_and_records_nothing(filled: Store) -> None:
    refresh(filled, DEFINITIONS, ["gold"], now=NOW)
    again = refresh(filled, DEFINITIONS, ["gold"], now=NOW)[0]
    assert (again.entered, again.left) == (0, 0)
    with filled.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(people.segment_runs)).scalar() == 1
    refresh(filled, DEFINITIONS, ["gold"], now=LATER)
    with filled.read() as connection:
        assert latest_runs(connection)["gold"].as_of == to_micros(LATER)


def test_a_clock_set_back_never_makes_an_interval_end_before_it_began(filled: Store) -> None:
    refresh(filled, DEFINITIONS, ["gold"], now=LATER)
    one = min(members(filled, "gold"))
    set_level(filled, one, None)
    refresh(filled, DEFINITIONS, ["gold"], now=NOW)
    assert intervals(filled, "gold", one) == [(to_micros(LATER), to_micros(LATER))]


def test_what_an_interrupted_refresh_left_undone_the_next_one_does(
    filled: Store, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Power:
        def spans(self, low: int, high: int, *_: int, **__: int):
            yield low, low + 4
            raise KeyboardInterrupt

    monkeypatch.setattr(filled, "paced", lambda _: Power())
    with pytest.raises(KeyboardInterrupt):
        refresh(filled, DEFINITIONS, ["buyers"], now=NOW)
    monkeypatch.undo()
    assert len(members(filled, "buyers")) == 5
    with filled.read() as connection:
        assert latest_runs(connection) == {}
    expected = world.members(SEGMENTS["buyers"].where)
    run = refresh(filled, DEFINITIONS, ["buyers"], now=NOW)[0]
    assert members(filled, "buyers") == expected
    assert (run.members, run.entered) == (len(expected), len(expected) - 5)


def test_a_listed_segment_keeps_its_members_and_an_erased_customer_leaves_a_computed_one(
    filled: Store,
) -> None:
    listed = members(filled, "fair")
    assert listed
    assert refresh(filled, DEFINITIONS, ["fair"], now=NOW) == []
    refresh(filled, DEFINITIONS, ["gold"], now=NOW)
    one = min(members(filled, "gold"))
    with filled.durable("test") as connection:
        connection.execute(
            people.customers.update().where(people.customers.c.id == one).values(tombstoned_at=1)
        )
    assert refresh(filled, DEFINITIONS, ["gold"], now=LATER)[0].left == 1
    assert intervals(filled, "gold", one)[0][1] == to_micros(LATER)
    assert members(filled, "fair") == listed - {one}


def test_no_refresh_holds_the_write_lock_long(make_store: Callable[..., Store], dialect: str) -> None:
    store = make_store(dialect)
    with store.durable("test") as connection:
        connection.execute(
            people.customers.insert(),
            [{"id": n, "key": str(n), "u": n, "created_at": 0} for n in range(1, 20_001)],
        )
    everybody = Segment("everybody", "Everybody", "")
    definitions = dataclasses.replace(DEFINITIONS, segments={"everybody": everybody})
    assert refresh(store, definitions, ["everybody"], now=NOW)[0].entered == 20_000
    assert len(members(store, "everybody")) == 20_000
    with store.durable("test") as connection:
        connection.execute(
            people.customers.update().where(people.customers.c.id > 100).values(tombstoned_at=1)
        )
    assert refresh(store, definitions, ["everybody"], now=LATER)[0].left == 19_900
    assert len(members(store, "everybody")) == 100
    use = next(use for use in store.lock_report() if use.purpose == "segments")
    # 20,000 enter and 19,900 leave, at most 4,000 at a time.
    assert use.count >= 10
    assert use.longest_busy_ms < 200
    # On PostgreSQL the server works; a badly planned chunk once took it seconds.
    assert use.longest_ms < 2_000


def test_segments_come_after_those_they_refer_to_each_once() -> None:
    assert [one.id for one in ordered(DEFINITIONS, ["rich", "gold", "buyers"])] == [
        "buyers",
        "fair",
        "rich",
        "gold",
    ]


def test_an_unknown_segment_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UsageError) as caught:
        ordered(DEFINITIONS, ["buyrs"])
    assert "buyers" in caught.value.what_to_do


def test_a_circle_is_refused_with_its_names() -> None:
    circle = {
        name: Segment(name, name, "", where=(SegmentCondition(other),))
        for name, other in (("a", "b"), ("b", "a"))
    }
    with pytest.raises(DefinitionErrors) as caught:
        ordered(dataclasses.replace(DEFINITIONS, segments=circle), ["a"])
    assert "a → b → a" in caught.value.problems[0].message


def test_the_fingerprint_follows_what_decides_membership_and_nothing_else() -> None:
    before = fingerprint(DEFINITIONS, SEGMENTS["rich"])

    def changed(name: str, **more: object) -> str:
        segments = {**SEGMENTS, name: dataclasses.replace(SEGMENTS[name], **more)}
        return fingerprint(dataclasses.replace(DEFINITIONS, segments=segments), segments["rich"])

    assert changed("rich", title="Other", why="other") == before
    assert changed("rich", except_=()) != before
    assert changed("buyers", where=(DidCondition("view"),)) != before
    assert changed("buyers", where=(DidCondition("order", at=Position("x", 3)),)) == before
    assert changed("gold", where=()) == before


def spring(**audience: object) -> Campaign:
    return Campaign("spring", "Spring", "", Audience(**audience), "spring", ("email",))


def test_an_audience_is_anyone_in_any_of_the_segments_once_without_the_exceptions(
    filled: Store, world: World
) -> None:
    campaign = spring(segments=("buyers", "gold"), except_=("fair",))
    assert audience_segments(campaign) == ("buyers", "gold", "fair")
    refresh(filled, DEFINITIONS, audience_segments(campaign), now=NOW)
    with filled.read() as connection:
        found = (
            connection.execute(audience_select(campaign, DEFINITIONS, scope_of(world, inline=False)))
            .scalars()
            .all()
        )
    expected = (members(filled, "buyers") | members(filled, "gold")) - members(filled, "fair")
    assert len(found) == len(set(found))
    assert set(found) == expected != set()


def test_an_audience_written_in_the_campaign_means_all_of_its_conditions(filled: Store, world: World) -> None:
    rich = AttributeCondition("spent", v.Compared(v.Order.AT_LEAST, Decimal(5)))
    campaign = spring(where=(SegmentCondition("buyers"), rich))
    assert audience_segments(campaign) == ("buyers",)
    refresh(filled, DEFINITIONS, ["buyers"], now=NOW)
    scope = dataclasses.replace(scope_of(world, inline=False), currency=None)
    with filled.read() as connection:
        found = set(connection.execute(audience_select(campaign, DEFINITIONS, scope)).scalars())
    assert found == world.members((SegmentCondition("buyers"), rich)) != set()


def test_an_audience_select_can_stand_inside_a_statement_over_customers(filled: Store, world: World) -> None:
    campaign = spring(where=(DidCondition("order"),))
    audience = audience_select(campaign, DEFINITIONS, scope_of(world))
    customers = people.customers
    with filled.read() as connection:
        found = connection.execute(
            sa.select(customers.c.id).where(customers.c.id.in_(audience), customers.c.id < 20)
        ).scalars()
        assert set(found) == {one for one in world.members((DidCondition("order"),)) if one < 20}


def test_an_audience_of_a_segment_that_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(UsageError, match="no segment"):
        audience_select(spring(segments=("absent",)), DEFINITIONS, scope_of(world))
