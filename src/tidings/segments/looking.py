"""Looking at a segment without storing anything: how many, who for example, what unknown values decide, the statement.

References to other segments are part of the statement, so what is shown is true now, however old stored membership is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from tidings.clock import from_micros
from tidings.customers.alive import alive
from tidings.definitions.kinds.rules import FIXED_COLUMNS
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.money import from_minor
from tidings.definitions.workspace import Definitions
from tidings.segments.compile import Compiled, compile_segment, segment_clause, select_members
from tidings.segments.having import customers
from tidings.segments.membership import latest_runs, stored_members
from tidings.segments.references import fingerprint
from tidings.segments.scope import Scope
from tidings.segments.scoring import ScoreInUse, usable_scores
from tidings.segments.unknowns import UnknownCount, unknown_counts
from tidings.store.tables import people

Shown = str | float | bool | Decimal | date | datetime | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Look:
    """A segment at an instant: `count` of `customers` (nobody erased), and the first few by id.

    `sample` rows hold the key and the attributes that the segment asks about: money in major units, instants aware
    in UTC, lists as tuples, None where unknown. `ranked` are the scores that it is ranked by, with their
    models; `refused` says why nobody was counted, where that is so.
    """

    segment: Segment
    as_of: datetime
    count: int
    customers: int
    columns: tuple[str, ...]
    sample: tuple[Mapping[str, Shown], ...]
    unknown: tuple[UnknownCount, ...]
    ranked: tuple[ScoreInUse, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a segment: `count` and `as_of` are None when it was never computed.

    `changed` says that the definition is no longer the one it was computed from.
    """

    segment: Segment
    count: int | None
    as_of: datetime | None
    changed: bool = False


def look(
    connection: sa.Connection, definitions: Definitions, segment: Segment, *, now: datetime, limit: int
) -> Look:
    """Return a segment as it is at `now`, with at most `limit` members by id.

    Raises RefusedByPolicy where it is ranked by a score that was never applied or is too old.
    """
    ranked = usable_scores(connection, definitions, [segment.id], now=now)
    scope = Scope.of(definitions, now, looking=True)
    compiled = Compiled.under(scope)
    members = select_members(compiled, segment_clause(compiled, segment))
    columns = ("key", *(name for name in compiled.used if name != "key"))
    return Look(
        segment=segment,
        as_of=now,
        count=_count(connection, members),
        customers=_count(connection, sa.select(customers.c.id).where(alive())),
        columns=columns,
        sample=_sample(connection, compiled, members, columns, limit) if limit else (),
        unknown=tuple(unknown_counts(connection, segment, scope)),
        ranked=tuple(ranked),
    )


def statement(
    definitions: Definitions, segment: Segment, *, now: datetime, dialect: sa.Dialect
) -> tuple[str, list[tuple[str, object]]]:
    """Return the one statement of a segment as the database gets it, and its parameters with their values in order."""
    compiled = compile_segment(segment, Scope.of(definitions, now, looking=True)).compile(
        dialect=dialect, compile_kwargs={"render_postcompile": True}
    )
    order = compiled.positiontup if compiled.positional else None
    names = list(order) if order is not None else list(compiled.params)
    return str(compiled), [(name, compiled.params[name]) for name in names]


def stored(connection: sa.Connection, definitions: Definitions) -> list[Stored]:
    """Return what is stored of every segment of a workspace, by id."""
    runs = latest_runs(connection)
    found = []
    for segment in sorted(definitions.segments.values(), key=lambda one: one.id):
        run = runs.get(segment.id)
        if segment.members == "listed":
            found.append(Stored(segment, _count(connection, stored_members(segment.id)), None))
        elif run is None:
            found.append(Stored(segment, None, None))
        else:
            changed = run.definition_hash != fingerprint(definitions, segment)
            found.append(Stored(segment, run.members, from_micros(run.as_of), changed))
    return found


def _count(connection: sa.Connection, select: sa.Select[tuple[int]]) -> int:
    counted = connection.execute(sa.select(sa.func.count()).select_from(select.subquery()))
    return int(counted.scalar_one())


def _sample(
    connection: sa.Connection,
    compiled: Compiled,
    members: sa.Select[tuple[int]],
    columns: tuple[str, ...],
    limit: int,
) -> tuple[Mapping[str, Shown], ...]:
    lists = [name for name in columns if _type(compiled, name) == "list"]
    single = [name for name in columns if name not in lists]
    chosen = [customers.c[name] if name in FIXED_COLUMNS else compiled.attributes.c[name] for name in single]
    rows = connection.execute(
        members.with_only_columns(customers.c.id, *chosen).order_by(customers.c.id).limit(limit)
    ).all()
    values: dict[tuple[int, str], list[str]] = {}
    table = people.customer_lists
    if lists and rows:
        for customer_id, name, value in connection.execute(
            sa.select(table.c.customer_id, table.c.attribute, table.c.value)
            .where(table.c.customer_id.in_([row[0] for row in rows]), table.c.attribute.in_(lists))
            .order_by(table.c.customer_id, table.c.attribute, table.c.value)
        ):
            values.setdefault((customer_id, name), []).append(value)
    found = []
    for row in rows:
        cells: dict[str, Shown] = {
            name: _shown(compiled, name, value) for name, value in zip(single, row[1:], strict=True)
        }
        cells |= {name: tuple(values[row[0], name]) if (row[0], name) in values else None for name in lists}
        found.append({name: cells[name] for name in columns})
    return tuple(found)


def _type(compiled: Compiled, name: str) -> str:
    declared = compiled.scope.attributes.get(name)
    return "text" if name in FIXED_COLUMNS or declared is None else declared.type


def _shown(compiled: Compiled, name: str, value: Any) -> Shown:
    """Return a stored value as people and programs read it."""
    if value is None:
        return None
    declared = compiled.scope.attributes.get(name)
    match _type(compiled, name):
        case "money":
            currency = (declared.currency if declared else None) or compiled.scope.currency
            return from_minor(value, currency) if currency else Decimal(value)
        case "instant":
            return from_micros(value)
        case "flag":
            return bool(value)
        case _:
            shown: Shown = value
            return shown
