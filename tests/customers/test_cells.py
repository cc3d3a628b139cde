from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.clock import to_micros
from tidings.customers.cells import CellError, attribute_reader, decimal_of, instant_reader, typed_reader
from tidings.customers.columns import Cell
from tidings.customers.knowing import read_key
from tidings.customers.matching import any_row_test, cell_test
from tidings.definitions.kinds.importing import Column, RowTest
from tidings.definitions.kinds.rules import Attribute
from tidings.definitions.money import to_minor
from tidings.definitions.values import (
    Between,
    Compared,
    DateRelation,
    Duration,
    Is,
    Known,
    Not,
    OneOf,
    Order,
    RelativeDate,
    TextMatch,
    TextPlace,
    Unit,
    Unknown,
)
from tidings.errors import TidingsError

ANY = Column("x")


@pytest.mark.parametrize(
    ("kind", "column", "text", "value"),
    [
        ("number", ANY, "12", 12.0),
        ("number", ANY, "-12.5", -12.5),
        ("number", Column("x", times=1000), "1.5", 1500.0),
        ("money", Column("x", money="EUR"), "12.5", 1250),
        ("money", Column("x", money="EUR"), "12.505", 1250),
        ("money", Column("x", money="EUR"), "12.515", 1252),
        ("money", Column("x", money="JPY"), "12", 12),
        ("money", Column("x", money="EUR", times=1000), "1.234567", 123457),
        ("date", ANY, "2027-03-02", date(2027, 3, 2)),
        ("date", Column("x", format="DD.MM.YYYY"), "2.3.2027", date(2027, 3, 2)),
        ("date", Column("x", format="MM/DD/YYYY"), "03/02/2027", date(2027, 3, 2)),
        ("flag", ANY, "Yes", True),
        ("flag", ANY, "0", False),
        ("list", Column("x", separator=";"), "b; a ;; b", ("a", "b")),
        ("text", ANY, "Åsa", "Åsa"),
    ],
)
def test_a_cell_becomes_its_value(kind: str, column: Column, text: str, value: object) -> None:
    read = typed_reader(kind, column)(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "column", "text"),
    [
        ("number", ANY, "12,5"), ("number", ANY, "1_000"), ("number", ANY, "nan"), ("number", ANY, "1e99"), ("number", ANY, "٣"),
        ("number", ANY, "twelve"), ("money", Column("x", money="EUR"), "12.5 EUR"), ("money", Column("x", money="EUR"), "1٢.50"),
        ("money", Column("x", money="EUR"), "9" * 30), ("date", ANY, "2027-02-30"), ("date", ANY, "02.03.2027"),
        ("date", Column("x", format="DD.MM.YYYY"), "2027-03-02"), ("date", Column("x", format="DD.MM.YYYY"), "31.02.2027"),
        ("flag", ANY, "maybe"), ("text", ANY, "x" * 5000), ("instant", ANY, "soon"), ("instant", ANY, "0001-01-01"),
    ],
)  # fmt: skip
def test_a_cell_that_cannot_be_read_says_so_in_words(kind: str, column: Column, text: str) -> None:
    if text == "0001-01-01":
        column = Column("x", zone="Asia/Taipei")
    with pytest.raises(CellError) as error:
        typed_reader(kind, column)(text)
    assert error.value.kind
    assert len(str(error.value)) < 200


@given(st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False))
def test_the_quick_way_to_read_money_is_exact(amount: Decimal) -> None:
    assert typed_reader("money", Column("x", money="EUR"))(f"{amount:.2f}") == to_minor(amount, "EUR")


@pytest.mark.parametrize(
    ("column", "text", "instant"),
    [
        (Column("x", zone="Europe/London"), "2010-12-01 08:26", datetime(2010, 12, 1, 8, 26, tzinfo=UTC)),
        (Column("x", zone="Europe/London"), "2011-07-01 08:26", datetime(2011, 7, 1, 7, 26, tzinfo=UTC)),
        (ANY, "2011-07-01 08:26", datetime(2011, 7, 1, 6, 26, tzinfo=UTC)),
        (ANY, "2011-07-01T08:26:00Z", datetime(2011, 7, 1, 8, 26, tzinfo=UTC)),
        (Column("x", format="DD.MM.YYYY HH:MM"), "01.07.2011 8:26", datetime(2011, 7, 1, 6, 26, tzinfo=UTC)),
        (
            Column("x", format="YYYY-MM-DD HH:mm:ss"),
            "2011-07-01 08:26:05",
            datetime(2011, 7, 1, 6, 26, 5, tzinfo=UTC),
        ),
    ],
)
def test_an_instant_is_read_in_the_zone_of_its_column_or_the_workspace(
    column: Column, text: str, instant: datetime
) -> None:
    assert instant_reader(column, "Europe/Stockholm")(text) == to_micros(instant)


def test_values_are_translated_before_they_are_read() -> None:
    column = Column("x", values=(("Guld", "gold"),))
    cell = Cell(
        column,
        attribute_reader(Attribute("level", "text", values=("gold", "basic")), column, "UTC"),
        {"x": 0},
    )
    assert cell([" Guld "]) == "gold"
    assert cell(["basic"]) == "basic"
    assert cell([""]) is None
    with pytest.raises(CellError, match="not one of") as error:
        cell(["silver"])
    assert error.value.column == "x"


def test_a_constant_needs_no_column() -> None:
    assert Cell(Column(None, value="SE"), typed_reader("text", ANY), {})([]) == "SE"


def test_bounds_and_currencies_hold() -> None:
    read = attribute_reader(Attribute("orders", "number", lowest=Decimal(0), highest=Decimal(10)), ANY, "UTC")
    assert read("10") == 10
    for text in ("-1", "10.5"):
        with pytest.raises(CellError, match="outside 0 to 10"):
            read(text)
    with pytest.raises(TidingsError, match="in GBP, but value is kept in EUR"):
        attribute_reader(Attribute("value", "money", currency="EUR"), Column("x", money="GBP"), "UTC")


def test_a_format_without_a_year_is_refused() -> None:
    with pytest.raises(TidingsError, match="needs YYYY"):
        typed_reader("date", Column("x", format="DD.MM."))


D = Decimal
TESTS = [
    (Is("1"), ["1", " 1 "], ["", "2", "1.0"]),
    (Is(1), ["1", "1.0"], ["", "x", "2"]),
    (Is(True), ["yes", "TRUE", "1"], ["no", "", "maybe"]),
    (Is(date(2027, 3, 2)), ["2027-03-02"], ["", "2027-03-03"]),
    (OneOf(("1", "yes")), ["yes", "1"], ["", "no"]),
    (Compared(Order.LESS_THAN, D(0)), ["-1", "-0.01"], ["0", "", "x", "1"]),
    (Compared(Order.AT_MOST, D(0)), ["0", "0.0", "-3"], ["0.01", ""]),
    (Compared(Order.AT_LEAST, date(2027, 3, 2)), ["2027-03-02", "2027-03-02 10:00"], ["2027-03-01", ""]),
    (Between(D(1), D(2)), ["1", "2", "1.5"], ["0.9", "2.1", ""]),
    (Known(), ["x"], ["", "  "]),
    (Unknown(), ["", " "], ["x"]),
    (Not(Is("1")), ["", "2"], ["1"]),
    (Not(Compared(Order.LESS_THAN, D(0))), ["0", "", "x"], ["-1"]),
    (TextMatch(TextPlace.STARTS, "C"), ["C536", " C5"], ["536", ""]),
    (TextMatch(TextPlace.ENDS, "x"), ["ax"], ["xa"]),
    (TextMatch(TextPlace.CONTAINS, "b"), ["abc"], ["ac"]),
]


@pytest.mark.parametrize(("test", "fits", "fails"), TESTS)
def test_a_test_holds_for_the_texts_it_should(test: object, fits: list[str], fails: list[str]) -> None:
    holds = cell_test(test)  # type: ignore[arg-type]
    assert all(holds(text) for text in fits)
    assert not any(holds(text) for text in fails)


def test_a_row_fits_when_any_line_fits_whole() -> None:
    lines = (RowTest((("a", Is("1")), ("b", Is("2")))), RowTest((("a", Is("9")),)))
    fits = any_row_test(lines, {"a": 0, "b": 1})
    assert fits is not None
    assert [fits(cells) for cells in (["1", "2"], ["1", "3"], ["9", ""], ["", "2"])] == [
        True,
        False,
        True,
        False,
    ]
    assert any_row_test((), {}) is None


def test_a_row_cannot_be_tested_against_today() -> None:
    with pytest.raises(TidingsError, match="today"):
        cell_test(RelativeDate(DateRelation.IN_THE_LAST, Duration(3, Unit.DAY)))


@given(st.text(max_size=40))
def test_a_number_is_read_exactly_or_refused(text: str) -> None:
    try:
        value = decimal_of(text)
    except CellError:
        return
    assert value == Decimal(text)
    assert value.is_finite()


def test_a_key_has_no_control_signs_and_may_have_any_letters() -> None:
    assert read_key("王 C-1\u3000Å") == "王 C-1\u3000Å"
    with pytest.raises(CellError, match="control sign"):
        read_key("C-\x1b[31mRED")
