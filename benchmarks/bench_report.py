"""What the report of a large campaign costs: sums by arm in the database, beside sums customer by customer, same run.

    python benchmarks/bench_report.py [CUSTOMERS] [--quick] [--postgresql]      default 1000000 customers

A tenth is held out, the others have one of two wordings; every third orders, some return, a fifth of those written to opened,
some messages bounced or were refused. Time is that of a process of its own, from its first import to its last line; with
--postgresql that of the server too. The loop reads every enrolment, event of the window, message and answer and adds up in
Python, as a person writes it first; it knows no intervals. Fails when the target is missed or both find other figures.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from math import isclose
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import sqlalchemy as sa

from support.measured import ANCHOR, CAMPAIGN, definitions_with
from support.postgres import find_binaries, running
from support.processors import children, processor
from support.stores import START, open_store
from tidings.clock import FixedClock, to_micros
from tidings.definitions.kinds.campaign import Holdout
from tidings.definitions.values import Share
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.table_statistics import analyse
from tidings.store.tables import answers, people, sending

# Processor seconds for a million customers.
TARGETS = {"sqlite": 5.0, "postgresql": 25.0}
DAY = 86_400_000_000
AT, NOW = to_micros(ANCHOR), to_micros(START)
AS_OF = ANCHOR + timedelta(days=40)
DEFINITIONS = definitions_with(replace(CAMPAIGN, holdout=Holdout(Share(1000))))
ORDER, RETURN, VISIT = 1, 2, 3
_EVENT = [
    "name_id",
    "customer_id",
    "occurred_at",
    "received_at",
    "source",
    "dedupe_key",
    "amount",
    "currency",
]


def fill(store: Store, customers: int) -> None:
    """Fill an empty store with a campaign that ran, a plan with those refused, and a year of events."""
    dice = random.Random(5)
    with store.durable("fill") as connection:
        plan_id = connection.execute(
            sending.plans.insert().values(
                hash="abc", campaign="spring", occurrence="once", definition_hash="", planned_at=NOW, anchor_at=AT,
                salt="", state="used", summary={"holdout": {"share": 1000}},
            )
        ).inserted_primary_key[0]  # fmt: skip
        connection.execute(
            sending.runs.insert().values(
                id=1, campaign="spring", occurrence="once", kind="campaign", plan_id=plan_id, definition_hash="", policy_hash="",
                salt="", state="sending", anchor_at=AT, created_at=NOW, bounds={},
            )
        )  # fmt: skip
        for number, name in ((ORDER, "order_placed"), (RETURN, "order_returned"), (VISIT, "page_viewed")):
            connection.execute(people.event_names.insert().values(id=number, name=name))
    for low in range(1, customers + 1, 50_000):
        ids = range(low, min(low + 50_000, customers + 1))
        arms = {n: None if n % 10 == 0 else dice.choice(["warm", "direct"]) for n in ids}
        with store.durable("fill") as connection:
            insert_rows(
                connection,
                people.customers,
                [(n, f"c{n}", n, NOW) for n in ids],
                ["id", "key", "u", "created_at"],
            )
            insert_rows(
                connection,
                sending.plan_members,
                [
                    (plan_id, n, "holdout" if arm is None else "treated", arm, "email")
                    for n, arm in arms.items()
                ],
                ["plan_id", "customer_id", "arm", "variant", "channel"],
            )
            insert_rows(
                connection,
                sending.enrolments,
                [
                    (n, 1, n, 0, "holdout" if arm is None else "treated", arm, AT, NOW)
                    for n, arm in arms.items()
                ],
                ["id", "run_id", "customer_id", "entry", "arm", "variant", "anchor_at", "planned_at"],
            )
            sent = [n for n, arm in arms.items() if arm is not None]
            insert_rows(
                connection,
                sending.messages,
                [
                    (n, 1, n, n, "email", arms[n], state, state not in ("bounced", "refused"), AT, AT, 0, "capped" if state == "refused" else None)
                    for n in sent
                    for state in [{3: "bounced", 1: "refused"}.get(n % 30, "accepted")]
                ],
                ["id", "run_id", "enrolment_id", "customer_id", "channel", "variant", "state", "is_open", "due_at", "accepted_at", "attempt", "refusal_code"],
            )  # fmt: skip
            insert_rows(
                connection,
                answers.responses,
                [
                    (
                        kind,
                        "machine" if dice.random() < 0.5 else "human",
                        1,
                        n,
                        n,
                        AT + dice.randrange(5 * DAY),
                    )
                    for n in sent
                    if n % 5 == 0
                    for kind in (("opened", "clicked") if n % 20 == 0 else ("opened",))
                ],
                ["kind", "judged", "rule_version", "customer_id", "message_id", "at"],
            )
    # Two events a customer over eighteen months, one of eight within the windows, in the order in which they happened.
    everybody = range(customers * 2)
    for low in range(0, customers * 2, 100_000):
        rows = []
        for place in everybody[low : low + 100_000]:
            at = AT - 420 * DAY + place * 480 * DAY // (customers * 2)
            one = dice.random()
            name = ORDER if one < 0.5 else RETURN if one < 0.55 else VISIT
            amount = None if name == VISIT else dice.randrange(100, 30_000)
            rows.append((name, dice.randrange(customers) + 1, at, at, "bench", str(place), amount, "EUR"))
        # What people do after the message: a third of them order within its window.
        for n in range(low // 2 + 1, min(low // 2 + 50_000, customers) + 1):
            if n % 3 == 0 or (n % 10 and dice.random() < 0.01):
                at = AT + dice.randrange(14 * DAY)
                rows.append((ORDER, n, at, at, "bench", f"w{n}", dice.randrange(100, 30_000), "EUR"))
        with store.durable("fill") as connection:
            insert_rows(connection, people.events, rows, _EVENT)
    analyse(store, "customers", "enrolments", "messages", "responses", "events", "plan_members")


def loop(store: Store) -> dict[str, dict[str, float]]:
    """Return what the report says of each arm, customer by customer: means in shares and euros, and its funnel."""
    enrolments, events, messages, responses = (
        sending.enrolments,
        people.events,
        sending.messages,
        answers.responses,
    )
    close = AT + 14 * DAY - 3_600_000_000  # the clocks go forward on 28 March
    arm_of: dict[int, str] = {}
    with store.read() as connection:
        for customer, arm, variant in connection.execute(
            sa.select(enrolments.c.customer_id, enrolments.c.arm, enrolments.c.variant).where(
                enrolments.c.run_id == 1
            )
        ):
            arm_of[customer] = variant or arm
        found = {arm: defaultdict[str, float](float) for arm in set(arm_of.values())}
        for arm in arm_of.values():
            found[arm]["customers"] += 1
        bought: set[int] = set()
        for name, customer, amount in connection.execute(
            sa.select(events.c.name_id, events.c.customer_id, events.c.amount).where(
                events.c.name_id.in_([ORDER, RETURN]),
                events.c.occurred_at >= AT,
                events.c.occurred_at < close,
            )
        ):
            found[arm_of[customer]]["revenue"] += amount if name == ORDER else -abs(amount)
            if name == ORDER:
                bought.add(customer)
        for customer in bought:
            found[arm_of[customer]]["order_placed"] += 1
        for customer, state in connection.execute(
            sa.select(messages.c.customer_id, messages.c.state).where(messages.c.run_id == 1)
        ):
            found[arm_of[customer]]["messages"] += 1
            found[arm_of[customer]][state] += 1
        opened: set[int] = set()
        for message, customer, judged in connection.execute(
            sa.select(messages.c.id, messages.c.customer_id, responses.c.judged)
            .join(responses, responses.c.message_id == messages.c.id)
            .where(messages.c.run_id == 1)
        ):
            if judged == "human" and message not in opened:
                opened.add(message)
                found[arm_of[customer]]["opened"] += 1
    return found


def same(report: dict[str, Any], found: dict[str, dict[str, float]]) -> bool:
    """Tell whether the report says of each arm what the loop says."""
    agree = len(report["funnel"]) == 3
    for row in report["funnel"]:
        one = found[row["arm"]]
        agree &= (row["enrolled"], row["messages"], row["opened"]) == (
            one["customers"],
            one["messages"],
            one["opened"],
        )
        agree &= (row["bounced"], row["refused"]) == (one["bounced"], one["refused"])
    for effect in report["effects"]:
        if effect["arm"] in found:
            one = found[effect["arm"]]
            total = one[effect["metric"]] / (100 if effect["metric"] == "revenue" else 1)
            agree &= isclose(effect["mean"], total / one["customers"], rel_tol=1e-12)
    return agree


def report(url: str) -> int:
    """Print the report of a filled store; what a command does, beginning with its imports."""
    from tidings.measurement.report import make_report

    with open_store(url, FixedClock(START), create=False) as store:
        print(json.dumps(make_report(store, DEFINITIONS, "spring", as_of=AS_OF).as_json()))
    return 0


def measure(store: Store, url: str, customers: int, pids: Callable[[], Iterator[int]]) -> bool:
    """Fill one database and report; return whether it holds its target."""
    fill(store, customers)
    took, said = [], {}
    for _ in range(3):
        before, wall = processor(pids) + _ended(), time.perf_counter()
        done = subprocess.run([sys.executable, __file__, "--of", url], check=True, capture_output=True)
        took.append((processor(pids) + _ended() - before, time.perf_counter() - wall))
        said = json.loads(done.stdout)
    best, wall = min(took)
    before = processor(pids)
    found = loop(store)
    looped = processor(pids) - before
    target = TARGETS[store.dialect] * max(customers / 1_000_000, 0.3)
    agree = same(said, found)
    print(
        f"{store.dialect:<11}the report of {customers:,} customers in {best:.2f} s (target: at most {target:g} s; {wall:.1f} s wall), "
        f"imports and all; {looped:.1f} s for its means and its funnel by the loop, ratio {looped / best:.1f}",
        flush=True,
    )
    if not agree:
        print(f"{store.dialect}: the report and the loop find other figures", file=sys.stderr)
    return agree and best <= target


def _ended() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Print a line a database; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "customers", nargs="?", type=lambda text: int(text.replace("_", "")), default=1_000_000
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the customers")
    parser.add_argument("--postgresql", action="store_true", help="PostgreSQL beside SQLite")
    parser.add_argument("--of", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.of:
        return report(given.of)
    customers = given.customers // 10 if given.quick else given.customers
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.sqlite"
        with open_store(url, FixedClock(START), create=True) as store:
            good = measure(store, url, customers, lambda: iter(()))
    binaries = find_binaries() if given.postgresql else None
    if binaries is not None:
        with (
            running(binaries) as server,
            open_store(server.url("postgres"), FixedClock(START), create=True) as store,
        ):
            good &= measure(store, server.url("postgres"), customers, lambda: children(server.process.pid))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
