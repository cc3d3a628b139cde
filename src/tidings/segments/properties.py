"""A property of an event read out of its JSON, typed, the same on SQLite and PostgreSQL.

A property that is missing or of another type than declared is unknown; it never breaks the statement.
Dates are ISO text, which sorts as dates do; money is whole minor units of at most 18 digits.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from tidings.segments.scope import refused

_DATE_GLOB = "-".join(["[0-9]" * 4, "[0-9]" * 2, "[0-9]" * 2])


class _Property(FunctionElement[Any]):
    """Reads one key; each subclass says how its type is told and read on either database."""

    inherit_cache = True
    sqlite: ClassVar[str]
    postgresql: ClassVar[str]


class _Text(_Property):
    inherit_cache = True
    type = sa.Text()
    sqlite = "CASE WHEN json_type({p}, {path}) = 'text' THEN json_extract({p}, {path}) END"
    postgresql = "CASE WHEN jsonb_typeof({p} -> {key}) = 'string' THEN {p} ->> {key} END"


class _Number(_Property):
    inherit_cache = True
    type = sa.Double()
    sqlite = (
        "CASE WHEN json_type({p}, {path}) IN ('integer', 'real') "
        "THEN CAST(json_extract({p}, {path}) AS REAL) END"
    )
    postgresql = (
        "CASE WHEN jsonb_typeof({p} -> {key}) = 'number' THEN CAST({p} ->> {key} AS DOUBLE PRECISION) END"
    )


class _Money(_Property):
    inherit_cache = True
    type = sa.BigInteger()
    sqlite = (
        "CASE WHEN json_type({p}, {path}) = 'integer' "
        "AND json_extract({p}, {path}) BETWEEN -999999999999999999 AND 999999999999999999 "
        "THEN json_extract({p}, {path}) END"
    )
    postgresql = (
        "CASE WHEN jsonb_typeof({p} -> {key}) = 'number' AND {p} ->> {key} ~ '^-?[0-9]{{1,18}}$' "
        "THEN CAST({p} ->> {key} AS BIGINT) END"
    )


class _Date(_Property):
    inherit_cache = True
    type = sa.Text()
    sqlite = (
        f"CASE WHEN json_type({{p}}, {{path}}) = 'text' AND json_extract({{p}}, {{path}}) GLOB '{_DATE_GLOB}' "
        "THEN json_extract({p}, {path}) END"
    )
    # Order must be that of the bytes, whatever language the database was made with.
    postgresql = (
        "CASE WHEN jsonb_typeof({p} -> {key}) = 'string' "
        "AND {p} ->> {key} ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$' "
        'THEN ({p} ->> {key}) COLLATE "C" END'
    )


class _Flag(_Property):
    inherit_cache = True
    type = sa.Boolean()
    sqlite = "CASE json_type({p}, {path}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
    postgresql = "CASE WHEN jsonb_typeof({p} -> {key}) = 'boolean' THEN CAST({p} ->> {key} AS BOOLEAN) END"


_KINDS: dict[str, type[_Property]] = {
    "text": _Text,
    "number": _Number,
    "money": _Money,
    "date": _Date,
    "flag": _Flag,
}


@compiles(_Property, "sqlite")
def _on_sqlite(element: _Property, compiler: SQLCompiler, **more: Any) -> str:
    properties, _, path = element.clauses
    return f"({element.sqlite.format(p=compiler.process(properties, **more), path=compiler.process(path, **more))})"


@compiles(_Property, "postgresql")
def _on_postgresql(element: _Property, compiler: SQLCompiler, **more: Any) -> str:
    properties, key, _ = element.clauses
    return f"({element.postgresql.format(p=compiler.process(properties, **more), key=compiler.process(key, **more))})"


class _Position(FunctionElement[int]):
    """Where a text stands in another, from 1; 0 when it does not. Upper and lower case differ."""

    inherit_cache = True
    type = sa.Integer()


@compiles(_Position, "sqlite")
def _position_on_sqlite(element: _Position, compiler: SQLCompiler, **more: Any) -> str:
    return f"instr({compiler.process(element.clauses, **more)})"


@compiles(_Position, "postgresql")
def _position_on_postgresql(element: _Position, compiler: SQLCompiler, **more: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **more)})"


def property_value(properties: sa.ColumnElement[Any], name: str, kind: str) -> sa.ColumnElement[Any]:
    """Return the value of a declared property of kind text, number, money, date or flag; NULL when unknown."""
    if '"' in name or kind not in _KINDS:
        raise refused(f'"{name}" of type {kind} cannot be read from events')
    value: sa.ColumnElement[Any] = _KINDS[kind](
        properties, sa.literal(name, sa.Text()), sa.literal(f'$."{name}"', sa.Text())
    )
    return value


def position(text: sa.ColumnElement[Any], part: str) -> sa.ColumnElement[int]:
    """Return where `part` stands in a text, from 1, or 0; case as written."""
    return _Position(text, sa.literal(part, sa.Text()))
