"""The table of effect beside credit: a row for each campaign or channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.definitions.money import exponent
from tidings.measurement.attribution.answer import major
from tidings.papers.tables.table import Cell, Column, Table, ends

if TYPE_CHECKING:
    from tidings.measurement.beside.table import Beside
    from tidings.statistics.means import Difference
    from tidings.statistics.summed import Quotient

_COLUMNS = (
    Column("name", "text", "the campaign or channel"),
    Column("credited", "number", "conversions that the model credits it with"),
    Column("credited_value", "money", "what these brought"),
    Column("caused", "number", "conversions that came because of it"),
    Column("caused_low", "number", "lower end of its 95 % interval"),
    Column("caused_high", "number", "upper end of its 95 % interval"),
    Column("caused_value", "money", "what came because of it"),
    Column("caused_value_low", "money", "lower end of its 95 % interval"),
    Column("caused_value_high", "money", "upper end of its 95 % interval"),
    Column("over_claiming", "number", "credit over effect"),
    Column("over_claiming_low", "number", "lower end of its 95 % interval"),
    Column("over_claiming_high", "number", "upper end of its 95 % interval"),
    Column("cost", "money", "what it cost"),
    Column("cpa", "money", "cost of a credited conversion"),
    Column("roas", "number", "credited value over cost"),
    Column("iroas", "number", "what came because of it over cost"),
    Column("iroas_low", "number", "lower end of its 95 % interval"),
    Column("iroas_high", "number", "upper end of its 95 % interval"),
    Column("touches", "whole", "touches in the time"),
    Column("currency", "text", "of amounts"),
    Column("reason", "text", "why the effect is not known"),
)


def beside_table(found: Beside) -> Table:
    """Return the rows, the most credited first."""
    rows: list[tuple[Cell, ...]] = []
    for row in found.rows:
        scale = 10.0 ** -exponent(row.currency)
        caused = row.increment.conversions if row.increment else None
        value = row.increment.value if row.increment else None
        each = row.cost_per_conversion
        rows.append(
            (
                row.name, row.credited, major(row.value, row.currency), *_of(caused, 1.0), *_of(value, scale),
                *_quotient(row.over_claiming), major(row.cost, row.currency), None if each is None else each * scale,
                row.roas, *_quotient(row.iroas), row.touches, found.currency or None, row.reason or row.part or None,
            )
        )  # fmt: skip
    return Table("effect", _COLUMNS, rows, tuple(found.words))


def _of(found: Difference | None, scale: float) -> tuple[float | None, float | None, float | None]:
    if found is None:
        return (None, None, None)
    low, high = ends(found.interval)
    return (
        found.estimate * scale,
        None if low is None else low * scale,
        None if high is None else high * scale,
    )


def _quotient(found: Quotient) -> tuple[float | None, float | None, float | None]:
    return (found.value, *ends(found.interval))
