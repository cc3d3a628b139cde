"""What a score costs in a large store: training and applying span by span, beside a loop over customers, same run.

    python benchmarks/bench_scores.py [CUSTOMERS] [--quick]      default 1000000 customers on SQLite

Three events a customer over fourteen months; some order more often than others. Time is processor time of this process, memory
its peak. The loop applies the same model to a sample, one customer after the other. Fails when a target is missed or both
give other chances.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import sqlalchemy as sa

from support.scored_world import NOW, score, workspace
from support.stores import open_store
from tidings.clock import FixedClock, to_micros
from tidings.definitions.values import Duration, Unit
from tidings.scores.applying import apply
from tidings.scores.asking import question_of
from tidings.scores.keeping import applied, keep
from tidings.scores.reading import name_ids, read_rows
from tidings.scores.times import cut_at
from tidings.scores.training import train
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.table_statistics import analyse
from tidings.store.tables import people

# Processor seconds to train (at most 200,000 customers are learnt from), to apply to a million, and megabytes.
TRAIN, APPLY, MEMORY = 80.0, 120.0, 1_500
SAMPLE = 300
DEFINITIONS = workspace(score())
DAY = 86_400_000_000


def fill(store: Store, customers: int) -> None:
    """Fill an empty store with customers and what they did, in the order in which it happened."""
    dice, now = random.Random(9), to_micros(NOW)
    with store.durable("fill") as connection:
        for number, name in enumerate(("order_placed", "order_returned", "page_viewed"), 1):
            connection.execute(people.event_names.insert().values(id=number, name=name))
    for low in range(1, customers + 1, 50_000):
        with store.durable("fill") as connection:
            ids = range(low, min(low + 50_000, customers + 1))
            drawn = [(n, f"c{n}", dice.getrandbits(63), now - 500 * DAY) for n in ids]
            insert_rows(connection, people.customers, drawn, ["id", "key", "u", "created_at"])
    total = customers * 3
    for low in range(0, total, 100_000):
        rows = []
        for place in range(low, min(low + 100_000, total)):
            at = now - 430 * DAY + place * 430 * DAY // total
            # The smaller the number, the more often: a few order all the time.
            customer = int(customers * dice.random() ** 1.7) + 1
            name = 1 if dice.random() < 0.5 else 2 if dice.random() < 0.06 else 3
            amount = dice.randrange(500, 20_000) if name < 3 else None
            rows.append(
                (name, customer, at, at, "bench", str(place), amount, None if amount is None else "EUR")
            )
        with store.durable("fill") as connection:
            insert_rows(
                connection,
                people.events,
                rows,
                [
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
    analyse(store, "customers", "events")


def looped(store: Store) -> dict[int, float]:
    """Return the chances of a sample by the model that was applied, asking the store for one customer after the other."""
    with store.read() as connection:
        kept = applied(connection, "repeat_purchase")
        assert kept is not None
        model = kept.model
        cut = cut_at(to_micros(NOW), model.history, Duration(1, Unit.DAY), ZoneInfo("UTC"))
        names = name_ids(connection)
        question = question_of(
            DEFINITIONS.scores["repeat_purchase"], DEFINITIONS, model.sources, model.columns, cut
        )
        found = {}
        for one in range(1, SAMPLE + 1):
            rows = read_rows(connection, question, cut, names, one, one)
            for chance in model.chances(model.values(rows.read, to_micros(NOW))):
                found[one] = float(chance)
    return found


def main() -> int:
    """Print one line; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "customers", nargs="?", type=lambda text: int(text.replace("_", "")), default=1_000_000
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the customers")
    given = parser.parse_args()
    customers = given.customers // 10 if given.quick else given.customers
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(f"sqlite:///{folder}/bench.sqlite", FixedClock(NOW), create=True) as store,
    ):
        fill(store, customers)
        begin = time.process_time()
        keep(store, trained := train(store, DEFINITIONS, "repeat_purchase", now=NOW), now=to_micros(NOW))
        learnt = time.process_time() - begin
        begin = time.process_time()
        told = apply(store, DEFINITIONS, "repeat_purchase", now=NOW)
        gave = time.process_time() - begin
        begin = time.process_time()
        one_by_one = looped(store)
        alone = (time.process_time() - begin) * customers / SAMPLE
        table = people.scores
        with store.read() as connection:
            stored = dict(
                connection.execute(
                    sa.select(table.c.customer_id, table.c.value).where(table.c.customer_id <= SAMPLE)
                ).all()
            )
        held = max(
            (use.longest_busy_ms for use in store.lock_report() if use.purpose == "scores"), default=0.0
        )
    same = stored.keys() == one_by_one.keys() and all(
        abs(stored[one] - chance) < 1e-9 for one, chance in one_by_one.items()
    )
    memory, part = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, max(customers / 1_000_000, 0.1)
    print(
        f"sqlite     {customers:,} customers: trained in {learnt:.1f} s (target: at most {TRAIN:g} s) on "
        f"{trained.quality['share']:.0%} of them, AUC {trained.quality['auc']['value']:.3f}; {told.scored:,} scored in {gave:.1f} s "
        f"(at most {APPLY * part:g} s); {alone:,.0f} s one by one, ratio {alone / gave:.1f}; {memory:.0f} MB (at most {MEMORY}), "
        f"longest lock {held:.0f} ms",
        flush=True,
    )
    if not same:
        print("customers one by one have other chances", file=sys.stderr)
    good = learnt <= TRAIN and gave <= APPLY * part and memory <= MEMORY
    return 0 if same and good and held < 200 else 1


if __name__ == "__main__":
    sys.exit(main())
