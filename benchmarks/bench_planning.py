"""What planning a large audience costs: the set-based plan beside a loop that decides customer by customer, same run.

    python benchmarks/bench_planning.py [AUDIENCE] [--quick] [--sqlite]      default 1000000 people

Every eleventh customer beside them is not in the audience, and every tenth has agreed to nothing. Time is that of this
process with all its threads; on PostgreSQL that of the server's processes is added. The loop asks the database for each
customer in turn, as a person writes it first, on a sample. Fails when a target is missed or both decide differently.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import sqlalchemy as sa

from support.postgres import find_binaries, running
from support.shop import SALT, copy_workspace
from support.stores import ATTRIBUTES, START, open_store
from tidings.campaigns.assignment import bucket, salt_for
from tidings.campaigns.plan import Plan
from tidings.campaigns.planning import load_plan, make_plan
from tidings.clock import FixedClock, to_micros
from tidings.customers.identity import customer_u
from tidings.definitions.loader import load
from tidings.definitions.workspace import Definitions
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.table_statistics import analyse
from tidings.store.tables import people, sending
from tidings.store.vocabulary import apply_changes, attributes_table

# Processor seconds for an audience of a million, and how long one transaction may keep others from writing.
TARGETS, LOCK_MS = {"sqlite": 15.0, "postgresql": 40.0}, 200.0
SAMPLE = 5_000
CAMPAIGN = """\
campaign: Everybody quiet
to: quiet
send: spring_winback
via: email
holdout: 10%
goal:
  did: order_placed
  within: 14 days
"""
SEGMENT = """\
segment: Quiet
where:
  - last_order_at: more than 90 days ago
"""


def fill(store: Store, customers: int) -> None:
    """Fill an empty store with customers, a date and a consent each."""
    now = to_micros(START)
    apply_changes(store, ATTRIBUTES)
    old, recent = START.date().replace(year=2026), START.date()
    for low in range(1, customers + 1, 50_000):
        ids = range(low, min(low + 50_000, customers + 1))
        with store.durable("fill") as connection:
            insert_rows(
                connection,
                people.customers,
                [
                    (n, f"c{n}", customer_u(SALT, f"c{n}"), f"c{n}@shop.example", f"h{n}", "en", now)
                    for n in ids
                ],
                ["id", "key", "u", "email", "email_hash", "locale", "created_at"],
            )
            insert_rows(
                connection,
                attributes_table(ATTRIBUTES),
                [(n, recent if n % 11 == 0 else old) for n in ids],
                ["customer_id", "last_order_at"],
            )
            insert_rows(
                connection,
                people.consents,
                [(n, "email", "marketing", "granted", "form", "bench", now, now) for n in ids if n % 10],
                ["customer_id", "channel", "purpose", "state", "basis", "source", "at", "received_at"],
            )
    analyse(store, "customers", "customer_attributes", "consents")


def loop(connection: sa.Connection, ids: range) -> dict[int, str | None]:
    """Decide for each customer of the sample alone: the arm, or None for somebody not written to."""
    customers, table, consents = people.customers, attributes_table(ATTRIBUTES), people.consents
    salt, found = salt_for(SALT, "everybody/once", "holdout"), {}
    quiet = START.date().replace(year=2026)
    for one in ids:
        u, ordered = connection.execute(
            sa.select(customers.c.u, table.c.last_order_at)
            .join(table, table.c.customer_id == customers.c.id)
            .where(customers.c.id == one)
        ).one()
        if ordered != quiet:
            continue
        state = connection.execute(
            sa.select(consents.c.state)
            .where(consents.c.customer_id == one, consents.c.channel == "email")
            .order_by(consents.c.at.desc())
            .limit(1)
        ).scalar()
        found[one] = ("holdout" if bucket(u, salt) < 1000 else "treated") if state == "granted" else None
    return found


def same(store: Store, plan: Plan, expected: dict[int, str | None], ids: range) -> bool:
    """Tell whether the plan decided as the loop did."""
    plan_id, _, _ = load_plan(store, plan.hash)
    members = sending.plan_members
    with store.read() as connection:
        rows = connection.execute(
            sa.select(members.c.customer_id, members.c.arm).where(
                members.c.plan_id == plan_id, members.c.customer_id.between(ids[0], ids[-1])
            )
        )
        return {row.customer_id: row.arm for row in rows} == expected


def processor(pids: Callable[[], Iterator[int]]) -> float:
    """Return the processor seconds of this process and of others."""
    total = time.process_time()
    for pid in pids():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # With what its ended children took: a session ends with its connection.
        total += sum(int(one) for one in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return total


def children(parent: int) -> Iterator[int]:
    """Give a process and its children."""
    yield parent
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                yield int(folder.name)
        except OSError:
            continue


def measure(
    store: Store, definitions: Definitions, customers: int, pids: Callable[[], Iterator[int]]
) -> bool:
    """Plan and print; tell whether the target was met and the loop decided the same."""
    dialect = store.dialect
    before = processor(pids)
    plan = make_plan(store, definitions, "everybody", now=START)
    spent = processor(pids) - before
    longest = max(
        (use.longest_busy_ms for use in store.lock_report() if use.purpose not in ("fill", "analyse")),
        default=0.0,
    )
    ids = range(1, min(SAMPLE, customers) + 1)
    with store.read() as connection:
        before = processor(pids)
        expected = loop(connection, ids)
        each = (processor(pids) - before) / len(ids)
    target = TARGETS[dialect] * plan.audience / 1_000_000
    met = spent <= target and (dialect != "sqlite" or longest <= LOCK_MS)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{dialect:<11}{plan.audience:>10,}{spent:>9.1f} s (target: at most {target:g} s)"
        f"{each * customers:>9,.0f} s by the loop, ratio {each * customers / spent:,.0f}; "
        f"longest lock {longest:.0f} ms, memory at most {memory:,.0f} MB: {'met' if met else 'missed'}"
    )
    if not same(store, plan, expected, ids):
        print(f"{dialect}: the plan and the loop decide differently", file=sys.stderr)
        return False
    return met


@contextmanager
def stores(folder: Path, *, both: bool) -> Iterator[Iterator[tuple[Store, Callable[[], Iterator[int]]]]]:
    """Give an empty store on each database, with what names the processes of its server."""

    def each() -> Iterator[tuple[Store, Callable[[], Iterator[int]]]]:
        with open_store(f"sqlite:///{folder}/bench.sqlite", FixedClock(START), create=True) as store:
            yield store, lambda: iter(())
        binaries = find_binaries() if both else None
        if binaries is None:
            print("PostgreSQL was left out" if not both else "PostgreSQL is not installed here")
            return
        with (
            running(binaries) as server,
            open_store(server.url("postgres"), FixedClock(START), create=True) as store,
        ):
            yield store, lambda: children(server.process.pid)

    yield each()


def main() -> int:
    """Print a line a database; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "audience", nargs="?", type=lambda text: int(text.replace("_", "")), default=1_000_000
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the people")
    parser.add_argument("--sqlite", action="store_true", help="SQLite alone")
    given = parser.parse_args()
    audience = given.audience // 10 if given.quick else given.audience
    customers = audience * 11 // 10
    good = True
    with tempfile.TemporaryDirectory() as name:
        shop = copy_workspace(Path(name) / "shop", campaigns__everybody=CAMPAIGN, segments__quiet=SEGMENT)
        definitions = load(shop)
        print(f"planning for {audience:,} of {customers:,} customers: audience and processor seconds")
        with stores(Path(name), both=not given.sqlite) as databases:
            for store, pids in databases:
                fill(store, customers)
                good &= measure(store, definitions, customers, pids)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
