"""SQL that is written out once in a test run, not once for each of its thousands of stores.

SQLAlchemy keeps the text of a statement per engine, and each test opens a store of five new engines: half of the
processor time of a small test went into writing the same SQL again.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache

# A long-lived process of production keeps 500 of each engine; the tests go through many more statements.
_KEPT = 4000


class _OfEqualDialects(LRUCache[Any, Any]):
    """A cache whose keys name the dialect by what its SQL depends on, where SQLAlchemy puts the object itself."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get((_kind(key[0]), *key[1:]), default)

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        super().__setitem__((_kind(key[0]), *key[1:]), value)


def _kind(dialect: Dialect) -> Hashable:
    return (
        type(dialect),
        dialect.paramstyle,
        dialect.server_version_info,
        getattr(dialect, "_json_serializer", None),
        getattr(dialect, "_backslash_escapes", None),
    )


def share() -> None:
    """Let all engines that are made from now on in this process share what they have written out."""
    create, kept = sa.create_engine, _OfEqualDialects(_KEPT)

    def create_engine(*given: Any, **options: Any) -> sa.Engine:
        engine = create(*given, **options)
        engine._compiled_cache = kept
        return engine

    sa.create_engine = create_engine
