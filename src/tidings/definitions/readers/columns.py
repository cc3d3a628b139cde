"""How one column of a file is read, and conditions on the columns of a row."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Any

from tidings.definitions.context import Context
from tidings.definitions.keyboard import sign_trap
from tidings.definitions.kinds.figures import NUMBER_FORMS, NumberForm, Vat
from tidings.definitions.kinds.importing import Column, RowTest
from tidings.definitions.nodes import Entry, Mapping, Node, Scalar
from tidings.definitions.predicates import Tested, read_test, refuse_typed
from tidings.definitions.quantities import parse_share, reading_trap
from tidings.definitions.schema import (
    Key,
    Keys,
    Reader,
    each,
    each_entry,
    expect_items,
    expect_mapping,
    expect_scalar,
)
from tidings.definitions.texts import CURRENCY, TEXT, ZONE, whole
from tidings.definitions.values import Test

_TOKENS = re.compile(r"YYYY|MM|DD|HH|mm|ss|SS")


def _header(node: Node, context: Context) -> str:
    """Read the name of a column exactly as the file's header has it."""
    scalar = expect_scalar(node, context, "the name of a column of the file")
    if scalar.plain and scalar.crowded:
        return TEXT.read(scalar, context)
    return unicodedata.normalize("NFC", scalar.text)


HEADER = Reader(_header, "the name of a column of the file", {"type": "string"})


def _format(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "a form of dates such as DD.MM.YYYY")
    rest = _TOKENS.sub("", scalar.text)
    tokens = _TOKENS.findall(scalar.text)
    # MM is the month, and the minutes when it stands after HH.
    minutes = tokens.count("MM") - 1 if "HH" in tokens else 0
    dated = {"YYYY", "MM", "DD"} <= set(tokens) and len(tokens) - minutes == len(set(tokens))
    # T between a day and an hour, and the Chinese words of dates, are letters that stand for themselves.
    if dated and minutes <= 1 and not re.search(r"[^\W_T年月日時时分秒]", rest):
        return scalar.text
    raise context.report(
        "VAL07", scalar, f'"{scalar.text}" is not a form of dates',
        "put it together from YYYY, MM, DD, HH, MM and SS, such as DD.MM.YYYY HH:MM",
    )  # fmt: skip


def _refuse_lone(entry: Entry, context: Context) -> None:
    """Report a key that took its value in because its colon is a full-width one."""
    trap = (
        sign_trap(entry.key.text) if isinstance(entry.value, Scalar) and entry.value.value is None else None
    )
    if trap:
        raise context.report(trap[0], entry.key, trap[1], f"write: {trap[2]}")


def _value_map(node: Node, context: Context) -> tuple[tuple[str, str], ...]:
    def read(entry: Entry, inner: Context) -> tuple[str, str]:
        key, value = entry.key, entry.value
        _refuse_lone(entry, inner)
        if isinstance(value, Scalar) and value.value is not None:
            refuse_typed(value, inner, value.text, plain=value.plain)
        return key.text, TEXT.read(value, inner)

    mapping = expect_mapping(node, context, '"values"')
    if not mapping.entries:
        raise context.report("KEY03", node, '"values" is empty')
    return each_entry(mapping, context, read)


def _numbers(node: Node, context: Context) -> NumberForm:
    forms = ", ".join(f'"{form}"' for form in NUMBER_FORMS)
    scalar = expect_scalar(node, context, f"how the file writes 1234.56, one of {forms}")
    found = NUMBER_FORMS.get(scalar.text.replace("\u00a0", " ").replace("\u202f", " "))
    if found is not None:
        return found
    # Without quotes, a comma inside braces ends the value.
    cut = [
        form for form in NUMBER_FORMS if "," in form and scalar.plain and form.startswith(f"{scalar.text},")
    ]
    raise context.report(
        "VAL02", scalar, f'"{scalar.text}" does not write 1234.56 in any of these ways: {forms}',
        f'put it in quotes: numbers: "{cut[0]}"' if cut else "take the one that looks like the file",
    )  # fmt: skip


def _vat(node: Node, context: Context) -> Vat:
    scalar = expect_scalar(node, context, "included and a share such as included 22%, or excluded")
    if scalar.text == "excluded":
        return Vat()
    word, _, rest = scalar.text.partition(" ")
    share = parse_share(rest) if word == "included" else None
    if share is not None and share.basis_points > 0:
        return Vat(share)
    trap = reading_trap(scalar, context)
    bare = parse_share(scalar.text)
    raise trap or context.report(
        "PHR01", scalar, f'"{scalar.text}" does not say how much tax its amounts hold',
        f"write: included {scalar.text}" if bare and bare.basis_points else "write such as included 22%, or excluded",
    )  # fmt: skip


COLUMN_KEYS = Keys(
    "a column",
    (
        Key("column", HEADER, "Its name in the header of the file.", "column: total"),
        Key("value", TEXT, "A constant for every row, in place of a column.", "value: shop"),
        Key("money", CURRENCY, "The currency of its amounts.", "money: EUR"),
        Key("zone", ZONE, "The time zone of moments that name none.", "zone: Europe/London"),
        Key("format", Reader(_format, "a form of dates such as DD.MM.YYYY", {"type": "string"}), "How dates are written: YYYY, MM, DD, HH, MM, SS; the MM after HH are minutes.", "format: DD.MM.YYYY"),
        Key("values", Reader(_value_map, "what stands in the file and what is meant", {"type": "object"}), "What stands in the file: what is meant.", "values: {No E-Mail: holdout}"),
        Key("times", whole(1, 1_000_000), "Multiplies the number.", "times: 1000"),
        Key("separator", TEXT, "Splits a text into a list.", 'separator: ";"'),
        Key("numbers", Reader(_numbers, "how 1234.56 is written", {"enum": list(NUMBER_FORMS)}), "How the file writes the number 1234.56.", 'numbers: "1 234,56"', default="digits with a point"),
    ),
)  # fmt: skip
_VAT = Key("vat", Reader(_vat, "`included` and a share, or `excluded`", {"type": "string", "pattern": "^(included [0-9.]+%|excluded)$"}), "The tax in its amounts; what is kept is net of it.", "vat: included 22%", default="excluded")  # fmt: skip
AMOUNT_KEYS = Keys("an amount", (*COLUMN_KEYS.keys, _VAT))


def read_column(node: Node, context: Context, keys: Keys = COLUMN_KEYS) -> Column:
    """Read a column: its name alone, or with how it is read."""
    if not isinstance(node, Mapping):
        return Column(HEADER.read(node, context))
    values: dict[str, Any] = keys.read(node, context)
    if ("column" in values) == ("value" in values):
        raise context.report(
            "KEY07",
            node,
            'this needs "column" or "value", and only one of them',
            "write {column: NAME IN THE HEADER}",
        )
    return Column(
        name=values.get("column"),
        value=values.get("value"),
        money=values.get("money"),
        zone=values.get("zone"),
        format=values.get("format"),
        values=values.get("values", ()),
        times=values.get("times"),
        separator=values.get("separator"),
        numbers=values.get("numbers"),
        vat=values.get("vat"),
    )


def _amount(node: Node, context: Context) -> Column:
    column = read_column(node, context, AMOUNT_KEYS)
    if column.money is None:
        name = column.name or "NAME IN THE HEADER"
        raise context.report(
            "VAL06", node, "amounts of money need their currency", f"write: {{column: {name}, money: EUR}}"
        )
    return column


def _naming(node: Node, context: Context) -> Column:
    """Read a column whose `values` may say with a * at the end what a cell starts with."""
    column = read_column(node, context)
    if not any("*" in cell for cell, _ in column.values):
        return column
    assert isinstance(node, Mapping)
    written = node.entries["values"].value
    assert isinstance(written, Mapping)
    for cell, entry in written.entries.items():
        if "*" in cell[:-1] or cell == "*":
            raise context.report(
                "VAL07", entry.key, f'"{cell}": a * stands at the end, after what cells start with',
                f'write: "{cell.split("*")[0]}*"' if cell.split("*")[0] else "write what they start with, then *",
            )  # fmt: skip
    return replace(
        column,
        values=tuple(one for one in column.values if not one[0].endswith("*")),
        starts=tuple((cell[:-1], meant) for cell, meant in column.values if cell.endswith("*")),
    )


_EITHER = {"type": ["string", "object"]}
COLUMN = Reader(read_column, "a column, or {column: …} with how it is read", _EITHER)
AMOUNT = Reader(
    _amount,
    "{column: …, money: CUR} with how its amounts are written",
    {**AMOUNT_KEYS.schema(), "required": ["money"]},
)
NAMING = Reader(_naming, "a column, or {column: …}; in `values` a * at the end stands for any rest", _EITHER)


def read_cells(node: Node, context: Context) -> tuple[tuple[str, Test], ...]:
    """Read tests on columns of one row, all of which must hold."""
    mapping = expect_mapping(node, context, "a test on columns")
    if not mapping.entries:
        raise context.report("KEY03", node, "a test on columns says nothing here")
    return each_entry(mapping, context, _cell)


def _cell(entry: Entry, context: Context) -> tuple[str, Test]:
    _refuse_lone(entry, context)
    return entry.key.text, read_test(entry.value, context, Tested(entry.key.text, "cell"))


def _row_tests(node: Node, context: Context) -> tuple[RowTest, ...]:
    items = expect_items(node, context, "tests on columns")
    return each(items, context, lambda item, inner: RowTest(read_cells(item, inner)))


ROW_TESTS = Reader(
    _row_tests,
    "tests on columns; a row that passes any line counts",
    {"type": "array", "items": {"type": "object"}},
)
CELLS = Reader(read_cells, "tests on columns, all of which must hold", {"type": "object"})
