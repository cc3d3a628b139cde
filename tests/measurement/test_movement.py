"""Customers along the ladder: everybody is counted once, and every step balances."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.movement_world import NOW, Bought, days, put, shop, when
from tidings.definitions.conditions import DidCondition, Measure, SegmentCondition, Times, WithinLast
from tidings.definitions.kinds.measuring import Ladder, Rung
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.values import Compared, Duration, Order, Unit
from tidings.errors import UsageError
from tidings.measurement.movement.asking import ask
from tidings.measurement.movement.ladder import Standing
from tidings.measurement.movement.moves import MOVEMENTS, kinds_of, moves_of
from tidings.measurement.movement.purchases import Purchases, Trade
from tidings.store.database import Store
from tidings.store.tables import people

YEAR = WithinLast(Duration(365, Unit.DAY))
QUARTER = ("2026-10-01", "2026-12-31")
LADDER = Ladder(
    (
        Rung("lapsed", "Lapsed", (DidCondition("order_placed"),), active=False),
        Rung("buyer", "Buyer", (DidCondition("order_placed", window=YEAR),)),
        Rung("regular", "Regular", (DidCondition("order_placed", Times(2), YEAR),)),
    )
)


def purchases_of(rows: list[tuple[int, int, int]]) -> Purchases:
    """Purchases of (customer, instant, amount) without a store."""
    found = np.array(sorted(rows) or np.zeros((0, 3)), dtype=np.int64).reshape(-1, 3)
    nothing = np.zeros(len(found), dtype=np.int64)
    return Purchases(
        Trade((), ()), found[:, 0], found[:, 1], found[:, 2], nothing, found[:, 2] >= 0, nothing, ("",), "EUR"
    )


@given(
    places=st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4), st.booleans())),
    active=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_start_plus_in_minus_out_is_the_end_whoever_stands_where(
    places: list[tuple[int, int, bool]], active: list[bool]
) -> None:
    ladder = Ladder(tuple(Rung(f"r{n}", "", (), active=one) for n, one in enumerate(active)))
    before, after, once = (list(one) for one in zip(*places, strict=True)) if places else ([], [], [])
    standing = Standing(
        ladder,
        np.arange(1, len(places) + 1),
        np.array(before, dtype=np.int8),
        np.array(after, dtype=np.int8),
        np.array(once, dtype=bool),
    )
    bought = purchases_of([(n, n % 20, n * 7) for n in range(1, len(places) + 1)])
    moves = moves_of(standing, bought, opens=10, closes=20, earlier=0)
    kinds = {name: one.customers for name, one in moves.kinds.items()}
    assert moves.start + kinds["new"] + kinds["reactivated"] - kinds["lost"] == moves.end
    assert moves.start == kinds["retained"] + kinds["upgraded"] + kinds["downgraded"] + kinds["lost"]
    for one in moves.steps:
        assert one.start + one.came - one.went == one.end
    assert sum(one.start for one in moves.steps if one.active) == moves.start
    assert sum(one.end for one in moves.steps if one.active) == moves.end
    assert moves.matrix.sum() == len(places)
    made = np.zeros(len(places), dtype=int)
    for who in kinds_of(standing).values():
        made += who
    assert made.max(initial=0) <= 1
    # What they bought is in exactly one movement, or of somebody who made none.
    rows = [n for n in range(1, len(places) + 1) if 10 <= n % 20 < 20 and made[n - 1]]
    assert sum(one.value for one in moves.kinds.values()) == sum(n * 7 for n in rows)


def place(orders: list[datetime], day: str) -> int:
    """The step on the evening before a day, by a loop."""
    evening = when(day) - timedelta(hours=12)
    past = [one for one in orders if one < evening]
    recent = [one for one in past if one >= evening - timedelta(days=366)]
    return 3 if len(recent) >= 2 else 2 if recent else 1 if past else 0


def test_the_statement_puts_everybody_where_a_loop_does(store: Store) -> None:
    draw = random.Random(7)
    orders = {
        one: [
            when("2025-01-01") + timedelta(days=draw.randrange(0, 740)) for _ in range(draw.randrange(0, 5))
        ]
        for one in range(1, 120)
    }
    put(
        store,
        {one: draw.choice([NOW, when("2024-01-01")]) for one in orders},
        [Bought(one, at) for one, found in orders.items() for at in found],
    )
    told = ask(store, shop(LADDER), days(*QUARTER), parts=["ladder"])
    assert told.moves is not None
    wanted: dict[str, int] = dict.fromkeys(MOVEMENTS, 0)
    matrix = np.zeros((4, 4), dtype=int)
    for found in orders.values():
        start, end = place(found, "2026-10-01"), place(found, "2027-01-01")
        matrix[start, end] += 1
        if start > 1:
            wanted[
                "lost" if end < 2 else ("retained", "upgraded", "downgraded")[(end > start) - (end < start)]
            ] += 1
        elif end > 1:
            wanted["reactivated" if start else "new"] += 1
    assert {name: one.customers for name, one in told.moves.kinds.items()} == wanted
    assert all(wanted[name] for name in ("new", "reactivated", "retained", "lost"))
    assert told.moves.matrix.tolist() == matrix.tolist()


def test_money_is_net_of_returns_and_stands_with_the_movement_and_the_step(store: Store) -> None:
    known = when("2025-01-01")
    put(
        store,
        {1: known, 2: known, 3: known, 4: known},
        [
            Bought(1, when("2026-08-01"), 5000, 2000),
            Bought(1, when("2026-11-01"), 10000, 4000),
            Bought(1, when("2026-11-05"), 2500, name="order_returned"),
            Bought(2, when("2026-12-01"), 3000, 1200),
            # Negative amounts are how some shops write what came back.
            Bought(2, when("2026-12-31"), -1000, name="order_returned"),
            Bought(3, when("2025-11-01"), 800, 100),
            Bought(None, when("2026-12-01"), 700, 70),
        ],
    )
    told = ask(store, shop(LADDER), days(*QUARTER), parts=["ladder"])
    revenue = told.as_json()["revenue"]
    assert (revenue["gross"], revenue["returned"], revenue["net"]) == (130.0, 35.0, 95.0)
    assert (revenue["customers"], revenue["orders"]) == (2, 2)
    assert revenue["of_nobody_known"] == {"orders": 1, "value": 7.0}
    # 40 % of what was bought is earned, so 40 % of what came back is not.
    assert revenue["margin"] == 38.0
    ladder = told.as_json()["ladder"]
    assert [ladder[name] for name in ("start", "new", "upgraded", "lost", "end")] == [2, 1, 1, 1, 2]
    upgraded = ladder["worth"]["upgraded"]
    assert (upgraded["value"], upgraded["value_before"], upgraded["margin"]) == (75.0, 50.0, 30.0)
    regular = ladder["steps"][2]
    assert (regular["step"], regular["end"], regular["value_per_customer"]) == ("regular", 1, 75.0)
    assert "returned says no margin" in " ".join(told.words)


def test_who_comes_back_has_once_stood_on_an_active_step_others_are_new(store: Store) -> None:
    known = when("2024-01-01")
    twice = Ladder((Rung("regular", "", (DidCondition("order_placed", Times(2), YEAR),)), Rung("rich", "", (
        DidCondition("order_placed", window=YEAR, measure=Measure("total", "order_total", Compared(Order.AT_LEAST, 900, "EUR"))),
    ))))  # fmt: skip
    now = [when("2026-11-01"), when("2026-11-02")]
    put(
        store,
        {1: known, 2: known, 3: known},
        [Bought(one, at) for one in (1, 2, 3) for at in now]
        # The first stood there three years ago; the second bought once, which was never enough.
        + [Bought(1, when("2024-02-01")), Bought(1, when("2024-03-01")), Bought(2, when("2024-02-01"))],
    )
    told = ask(store, shop(twice), days(*QUARTER), parts=["ladder"])
    assert told.moves is not None
    assert {name: one.customers for name, one in told.moves.kinds.items() if one.customers} == {
        "new": 2,
        "reactivated": 1,
    }
    assert told.moves.rate("lost") is None
    assert "Nobody stood on an active step at the start, so there are no rates." in told.words


def test_steps_that_are_segments_are_asked_as_of_the_day_and_lists_as_of_today(store: Store) -> None:
    put(store, {1: when("2026-01-01")}, [Bought(1, when("2025-11-01"))])
    with store.durable("test") as connection:
        connection.execute(
            people.segment_members.insert().values(segment="vips", customer_id=1, valid_from=1)
        )
    own = shop(
        Ladder(
            (Rung("vip", "", (SegmentCondition("vips"),)), Rung("buyer", "", (SegmentCondition("buyers"),)))
        )
    )
    segments = {
        "vips": Segment("vips", "VIPs", "segments/vips.yaml", members="listed"),
        "buyers": Segment(
            "buyers", "Buyers", "segments/buyers.yaml", where=(DidCondition("order_placed", window=YEAR),)
        ),
    }
    told = ask(store, replace(own, segments=segments), days(*QUARTER), parts=["ladder"])
    assert told.moves is not None
    assert told.moves.matrix.tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert "The lists vips count as they are today." in told.words


def test_erased_customers_are_in_no_step_and_what_attributes_say_is_of_today(store: Store) -> None:
    from tidings.definitions.conditions import AttributeCondition
    from tidings.definitions.values import Known, Not

    put(store, {1: when("2026-01-01"), 2: when("2026-01-01"), 3: NOW}, [])
    with store.durable("test") as connection:
        connection.execute(
            people.customers.update().where(people.customers.c.id == 2).values(tombstoned_at=1)
        )
    ladder = Ladder((Rung("bare", "", (AttributeCondition("email", Not(Known())),)), LADDER.rungs[1]))
    told = ask(store, shop(ladder), days(*QUARTER), parts=["ladder"])
    assert told.moves is not None
    # The third came after the end.
    assert (told.moves.known, told.moves.start, told.moves.end) == ((1, 1), 1, 1)
    assert "Steps go by email as they are today: earlier values are not kept." in told.words


def test_without_a_ladder_the_steps_are_known_lapsed_once_and_again(store: Store) -> None:
    known = when("2024-01-01")
    put(
        store,
        dict.fromkeys(range(1, 5), known),
        [
            Bought(2, when("2024-02-01")),
            Bought(3, when("2026-11-01")),
            Bought(4, when("2024-02-01")),
            Bought(4, when("2026-11-01")),
        ],
    )
    told = ask(store, shop(), days(*QUARTER), parts=["ladder"])
    assert told.made_up and told.moves is not None
    assert [(one.name, one.start, one.end) for one in told.moves.steps] == [
        ("known", 2, 1), ("lapsed", 2, 1), ("one_time", 0, 1), ("repeat", 0, 1),
    ]  # fmt: skip
    assert (told.moves.kinds["new"].customers, told.moves.kinds["reactivated"].customers) == (1, 1)


@pytest.mark.parametrize(
    ("first", "last", "named", "shown"),
    [
        (None, None, "quarter 4 of 2026", ("2026-10-01", "2026-12-31")),
        ("2026-07-01", "2026-09-30", "quarter 3 of 2026", ("2026-07-01", "2026-09-30")),
        ("2027-01-01", None, "", ("2027-01-01", "2027-01-20")),
        (None, "2026-12-31", "", ("2026-10-03", "2026-12-31")),
    ],
)
def test_days_that_are_not_said_are_filled_in(
    first: str | None, last: str | None, named: str, shown: tuple[str, str]
) -> None:
    span = days(first, last)
    assert (span.named, str(span.first), str(span.last)) == (named, *shown)
    assert span.earlier.last == span.first - timedelta(days=1)
    assert span.closes <= int(NOW.timestamp() * 1_000_000) + 1


def test_the_quarter_before_a_quarter_is_a_whole_quarter() -> None:
    assert str(days().earlier) == "quarter 3 of 2026 (2026-07-01 through 2026-09-30)"


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2027-02-01", None, "not here yet"),
        ("2026-12-31", "2026-12-01", "comes after"),
        ("1.1.2027", None, "no day"),
    ],
)
def test_days_that_cannot_be_are_refused(first: str, last: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        days(first, last)
