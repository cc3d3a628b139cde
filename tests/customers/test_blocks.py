"""A block of rows says what each of its rows says alone."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from support.import_world import CUSTOMER_HEADER, CUSTOMERS, DEFINITIONS, customer
from tidings.customers.cells import CellError
from tidings.customers.customer_rows import CustomerItem, CustomerRows
from tidings.definitions.kinds.importing import Column, ConsentColumns, CustomersImport
from tidings.definitions.values import Compared, OneOf, Order

PLACES = {name: place for place, name in enumerate(CUSTOMER_HEADER)}
# Good ones, bad ones, empty ones and odd spellings for every column.
CELLS = {
    "id": ("C1", " C2 ", "", "x" * 201),
    "email": ("a@b.se", " A@B.SE", "", "no address", "å@b.se", "a@bücher.de"),
    "phone": ("070-1740605", "+886912345678", "0912 345 678", "", "12", "070-1740605 ext. 3"),
    "country": ("SE", "tw", "", "Sweden", " se"),
    "name": ("Åsa", "", "x" * 4001),
    "born": ("02.03.1990", "", "1990-03-02", "31.02.1990"),
    "level": ("Guld", "gold", "basic", "", "wood"),
    "likes": ("roses;trees", "trees; roses", "", ";"),
    "value": ("12.50", "", "12,50", "0"),
    "orders": ("3", "", "-1", "many"),
    "vip": ("yes", "no", "", "perhaps"),
    "news": ("1", "yes", "", "0", " 1"),
}
MAPPINGS = (
    CUSTOMERS,
    replace(CUSTOMERS, fields=CUSTOMERS.fields[:1], consents=()),
    replace(CUSTOMERS, fields=(("country", Column(None, value="SE")), ("fax", Column("phone")))),
    replace(
        CUSTOMERS,
        fields=(("phone", Column("phone", values=(("12", "070-1740605"),))), *CUSTOMERS.fields[6:7]),
        consents=(
            ConsentColumns("sms", "marketing", "in the shop"),
            ConsentColumns(
                "email",
                "marketing",
                "in the shop",
                (("news", OneOf(("1", "yes"))), ("orders", Compared(Order.AT_LEAST, Decimal(1)))),
            ),
        ),
    ),
)


def alone(read: CustomerRows, row: list[str]) -> CustomerItem | None:
    try:
        return read(row)
    except CellError:
        return None


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(MAPPINGS),
    st.lists(
        st.one_of(
            st.tuples(*(st.sampled_from(CELLS[name]) for name in CUSTOMER_HEADER)),
            st.integers(0, 5).map(customer),
        ),
        min_size=1,
        max_size=12,
    ),
)
def test_a_block_says_what_its_rows_say(mapping: CustomersImport, rows: list[tuple[str, ...]]) -> None:
    read = CustomerRows(mapping, DEFINITIONS, PLACES)
    block = [list(row) for row in rows]
    assert read.many(block) == [alone(read, row) for row in block]


def test_one_bad_row_leaves_the_others_of_its_block_alone() -> None:
    read = CustomerRows(CUSTOMERS, DEFINITIONS, PLACES)
    rows = [list(customer(number)) for number in range(200)]
    rows[7] = list(customer(7, email="nobody"))
    rows[8] = list(customer(8, level="wood"))
    items = read.many(rows)
    assert [place for place, item in enumerate(items) if item is None] == [7, 8]
    assert items[9] == read(rows[9])
