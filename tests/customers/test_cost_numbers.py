"""Amounts of money as exports write them: the signs between the digits, and the tax inside."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tidings.customers.cells import CellError, exact_reader
from tidings.definitions.kinds.figures import NUMBER_FORMS, Vat
from tidings.definitions.kinds.importing import Column
from tidings.definitions.values import Share


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        ("1234.56", "1234.56", "1234.56"), ("1234.56", "-0.5", "-0.5"), ("1234.56", "12", "12"), ("1234.56", "1,234.56", None),
        ("1234,56", "1234,56", "1234.56"), ("1234,56", "12", "12"), ("1234,56", "1.234,56", None), ("1234,56", "1234.56", None),
        ("1 234,56", "1 234,56", "1234.56"), ("1 234,56", "1\xa0234\xa0567,8", "1234567.8"), ("1 234,56", "1\u202f234,56", "1234.56"),
        ("1 234,56", "1234,56", "1234.56"), ("1 234,56", "\u2212183,00", "-183"), ("1 234,56", "12 34,56", None),
        ("1 234,56", "1 234.56", None), ("1.234,56", "1.234,56", "1234.56"), ("1.234,56", "1234,56", "1234.56"),
        ("1.234,56", "12.5", None), ("1,234.56", "1,234,567.89", "1234567.89"), ("1,234.56", "12,5", None),
        ("1 234.56", "1 234.56", "1234.56"), ("1 234.56", "1 234,56", None), ("1'234.56", "1'234.56", "1234.56"),
        ("1'234.56", "1’234.56", "1234.56"), ("1'234.56", "12'34", None), ("1 234,56", "NaN", None), ("1 234,56", ",", None),
        ("1 234,56", "1 234,56 ₽", None),
    ],
)  # fmt: skip
def test_numbers_are_read_in_the_form_that_the_mapping_names_and_in_no_other(
    form: str, text: str, value: str | None
) -> None:
    read = exact_reader(Column("x", numbers=NUMBER_FORMS[form]))
    if value is not None:
        assert read(text) == Decimal(value)
        return
    with pytest.raises(CellError, match=f"not a number written {form}"):
        read(text)


def test_a_share_of_tax_rounds_half_to_even_row_by_row() -> None:
    # 0.25 with 25 % on top is 0.2 exactly; 0.05 is 0.04; 1.23 is 0.984 and so 0.98.
    assert [Vat(Share(2500)).net(Decimal(text)) for text in ("0.25", "0.05", "1.23")] == [
        Decimal("0.2"), Decimal("0.04"), Decimal("0.984"),
    ]  # fmt: skip
