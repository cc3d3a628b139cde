"""Two workers and a real Prefect server on PostgreSQL: one worker goes dark, everybody gets one letter, the night goes on.

One test, because a server, two workers and 20,000 letters are too much to set up twice, and a suite on several cores may give
two tests of a module to two processes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.prefect_servers import Prefect, kill_tree, prefect_server, tree_of
from support.serving import KEYS, production_of
from support.shop import copy_workspace, seed
from support.smtp_servers import smtp_sink
from tidings.campaigns.planning import make_plan
from tidings.campaigns.runs import start_run
from tidings.clock import SystemClock
from tidings.config.settings import load_settings
from tidings.delivery.doubt import doubts, resolve
from tidings.delivery.standing import run_counts
from tidings.delivery.verify import verify
from tidings.store.tables import sending

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.timeout(900)]
PEOPLE = int(os.environ.get("TIDINGS_PREFECT_PEOPLE", "20000"))
# Letters per second until the kill: slow enough that the second worker comes while the first still sends.
RATE = 400
LIMIT = f"\nrate: {RATE} per second"
CAMPAIGN = """
campaign: One letter each
purpose: marketing
to:
  where:
    - email: known
send: letter
via: email
holdout: none
goal:
  did: order_placed
  within: 14 days
"""
LETTER = (
    "Subject: A letter\n\nHello {{ first_name or 'there' }}\n\n{{ unsubscribe_url }}\n{{ postal_address }}\n"
)


@pytest.fixture
def server(postgres_server, tmp_path_factory):
    """A Prefect server on its own database; it may still be starting."""
    postgres_server.execute("CREATE DATABASE prefect_own")
    folder = tmp_path_factory.mktemp("prefect")
    address = f"postgresql+asyncpg://tidings@/prefect_own?host={postgres_server.folder}"
    with prefect_server(address, folder) as running:
        yield running


@pytest.fixture
def sink(tmp_path_factory):
    """Postfix smtp-sink, which writes what it takes into files; its port and their folder."""
    folder = tmp_path_factory.mktemp("sink")
    with smtp_sink("-D", f"{folder}/%M.", backlog=512) as port:
        yield port, folder


@pytest.fixture
def shop(sink, stores, tmp_path_factory):
    """A workspace that Prefect wakes, with a production store on PostgreSQL; its folder, variables and store."""
    root = copy_workspace(tmp_path_factory.mktemp("shop"))
    workspace = root / "config" / "workspace.yaml"
    workspace.write_text(workspace.read_text().replace("clock: embedded", "clock: prefect"))
    channel = root / "channels" / "email.yaml"
    text = channel.read_text().replace("port: 2525", f"port: {sink[0]}")
    channel.write_text(text.replace("connections: 8", f"connections: 8{LIMIT}"))
    (root / "campaigns" / "letter.yaml").write_text(CAMPAIGN)
    (root / "templates" / "letter").mkdir()
    (root / "templates" / "letter" / "email.en.txt").write_text(LETTER)
    with production_of(root, stores("postgresql"), "postgresql") as (variables, store):
        yield root, variables, store


def received(folder: Path) -> list[str]:
    """Return the address of each letter that smtp-sink took."""
    text = b"".join(file.read_bytes() for file in folder.iterdir())
    return [found.decode() for found in re.findall(rb"^X-Rcpt-Args: <(.+?)>", text, re.MULTILINE)]


def wait(condition, what: str, seconds: float):
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {seconds:g} s for: {what()}"
        time.sleep(0.25)


def senders(store) -> set[int]:
    """Return the processes that hold a living claim."""
    claims = sending.claims
    with store.read() as connection:
        owners = connection.execute(
            sa.select(claims.c.owner).where(
                claims.c.state == "open", claims.c.leased_until > store.lease_now(connection)
            )
        ).scalars()
        return {int(owner.rsplit(":", 3)[1]) for owner in owners}


@contextmanager
def deploying(server: Prefect, root: Path, variables) -> Iterator[subprocess.Popen[str]]:
    """Run `tidings deploy` beside the block; it must have ended well when the block ends."""
    command = ["deploy", "--tick", "10", "--reconcile", "60", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "tidings.cli.main", *command],
        cwd=root, env=server.environment(variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def crashed(server: Prefect) -> str:
    """Return what Prefect says of a flow run that the watch has crashed, empty while there is none."""
    found = server.ask("flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["CRASHED"]}}}})
    return next((f"{one['name']}: {one['state']['message']}" for one in found), "")


def run_of(server: Prefect, deployment: str, due) -> str:
    """Ask for a run of a deployment that was due at an instant, and return its id."""
    found = server.ask(f"deployments/name/{deployment}")
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due.isoformat()}}
    return server.ask(f"deployments/{found['id']}/create_flow_run", {"state": state})["id"]


def state_of(server: Prefect, flow_run: str) -> str:
    return server.ask(f"flow_runs/{flow_run}")["state"]["type"]


def let_go(server: Prefect) -> int:
    """Let the reconciler look for stuck flow runs now, from here."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from tidings.flows.prefect_wrapping import let_go as task

    with temporary_settings({PREFECT_API_URL: server.url}):
        return task.fn()


def test_a_worker_killed_with_its_flow_costs_nobody_a_letter_brings_nobody_two_and_the_night_goes_on(
    server: Prefect, shop, sink, capsys
) -> None:
    root, variables, store = shop
    variables = {**variables, **KEYS}
    clock = SystemClock()
    began = time.monotonic()
    said: list[str] = []

    def lap(what: str) -> None:
        said.append(f"{time.monotonic() - began:5.1f} s  {what}")

    # While the server starts: who is written to, and what.
    settings = load_settings(root, variables=variables)
    seed(store, PEOPLE, lapsed=1, consented=PEOPLE)
    plan = make_plan(store, settings.definitions, "letter", now=clock.now())
    run = start_run(store, settings.definitions, plan.hash, approved_by="test", now=clock.now())
    counts = lambda: run_counts(store, run.id)  # noqa: E731
    assert sum(counts().values()) == PEOPLE
    lap(f"{PEOPLE:,} planned")
    server.ready()
    lap("the server answers")

    with deploying(server, root, variables) as deploy:
        # Workers of another pool would be of no use: the pool is there before the deployments are.
        wait(lambda: server.ask("work_pools/tidings") or deploy.poll() is not None, deploy.communicate, 120)
        workers = {name: server.worker(name, root, variables, limit=1) for name in ("one", "two")}
        out, err = deploy.communicate(timeout=240)
    assert deploy.returncode == 0, err + out
    deployed = json.loads(out)
    assert deployed["done"]
    assert deployed["pool_made"]
    assert deployed["watch_made"]
    lap("deployed")

    def standing() -> str:
        return f"{counts()}\n{server.log('one')[-1500:]}\n{server.log('two')[-1500:]}"

    both = wait(lambda: len(found := senders(store)) > 1 and found, standing, 240)
    lap("two machines send the same run")
    victim = next(name for name, pid in workers.items() if set(tree_of(pid)) & both)
    wait(lambda: counts()["accepted"] > PEOPLE // 10, standing, 120)
    flow_process = set(tree_of(workers[victim])) & both
    assert flow_process
    assert set(kill_tree(workers[victim])) >= flow_process
    at_kill = counts()
    lap(
        f"worker {victim} killed with its flow: {at_kill['accepted']:,} accepted, {at_kill['claimed']:,} claimed"
    )
    assert at_kill["planned"] > 0
    channel = root / "channels" / "email.yaml"
    channel.write_text(channel.read_text().replace(LIMIT, ""))
    # The night's turn comes before that of the ticks which wait by now.
    night = run_of(server, deployed["deployments"]["nightly"], clock.now() - timedelta(minutes=2))

    open_states = ("planned", "claimed", "started", "deferred")
    wait(lambda: not any(counts()[one] for one in open_states), standing, 300)
    lap("nothing is left to send")
    # What was in flight is in doubt, each message by name; the receiving side knows, and says what became of it.
    got = set(received(sink[1]))
    with store.read() as connection:
        found = doubts(connection, "letter")
    assert len(found) <= 2 * 8
    for one in found:
        how = "sent" if f"{one.customer}@customers.example" in got else "resend"
        resolve(store, [one.message_id], how, actor="test", now=clock.now())
    arrived = sum(1 for one in found if f"{one.customer}@customers.example" in got)
    lap(f"{len(found)} were in doubt, {arrived} had arrived")
    wait(lambda: not any(counts()[one] for one in open_states), standing, 180)

    letters = Counter(wait(lambda: len(all_ := received(sink[1])) >= PEOPLE and all_, standing, 60))
    assert set(letters) == {f"c{n}@customers.example" for n in range(1, PEOPLE + 1)}
    assert max(letters.values()) == 1
    assert counts()["accepted"] == PEOPLE
    verdict = verify(store)
    assert not verdict.broken, verdict.broken
    lap(f"{len(letters):,} letters, none twice; the ledger holds")

    over = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    ended = wait(lambda: (now := state_of(server, night)) in over and now, standing, 240)
    assert ended == "COMPLETED", standing()
    kept = {one["key"]: one for one in server.ask("artifacts/filter", {})}
    assert {"segments", "planned", "delivered", "receipts", "results"} <= set(kept)
    assert "letter" in str(kept["results"]["data"])
    lap("the night's flow ran on the worker that is left, and shows its tables")

    watch = wait(lambda: crashed(server), lambda: "the watch over heartbeats crashes the flow run", 240)
    lap(f"Prefect says of the killed flow: {watch}")

    # Without a worker ticks wait. Those whose time is over are dropped; a night's work is not.
    kill_tree(workers["two" if victim == "one" else "one"])
    late = clock.now() - timedelta(minutes=10)
    tick, night = (run_of(server, deployed["deployments"][kind], late) for kind in ("tick", "nightly"))
    assert let_go(server) >= 1
    assert (state_of(server, tick), state_of(server, night)) == ("CANCELLED", "SCHEDULED")
    lap("a tick of ten minutes ago is let go, a night is not")
    with capsys.disabled():
        print("\n" + "\n".join(said))
