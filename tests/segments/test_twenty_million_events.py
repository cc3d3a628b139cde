"""A million customers with twenty million events in one SQLite file: who is selected, at what cost, and who must wait for it.

For `make nightly`; TIDINGS_EVENTS says another number of events, of which each customer has twenty.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tidings.clock import FixedClock
from tidings.definitions.kinds.rules import Policies, Workspace
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.workspace import Definitions
from tidings.segments.compile import compile_conditions
from tidings.segments.membership import refresh, stored_members
from tidings.segments.scope import Scope
from tidings.store.database import Store

EVENTS = int(os.environ.get("TIDINGS_EVENTS", "20_000_000"))
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The benchmark of segments: its shop, its segments, and its loop over every customer and event."""
    path = Path(__file__).parents[2] / "benchmarks" / "bench_segments.py"
    spec = importlib.util.spec_from_file_location("bench_segments", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shop(bench: ModuleType) -> Iterator[Store]:
    # On a disk: some gigabytes, which the folder of other tests may not hold in memory.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        url = f"sqlite:///{folder}/events.sqlite"
        with Store.open(
            url, clock=FixedClock(bench.NOW), workspace="bench", environment="development", create=True
        ) as store:
            bench.build(store, EVENTS // 20, EVENTS)
            yield store


def test_each_statement_selects_whom_the_loop_selects_at_a_fraction_of_its_cost(
    bench: ModuleType, shop: Store
) -> None:
    scope = Scope(bench.ATTRIBUTES, bench.EVENTS, bench.NOW, bench.ZONE, "EUR")
    for name, (where, keep, ask) in bench.SEGMENTS.items():
        statement = compile_conditions(where, scope=scope)
        with shop.read() as connection:
            ours, found = bench.best(lambda: set(connection.execute(statement).scalars()), 2)  # noqa: B023
            naive, expected = bench.best(lambda: bench.loop(connection, keep, ask), 1)  # noqa: B023
        print(f"{name}: {len(found):,} members, {ours / 1000:.1f} s CPU, {ours / naive:.3f} of the loop")
        assert found == expected
        assert found
        assert ours < 0.25 * naive


def test_refreshing_stored_segments_over_them_lets_everybody_write_in_between(
    bench: ModuleType, shop: Store
) -> None:
    segments = {
        f"s{number}": Segment(f"s{number}", name, "", where=where)
        for number, (name, (where, _, _)) in enumerate(bench.SEGMENTS.items())
    }
    definitions = Definitions(
        "",
        Workspace("bench", "Bench", str(bench.ZONE), "salt", "EUR"),
        Policies(()),
        bench.ATTRIBUTES,
        bench.EVENTS,
        segments=segments,
    )
    done = refresh(shop, definitions, list(segments), now=bench.NOW)
    with shop.read() as connection:
        for name in segments:
            members = connection.execute(stored_members(name)).scalars().all()
            assert members
            assert len(members) == next(one.entered for one in done if one.segment == name)
    use = next(use for use in shop.lock_report() if use.purpose == "segments")
    print(f"{use.count} times the lock, at most {use.longest_busy_ms:.0f} ms of processor time")
    assert use.count > EVENTS / 20 / 10_000
    assert use.longest_busy_ms < 200
