"""What every import says of itself, and how the text of a file is laid out: encoding, header, rows of sums."""

from __future__ import annotations

import codecs
import re
from typing import Any

from tidings.definitions.context import Context
from tidings.definitions.kinds.importing import Layout, RowTest
from tidings.definitions.nodes import Mapping, Node, Scalar
from tidings.definitions.predicates import Tested, read_test
from tidings.definitions.quantities import reading_trap
from tidings.definitions.readers.columns import CELLS, HEADER, ROW_TESTS, read_cells
from tidings.definitions.schema import Key, Keys, Reader, expect_scalar, list_of
from tidings.definitions.texts import TEXT, one_of

KINDS = ("customers", "events", "experiment", "costs", "touches", "products", "stock", "do_not_call")
# Kinds of the dialect that this version does not read.
LATER_KINDS = ("answers", "consents", "cases", "calls", "suppressions")
KIND = one_of(KINDS)
TITLE = Key("import", TEXT, "The title that people see.", "import: Orders from the shop", required=True)
SKIP = Key("skip", ROW_TESTS, "Rows that pass any of these lines are left out and counted.", "skip: [{UnitPrice: at most 0}]")  # fmt: skip
IDS = Key("ids", list_of(HEADER, '"ids"', or_one=True), "Columns that identify a row for ever; else the row itself does.", "ids: [click_id]")  # fmt: skip
_LINE = re.compile(r"line ([1-9][0-9]{0,2})\Z")
_ROW = re.compile(r"(?P<column>\S.*?) (?P<test>(?:starts with|ends with|contains|is) \S.*)\Z")
# Python's codecs that are no encodings of files.
_NO_FILES = ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape")


def kind_key(kind: str) -> Key:
    """Return the key `kind` with a kind of import as its example."""
    return Key("kind", KIND, "What the rows are.", f"kind: {kind}", required=True)


def _encoding(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "an encoding such as cp1251")
    try:
        found = codecs.lookup(scalar.text).name
        if found not in _NO_FILES and b"a,b".decode(found, "replace") == "a,b":
            return found
        # UTF-16 reads these three bytes otherwise, and is an encoding of files all the same.
        known = found.startswith("utf-")
    except (LookupError, ValueError, TypeError):
        known = False
    if known:
        return found
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "VAL07", scalar, f'"{scalar.text}" is not an encoding of files',
        "write such as utf-8, cp1251, gb18030, big5 or utf-16, or leave it out: it is found out and shown",
    )  # fmt: skip


def _header_line(node: Node, context: Context) -> int:
    scalar = expect_scalar(node, context, "the line that names the columns, such as line 4")
    match = _LINE.match(scalar.text)
    if match:
        return int(match[1])
    trap = reading_trap(scalar, context)
    bare = re.fullmatch(r"[1-9][0-9]{0,2}", scalar.text)
    raise trap or context.report(
        "VAL07", scalar, f'"{scalar.text}" is not a line of the file',
        f"write: line {scalar.text}" if bare else "write such as line 4; the first line is line 1",
    )  # fmt: skip


def _row(node: Node, context: Context) -> RowTest:
    """Read `Column starts with "Total"`, or tests on columns as `skip` has them."""
    if isinstance(node, Mapping):
        return RowTest(read_cells(node, context))
    scalar = expect_scalar(node, context, 'which rows, such as Campaign starts with "Total"')
    match = _ROW.match(scalar.text)
    if match is None:
        trap = reading_trap(scalar, context)
        raise trap or context.report(
            "PHR05", scalar, f'"{scalar.text}" does not say which rows hold sums',
            'write a column and what it says there, such as Campaign starts with "Total"',
        )  # fmt: skip
    said = match["test"].removeprefix("is ")
    quoted = len(said) > 1 and said[0] == said[-1] and said[0] in "\"'" and said != match["test"]
    text = Scalar(scalar.place, said[1:-1] if quoted else said, plain=not quoted)
    column = match["column"]
    return RowTest(((column, read_test(text, context, Tested(column, "cell"))),))


TOTAL_KEYS = Keys(
    "a row of sums",
    (
        Key("row", Reader(_row, "a column and what it says there, or tests on columns", {"anyOf": [{"type": "string"}, dict(CELLS.schema)]}), "Which rows hold sums: checked against the other rows, and then left out.", 'row: Campaign starts with "Total"', required=True),
    ),
)  # fmt: skip


def _total(node: Node, context: Context) -> RowTest:
    found: RowTest = TOTAL_KEYS.read(node, context)["row"]
    return found


_ENCODING = Key("encoding", Reader(_encoding, "an encoding such as cp1251", {"type": "string"}), "The encoding of its text.", "encoding: cp1251", default="found out and shown")  # fmt: skip
_HEADER = Key("header", Reader(_header_line, "a line such as line 4", {"type": "string", "pattern": "^line [1-9][0-9]*$"}), "The line that names the columns; those above it are passed over.", "header: line 4", default="line 1")  # fmt: skip
TOTAL = Key("total", Reader(_total, "which rows hold sums", TOTAL_KEYS.schema()), "Rows that hold sums are checked against the others, and then left out.", 'total: {row: Campaign starts with "Total"}')  # fmt: skip
LAYOUT_KEYS = (_ENCODING, _HEADER)


def read_layout(values: dict[str, Any]) -> Layout:
    """Return the layout that the values of an import name."""
    return Layout(values.get("encoding"), values.get("header", 1), values.get("total"))
