import json
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from support.import_world import DEFINITIONS, ORDER_HEADER, ORDERS, contents, write_csv
from tidings.customers.importing import import_file
from tidings.customers.result import ImportResult
from tidings.definitions.kinds.importing import Column, EventsImport, Returns, RowTest
from tidings.definitions.values import Is
from tidings.errors import TidingsError
from tidings.store.database import Store
from tidings.store.tables import people

TABLES = (people.customers, people.events, people.event_items)
SHOP = EventsImport(
    "orders", "Orders", "config/imports/orders.yaml", "order_placed", Column("customer"), Column("at"),
    ids=("order",),
    properties=(("order_total", Column("total", money="EUR")), ("category", Column("kind")), ("items", Column("n")), ("shipped_on", Column("shipped"))),
)  # fmt: skip
SHOP_HEADER = ("order", "customer", "at", "total", "kind", "n", "shipped")
VIEWS = EventsImport(
    "views",
    "Views",
    "config/imports/views.yaml",
    "page_viewed",
    Column("who"),
    Column("at"),
    properties=(("page", Column("page")),),
)


@pytest.fixture
def bring(store: Store, tmp_path: Path) -> Callable[..., ImportResult]:
    def bring_(
        mapping: EventsImport, header: Any, *rows: tuple[str, ...], name: str = "f.csv", **more: Any
    ) -> ImportResult:
        return import_file(store, DEFINITIONS, mapping, write_csv(tmp_path / name, header, rows), **more)

    return bring_


def events(store: Store) -> list[dict[str, Any]]:
    table, names = people.events, people.event_names
    with store.read() as connection:
        rows = connection.execute(
            sa.select(table, names.c.name, people.customers.c.key.label("customer"))
            .join(names, names.c.id == table.c.name_id)
            .join(people.customers, people.customers.c.id == table.c.customer_id)
            .order_by(table.c.id)
        )
        found = [dict(row) for row in rows.mappings()]
        for one in found:
            items = people.event_items
            one["items"] = [
                (row.item, Decimal(row.quantity), row.price)
                for row in connection.execute(
                    sa.select(items).where(items.c.event_id == one["id"]).order_by(items.c.position)
                )
            ]
    return found


def row(
    order: str,
    item: str,
    quantity: int,
    price: str = "1.00",
    customer: str = "17850",
    at: str = "2010-12-01 08:26",
) -> tuple[str, ...]:
    return (order, item, f"THING {item}", str(quantity), at, price, customer)


def test_rows_of_one_order_are_one_event_wherever_they_stand(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    result = bring(
        ORDERS, ORDER_HEADER,
        row("1", "a", 6, "2.55", at="2010-12-01 08:27"),
        row("2", "x", 1, customer="13047"),
        row("1", "b", 2, "3.395"),
        row("1", "a", 1, "2.55"),
    )  # fmt: skip
    assert (result.rows, result.events, result.created) == (4, 2, 2)
    first, second = events(store)
    assert (first["name"], first["customer"], first["amount"], first["currency"]) == (
        "order_placed",
        "17850",
        2464,
        "GBP",
    )
    assert first["items"] == [("a", 6, 255), ("b", 2, 340), ("a", 1, 255)]
    assert first["occurred_at"] == 1_291_191_960_000_000, "its first minute"
    assert (second["amount"], second["customer"]) == (100, "13047")


def test_returns_become_events_of_their_own_with_positive_amounts(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    result = bring(ORDERS, ORDER_HEADER, row("1", "a", 6), row("1", "b", -2, "3.00"), row("C2", "a", -1))
    assert result.events == 3
    assert sorted((one["name"], one["amount"], one["items"]) for one in events(store)) == [
        ("order_placed", 600, [("a", 6, 100)]),
        ("order_returned", 100, [("a", 1, 100)]),
        ("order_returned", 600, [("b", 2, 300)]),
    ]


def test_rows_without_a_customer_are_counted_with_their_value_and_kept_out(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    result = bring(
        ORDERS,
        ORDER_HEADER,
        row("1", "a", 6, customer=""),
        row("1", "b", -2, "0.50", customer=" "),
        row("2", "a", 1),
        row("3", "a", 1, "0"),
    )
    assert (result.no_customer, result.no_customer_value, result.skipped, result.events) == (
        2,
        {"GBP": 500},
        1,
        1,
    )
    assert len(events(store)) == 1


def test_an_order_number_used_by_two_customers_is_two_orders(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    bring(ORDERS, ORDER_HEADER, row("1", "a", 1), row("1", "a", 1, customer="2"))
    assert [one["customer"] for one in events(store)] == ["17850", "2"]


def test_importing_twice_or_two_overlapping_exports_changes_nothing(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    rows = [
        row(str(number // 3), f"i{number}", number + 1, at=f"2010-12-01 08:{number:02d}")
        for number in range(30)
    ]
    bring(ORDERS, ORDER_HEADER, *rows)
    before = contents(store, TABLES)
    assert bring(ORDERS, ORDER_HEADER, *rows).already
    result = bring(ORDERS, ORDER_HEADER, *rows, again=True)
    assert (result.events, result.details) == (0, {"events_known": 10})
    result = bring(ORDERS, ORDER_HEADER, *rows[7:], name="later.csv")
    assert (result.events, result.details) == (0, {"events_known": 8})
    assert contents(store, TABLES) == before


def test_an_order_cut_at_the_edge_of_an_export_is_completed_by_the_next(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    rows = [row("1", f"i{number}", 1, "1.005", at=f"2010-12-01 08:{30 - number}") for number in range(6)]
    assert bring(ORDERS, ORDER_HEADER, *rows[:4]).events == 1
    result = bring(ORDERS, ORDER_HEADER, *rows[2:], name="later.csv")
    assert (result.events, result.details) == (0, {"events_completed": 1})
    result = bring(ORDERS, ORDER_HEADER, *rows, name="whole.csv")
    assert result.details == {"events_known": 1}
    (one,) = events(store)
    assert [item for item, _, _ in one["items"]] == [f"i{number}" for number in range(6)]
    assert one["amount"] == 603
    assert one["occurred_at"] == 1_291_191_900_000_000


def test_an_order_told_otherwise_stays_as_first_told_and_is_counted(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    bring(ORDERS, ORDER_HEADER, row("1", "a", 6))
    before = contents(store, TABLES)
    result = bring(ORDERS, ORDER_HEADER, row("1", "a", 5), name="later.csv")
    assert result.details == {"events_differ": 1}
    assert contents(store, TABLES) == before


def test_sums_are_exact_and_do_not_depend_on_the_order_of_rows(
    make_store: Callable[..., Store], tmp_path: Path
) -> None:
    draw = random.Random(5)
    rows = [
        row(
            str(draw.randrange(40)),
            f"i{draw.randrange(9)}",
            draw.choice([1, 2, 3, -1]),
            f"{draw.randrange(1, 9999) / 1000:.3f}",
        )
        for _ in range(600)
    ]
    exact: dict[tuple[str, bool], Decimal] = defaultdict(Decimal)
    for one in rows:
        exact[one[0], int(one[3]) < 0] += abs(Decimal(one[3])) * Decimal(one[5])
    amounts = []
    for shuffled in (rows, draw.sample(rows, len(rows))):
        store = make_store("sqlite")
        import_file(store, DEFINITIONS, ORDERS, write_csv(tmp_path / "f.csv", ORDER_HEADER, shuffled))
        amounts.append(sorted((json.loads(one["dedupe_key"])[1:], one["amount"]) for one in events(store)))
    assert amounts[0] == amounts[1]
    told = {(key[0], len(key) == 3): amount for key, amount in amounts[0]}
    assert told == {key: int((value * 100).quantize(Decimal(1))) for key, value in exact.items()}


@pytest.mark.parametrize(("money", "kept"), [(None, "EUR"), ("SEK", "SEK")])
def test_an_amount_that_is_no_revenue_has_a_currency_too(
    store: Store, bring: Callable[..., ImportResult], money: str | None, kept: str
) -> None:
    baskets = EventsImport(
        "baskets", "Baskets", "config/imports/baskets.yaml", "basket_updated", Column("who"), Column("at"),
        properties=(("basket_total", Column("total", money=money)),),
    )  # fmt: skip
    bring(baskets, ("who", "at", "total"), ("7", "2027-02-01 10:00", "80.00"), ("8", "2027-02-01 10:00", ""))
    first, second = events(store)
    assert (first["amount"], first["currency"], first["properties"]) == (None, kept, {"basket_total": 8000})
    assert (second["currency"], second["properties"]) == (None, None)


def test_one_row_an_event_with_typed_properties(store: Store, bring: Callable[..., ImportResult]) -> None:
    result = bring(
        SHOP,
        SHOP_HEADER,
        ("A1", "7", "2027-02-01 10:00", "19.90", "garden", "3", "2027-02-03"),
        ("A2", "8", "2027-02-01", "5", "", "", ""),
    )
    assert (result.events, result.created) == (2, 2)
    first, second = events(store)
    assert (first["amount"], first["currency"], first["items"]) == (1990, "EUR", [])
    assert first["properties"] == {"category": "garden", "items": 3, "shipped_on": "2027-02-03"}
    assert second["properties"] is None
    assert first["occurred_at"] == 1_801_472_400_000_000


def test_an_event_known_by_its_id_is_taken_once_and_other_words_are_counted(
    bring: Callable[..., ImportResult],
) -> None:
    a = ("A1", "7", "2027-02-01 10:00", "19.90", "garden", "3", "")
    result = bring(SHOP, SHOP_HEADER, a, a, ("A1", "7", "2027-02-01 10:00", "5.00", "", "", ""))
    assert (result.events, result.details) == (1, {"events_known": 1, "events_differ": 1})
    assert bring(SHOP, SHOP_HEADER, a, ("A2", *a[1:]), name="b.csv").events == 1


def test_rows_without_an_id_are_told_apart_by_how_often_they_stand_in_the_file(
    bring: Callable[..., ImportResult],
) -> None:
    view = ("7", "2027-02-01 10:00", "home")
    assert bring(VIEWS, ("who", "at", "page"), view, view, ("8", *view[1:])).events == 3
    result = bring(VIEWS, ("who", "at", "page"), view, view, view, name="b.csv")
    assert (result.events, result.details) == (1, {"events_known": 2})
    result = bring(VIEWS, ("page", "who", "at"), ("home", "7", "2027-02-01 10:00"), name="c.csv")
    assert result.events == 0, "the columns may stand in another order"


def test_returns_without_items_take_the_amount_without_its_sign(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    mapping = replace(SHOP, returns=Returns((RowTest((("kind", Is("return")),)),), "order_returned"))
    bring(mapping, SHOP_HEADER, ("A1", "7", "2027-02-01", "-19.90", "return", "3", ""))
    (one,) = events(store)
    assert (one["name"], one["amount"], one["properties"]) == ("order_returned", 1990, None)


def test_rows_that_cannot_be_read_are_rejected_with_their_column(bring: Callable[..., ImportResult]) -> None:
    result = bring(
        ORDERS, ORDER_HEADER,
        row("1", "a", 1, at="yesterday"), row("", "a", 1), row("2", "", 1), row("3", "a", 1, "1,50"), row("4", "a", 1, customer="x" * 300), row("5", "a", 1),
    )  # fmt: skip
    assert (result.rejected, result.events) == (5, 1)
    assert {(one.column, one.reason) for one in result.rejects} == {
        ("InvoiceDate", "not a time"), ("InvoiceNo", "no order"), ("StockCode", "no item"), ("UnitPrice", "not a number"), ("CustomerID", "too long"),
    }  # fmt: skip


def test_an_event_or_property_that_is_not_declared_is_refused(bring: Callable[..., ImportResult]) -> None:
    with pytest.raises(TidingsError, match="not declared"):
        bring(replace(VIEWS, event="page_seen"), ("who", "at", "page"))
    with pytest.raises(TidingsError, match="does not have"):
        bring(replace(VIEWS, properties=(("pagge", Column("page")),)), ("who", "at", "page"))


def test_a_column_that_is_no_order_number_is_noticed(
    bring: Callable[..., ImportResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidings.customers.event_rows.LONGEST_ORDER", 10)
    with pytest.raises(TidingsError, match="more than 10 lines"):
        bring(ORDERS, ORDER_HEADER, *[row("1", f"i{number}", 1) for number in range(11)])


def test_a_thousand_lines_of_one_order_arrive_whole(store: Store, bring: Callable[..., ImportResult]) -> None:
    bring(ORDERS, ORDER_HEADER, *[row(str(number % 2), f"i{number}", 1) for number in range(3000)])
    assert [(len(one["items"]), one["amount"]) for one in events(store)] == [(1500, 150_000)] * 2
