"""Registers of numbers that want no advertising: read, kept by keyed hash, and replaced whole by the next list.

Each number is kept as that of a telephone and as that of a fax, for a register does not say which it is. No number is readable
here, and nobody needs to be a customer to stand in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tidings.clock import to_micros
from tidings.customers.cells import CellError, text_reader
from tidings.customers.columns import Cell
from tidings.customers.identity import AddressHasher, normalise_phone
from tidings.definitions.kinds.importing import NumbersImport
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError
from tidings.store.database import Store
from tidings.store.tables import people

KINDS = ("sms", "fax")
_listed = people.listed_numbers
_LIFTED_AT_ONCE = 500


class NumberItem(NamedTuple):
    """The keyed hash of a number, for each kind of channel that has numbers."""

    hashes: tuple[str, ...]


class NumberRows:
    """Reads rows of a register under a mapping."""

    def __init__(self, mapping: NumbersImport, definitions: Definitions, places: dict[str, int]) -> None:
        self._country = mapping.country or definitions.workspace.country
        self._number = Cell(mapping.number, text_reader(), places)
        self._hashers = [AddressHasher(definitions.workspace.salt, kind) for kind in KINDS]

    def __call__(self, cells: list[str]) -> NumberItem:
        """Return the number of a row; raises CellError for one that cannot be read."""
        try:
            number = normalise_phone(self._number.needed(cells, "no number"), self._country)
        except ValueError as error:
            raise CellError("not a number", str(error), self._number.name) from error
        return NumberItem(tuple(hasher.of(number) for hasher in self._hashers))


class NumberStore:
    """Stores the numbers of one list; `__call__` handles one chunk inside the caller's transaction."""

    def __init__(self, mapping: str, import_id: int) -> None:
        self._mapping, self._import = mapping, import_id

    def __call__(self, connection: sa.Connection, items: Sequence[NumberItem], now: int) -> dict[str, int]:
        """Store one chunk; return how many numbers were new on the list, and how many stood on it."""
        counts: Counter[str] = Counter()
        chosen = {item.hashes: None for item in items}
        firsts = [hashes[0] for hashes in chosen]
        open_ = connection.execute(
            sa.select(_listed.c.address_hash).where(
                _listed.c.address_hash.in_(firsts),
                _listed.c.channel == KINDS[0],
                _listed.c.mapping == self._mapping,
                _listed.c.lifted_at.is_(None),
            )
        ).scalars()
        known = set(open_)
        rows = [
            {
                "channel": kind,
                "address_hash": one,
                "mapping": self._mapping,
                "import_id": self._import,
                "listed_at": now,
                "lifted_at": None,
            }
            for hashes in chosen
            for kind, one in zip(KINDS, hashes, strict=True)
        ]
        insert = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(_listed)
        since = sa.case((_listed.c.lifted_at.is_(None), _listed.c.listed_at), else_=insert.excluded.listed_at)
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=["address_hash", "channel", "mapping"],
                set_={"import_id": insert.excluded.import_id, "listed_at": since, "lifted_at": None},
            ),
            rows,
        )
        counts["numbers_known"] = sum(one in known for one in firsts)
        counts["numbers"] = len(firsts) - counts["numbers_known"]
        return dict(counts)

    def lift_others(self, store: Store, *, read: int) -> dict[str, int]:
        """Lift what stands on the list by an earlier file alone; return how many numbers that were.

        `read` is how many numbers this file had. Raises TidingsError where it had none: an empty list would free everybody,
        and is more likely the wrong file.
        """
        if not read:
            raise TidingsError(
                "not one number could be read, and what stands on the list stays on it",
                what_to_do="Is it the right file and column? `number:` of the mapping names it, `country:` says how "
                "numbers without a country code are read.",
            )
        gone = sa.and_(
            _listed.c.mapping == self._mapping,
            _listed.c.import_id != self._import,
            _listed.c.lifted_at.is_(None),
        )
        with store.read() as connection:
            found = connection.execute(
                sa.select(_listed.c.id, _listed.c.channel).where(gone).order_by(_listed.c.id)
            ).all()
        for part in store.paced("import").chunks(found, _LIFTED_AT_ONCE):
            now = to_micros(store.clock.now())
            with store.durable("import") as connection:
                connection.execute(
                    sa.update(_listed)
                    .where(_listed.c.id.in_([row.id for row in part]), gone)
                    .values(lifted_at=now)
                )
        return {"numbers_lifted": sum(row.channel == KINDS[0] for row in found)}
