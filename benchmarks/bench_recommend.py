"""What recommending costs: learnt and chosen set by set, beside asking for each customer in turn, in the same run.

    python benchmarks/bench_recommend.py [CUSTOMERS] [--quick] [--postgresql]      default 100000 customers, ten lines each

Customers belong to fifty tastes of forty products; of their ten lines eight are of their own taste, two of what everybody buys.
The naive way asks the database for each customer of a sample what else those bought who bought the same, and takes what most of
them did. Fails when a target is missed, or when fewer of the products recommended are of the customer's taste than the naive way finds.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import sqlalchemy as sa

from bench_touches import children, processor
from support.postgres import find_binaries, running
from support.stores import START, Stores, open_store
from support.workspaces import small_workspace
from tidings.campaigns.bought_together import learn
from tidings.campaigns.recommending import TOGETHER, recommended
from tidings.clock import to_micros
from tidings.definitions.loader import load
from tidings.definitions.workspace import Definitions
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.table_statistics import analyse
from tidings.store.tables import money, people

# Processor seconds to learn from a million lines, milliseconds to choose for a thousand customers, how long others wait to write.
LEARN, CHOOSE_MS, LOCK_MS = 30.0, 400.0, 200.0
TASTES, OF_TASTE, POPULAR, LINES = 50, 40, 20, 10
SAMPLE, BATCH = 20, 1_000
EVENTS = "events: What customers do\norder_placed:\n  properties: {total: money}\n  revenue: total\n"
NOW = to_micros(START)


def fill(store: Store, customers: int) -> None:
    """Fill an empty store with products and orders of one line each to ten lines."""
    draw = random.Random(7)
    items = [(f"T{taste:02}-{n:02}", f"taste {taste}") for taste in range(TASTES) for n in range(OF_TASTE)]
    items += [(f"P-{n:02}", "for everybody") for n in range(POPULAR)]
    with store.durable("fill") as connection:
        insert_rows(
            connection,
            money.products,
            [(item, f"Product {item}", category, 990, "EUR", NOW) for item, category in items],
            ["item", "name", "category", "price", "currency", "updated_at"],
        )
        insert_rows(connection, people.event_names, [(1, "order_placed")], ["id", "name"])
    for low in range(1, customers + 1, 20_000):
        ids = range(low, min(low + 20_000, customers + 1))
        orders, lines = [], []
        for n in ids:
            taste = n % TASTES
            mine = draw.sample(range(OF_TASTE), LINES - 2)
            bought = [f"T{taste:02}-{one:02}" for one in mine] + [
                f"P-{one:02}" for one in draw.sample(range(POPULAR), 2)
            ]
            for half in (0, 1):
                number = 2 * n - half
                orders.append(
                    (
                        number,
                        1,
                        n,
                        NOW - draw.randrange(1, 300) * 86_400_000_000,
                        NOW,
                        "shop",
                        f"o{number}",
                        1_000,
                        "EUR",
                    )
                )
                lines += [(number, place, item, 1, 990) for place, item in enumerate(bought[half::2])]
        with store.durable("fill") as connection:
            insert_rows(
                connection,
                people.customers,
                [(n, f"c{n}", n, NOW) for n in ids],
                ["id", "key", "u", "created_at"],
            )
            insert_rows(
                connection,
                people.events,
                orders,
                [
                    "id",
                    "name_id",
                    "customer_id",
                    "occurred_at",
                    "received_at",
                    "source",
                    "dedupe_key",
                    "amount",
                    "currency",
                ],
            )
            insert_rows(
                connection, people.event_items, lines, ["event_id", "position", "item", "quantity", "price"]
            )
    analyse(store, "customers", "events", "event_items", "products")


def naive(connection: sa.Connection, customer_id: int, show: int) -> list[str]:
    """Return what most of those bought who bought something of what this customer did, counted in Python."""
    events, lines = people.events, people.event_items
    bought = (
        sa.select(lines.c.item)
        .join(events, events.c.id == lines.c.event_id)
        .where(events.c.customer_id == customer_id)
    )
    mine = set(connection.execute(bought).scalars())
    counted: Counter[str] = Counter()
    for item in mine:
        same = (
            sa.select(events.c.customer_id)
            .join(lines, lines.c.event_id == events.c.id)
            .where(lines.c.item == item)
        )
        others = (
            sa.select(lines.c.item)
            .join(events, events.c.id == lines.c.event_id)
            .where(events.c.customer_id.in_(same))
        )
        counted.update(connection.execute(others).scalars())
    return [
        item for item, _ in sorted(counted.items(), key=lambda one: (-one[1], one[0])) if item not in mine
    ][:show]


def of_taste(found: dict[int, list[str]]) -> float:
    """Return which part of what was recommended is of the customer's own taste."""
    every = [
        item.startswith(f"T{customer % TASTES:02}-") for customer, items in found.items() for item in items
    ]
    return sum(every) / max(len(every), 1)


def measure(
    store: Store, definitions: Definitions, customers: int, pids: Callable[[], Iterator[int]]
) -> list[str]:
    """Measure one store, print it, and return what missed its target."""
    missed = []
    began = processor(pids)
    learnt = learn(store, definitions, now=START)
    took = processor(pids) - began
    waited = max(one.longest_ms for one in store.lock_report() if one.purpose == "recommendations")
    lines = customers * LINES
    target = LEARN * lines / 1_000_000
    print(
        f"  learn from {lines:,} lines     {took:8.2f} s  ({learnt.pairs:,} pairs of {learnt.items:,} products; at most {target:.0f})"
    )
    print(f"  longest under the write lock {waited:6.0f} ms (at most {LOCK_MS:.0f})")
    if took > target:
        missed.append("learning")
    if store.dialect == "sqlite" and waited > LOCK_MS:
        missed.append("the write lock")
    draw = random.Random(11)
    chosen: dict[int, list[str]] = {}
    times = []
    for _ in range(5):
        ids = draw.sample(range(1, customers + 1), min(BATCH, customers))
        with store.read() as connection:
            began = processor(pids)
            found = recommended(connection, definitions, ids, now=START, fields={"name", "price"})
            times.append(processor(pids) - began)
        assert all(one.rule == TOGETHER for those in found.values() for one in those)
        chosen |= {one: [product.item for product in those] for one, those in found.items()}
    a_thousand = sorted(times)[len(times) // 2] / min(BATCH, customers) * 1_000
    sample = draw.sample(sorted(chosen), min(SAMPLE, len(chosen)))
    with store.read() as connection:
        began = processor(pids)
        asked = {one: naive(connection, one, definitions.workspace.recommendations.show) for one in sample}
        each = (processor(pids) - began) / len(sample)
    ours, theirs = of_taste({one: chosen[one] for one in sample}), of_taste(asked)
    print(
        f"  choose for 1,000 customers   {a_thousand * 1000:6.0f} ms (at most {CHOOSE_MS:.0f}); naive {each * 1000:,.0f} s: {each * 1000 / a_thousand:,.0f} times as long"
    )
    print(
        f"  learn and choose for all     {took + a_thousand * customers / 1000:8.1f} s; naive about {each * customers:,.0f} s"
    )
    print(f"  of the customer's taste      {ours:8.0%}; naive {theirs:.0%}")
    if a_thousand * 1000 > CHOOSE_MS:
        missed.append("choosing")
    if ours < theirs:
        missed.append("the taste")
    return missed


def main() -> None:
    """Fill, measure, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("customers", nargs="?", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="ten thousand customers")
    parser.add_argument("--postgresql", action="store_true", help="PostgreSQL as well")
    given = parser.parse_args()
    customers = min(given.customers, 10_000) if given.quick else given.customers
    missed = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        definitions = load(small_workspace(folder, {"config/events.yaml": EVENTS}))
        binaries = find_binaries() if given.postgresql else None
        server = stack.enter_context(running(binaries)) if binaries else None
        stores = Stores(folder, server)
        for dialect in ("sqlite", "postgresql") if server else ("sqlite",):
            with open_store(stores.url(dialect)) as store:
                fill(store, customers)
                print(f"{dialect}: {customers:,} customers")
                pids = (
                    (lambda: iter(()))
                    if server is None or dialect == "sqlite"
                    else (lambda: children(server.process.pid))
                )
                missed += [f"{dialect}: {one}" for one in measure(store, definitions, customers, pids)]
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
