"""What filling the table of touches costs: set by set, beside a loop over the messages, in the same run.

    python benchmarks/bench_touches.py [MESSAGES] [--quick] [--sqlite]      default 1000000 messages

Every tenth message bounced or was refused, every fiftieth went to staff; every fifth has a judged response. Time is that of
this process; on PostgreSQL that of the server's processes is added. The loop asks the database for each message in turn, as a
person writes it first, on a sample. Fails when a target is missed or both count differently.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import sqlalchemy as sa

from support.postgres import find_binaries, running
from support.stores import START, open_store
from tidings.clock import FixedClock, to_micros
from tidings.measurement.touches import refresh
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.table_statistics import analyse
from tidings.store.tables import answers, people, sending

# Processor seconds for a million messages, again when nothing changed, and how long others may have to wait to write.
TARGETS, AGAIN, LOCK_MS = {"sqlite": 10.0, "postgresql": 60.0}, 1.5, 200.0
SAMPLE = 5_000
NOW = to_micros(START)


def fill(store: Store, messages: int) -> None:
    """Fill an empty store with one run and its messages, a response for every fifth."""
    with store.durable("fill") as connection:
        connection.execute(
            sa.insert(sending.runs).values(
                id=1, campaign="everybody", occurrence="once", kind="campaign", definition_hash="", policy_hash="", salt="",
                state="sending", anchor_at=NOW, created_at=NOW, bounds={},
            )
        )  # fmt: skip
    for low in range(1, messages + 1, 50_000):
        ids = range(low, min(low + 50_000, messages + 1))
        with store.durable("fill") as connection:
            insert_rows(
                connection,
                people.customers,
                [(n, f"c{n}", n, NOW) for n in ids],
                ["id", "key", "u", "created_at"],
            )
            insert_rows(
                connection,
                sending.enrolments,
                [(n, 1, n, 0, "copy" if n % 50 == 0 else "treated", NOW, NOW) for n in ids],
                ["id", "run_id", "customer_id", "entry", "arm", "anchor_at", "planned_at"],
            )
            insert_rows(
                connection,
                sending.messages,
                [(n, 1, n, n, "email", "bounced" if n % 10 == 0 else "accepted", n % 10 > 0, NOW, NOW, NOW + n, 0) for n in ids],
                ["id", "run_id", "enrolment_id", "customer_id", "channel", "state", "is_open", "due_at", "started_at", "accepted_at", "attempt"],
            )  # fmt: skip
            insert_rows(
                connection,
                answers.responses,
                [
                    ("clicked", "machine" if n % 4 == 0 else "human", 1, n, n, NOW + 2 * n)
                    for n in ids
                    if n % 5 == 0
                ],
                ["kind", "judged", "rule_version", "customer_id", "message_id", "at"],
            )
    analyse(store, "customers", "enrolments", "messages", "responses")


def loop(connection: sa.Connection, ids: range) -> set[str]:
    """Find the touches of each message of the sample alone."""
    messages, enrolments, responses = sending.messages, sending.enrolments, answers.responses
    found = set()
    for one in ids:
        row = connection.execute(
            sa.select(messages.c.id, messages.c.state, enrolments.c.arm)
            .join(enrolments, enrolments.c.id == messages.c.enrolment_id)
            .where(messages.c.id == one)
        ).one()
        if row.arm == "copy":
            continue
        if row.state == "accepted":
            found.add(f"s{row.id}")
        answered = connection.execute(
            sa.select(responses.c.id, responses.c.kind, responses.c.judged).where(
                responses.c.message_id == one
            )
        )
        found |= {f"r{answer.id}" for answer in answered if answer.judged == "human"}
    return found


def stored(store: Store, ids: range) -> set[str]:
    """Return the keys of the touches of these messages."""
    table = answers.touches
    with store.read() as connection:
        keys = connection.execute(
            sa.select(table.c.dedupe_key).where(table.c.message_id.between(ids[0], ids[-1]))
        )
        return set(keys.scalars())


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


def measure(store: Store, messages: int, pids: Callable[[], Iterator[int]]) -> bool:
    """Fill the touches of one database; return whether it holds its targets."""
    fill(store, messages)
    before, wall = processor(pids), time.perf_counter()
    told = refresh(store, now=START)
    took, wall = processor(pids) - before, time.perf_counter() - wall
    before = processor(pids)
    again = refresh(store, now=START)
    quiet = processor(pids) - before
    ids = range(1, min(SAMPLE, messages) + 1)
    before = processor(pids)
    with store.read() as connection:
        expected = loop(connection, ids)
    looped = (processor(pids) - before) * messages / len(ids)
    held = max((use.longest_busy_ms for use in store.lock_report() if use.purpose == "touches"), default=0.0)
    same = stored(store, ids) == expected and (again.added, again.removed) == (0, 0)
    share = messages / 1_000_000
    target = TARGETS[store.dialect] * share
    print(
        f"{store.dialect:<11}{told.added:>10,} touches of {messages:,} messages in {took:.2f} s (target: at most {target:g} s; "
        f"{wall:.1f} s wall), again {quiet:.2f} s; {looped:,.1f} s by the loop, ratio {looped / took:.1f}; "
        f"longest lock {held:.0f} ms",
        flush=True,
    )
    if not same:
        print(f"{store.dialect}: the statements and the loop count differently", file=sys.stderr)
    return (
        same
        and took <= target
        and quiet <= AGAIN * share + 0.2
        and (store.dialect != "sqlite" or held < LOCK_MS)
    )


def main() -> int:
    """Print a line a database; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "messages", nargs="?", type=lambda text: int(text.replace("_", "")), default=1_000_000
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages")
    parser.add_argument("--sqlite", action="store_true", help="SQLite alone")
    given = parser.parse_args()
    messages = given.messages // 10 if given.quick else given.messages
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(f"sqlite:///{folder}/bench.sqlite", FixedClock(START), create=True) as store,
    ):
        good = measure(store, messages, lambda: iter(()))
    binaries = None if given.sqlite else find_binaries()
    if binaries is None:
        print("PostgreSQL was left out" if given.sqlite else "PostgreSQL is not installed here")
        return 0 if good else 1
    with (
        running(binaries) as server,
        open_store(server.url("postgres"), FixedClock(START), create=True) as store,
    ):
        good &= measure(store, messages, lambda: children(server.process.pid))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
