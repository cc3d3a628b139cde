"""The table of a segment: its members with the attributes that it asks about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.papers.tables.table import Cell, Column, Kind, Table

if TYPE_CHECKING:
    from tidings.definitions.workspace import Definitions
    from tidings.segments.looking import Look, Shown


def segment_table(found: Look, definitions: Definitions) -> Table:
    """Return the members, one a row; a list of values is one text with semicolons, and what is unknown is empty."""
    columns = []
    for name in found.columns:
        declared = definitions.attributes.get(name)
        kind = _kind(found, name)
        says = "customer number" if name == "key" else declared.title if declared and declared.title else name
        columns.append(Column(name, kind, says))
    rows = [tuple(_cell(row[name]) for name in found.columns) for row in found.sample]
    words = tuple(one.sentence() for one in found.unknown)
    return Table(found.segment.id, tuple(columns), rows, words)


def _kind(found: Look, name: str) -> Kind:
    """Return what a column holds, by the first value that is known."""
    from datetime import date, datetime
    from decimal import Decimal

    for row in found.sample:
        match row[name]:
            case None:
                continue
            case bool():
                return "flag"
            case datetime():
                return "instant"
            case date():
                return "day"
            case Decimal():
                return "money"
            case float():
                return "number"
            case _:
                return "text"
    return "text"


def _cell(value: Shown) -> Cell:
    return "; ".join(value) if isinstance(value, tuple) else value
