"""Fixtures of the whole suite: a clock that stands still and stores on SQLite and on PostgreSQL."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator

import pytest

from support import compiled
from support.components import missing
from support.memory import fast_folder, fastest_folder
from support.postgres import Server, find_binaries, running
from support.stores import ATTRIBUTES, START, Stores, open_store
from tidings.clock import FixedClock
from tidings.definitions.kinds.rules import Attributes
from tidings.store.database import Store

DIALECTS = ("sqlite", "postgresql")
Fill = Callable[[Store], object]

# The suite starts `tidings` hundreds of times. Where the environment forbids Python to keep compiled modules, as images of
# containers like to, each of these processes would compile hundreds of modules again: 1.5 s instead of 0.3.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Where pytest makes `tmp_path`: copying a workspace there costs 20 ms of processor time in memory and 100 on a disk.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", fastest_folder())
compiled.share()
# Nothing that is loaded while tests are collected is garbage; `pytest_collection_finish` begins again.
gc.disable()


def pytest_collection_finish() -> None:
    """Take the suite's own objects out of garbage collection.

    A full collection of a heap with thousands of tests takes half a second, and counted as work under the write
    lock where it happened to fall. What tests leave is looked through less often than Python would, which by its own
    thresholds spends a seventh of the suite's processor time on it.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 25, 100)


@pytest.fixture
def clock() -> FixedClock:
    """2 March 2027, 09:00 UTC."""
    return FixedClock(START)


@pytest.fixture(scope="session")
def attributes() -> Attributes:
    """The attributes of the workspace at the root of the repository."""
    return ATTRIBUTES


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server of this test run."""
    binaries = find_binaries()
    if binaries is None:
        missing("PostgreSQL is not installed here (on Debian and Ubuntu: apt install postgresql)")
    with running(binaries) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Server) -> str:
    """The address of the server's own database, for tests that need PostgreSQL without a store."""
    return postgres_server.url("postgres")


@pytest.fixture(scope="session")
def stores(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Stores]]:
    """Ask for a dialect, get what makes its stores: PostgreSQL is started only when somebody asks for it."""
    made: dict[str, Stores] = {}

    with fast_folder() as folder:

        def of(dialect: str) -> Stores:
            if dialect not in made:
                server = request.getfixturevalue("postgres_server") if dialect == "postgresql" else None
                made[dialect] = Stores(folder, server)
            return made[dialect]

        yield of


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    """Each database in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def filled_once(stores: Callable[[str], Stores]) -> Iterator[Callable[[str, Fill], str]]:
    """Fill a store once in a module; return the address of a copy each time."""
    made: dict[tuple[str, Fill], str] = {}

    def copied(dialect: str, fill: Fill) -> str:
        if (dialect, fill) not in made:
            url = stores(dialect).url(dialect)
            with open_store(url) as store:
                fill(store)
            made[dialect, fill] = url
        return stores(dialect).copy(made[dialect, fill])

    yield copied
    for (dialect, _), url in made.items():
        stores(dialect).drop(url)


@pytest.fixture
def make_store(
    stores: Callable[[str], Stores], filled_once: Callable[[str, Fill], str], clock: FixedClock
) -> Iterator[Callable[..., Store]]:
    """Make fresh migrated stores of a dialect; `bare=True` leaves the vocabulary out.

    With `fill` it is a copy of one that this function filled once for all tests of the module.
    """
    opened: list[Store] = []

    def make(dialect: str, *, bare: bool = False, fill: Fill | None = None) -> Store:
        url = filled_once(dialect, fill) if fill else stores(dialect).url(dialect, bare=bare)
        opened.append(open_store(url, clock))
        return opened[-1]

    yield make
    for store in opened:
        store.close()
        stores(store.dialect).drop(store.url)


@pytest.fixture
def store(make_store: Callable[..., Store], dialect: str) -> Store:
    """A fresh migrated store with the vocabulary applied, on each database in turn."""
    return make_store(dialect)
