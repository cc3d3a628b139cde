"""Mappings and files of costs, touches, products and stock for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from support.import_world import DEFINITIONS
from support.shop import copy_workspace
from tidings.definitions.kinds.figures import NUMBER_FORMS, Vat
from tidings.definitions.kinds.importing import (
    Column,
    CostsImport,
    Layout,
    ProductsImport,
    RowTest,
    StockImport,
    TouchesImport,
    Who,
)
from tidings.definitions.loader import load
from tidings.definitions.values import Share, TextMatch, TextPlace
from tidings.definitions.workspace import Definitions

RUSSIAN = NUMBER_FORMS["1 234,56"]
TOTAL = RowTest((("Кампания", TextMatch(TextPlace.STARTS, "Итого")),))
YANDEX = CostsImport(
    "yandex_costs",
    "Расходы Яндекс Директ",
    "config/imports/yandex_costs.yaml",
    day=Column("Дата", format="DD.MM.YYYY"),
    amount=Column("Расход", money="RUB", numbers=RUSSIAN, vat=Vat(Share(2200))),
    source=Column(None, value="yandex_direct"),
    medium=Column(None, value="search"),
    campaign=Column("Кампания", starts=(("весна_сад", "spring_winback"),)),
    clicks=Column("Клики", numbers=RUSSIAN),
    impressions=Column("Показы", numbers=RUSSIAN),
    layout=Layout(encoding="cp1251", header=4, total=TOTAL),
)
HEADER = ("Дата", "Кампания", "Показы", "Клики", "Расход")
TITLES = ("Статистика по дням", "Клиент: garden-shop", "Период: март 2027")
PLAIN = CostsImport(
    "ads",
    "Ads",
    "config/imports/ads.yaml",
    day=Column("day"),
    amount=Column("cost", money="EUR"),
    source=Column("source"),
    medium=Column("medium"),
    campaign=Column("campaign"),
    clicks=Column("clicks"),
)
PLAIN_HEADER = ("day", "source", "medium", "campaign", "clicks", "cost")
TOUCHES = TouchesImport(
    "ad_touches",
    "Whom ads reached",
    "config/imports/ad_touches.yaml",
    at=Column("at", zone="UTC"),
    medium=Column("medium"),
    customers=(
        Who("key", Column("customer")),
        Who("phone", Column("phone")),
        Who("email", Column("email")),
        Who("code", Column("code")),
        Who("visitor", Column("visitor")),
        Who("landing_page", Column("page")),
    ),
    touch=Column("what", values=(("click", "visited"), ("view", "seen"))),
    source=Column("source"),
    campaign=Column("campaign"),
    cost=Column("cost", money="EUR", vat=Vat(Share(2500))),
    ids=("id",),
    country="SE",
)
TOUCH_HEADER = (
    *("id", "at", "what", "medium", "source", "campaign", "cost"),
    *("customer", "phone", "email", "code", "visitor", "page"),
)
PRODUCTS = ProductsImport(
    "products",
    "Products",
    "config/imports/products.yaml",
    item=Column("sku"),
    name=Column("title"),
    category=Column("kind"),
    price=Column("price", money="EUR"),
    cost=Column("bought", money="EUR"),
)
PRODUCT_HEADER = ("sku", "title", "kind", "price", "bought")
STOCK = StockImport(
    "stock",
    "Stock",
    "config/imports/stock.yaml",
    item=Column("sku"),
    quantity=Column("pieces"),
    at=Column("at", zone="UTC"),
)
STOCK_HEADER = ("sku", "pieces", "at")


def with_campaigns(folder: Path) -> Definitions:
    """Return the definitions of the shop, which has the campaign spring_winback."""
    return load(copy_workspace(folder))


def yandex_row(day: str, label: str, shown: int, clicks: int, gross: str) -> tuple[str, ...]:
    """Return one row as the export writes it."""
    return (day, label, str(shown), str(clicks), gross)


def yandex_file(path: Path, rows: Sequence[Sequence[str]], total: str | None = None) -> Path:
    """Write an export: three titles, a header, rows, and the row of sums (added up unless it is given)."""
    if total is None:
        total = written(sum((RUSSIAN.read(row[4]) or Decimal(0) for row in rows), Decimal(0)))
    lines = [*TITLES, ";".join(HEADER), *(";".join(row) for row in rows), f";Итого за период;;;{total}"]
    path.write_bytes("\r\n".join(lines).encode("cp1251"))
    return path


def written(value: Decimal) -> str:
    """Return an amount with two decimals as a Russian export writes it, with no-break spaces."""
    return f"{value:,.2f}".replace(",", "\xa0").replace(".", ",")


def plain_file(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    """Write a CSV without quotes."""
    path.write_text("\n".join(",".join(row) for row in (header, *rows)) + "\n", encoding="utf-8")
    return path


BARE = replace(DEFINITIONS)
