"""The demo from beginning to end, each part with the command that does the same in a shop of your own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console

from tidings.campaigns.planning import make_plan
from tidings.campaigns.runs import find_run, start_run
from tidings.cli.demo import answers
from tidings.cli.demo.people import write_customers, write_orders
from tidings.cli.demo.phases import Phases
from tidings.cli.demo.shop import (
    BEHIND,
    EARLIER,
    ENVIRONMENT,
    ClockBehind,
    make_workspace,
    point_channel_at,
    point_links_at,
)
from tidings.cli.demo.told import show_truth, what_next
from tidings.cli.plan_view import print_plan
from tidings.cli.report import show
from tidings.cli.session import Session, open_session, target_of
from tidings.clock import SystemClock
from tidings.config.settings import load_settings
from tidings.customers.importing import import_file
from tidings.delivery.running import deliver_run, run_counts
from tidings.flows.local import local_tracker
from tidings.measurement.report import make_report
from tidings.responses.drain import Drainer
from tidings.responses.spool import spool_folder
from tidings.segments.membership import refresh
from tidings.store.upgrading import migrate
from tidings.tokens.api_keys import new_api_key
from tidings.tokens.keyring import KeyRing
from tidings.tokens.links import mint

CAMPAIGN = "spring_winback"


def tell(folder: Path, customers: int) -> int:
    """Run the demo in a folder of its own and return the exit code; 1 when anything was lost or sent twice."""
    console = Console(highlight=False, soft_wrap=True)
    phases = Phases(SystemClock(), console)
    make_workspace(folder)
    console.print(
        f"A garden shop with {customers:,} customers, made up from a seed, in {folder}.\n"
        f"Its calendar runs {BEHIND.days} days behind, so that the two weeks of the goal are over at the end."
    )
    key, entry = new_api_key("demo")
    with (
        mailboxes() as boxes,
        local_tracker(folder, environment=ENVIRONMENT, variables={"TIDINGS_API_KEYS": entry}) as tracker,
    ):
        point_channel_at(folder, boxes.port)
        point_links_at(folder, tracker.address)
        clock = ClockBehind()
        migrate(target_of(load_settings(folder, ENVIRONMENT), clock))
        with open_session(ENVIRONMENT, folder, clock=clock) as session:
            _import(session, phases, folder, customers)
            with _draining(session) as drainer:
                earlier = _start(session, EARLIER)
                deliver_run(session.settings, session.store, earlier, clock=clock)
                _plan(session, phases, console)
                run_id = _start(session, CAMPAIGN)
                tokens = _old_links(session, earlier, run_id)
                _send(
                    session,
                    phases,
                    console,
                    run_id,
                    lambda: answers.unsubscribe(tracker.address, tokens),
                    drainer,
                )
                did = _answers(session, phases, console, run_id, tracker.address, key, boxes, drainer)
            return _report(session, phases, console, run_id, did)


def _import(session: Session, phases: Phases, folder: Path, customers: int) -> None:
    today = session.clock.now()
    definitions = session.settings.definitions
    for name, write in (("customers", write_customers), ("orders", write_orders)):
        path = folder / f"{name}.csv"
        write(path, today, customers)
        with phases.phase(f"Import {name}", f"tidings import {path.name} --as {name}") as part:
            result = import_file(session.store, definitions, definitions.imports[name], path)
            part.count, part.unit = result.rows, "rows"
            phases.console.print(
                f"  {result.rows:,} rows: {result.created:,} customers made, {result.events:,} events, "
                f"{result.rejected:,} rejected" + (f" (see {result.rejects_path})" if result.rejected else "")
            )


def _start(session: Session, campaign: str) -> int:
    """Plan a campaign and start its run; return the run's id."""
    definitions, now = session.settings.definitions, session.clock.now()
    plan = make_plan(session.store, definitions, campaign, now=now)
    return start_run(session.store, definitions, plan.hash, approved_by="demo", now=now).id


def _old_links(session: Session, earlier: int, run_id: int) -> list[str]:
    """Return the unsubscribe tokens of letters that some of the people still to be written to got before."""
    ring = KeyRing.load(session.settings.data_dir, environment=ENVIRONMENT)
    return [
        mint(ring, "unsubscribe", message)
        for message in answers.earlier_messages(session.store, earlier, run_id)
    ]


def _plan(session: Session, phases: Phases, console: Console) -> None:
    definitions, now = session.settings.definitions, session.clock.now()
    with phases.phase("Segment", "tidings segment lapsed_buyers") as part:
        found = refresh(session.store, definitions, ["lapsed_buyers"], now=now)[-1]
        part.count, part.unit = found.members, "members"
        console.print(f"  {definitions.segments['lapsed_buyers'].title}: {found.members:,} customers")
    with phases.phase("Plan", f"tidings plan {CAMPAIGN}") as part:
        plan = make_plan(session.store, definitions, CAMPAIGN, now=now)
        part.count, part.unit = plan.audience, "people"
        print_plan(plan, ZoneInfo(definitions.workspace.zone), "lapsed_buyers")


def _send(
    session: Session,
    phases: Phases,
    console: Console,
    run_id: int,
    leave: Callable[[], int],
    drainer: Drainer,
) -> None:
    """Send everything; when a third is out, some of those still waiting unsubscribe by the link of an older letter."""
    midway: list[int] = []
    leaving = threading.Thread(target=lambda: midway.append(leave()))
    shown = [0]

    def progress(done: int, total: int) -> None:
        if done * 3 >= total and leaving.ident is None:
            leaving.start()
        if done * 5 // max(total, 1) > shown[0]:
            shown[0] = done * 5 // max(total, 1)
            console.print(f"  {done:>7,} of {total:,} handed over")

    with phases.phase("Send by SMTP", f"tidings run {CAMPAIGN}") as part:
        deliver_run(
            session.settings,
            session.store,
            run_id,
            clock=session.clock,
            progress=progress,
            before_claim=drainer.drain_pending,
        )
        if leaving.ident is not None:
            leaving.join()
        counts = run_counts(session.store, run_id)
        part.count, part.unit = counts.get("accepted", 0), "e-mails"
        told = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in counts.items() if count)
        console.print(f"  {told}; {sum(midway):,} people unsubscribed while it was going out")


def _answers(
    session: Session,
    phases: Phases,
    console: Console,
    run_id: int,
    address: str,
    key: str,
    boxes: Boxes,
    drainer: Drainer,
) -> dict[str, int]:
    with phases.phase("Orders through the tracker", "tidings serve") as part:
        did = boxes.finish()
        members = answers.enrolled(session.store, run_id)
        anchor = answers.anchor_of(session.store, run_id)
        batches = answers.orders(members, answers.reached(session.store, run_id), anchor)
        bought = answers.post_events(address, key, batches)
        drainer.drain()
        # Most of the rest came in while the e-mails went out, and is not work of this part.
        part.count, part.unit = bought, "orders"
        console.print(
            f"  {did.get('opened', 0):,} opened, {did.get('clicked', 0):,} clicked, {did.get('unsubscribed', 0):,} "
            f"unsubscribed, {did.get('scanner requests', 0):,} requests by scanners, {bought:,} orders"
        )
    return did


def _report(session: Session, phases: Phases, console: Console, run_id: int, did: dict[str, int]) -> int:
    definitions = session.settings.definitions
    with phases.phase("Report", f"tidings report {CAMPAIGN}") as part:
        report = make_report(session.store, definitions, CAMPAIGN, as_of=SystemClock().now())
        part.count, part.unit = sum(arm.customers for arm in report.arms), "customers"
    show(report, console)
    members = answers.enrolled(session.store, run_id)
    show_truth(console, report, answers.truth(members))
    console.print()
    phases.show()
    runs = [find_run(session.store, name) for name in (EARLIER, CAMPAIGN)]
    accepted = sum(run_counts(session.store, run.id)["accepted"] for run in runs if run is not None)
    whole = did.get("received twice", 0) == 0 and did.get("e-mails", 0) == accepted
    console.print(
        f"\n{did.get('e-mails', 0):,} e-mails reached the mailboxes (with a letter of the week before), the ledger "
        f"says {accepted:,}; {did.get('received twice', 0):,} came twice."
    )
    what_next(console, session.settings.root)
    return 0 if whole else 1


class Boxes:
    """The process of the mailboxes: its port, and at the end what its owners did."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline().split()[1])

    def finish(self) -> dict[str, int]:
        """Let the owners finish and return what they did."""
        written, _ = self._process.communicate("finish\n", timeout=120)
        found: dict[str, int] = json.loads(written)
        return found


@contextmanager
def mailboxes() -> Iterator[Boxes]:
    """Run the mailboxes as a process of their own, gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tidings.cli.demo.mailboxes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Boxes(process)
    finally:
        process.kill()
        process.wait()


@contextmanager
def _draining(session: Session) -> Iterator[Drainer]:
    """Drain what the tracker takes in, as the worker of `tidings serve` does, so that an unsubscribe holds at once."""
    folder = spool_folder(session.settings.data_dir, ENVIRONMENT)
    drainer = Drainer(session.store, folder, salt=session.settings.definitions.workspace.salt)
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(1.0):
            drainer.drain_pending()

    thread = threading.Thread(target=run, name="drain")
    thread.start()
    try:
        yield drainer
    finally:
        ended.set()
        thread.join()
