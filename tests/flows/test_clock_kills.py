"""kill -9 of the worker of `tidings serve` at any instant of its rounds: everything is done, and once."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.command_line import recipient
from support.serving import children_of, production_of, serving, until
from support.shop import SALT, copy_workspace
from tidings.clock import SystemClock, to_micros
from tidings.config.settings import load_settings
from tidings.customers.identity import address_hash, customer_u
from tidings.delivery.verify import verify
from tidings.flows.journeys.versions import start_flow
from tidings.store.tables import journeys, people, sending

# Some twenty seconds when nobody else works here.
pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]
PEOPLE = 160
KILLS = 3
FLOW = """
flow: Hello and again
purpose: marketing
starts:
  did: order_placed
again: never
holdout: none
steps:
  hello:
    send: hello
    via: email
  note:
    set:
      vip: true
  again:
    send: hello
    via: email
goal:
  did: order_placed
  within: 3 days
"""
LETTER = (
    "Subject: Hello\n\nHello {{ first_name or 'there' }}\n\n{{ unsubscribe_url }}\n{{ postal_address }}\n"
)


@pytest.fixture
def workspace(tmp_path):
    root = copy_workspace(tmp_path / "shop")
    path = root / "config" / "workspace.yaml"
    text = path.read_text()
    path.write_text(
        text.replace("    store_from: TIDINGS_STORE", "    outbox: true\n    store_from: TIDINGS_STORE")
    )
    # Two letters on one day are what this is about; the cap of the starter would refuse the second.
    rules = root / "config" / "policies.yaml"
    rules.write_text(re.sub(r"(?m)^ *cap: .*\n", "", rules.read_text()))
    (root / "flows" / "hello.yaml").write_text(FLOW)
    (root / "templates" / "hello").mkdir()
    (root / "templates" / "hello" / "email.en.txt").write_text(LETTER)
    return root


def fill(store, size: int = PEOPLE + 1) -> None:
    """Insert customers c1, c2, … who may be written to."""
    now = to_micros(SystemClock().now())
    with store.durable("test") as connection:
        connection.execute(people.event_names.insert().values(name="order_placed"))
        connection.execute(
            people.customers.insert(),
            [
                {
                    "id": n, "key": f"c{n}", "u": customer_u(SALT, f"c{n}"), "email": f"c{n}@shop.example", "locale": "en",
                    "email_hash": address_hash(SALT, "email", f"c{n}@shop.example"), "created_at": now,
                }
                for n in range(1, size + 1)
            ],
        )  # fmt: skip
        connection.execute(
            people.consents.insert(),
            [
                {
                    "customer_id": n, "channel": "email", "purpose": "marketing", "state": "granted",
                    "basis": "test", "source": "test", "at": now, "received_at": now,
                }
                for n in range(1, size + 1)
            ],
        )  # fmt: skip


def order(store, first: int, last: int) -> None:
    """Let customers order now; some of the orders come twice, as from an impatient shop."""
    now = to_micros(SystemClock().now())
    with store.durable("test") as connection:
        connection.execute(
            people.events.insert(),
            [
                {
                    "name_id": 1, "customer_id": n, "occurred_at": now, "received_at": now, "source": "shop",
                    "dedupe_key": f"{n}/{turn}", "amount": 100, "currency": "EUR",
                }
                for n in range(first, last + 1)
                for turn in range(2 if n % 5 == 0 else 1)
            ],
        )  # fmt: skip


def worker_of(process) -> int | None:
    for pid in children_of(process.pid):
        try:
            if b"\0worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        except OSError:
            continue
    return None


def count(store, table, *where) -> int:
    with store.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one()


def test_killed_at_any_instant_of_its_rounds_everything_is_done_once(workspace, stores, dialect) -> None:
    chance = random.Random(dialect)
    with production_of(workspace, stores(dialect), dialect) as (variables, store):
        fill(store)
        settings = load_settings(workspace, variables=variables)
        start_flow(store, settings.definitions, "hello", approved_by="test", now=SystemClock().now())
        killed = []
        with serving(workspace, **variables) as (process, _, lines):
            sent = 0
            for turn in range(KILLS + 1):
                pid = until(lambda: worker_of(process), 60)
                # Rounds begin when this one holds the clock; then it may die in the middle of anything.
                until(lambda pid=pid: _holds_clock(store, pid), 60)
                step = PEOPLE // (KILLS + 1)
                for _ in range(4):
                    order(store, sent + 1, sent + step // 4)
                    sent += step // 4
                    time.sleep(chance.uniform(0.02, 0.3))
                if turn < KILLS:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    until(lambda pid=pid: worker_of(process) not in (None, pid), 60)
            walks, messages = journeys.journeys, sending.messages
            until(lambda: count(store, walks, walks.c.state == "ended") == sent, 120)
            settled = messages.c.state.in_(["accepted", "in_doubt"])
            until(lambda: count(store, messages, settled) == 2 * sent, 120)

            # The clock that took over goes on as the first did.
            order(store, PEOPLE + 1, PEOPLE + 1)
            until(lambda: count(store, walks) == sent + 1, 60)
            until(lambda: count(store, messages, settled) == 2 * sent + 2, 120)
        assert len(set(killed)) == KILLS
        assert sum("the worker ended (killed by SIGKILL)" in line for line in lines) == KILLS
        with store.read() as connection:
            starts = Counter(connection.execute(sa.select(walks.c.customer_id)).scalars())
            steps = connection.execute(
                sa.select(journeys.journey_steps.c.step, sa.func.count())
                .group_by(journeys.journey_steps.c.step)
                .where(journeys.journey_steps.c.what == "reached")
            ).all()
            doubtful = count(store, messages, messages.c.state == "in_doubt")
            rounds = connection.execute(sa.select(journeys.work_runs.c.state)).scalars().all()
        assert set(starts.values()) == {1}
        assert len(starts) == sent + 1
        assert {step: number for step, number in steps} == dict.fromkeys(["hello", "note", "again"], sent + 1)
        # What was in flight at a kill is in doubt, by name; nobody has more letters than the ledger says.
        assert doubtful <= KILLS * 8
        letters = Counter(
            recipient(path.read_bytes()) for path in (workspace / ".tidings" / "outbox").glob("*.eml")
        )
        assert max(letters.values()) <= 2
        accepted = count(store, messages, messages.c.state == "accepted")
        assert accepted <= sum(letters.values()) <= accepted + doubtful
        assert "done" in rounds
        assert not verify(store).broken


def _holds_clock(store, pid: int) -> bool:
    from tidings.flows.clock_lock import holder_of

    with store.read() as connection:
        holder = holder_of(connection)
        return holder is not None and holder.pid == str(pid) and holder.leased_until > 0
