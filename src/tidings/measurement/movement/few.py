"""Columns of texts with few values, such as currencies, read as numbers in the same pass as everything else.

A pass over all events only to see which values there are would cost as much as reading them. So the values of the latest events are
taken for all there are; whoever finds another among what was read asks for all of them then, and reads once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from tidings.store.tables import people

Integers = NDArray[np.int64]
_events = people.events
_BATCH = 50_000
# The values of so many events, those that came last, are looked at first.
_LATEST = 20_000
# So many values are told apart in one number.
PLACES = 1024


class Few:
    """A text column with few values: `known` are they, "" first, and a value that is none of them is read as their number."""

    def __init__(self, value: sa.ColumnElement[str], *usual: str) -> None:
        self.value = value
        self.known: tuple[str, ...] = ("", *usual)

    def place(self) -> sa.ColumnElement[int]:
        """Return the place of the value among those known."""
        return sa.case(
            {one: place for place, one in enumerate(self.known)}, value=self.value, else_=len(self.known)
        )

    def look(self, connection: sa.Connection, *these: sa.ColumnElement[bool]) -> None:
        """Take the values of these events for those that are known."""
        found = connection.execute(sa.select(self.value).where(*these).distinct()).scalars()
        self.known = ("", *sorted({*self.known, *(str(one) for one in found)} - {""}))


def packed(places: Sequence[sa.ColumnElement[int]]) -> sa.ColumnElement[int]:
    """Return one number for several places: half of the time of reading goes into handing cells over."""
    found = places[0]
    for power, one in enumerate(places[1:], 1):
        found = found + PLACES**power * one
    return found


def unpacked(numbers: Integers, power: int, *, last: bool) -> Integers:
    """Return the places of what stands at `power` in such numbers; only the last of them may be over PLACES."""
    found: Integers = numbers // PLACES**power
    return found if last else found % PLACES


def read_with(
    connection: sa.Connection,
    statement: Callable[[Sequence[sa.ColumnElement[int]]], sa.Select[Any]],
    few: Sequence[Few],
    these: Sequence[sa.ColumnElement[bool]],
    width: int,
) -> tuple[Integers, int]:
    """Return the rows of a statement that selects integers, and how many purchases had no amount; unknown counts as 0.

    The third column is the amount and the fourth what `packed` makes of 1 for a purchase, 0 for a return and the places of `few`.
    """
    latest = (
        _events.c.id > sa.select(sa.func.coalesce(sa.func.max(_events.c.id), 0) - _LATEST).scalar_subquery()
    )
    for one in few:
        one.look(connection, latest, *these)
    rows, missing = _integers(connection, statement([one.place() for one in few]), width)
    strange = [
        one
        for power, one in enumerate(few, 1)
        if (unpacked(rows[:, 3], power, last=power == len(few)) == len(one.known)).any()
    ]
    if not strange:
        return rows, missing
    for one in strange:
        one.look(connection, *these)
    return _integers(connection, statement([one.place() for one in few]), width)


def _integers(connection: sa.Connection, statement: sa.Select[Any], width: int) -> tuple[Integers, int]:
    result = connection.execute(statement)
    parts, missing = [], 0
    cursor: Any = result.cursor
    while rows := cursor.fetchmany(_BATCH):
        try:
            parts.append(np.array(rows, dtype=np.int64))
        except TypeError:
            # Some amounts are unknown: the same once more, with 0 for them.
            read = np.array(rows, dtype=np.float64)
            missing += int((np.isnan(read[:, 2]) & (read[:, 3] % 2 == 1)).sum())
            parts.append(np.array([[cell or 0 for cell in row] for row in rows], dtype=np.int64))
    result.close()
    return (np.concatenate(parts) if parts else np.zeros((0, width), dtype=np.int64)), missing
