"""What walking costs: a million enrolments at one due step that sends, beside an interpreter that goes person by person, same run.

    python benchmarks/bench_flows.py [ENROLMENTS] [--quick] [--sqlite]      default 1000000

Every row of the ledger and of the histories is written. Every tenth enrolment is held out, every tenth customer has agreed to
nothing, every twentieth has bought since and leaves. Time is that of this process with all its threads; on PostgreSQL
that of the server's processes is added. Then a tick of a hundred flows of ten steps with nobody due. Fails when a target is
missed, or when the interpreter would have done otherwise on its sample.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench_planning import children, processor

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.postgres import find_binaries, running
from support.stores import START, open_store
from tidings.clock import FixedClock, to_micros
from tidings.definitions.conditions import DidCondition
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.flow import Flow, Start, Step
from tidings.definitions.kinds.rules import Event, Events, Policies, Purpose, Workspace
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.walking import walk_due
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.table_statistics import analyse
from tidings.store.tables import people, sending
from tidings.store.tables.journeys import journey_steps, journeys

# Processor seconds for a million, how long one transaction may keep others from writing, and seconds of an idle tick.
TARGETS, LOCK_MS, IDLE = {"sqlite": 10.0, "postgresql": 40.0}, 200.0, 0.2
# How much memory may grow from the time when a quarter of the people is moved to the end, in MB; what SQLite may still keep
# of its file after that quarter (64 MB are the most) is not counted.
MEMORY, PAGES = 16.0, 64.0
SAMPLE, FLOWS, STEPS = 2_000, 100, 10
DAY = 86_400_000_000
Pids = Callable[[], Iterator[int]]


def ladder(name: str) -> Flow:
    """Return a flow whose first step sends and whose second does three days later."""
    days = Duration(3, Unit.DAY)
    return Flow(
        name,
        "Win-back ladder",
        f"flows/{name}.yaml",
        Start("enters", segment="lapsed"),
        (
            Step("letter", "send", after=Duration(1, Unit.DAY), send="winback/letter", via=("email",)),
            Step("text", "send", after=days, send="winback/text", via=("email",)),
        ),
        leave_when=(DidCondition("order_placed"),),
    )


def quiet(name: str) -> Flow:
    """Return a flow of ten steps."""
    steps = tuple(
        Step(f"s{n}", "send", after=Duration(1, Unit.DAY), send="m", via=("email",)) for n in range(STEPS)
    )
    return Flow(name, name, f"flows/{name}.yaml", Start("event", "order_placed"), steps)


def definitions_of(*flows: Flow) -> Definitions:
    """Return the rules of the bench."""
    return Definitions(
        root="",
        workspace=Workspace("bench", "Bench", "Europe/Stockholm", "salt", "EUR"),
        policies=Policies((Purpose("marketing", "marketing", "required"),)),
        events=Events((Event("order_placed"),)),
        channels={"email": Channel("email", "E-mail", "channels/email.yaml", "smtp")},
        flows={flow.id: flow for flow in flows},
    )


def go_live(store: Store, flow: Flow) -> int:
    """Write the run of a flow."""
    with store.durable("fill") as connection:
        return int(
            connection.execute(
                sending.runs.insert()
                .values(
                    campaign=flow.id, occurrence="flow", kind="flow", definition_hash="", policy_hash="", salt=flow.id,
                    state="sending", anchor_at=0, created_at=0, bounds={},
                )
                .returning(sending.runs.c.id)
            ).scalar_one()
        )  # fmt: skip


def fill(store: Store, customers: int) -> None:
    """Fill an empty store with customers, a consent each, and some orders."""
    now = to_micros(START)
    with store.durable("fill") as connection:
        insert_rows(connection, people.event_names, [(1, "order_placed")], ["id", "name"])
    for low in range(1, customers + 1, 50_000):
        ids = range(low, min(low + 50_000, customers + 1))
        with store.durable("fill") as connection:
            insert_rows(
                connection,
                people.customers,
                [(n, f"c{n}", n * 7919 % 2147483647, f"c{n}@shop.example", f"{n * 48271 % 2147483647:08x}{n}", now) for n in ids],
                ["id", "key", "u", "email", "email_hash", "created_at"],
            )  # fmt: skip
            insert_rows(
                connection,
                people.consents,
                [(n, "email", "marketing", "granted", "form", "bench", now, now) for n in ids if n % 10],
                ["customer_id", "channel", "purpose", "state", "basis", "source", "at", "received_at"],
            )
            insert_rows(
                connection,
                people.events,
                [(1, n, now - DAY // 2, now, "bench", str(n)) for n in ids if n % 20 == 1],
                ["name_id", "customer_id", "occurred_at", "received_at", "source", "dedupe_key"],
            )
    analyse(store, "customers", "consents", "events")


def enrol(store: Store, run_id: int, first: int, customers: range) -> None:
    """Enrol customers, a day ago, before the step that is due now; enrolments are numbered from `first`."""
    now = to_micros(START)
    for low in range(0, len(customers), 50_000):
        part = list(enumerate(customers[low : low + 50_000], first + low))
        with store.durable("fill") as connection:
            insert_rows(
                connection,
                sending.enrolments,
                [(one, run_id, n, "holdout" if n % 10 == 3 else "treated", now - DAY, now - DAY) for one, n in part],
                ["id", "run_id", "customer_id", "arm", "anchor_at", "planned_at"],
            )  # fmt: skip
            insert_rows(
                connection,
                journeys,
                # Each entered at an instant of its own, within the minutes before.
                [(one, run_id, n, f"m{one}", "walking", "letter", now - n % 600_000_000, now - DAY - n % 600_000_000) for one, n in part],
                ["enrolment_id", "run_id", "customer_id", "start_ref", "state", "step", "due_at", "reached_at"],
            )  # fmt: skip
    analyse(store, "enrolments", "journeys")


def interpret(store: Store, run_id: int, pids: Pids) -> tuple[float, dict[int, Any]]:
    """Walk the sample person by person, as one writes it first; return processor seconds a person, and what became of each."""
    now, found = to_micros(START), {}
    e, c, k, s, ev = sending.enrolments, people.customers, people.consents, people.suppressions, people.events
    with store.read() as connection:
        due = list(
            connection.execute(
                sa.select(journeys.c.enrolment_id).where(
                    journeys.c.run_id == run_id, journeys.c.due_at <= now
                )
            ).scalars()
        )
    before = processor(pids)
    for part in range(0, len(due), 100):
        with store.durable("interpret") as connection:
            for one in due[part : part + 100]:
                j = connection.execute(sa.select(journeys).where(journeys.c.enrolment_id == one)).one()
                arm, anchor = connection.execute(sa.select(e.c.arm, e.c.anchor_at).where(e.c.id == one)).one()
                bought = connection.execute(
                    sa.select(ev.c.id).where(ev.c.customer_id == j.customer_id, ev.c.name_id == 1, ev.c.occurred_at >= anchor).limit(1)
                ).first()  # fmt: skip
                what, code = ("left", None) if bought else ("reached", None)
                if not bought and arm == "treated":
                    hashed = connection.execute(
                        sa.select(c.c.email_hash).where(c.c.id == j.customer_id)
                    ).scalar()
                    stopped = connection.execute(
                        sa.select(s.c.reason).where(s.c.address_hash == hashed, s.c.channel == "email")
                    ).scalar()
                    state = connection.execute(
                        sa.select(k.c.state).where(k.c.customer_id == j.customer_id, k.c.channel == "email", k.c.purpose.in_(["all", "marketing"]))
                        .order_by(k.c.at.desc()).limit(1)
                    ).scalar()  # fmt: skip
                    code = (
                        f"suppressed_{stopped}" if stopped else None if state == "granted" else "no_consent"
                    )
                    connection.execute(
                        sending.messages.insert().values(
                            run_id=run_id, enrolment_id=one, customer_id=j.customer_id, step="letter", channel="email",
                            **sending.in_state("refused" if code else "planned"), refusal_code=code, due_at=j.due_at, expires_at=j.due_at + DAY,
                        )
                    )  # fmt: skip
                connection.execute(
                    journey_steps.insert().values(enrolment_id=one, step="letter", what=what, at=j.due_at)
                )
                ended = {"state": "ended", "outcome": "left", "ended_at": j.due_at}
                on = {"step": "text", "due_at": j.due_at + 3 * DAY, "reached_at": j.due_at}
                connection.execute(
                    sa.update(journeys)
                    .where(journeys.c.enrolment_id == one)
                    .values(**(ended if bought else on))
                )
                found[j.customer_id] = (what, None if arm != "treated" or bought else code or "planned")
    return (processor(pids) - before) / len(due), found


def outcomes(store: Store, run_id: int, customers: range) -> dict[int, Any]:
    """Return what became of customers at the first step: its word, and the message's state or refusal."""
    m = sending.messages
    with store.read() as connection:
        rows = connection.execute(
            sa.select(journeys.c.customer_id, journey_steps.c.what, sa.func.coalesce(m.c.refusal_code, m.c.state))
            .join(journey_steps, sa.and_(journey_steps.c.enrolment_id == journeys.c.enrolment_id, journey_steps.c.step == "letter"))
            .outerjoin(m, m.c.enrolment_id == journeys.c.enrolment_id)
            .where(journeys.c.run_id == run_id, journeys.c.customer_id.between(customers[0], customers[-1]))
        )  # fmt: skip
        return {row[0]: (row[1], row[2]) for row in rows}


def measure(store: Store, customers: int, pids: Pids) -> bool:
    """Walk and print; tell whether the targets were met and the interpreter did the same."""
    dialect = store.dialect
    flow, other = ladder("ladder"), ladder("by_person")
    definitions = definitions_of(flow, other)
    run_id, sample = go_live(store, flow), range(1, min(SAMPLE, customers) + 1)
    enrol(store, run_id, 1, range(1, customers + 1))
    watch, start = Watch(), resident()
    before = processor(pids)
    done = walk_due(store, definitions, flow, run_id, 1, now=START, stop=watch)
    spent = processor(pids) - before
    grew, growth = watch.grew(), MEMORY
    if dialect == "sqlite":
        growth += max(PAGES - (watch.quarter() - start), 0.0)
    locks = [use for use in store.lock_report() if use.purpose == "walk"]
    longest = max((use.longest_busy_ms for use in locks), default=0.0)
    by_person = go_live(store, other)
    enrol(store, by_person, customers + 1, sample)
    each, expected = interpret(store, by_person, pids)
    target = TARGETS[dialect] * customers / 1_000_000
    met = spent <= target and (dialect != "sqlite" or longest <= LOCK_MS) and grew <= growth
    print(
        f"{dialect:<11}{customers:>10,} enrolments{spent:>8.1f} s (target: at most {target:g} s)"
        f"{each * customers:>9,.0f} s person by person, ratio {each * customers / spent:,.0f}; "
        f"{done.sent:,} planned, {done.refused:,} refused, {done.left:,} left; "
        f"longest lock {longest:.0f} ms, memory {grew:+.0f} MB from a quarter on (at most {growth:.0f}): {'met' if met else 'missed'}"
    )
    if outcomes(store, run_id, sample) != expected:
        print(f"{dialect}: the walk and the interpreter do otherwise", file=sys.stderr)
        return False
    return met


class Watch(threading.Event):
    """Is asked before every chunk whether to stop, never says so, and notes how much memory is used."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[float] = []

    def is_set(self) -> bool:
        """Note the memory."""
        self._seen.append(resident())
        return False

    def quarter(self) -> float:
        """Return what was used when a quarter was done, in MB."""
        return self._seen[len(self._seen) // 4]

    def grew(self) -> float:
        """Return by how much the most used since then is beyond that, in MB."""
        return max(self._seen[len(self._seen) // 4 :]) - self.quarter()


def resident() -> float:
    """Return the memory that this process uses now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def idle(store: Store, pids: Pids) -> bool:
    """Measure a tick in which nobody is due in any of a hundred flows; the least of three."""
    flows = [quiet(f"flow{n}") for n in range(FLOWS)]
    definitions = definitions_of(*flows)
    runs = [(flow, go_live(store, flow)) for flow in flows]
    now = to_micros(START)
    with store.durable("fill") as connection:
        top = connection.execute(sa.select(sa.func.max(sending.enrolments.c.id))).scalar() or 0
        rows = [(top + 1 + n, runs[n % FLOWS][1], n // FLOWS + 1, n) for n in range(FLOWS * 50)]
        insert_rows(
            connection,
            sending.enrolments,
            [(one, run, n, "treated", now, now) for one, run, n, _ in rows],
            ["id", "run_id", "customer_id", "arm", "anchor_at", "planned_at"],
        )
        insert_rows(
            connection,
            journeys,
            [(one, run, n, f"e{one}", "walking", f"s{k % STEPS}", now + DAY, now) for one, run, n, k in rows],
            ["enrolment_id", "run_id", "customer_id", "start_ref", "state", "step", "due_at", "reached_at"],
        )  # fmt: skip
    spent = []
    for _ in range(4):
        before = processor(pids)
        for flow, run_id in runs:
            walk_due(store, definitions, flow, run_id, 1, now=START + timedelta(seconds=1))
        spent.append(processor(pids) - before)
    # The first finds connections to make and statements to prepare; the server's clock counts in hundredths.
    took = min(spent[1:])
    print(
        f"{store.dialect:<11}idle tick of {FLOWS} flows x {STEPS} steps: {took * 1000:.0f} ms (target: at most {IDLE * 1000:.0f} ms)"
    )
    return took <= IDLE


def main() -> int:
    """Print two lines a database; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "customers", nargs="?", type=lambda text: int(text.replace("_", "")), default=1_000_000
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the people")
    parser.add_argument("--sqlite", action="store_true", help="SQLite alone")
    parser.add_argument("--postgresql", action="store_true", help="PostgreSQL alone")
    given = parser.parse_args()
    customers = given.customers // 10 if given.quick else given.customers
    good = True
    print(f"walking {customers:,} journeys over a step that sends: processor seconds")
    if not given.postgresql:
        with (
            tempfile.TemporaryDirectory() as name,
            open_store(f"sqlite:///{name}/bench.sqlite", FixedClock(START), create=True) as store,
        ):
            fill(store, customers)
            good &= measure(store, customers, lambda: iter(()))
            good &= idle(store, lambda: iter(()))
    binaries = None if given.sqlite else find_binaries()
    if binaries is None:
        print("PostgreSQL was left out" if given.sqlite else "PostgreSQL is not installed here")
        return 0 if good else 1
    with (
        running(binaries) as server,
        open_store(server.url("postgres"), FixedClock(START), create=True) as store,
    ):
        fill(store, customers)
        good &= measure(store, customers, lambda: children(server.process.pid))
        good &= idle(store, lambda: children(server.process.pid))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
