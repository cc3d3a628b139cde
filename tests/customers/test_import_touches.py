"""Touches that files tell: each once, of the customer whom the best of what the row says names; nobody is guessed or lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from support.cost_files import BARE, TOUCH_HEADER, TOUCHES, plain_file
from support.import_world import CUSTOMER_HEADER, CUSTOMERS, customer, write_csv
from tidings.customers.importing import import_file
from tidings.customers.who import Identity, of_mark
from tidings.store.database import Store
from tidings.store.tables import answers, money, people


def touch(number: int, **more: str) -> tuple[str, ...]:
    row = dict.fromkeys(TOUCH_HEADER, "") | {
        "id": f"T{number}",
        "at": "2027-03-01 10:00",
        "medium": "search",
        "what": "click",
    }
    return tuple((row | more)[name] for name in TOUCH_HEADER)


def touches(store: Store) -> list[Any]:
    table, customers = answers.touches, people.customers
    with store.read() as connection:
        return list(
            connection.execute(
                sa.select(table, customers.c.key.label("customer"))
                .outerjoin(customers, customers.c.id == table.c.customer_id)
                .order_by(table.c.id)
            )
        )


@pytest.fixture
def bring(store: Store, tmp_path: Path) -> Callable[..., Any]:
    rows = [
        customer(1), customer(2), customer(3, email="shared@example.com"), customer(4, email="shared@example.com"),
    ]  # fmt: skip
    import_file(store, BARE, CUSTOMERS, write_csv(tmp_path / "people.csv", CUSTOMER_HEADER, rows))

    def bring_(*rows: Sequence[str], name: str = "touches.csv", **more: Any) -> Any:
        return import_file(store, BARE, TOUCHES, plain_file(tmp_path / name, TOUCH_HEADER, rows), **more)

    return bring_


def test_a_touch_is_of_the_customer_whom_the_first_of_its_columns_names(store: Store, bring: Any) -> None:
    with store.durable("codes") as connection:
        connection.execute(
            sa.insert(money.codes),
            [{"pool": "p", "code": "SPRING-7", "state": "reserved", "customer_id": 2, "added_at": 0}],
        )
    result = bring(
        touch(1, customer="C1", email="u2@example.com"),
        touch(2, phone="070 174 00 02", medium="fair", what="met"),
        touch(3, email="U1@Example.com", what="view"),
        touch(4, code="SPRING-7", source="leaflet", campaign="spring"),
        touch(5, customer="unknown", email="u2@example.com"),
        touch(6, phone="no number", email="u1@example.com"),
    )
    assert [(one.customer, one.matched_by, one.kind, one.channel) for one in touches(store)] == [
        ("C1", "key", "visited", "search"),
        ("C2", "phone", "met", "fair"),
        ("C1", "email", "seen", "search"),
        ("C2", "code", "visited", "search"),
        ("C2", "email", "visited", "search"),
        ("C1", "email", "visited", "search"),
    ]
    assert (touches(store)[3].source, touches(store)[3].campaign) == ("leaflet", "spring")
    assert result.details == {
        "touches": 6,
        "matched_by_key": 1,
        "matched_by_phone": 1,
        "matched_by_email": 3,
        "matched_by_code": 1,
    }


def test_who_is_not_known_is_kept_under_a_mark_that_holds_no_address(store: Store, bring: Any) -> None:
    result = bring(
        touch(1, visitor="v-1"),
        touch(2, email="stranger@example.com"),
        touch(3, page="https://shop.example/?click=9"),
        touch(4),
        touch(5, email="shared@example.com"),
        touch(6, email="nobody", phone="x"),
        touch(7, visitor="=odd"),
    )
    kept = touches(store)
    assert (result.details["unmatched"], result.rejected) == (6, 1)
    assert all(one.customer is None and one.matched_by is None for one in kept)
    assert [one.visitor for one in kept][0::2] == [
        "v-1",
        "=landing_page:https://shop.example/?click=9",
        kept[4].visitor,
    ]
    assert kept[3].visitor is None
    assert "stranger" not in kept[1].visitor
    assert of_mark(kept[1].visitor).by == "email"
    assert of_mark("v-1") == Identity("visitor", "v-1")
    assert of_mark(kept[5].visitor) == Identity("visitor", "=odd")


def test_a_file_again_and_one_that_overlaps_add_only_what_is_new(store: Store, bring: Any) -> None:
    bring(touch(1, customer="C1", cost="1.25"), touch(2, visitor="v"))
    assert bring(touch(1, customer="C1", cost="1.25"), touch(2, visitor="v")).already
    result = bring(touch(2, visitor="v"), touch(3, customer="C2"), name="more.csv")
    assert (result.details["touches"], result.details["touches_known"]) == (1, 1)
    assert [(one.cost, one.currency) for one in touches(store)] == [(100, "EUR"), (None, None), (None, None)]


def test_without_ids_equal_rows_are_as_many_touches_as_they_are_and_no_more_the_second_time(
    store: Store, tmp_path: Path
) -> None:
    mapping = replace(TOUCHES, ids=())
    rows = [touch(1), touch(1), touch(2)]
    for _ in range(2):
        import_file(store, BARE, mapping, plain_file(tmp_path / "t.csv", TOUCH_HEADER, rows), again=True)
    assert len(touches(store)) == 3


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"what": "bounce"}, "no kind of touch"), ({"at": "never"}, "not a time"), ({"medium": ""}, "no medium"), ({"cost": "1,5"}, "not a number")],
)  # fmt: skip
def test_a_row_that_cannot_be_taken_costs_no_other(store: Store, bring: Any, wrong: Any, reason: str) -> None:
    bad = touch(1, **wrong)
    if "1,5" in bad:
        bad = tuple(f'"{cell}"' if "," in cell else cell for cell in bad)
    result = bring(bad, touch(2))
    assert (result.rejected, result.rejects[0].reason) == (1, reason)
    assert len(touches(store)) == 1
