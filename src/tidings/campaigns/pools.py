"""Pools of codes: made, imported, counted, withdrawn. Which code goes to whom is decided when a message is claimed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.code_signs import LONGEST, SHORTEST, new_code
from tidings.clock import to_micros
from tidings.customers.knowing import listed, one_of
from tidings.errors import UsageError
from tidings.store.audit import append
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import money

_codes, _redemptions = money.codes, money.redemptions
_CHUNK = 1_000
MOST = 5_000_000
LONGEST_CODE = 60
_NAME = re.compile(r"[^\W\d]\w{0,59}\Z")
# A batch of new codes of which so few are new says that there are none left of this length.
_SPARSE = 0.5


@dataclass(frozen=True, slots=True)
class Pool:
    """How many codes of a pool are free, reserved for a message or withdrawn; `redeemed` of the reserved came back."""

    name: str
    free: int
    reserved: int
    redeemed: int
    withdrawn: int

    def as_json(self) -> dict[str, Any]:
        """Return everything with stable keys."""
        return {
            "pool": self.name,
            "free": self.free,
            "reserved": self.reserved,
            "redeemed": self.redeemed,
            "withdrawn": self.withdrawn,
        }


@dataclass(frozen=True, slots=True)
class Added:
    """How many codes were added; `known` were there before (in this pool or another) and are left as they are."""

    added: int
    known: int = 0


def pools(connection: sa.Connection, name: str = "") -> list[Pool]:
    """Return the pools by name, or the one of that name."""
    good = (
        sa.select(sa.literal_column("1"))
        .where(_redemptions.c.code == _codes.c.code, _redemptions.c.judged == "good")
        .correlate(_codes)
        .exists()
    )

    def count(*which: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.count(sa.case((sa.and_(*which), 1)))

    rows = connection.execute(
        sa.select(
            _codes.c.pool,
            count(_codes.c.state == "free"),
            count(_codes.c.state == "reserved"),
            count(_codes.c.state == "reserved", good),
            count(_codes.c.state == "withdrawn"),
        )
        .where(*([_codes.c.pool == name] if name else []))
        .group_by(_codes.c.pool)
        .order_by(_codes.c.pool)
    )
    return [Pool(*row) for row in rows]


def free_codes(connection: sa.Connection, pool: str) -> int:
    """Return how many codes of a pool are free."""
    return int(
        connection.execute(
            sa.select(sa.func.count())
            .select_from(_codes)
            .where(_codes.c.pool == pool, _codes.c.state == sa.literal_column("'free'"))
        ).scalar_one()
    )


def make_codes(
    store: Store, pool: str, count: int, *, prefix: str = "", length: int = 8, actor: str, now: datetime
) -> Added:
    """Add so many random codes to a pool, all different from every code there is.

    `length` counts the signs after the prefix, the check sign among them. Raises UsageError for a name, a number or a
    length that cannot be, and where the length leaves too few codes that nobody could guess.
    """
    _check_name(pool)
    if not 1 <= count <= MOST:
        raise UsageError(f"{count:,} is no number of codes to make", what_to_do=f"give 1 to {MOST:,}")
    if not SHORTEST <= length <= LONGEST:
        raise UsageError(
            f"a code of {length} signs cannot be made", what_to_do=f"--length takes {SHORTEST} to {LONGEST}"
        )
    if prefix and (len(prefix) > LONGEST_CODE - LONGEST or not _is_code(prefix) or prefix != prefix.upper()):
        raise UsageError(
            f'"{prefix}" cannot stand before a code',
            what_to_do="write it in capital letters and digits, without blanks, such as --prefix SPRING-",
        )
    added = 0
    while added < count:
        wanted = min(_CHUNK, count - added)
        made = list(dict.fromkeys(prefix + new_code(length) for _ in range(wanted)))
        fresh = _add(store, pool, made, to_micros(now))
        added += fresh
        if fresh < wanted * _SPARSE:
            _note(store, pool, "codes made", added, actor, now)
            raise UsageError(
                f"{added:,} codes were added and then hardly any new ones were left: codes of {length} signs could be guessed",
                what_to_do=f"make the others with a greater --length than {length}",
            )
    _note(store, pool, "codes made", added, actor, now)
    return Added(added)


def import_codes(store: Store, pool: str, lines: Iterable[str], *, actor: str, now: datetime) -> Added:
    """Add the codes of a file, one a line, to a pool; empty lines are passed over.

    Raises UsageError for a line that is no code, and then adds nothing.
    """
    _check_name(pool)
    added = total = 0
    for part in list(_parts(lines)):
        added += _add(store, pool, part, to_micros(now))
        total += len(part)
    if not total:
        raise UsageError("the file holds no codes", what_to_do="write one code a line")
    _note(store, pool, "codes imported", added, actor, now)
    return Added(added, total - added)


def withdraw(
    store: Store, pool: str, codes: Sequence[str] = (), *, everything: bool = False, actor: str, now: datetime
) -> int:
    """Withdraw the free codes of a pool (or those named, given away or not); return how many.

    `everything`: those that were given away too. Whoever comes with a withdrawn code is told so; it is not given again.
    """
    with store.read() as connection:
        dialect = connection.dialect.name
        if not pools(connection, pool):
            raise UsageError(f'there is no pool "{pool}"', what_to_do="`tidings codes` lists them")
        which = [_codes.c.pool == pool, _codes.c.state != "withdrawn"]
        if codes:
            found = connection.execute(
                sa.select(_codes.c.id, _codes.c.code).where(*which, one_of(_codes.c.code, dialect)),
                listed(dialect, codes),
            ).all()
            missing = [one for one in codes if one not in {row.code for row in found}]
            if missing:
                raise UsageError(
                    f'"{missing[0]}" is no code of {pool} that could be withdrawn',
                    what_to_do="nothing was withdrawn; codes are written as they were made",
                )
            ids = [row.id for row in found]
        else:
            if not everything:
                which.append(_codes.c.state == "free")
            ids = list(
                connection.execute(sa.select(_codes.c.id).where(*which).order_by(_codes.c.id)).scalars()
            )
    gone = 0
    allowed = ("free", "reserved") if codes or everything else ("free",)
    for part in store.paced("codes").chunks(ids, _CHUNK):
        with store.durable("codes") as connection:
            gone += connection.execute(
                sa.update(_codes)
                .where(_codes.c.id.in_(part), _codes.c.state.in_(allowed))
                .values(state="withdrawn")
            ).rowcount
    _note(store, pool, "codes withdrawn", gone, actor, now)
    return gone


def _add(store: Store, pool: str, codes: Sequence[str], at: int) -> int:
    with store.durable("codes") as connection:
        insert = insert_ignoring(connection, _codes).values(
            [{"pool": pool, "code": one, "state": "free", "added_at": at} for one in codes]
        )
        return len(connection.execute(insert.returning(_codes.c.id)).all())


def _parts(lines: Iterable[str]) -> Iterator[list[str]]:
    def read() -> Iterator[str]:
        for number, line in enumerate(lines, 1):
            code = line.strip().lstrip("\ufeff")
            if not code:
                continue
            if not _is_code(code) or len(code) > LONGEST_CODE:
                raise UsageError(
                    f"line {number} is no code: {code[:70]!r}",
                    what_to_do=f"write one code a line, of at most {LONGEST_CODE} signs and without blanks",
                )
            yield code

    found = read()
    while part := list(islice(found, _CHUNK)):
        yield list(dict.fromkeys(part))


def _is_code(text: str) -> bool:
    return text.isprintable() and not any(sign.isspace() for sign in text)


def _check_name(pool: str) -> None:
    if not _NAME.match(pool):
        raise UsageError(
            f'"{pool}" is no name of a pool',
            what_to_do="a name begins with a letter and goes on with letters, digits and _, such as spring25",
        )


def _note(store: Store, pool: str, what: str, count: int, actor: str, now: datetime) -> None:
    with store.durable("codes") as connection:
        append(connection, to_micros(now), actor, what, pool, {"codes": count})
