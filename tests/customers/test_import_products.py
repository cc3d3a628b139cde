"""Products and stock: by item, corrected by later files, and never an older count over a newer one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from support.cost_files import (
    BARE,
    PRODUCT_HEADER,
    PRODUCTS,
    STOCK,
    STOCK_HEADER,
    plain_file,
)
from tidings.customers.importing import import_file
from tidings.store.database import Store
from tidings.store.tables import money


def bring(store: Store, folder: Path, mapping: Any, header: Any, *rows: tuple[str, ...], **more: Any) -> Any:
    return import_file(store, BARE, mapping, plain_file(folder / "file.csv", header, rows), **more)


def products(store: Store) -> dict[str, Any]:
    with store.read() as connection:
        return {row.item: row for row in connection.execute(sa.select(money.products))}


def test_a_later_file_of_products_changes_what_it_says_and_nothing_else(store: Store, tmp_path: Path) -> None:
    first = bring(
        store,
        tmp_path,
        PRODUCTS,
        PRODUCT_HEADER,
        ("R1", "Rose", "garden", "19.90", "8.60"),
        ("F1", "Fork", "tools", "34.50", ""),
    )
    assert first.details == {"products": 2}
    second = bring(
        store,
        tmp_path,
        PRODUCTS,
        PRODUCT_HEADER,
        ("R1", "Rose Aurora", "", "21.00", ""),
        ("F1", "Fork", "tools", "34.50", ""),
    )
    assert second.details == {"products_changed": 1, "products_known": 1}
    rose = products(store)["R1"]
    assert (rose.name, rose.category, rose.price, rose.cost, rose.currency) == (
        "Rose Aurora",
        "garden",
        2100,
        860,
        "EUR",
    )


def test_of_one_item_the_last_row_of_a_file_holds(store: Store, tmp_path: Path) -> None:
    bring(store, tmp_path, PRODUCTS, PRODUCT_HEADER, ("R1", "Rose", "", "1", ""), ("R1", "Rose", "", "2", ""))
    assert products(store)["R1"].price == 200


def test_an_older_count_never_takes_the_place_of_a_newer_one(store: Store, tmp_path: Path) -> None:
    def stock(pieces: str, at: str) -> Any:
        return bring(store, tmp_path, STOCK, STOCK_HEADER, ("R1", pieces, at)).details

    assert stock("140", "2027-03-02 08:00") == {"stock": 1, "products": 1}
    assert stock("150", "2027-03-01 08:00") == {"stock_older": 1}
    assert products(store)["R1"].stock == 140
    assert stock("120", "2027-03-02 09:00") == {"stock": 1}
    assert (products(store)["R1"].stock, products(store)["R1"].name) == (120, "R1")
    assert stock("120", "2027-03-02 09:00:00") == {"stock_known": 1}


def test_products_named_after_their_stock_keep_it(store: Store, tmp_path: Path) -> None:
    bring(store, tmp_path, STOCK, STOCK_HEADER, ("R1", "-3", "2027-03-02 08:00"))
    bring(store, tmp_path, PRODUCTS, PRODUCT_HEADER, ("R1", "Rose", "garden", "19.90", ""))
    rose = products(store)["R1"]
    assert (rose.stock, rose.name, rose.price) == (-3, "Rose", 1990)


@pytest.mark.parametrize(
    ("mapping", "header", "row", "reason"),
    [
        (STOCK, STOCK_HEADER, ("R1", "1.5", "2027-03-02"), "not a count"),
        (STOCK, STOCK_HEADER, ("R1", "1", ""), "no time"),
        (STOCK, STOCK_HEADER, ("", "1", "2027-03-02"), "no item"),
        (PRODUCTS, PRODUCT_HEADER, ("R1", "Rose", "", "-1", ""), "negative"),
        (PRODUCTS, PRODUCT_HEADER, ("R1", "", "", "1", ""), "no name"),
    ],
)
def test_what_cannot_be_right_is_rejected_with_a_reason(
    store: Store, tmp_path: Path, mapping: Any, header: Any, row: tuple[str, ...], reason: str
) -> None:
    result = bring(store, tmp_path, mapping, header, row)
    assert [one.reason for one in result.rejects] == [reason]
    assert products(store) == {}
