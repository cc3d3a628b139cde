"""Which columns of a file a mapping reads."""

from __future__ import annotations

from collections.abc import Iterable

from tidings.definitions.kinds.importing import (
    Column,
    CostsImport,
    CustomersImport,
    EventsImport,
    ExperimentImport,
    Import,
    Layout,
    NumbersImport,
    ProductsImport,
    StockImport,
    TouchesImport,
)


def columns_of(mapping: Import, layout: Layout) -> Iterable[str]:
    """Return the columns of a file of that layout that a mapping names."""
    names = [name for line in mapping.skip for name, _ in line.tests]
    if isinstance(mapping, CustomersImport):
        names += [name for consent in mapping.consents for name, _ in consent.when]
    elif isinstance(mapping, EventsImport):
        names += [*mapping.ids, *([mapping.order] if mapping.order else [])]
        if mapping.returns is not None:
            names += [name for line in mapping.returns.when for name, _ in line.tests]
    elif not isinstance(mapping, ExperimentImport):
        names += [name for name, _ in layout.total.tests] if layout.total else []
        names += mapping.ids if isinstance(mapping, TouchesImport) else ()
    return [column.name for column in _read_columns(mapping) if column.name is not None] + names


def _read_columns(mapping: Import) -> list[Column]:
    """Return the columns whose cells are read into something."""
    columns: list[Column | None]
    if isinstance(mapping, CostsImport):
        columns = [mapping.day, mapping.amount, mapping.source, mapping.medium, mapping.campaign]
        columns += [mapping.clicks, mapping.impressions]
    elif isinstance(mapping, TouchesImport):
        columns = [mapping.at, mapping.medium, mapping.touch, mapping.source, mapping.campaign, mapping.cost]
        columns += [one.column for one in mapping.customers]
    elif isinstance(mapping, ProductsImport):
        columns = [mapping.item, mapping.name, mapping.category, mapping.price, mapping.cost]
        columns += [mapping.url, mapping.picture]
    elif isinstance(mapping, StockImport):
        columns = [mapping.item, mapping.quantity, mapping.at]
    elif isinstance(mapping, NumbersImport):
        columns = [mapping.number]
    elif isinstance(mapping, CustomersImport):
        columns = [mapping.customer, *(column for _, column in mapping.fields)]
    elif isinstance(mapping, EventsImport):
        columns = [mapping.customer, mapping.visitor, mapping.at]
        columns += [column for _, column in mapping.properties]
        if mapping.item is not None:
            item = mapping.item
            columns += [item.key, item.quantity, item.price, item.name]
    else:
        columns = [mapping.customer, mapping.arm, mapping.at]
        columns += [column for _, column in (*mapping.outcomes, *mapping.before)]
    return [column for column in columns if column is not None]


def formats_of(mapping: Import) -> dict[str, str]:
    """Return how the mapping writes days and times, by column: real dates of a workbook are written so."""
    return {column.name: column.format for column in _read_columns(mapping) if column.name and column.format}
