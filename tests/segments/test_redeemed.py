"""`redeemed`: codes that came back, as happenings by which segments are made."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from support.import_world import DEFINITIONS
from tidings.clock import to_micros
from tidings.definitions import conditions as c
from tidings.definitions import values as v
from tidings.definitions.values import Duration, Unit
from tidings.errors import DefinitionErrors
from tidings.segments.compile import compile_conditions
from tidings.segments.scope import Scope
from tidings.store.tables import money, people

AT_LEAST = v.Order.AT_LEAST


def euros(amount: int) -> v.Compared:
    return v.Compared(AT_LEAST, Decimal(amount), "EUR")


@pytest.fixture
def select(store) -> Any:
    """Select by conditions among customers 1 to 5, of whom the first four redeemed codes."""
    now = to_micros(store.clock.now())
    day = 86_400_000_000
    rows = [
        (1, "SPRING", "spring", "77", 500, "EUR", now - 2 * day, "good"),
        (1, "AUTUMN", "autumn", None, 1500, "EUR", now - 40 * day, "good"),
        (2, "SPRING", "spring", None, 3000, "SEK", now - 2 * day, "good"),
        # Taken back, too late, told by its order as well, and one that is still to come.
        (3, "SPRING", "spring", None, 500, "EUR", now - day, "undone"),
        (3, "SPRING", "spring", None, 500, "EUR", now - day, "ended"),
        (3, "SPRING", "spring", None, 500, "EUR", now - day, "order"),
        (4, "SPRING", "spring", None, 500, "EUR", now + day, "good"),
        (None, "SPRING", "spring", None, 500, "EUR", now - day, "good"),
    ]
    names = ("customer_id", "code", "offer", "order_key", "discount", "currency", "at", "judged")
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(people.customers),
            [{"id": n, "key": f"c{n}", "u": n, "created_at": 0} for n in range(1, 6)],
        )
        connection.execute(
            sa.insert(money.redemptions),
            [{**dict(zip(names, row, strict=True)), "dedupe_key": f"e{n}"} for n, row in enumerate(rows)],
        )

    def select(*conditions: c.Condition) -> list[int]:
        chosen = compile_conditions(conditions, scope=Scope.of(DEFINITIONS, store.clock.now()))
        with store.read() as connection:
            return sorted(connection.execute(chosen).scalars())

    return select


MONTH = c.WithinLast(Duration(30, Unit.DAY))


@pytest.mark.parametrize(
    ("condition", "who"),
    [
        (c.DidCondition("redeemed"), [1, 2]),
        (c.DidCondition("redeemed", negated=True), [3, 4, 5]),
        (c.DidCondition("redeemed", times=c.Times(2, None)), [1]),
        (c.DidCondition("redeemed", times=c.Times(2, None), window=MONTH), []),
        (c.DidCondition("redeemed", window=MONTH), [1, 2]),
        (c.DidCondition("redeemed", window=c.BetweenDays(date(2027, 1, 1), date(2027, 2, 1))), [1]),
        (c.DidCondition("redeemed", with_=(("offer", v.Is("autumn")),)), [1]),
        (c.DidCondition("redeemed", with_=(("code", v.Is("SPRING")), ("order", v.Unknown()))), [2]),
        # Amounts compare within one currency.
        (c.DidCondition("redeemed", with_=(("discount", euros(10)),)), [1]),
        (c.DidCondition("redeemed", measure=c.Measure("total", "discount", euros(20))), [1]),
        (c.DidCondition("redeemed", measure=c.Measure("total", "discount", euros(21))), []),
        (c.DidCondition("redeemed", measure=c.Measure("largest", "discount", euros(5)), window=MONTH), [1]),
    ],
)
def test_who_redeemed_a_code_is_found_by_what_counts_of_it(select, condition, who) -> None:
    assert select(condition) == who


def test_a_property_that_redemptions_do_not_have_is_refused_with_those_they_have(select) -> None:
    with pytest.raises(DefinitionErrors) as refused:
        select(c.DidCondition("redeemed", with_=(("item", v.Is("PS-2")),)))
    (problem,) = refused.value.problems
    assert problem.message == 'redeemed has no property "item"'


def test_redemptions_are_sought_by_the_index_of_their_customers(make_store) -> None:
    store = make_store("sqlite")
    chosen = compile_conditions(
        (c.DidCondition("redeemed", window=MONTH),),
        scope=Scope.of(DEFINITIONS, store.clock.now() + timedelta(days=1)),
    )
    with store.read() as connection:
        text = str(chosen.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = " | ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))
    assert "SEARCH redemptions USING INDEX ix_redemptions_customer_id (customer_id=?)" in plan
