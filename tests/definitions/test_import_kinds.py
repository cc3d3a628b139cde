"""Mappings of costs, touches, products and stock, and the ways in which files write numbers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.workspaces import problems_of, small_workspace
from tidings.definitions.kinds.figures import NUMBER_FORMS, NumberForm, Vat
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
from tidings.definitions.references import media_of
from tidings.definitions.values import Is, OneOf, Share, TextMatch, TextPlace

PATH = "config/imports/it.yaml"
COSTS = """\
import: Ads
kind: costs
day: day
amount: {column: cost, money: EUR}
medium: {column: network, values: {"Search*": search, Display: display}}
source: {value: network}
"""
TOUCHES = """\
import: Whom we met
kind: touches
id: row
at: {column: at, zone: Europe/Stockholm}
touch: {column: what, values: {view: seen, click: visited, talk: met}}
channel: {value: fair}
source: hall
campaign: {column: ad, values: {"spring_*": spring, Spring: spring}}
customer: {phone: telephone, code: {column: coupon}, visitor: cookie, landing_page: url}
cost: {column: paid, money: EUR, numbers: "1,234.56"}
country: SE
skip: [{what: test}]
"""
PRODUCTS = """\
import: Goods
kind: products
item: sku
name: title
category: group
price: {column: price, money: EUR, vat: included 25%}
cost: {column: bought, money: EUR, vat: excluded}
url: link
picture: image
"""
STOCK = (
    "import: Stock\nkind: stock\nencoding: utf-16\nheader: line 2\nitem: sku\nquantity: pieces\nat: counted\n"
)


def read(tmp_path: Path, text: str) -> object:
    return load(small_workspace(tmp_path, {PATH: text})).imports["it"]


def test_costs_need_little(tmp_path: Path) -> None:
    assert read(tmp_path, COSTS) == CostsImport(
        "it", "Ads", PATH,
        day=Column("day"), amount=Column("cost", money="EUR"), source=Column(None, value="network"),
        medium=Column("network", values=(("Display", "display"),), starts=(("Search", "search"),)),
    )  # fmt: skip


def test_touches_say_who_it_was_in_several_ways(tmp_path: Path) -> None:
    found = read(tmp_path, TOUCHES)
    assert found == TouchesImport(
        "it", "Whom we met", PATH,
        at=Column("at", zone="Europe/Stockholm"),
        medium=Column(None, value="fair"),
        customers=(
            Who("phone", Column("telephone")), Who("code", Column("coupon")), Who("visitor", Column("cookie")),
            Who("landing_page", Column("url")),
        ),
        touch=Column("what", values=(("view", "seen"), ("click", "visited"), ("talk", "met"))),
        source=Column("hall"),
        campaign=Column("ad", values=(("Spring", "spring"),), starts=(("spring_", "spring"),)),
        cost=Column("paid", money="EUR", numbers=NumberForm(",", ".")),
        ids=("row",), country="SE", skip=(RowTest((("what", Is("test")),)),),
    )  # fmt: skip


@pytest.mark.parametrize("written", ["customer_no", "{column: customer_no}"])
def test_one_column_is_the_customers_own_number_and_a_touch_is_a_visit(written: str, tmp_path: Path) -> None:
    found = read(
        tmp_path, f"import: T\nkind: touches\nat: at\nmedium: {{value: search}}\ncustomer: {written}\n"
    )
    assert isinstance(found, TouchesImport)
    assert found.customers == (Who("key", Column("customer_no")),)
    assert found.touch == Column(None, value="visited") and found.layout == Layout()


def test_products_and_stock_are_read(tmp_path: Path) -> None:
    products = read(tmp_path / "a", PRODUCTS)
    assert products == ProductsImport(
        "it", "Goods", PATH, item=Column("sku"), name=Column("title"), category=Column("group"),
        price=Column("price", money="EUR", vat=Vat(Share(2500))), cost=Column("bought", money="EUR", vat=Vat()),
        url=Column("link"), picture=Column("image"),
    )  # fmt: skip
    stock = read(tmp_path / "b", STOCK)
    assert stock == StockImport(
        "it", "Stock", PATH, item=Column("sku"), quantity=Column("pieces"), at=Column("counted"),
        layout=Layout("utf-16", 2),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "test"),
    [
        ('Campaign starts with "Total"', TextMatch(TextPlace.STARTS, "Total")),
        ("Campaign starts with Total", TextMatch(TextPlace.STARTS, "Total")),
        ('Campaign contains "sum of"', TextMatch(TextPlace.CONTAINS, "sum of")),
        ("Campaign is Total", Is("Total")),
        ('Campaign is "12"', Is("12")),
        ("{Campaign: [Total, Sum]}", OneOf(("Total", "Sum"))),
    ],
)
def test_a_row_of_sums_is_told_by_a_column(row: str, test: object, tmp_path: Path) -> None:
    found = read(tmp_path, f"{COSTS}total: {{row: {row}}}\n")
    assert isinstance(found, CostsImport)
    assert found.layout.total == RowTest((("Campaign", test),))  # type: ignore[arg-type]


SLIPS = [
    (COSTS, "money: EUR", "money: EUR, vat: included", "PHR01", 4, "included 22%"),
    (COSTS, "amount: {column: cost, money: EUR}", "amount: cost", "VAL06", 4, "write: {column: cost, money: EUR}"),
    (COSTS, 'medium: {column: network, values: {"Search*": search, Display: display}}\n', "", "KEY02", 5, "medium:"),
    (COSTS, '"Search*": search', "Search*: {a: b}", "KEY03", 5, ""),
    (COSTS, "source: {value: network}", "source: {value: network}\ncampaign: {value: sprng}", "REF15", 7, 'did you mean "spring"?'),
    (COSTS, "source: {value: network}", "source: {value: network}\nfrom: {sql: select}", "KEY04", 7, ""),
    (COSTS, "source: {value: network}", "source: {value: network}\nfresh: 1 day", "KEY04", 7, ""),
    (COSTS, "source: {value: network}", "source: {value: network}\nencoding: punycode", "VAL07", 7, "cp1251"),
    (TOUCHES, "talk: met", "talk: mett", "VAL02", 5, 'did you mean "met"?'),
    (TOUCHES, "touch: {column: what, values: {view: seen, click: visited, talk: met}}", "touch: {value: clicked}", "VAL02", 5, ""),
    (TOUCHES, "channel: {value: fair}", "channel: {value: fair}\nmedium: {value: fair}", "KEY07", 6, "keep one"),
    (TOUCHES, "{phone: telephone,", "{fone: telephone,", "KEY01", 9, 'did you mean "phone"?'),
    (TOUCHES, "customer: {phone: telephone, code: {column: coupon}, visitor: cookie, landing_page: url}\n", "", "KEY02", 9, "customer:"),
    (TOUCHES, "customer: {phone: telephone, code: {column: coupon}, visitor: cookie, landing_page: url}", "customer: {}", "KEY03", 9, ""),
    (PRODUCTS, "bought, money: EUR", "bought, money: SEK", "PHR09", 7, "one currency"),
    (PRODUCTS, "price: {column: price, money: EUR, vat: included 25%}", "price: price", "VAL06", 6, "money: EUR"),
    (STOCK, "quantity: pieces", "quantity: {column: pieces, vat: excluded}", "KEY01", 6, ""),
    (STOCK, "header: line 2", "header: second line", "VAL07", 4, "line 1"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "right", "wrong", "code", "line", "hint"), SLIPS, ids=[f"{one[2][:50]!r}" for one in SLIPS])  # fmt: skip
def test_a_slip_is_said_in_its_line(
    text: str, right: str, wrong: str, code: str, line: int, hint: str, tmp_path: Path
) -> None:
    assert right in text
    problems = problems_of(tmp_path, {PATH: text.replace(right, wrong, 1)})
    assert {(one.code, one.at.path, one.at.line) for one in problems} == {(code, PATH, line)}
    assert hint in problems[0].hint


def test_a_column_of_orders_may_write_its_numbers_in_its_own_way_but_says_nothing_of_tax(
    tmp_path: Path,
) -> None:
    orders = "import: O\nkind: events\nevent: order_placed\ncustomer: c\nat: at\nproperties: {order_total: {column: total, money: EUR%s}}\n"
    found = read(tmp_path / "a", orders % ', numbers: "1.234,56"')
    assert dict(found.properties)["order_total"].numbers == NumberForm(".", ",")  # type: ignore[attr-defined]
    (problem,) = problems_of(tmp_path / "b", {PATH: orders % ", vat: included 25%"})
    assert problem.code == "KEY01"


@pytest.mark.parametrize(
    ("form", "text", "number"),
    [
        ("1 234,56", "1 234,56", "1234.56"),
        ("1 234,56", "1\u00a0234,56", "1234.56"),
        ("1 234,56", "1234567,8", "1234567.8"),
        ("1 234,56", "-12 345 678", "-12345678"),
        ("1 234,56", "\u22125,00", "-5.00"),
        ("1 234,56", "1234.56", None),
        ("1 234,56", "12 34,56", None),
        ("1 234,56", "1 2345,6", None),
        ("1 234,56", "1234 567,8", None),
        ("1 234,56", "", None),
        ("1 234,56", ",", None),
        ("1 234,56", "-", None),
        ("1 234,56", "1,2,3", None),
        ("1 234,56", "١٢", None),
        ("1 234,56", "12 EUR", None),
        ("1.234,56", "1.234,56", "1234.56"),
        ("1.234,56", "1.234", "1234"),
        ("1.234,56", "1.23", None),
        ("1.234,56", "1,234.56", None),
        ("1,234.56", "1,234.56", "1234.56"),
        ("1,234.56", "1,23", None),
        ("1,234.56", ",5", None),
        ("1'234.56", "1’234.56", "1234.56"),
        ("1234,56", "1 234,56", None),
        ("1234.56", "+.5", "0.5"),
    ],
)
def test_a_number_is_read_as_its_file_writes_it_and_never_guessed(
    form: str, text: str, number: str | None
) -> None:
    assert NUMBER_FORMS[form].read(text) == (None if number is None else Decimal(number))


@given(st.decimals(-(10**12), 10**12, places=2), st.sampled_from(sorted(NUMBER_FORMS)))
def test_every_form_reads_what_it_writes(number: Decimal, name: str) -> None:
    form = NUMBER_FORMS[name]
    text = f"{number:,.2f}".replace(",", "\0").replace(".", form.decimal).replace("\0", form.group)
    assert form.read(text) == number


def test_what_includes_tax_is_kept_without_it() -> None:
    assert Vat(Share(2200)).net(Decimal("48.80")) == Decimal(40)
    assert Vat().net(Decimal("48.80")) == Decimal("48.80")


def test_the_media_of_a_workspace_are_those_that_its_imports_name(tmp_path: Path) -> None:
    files = {"config/imports/costs.yaml": COSTS, "config/imports/met.yaml": TOUCHES}
    imports = load(small_workspace(tmp_path, files)).imports
    assert media_of(imports.values()) == {"search", "display", "fair"}
    assert media_of([]) == frozenset()
