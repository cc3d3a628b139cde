"""The demo from beginning to end, each part with the command that does the same in a shop of your own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console

from tidings.campaigns.planning import make_plan
from tidings.campaigns.runs import start_run
from tidings.channels.sandbox import twilio
from tidings.cli.demo import answers, books, coupons, faxing, insight
from tidings.cli.demo.children import place
from tidings.cli.demo.exports import write_customers, write_orders
from tidings.cli.demo.phases import Phases
from tidings.cli.demo.reports import make_maildir
from tidings.cli.demo.shop import (
    BEHIND,
    EARLIER,
    ENVIRONMENT,
    REMINDER,
    TOKEN,
    ClockBehind,
    fax_folder,
    into_outbox,
    make_workspace,
    write_channels,
)
from tidings.cli.demo.stage import Stage
from tidings.cli.demo.tide import Tide
from tidings.cli.demo.told import show_chosen, show_truth, what_next
from tidings.cli.demo.tracker import address_of, listen, tracker
from tidings.cli.plan_view import print_plan
from tidings.cli.report import show
from tidings.cli.session import Session, open_session, target_of
from tidings.clock import SystemClock
from tidings.config.settings import load_settings
from tidings.customers.importing import import_file
from tidings.delivery.running import run_counts
from tidings.delivery.verify import verify
from tidings.flows.collecting import load_adapters
from tidings.measurement.report import make_report
from tidings.segments.membership import refresh
from tidings.store.upgrading import migrate
from tidings.tokens import api_keys
from tidings.tokens.api_keys import new_api_key
from tidings.tokens.keyring import KeyRing
from tidings.tokens.links import mint

CAMPAIGN = "spring_winback"
# Nobody reads a letter in the second in which it comes; mailboxes and telephones of the demo do, and so their calendar is ahead.
_LATER = timedelta(minutes=20)


def tell(folder: Path, customers: int) -> int:
    """Run the demo in a folder of its own and return the exit code; 1 when anything was lost or sent twice."""
    console = Console(highlight=False, soft_wrap=True)
    make_workspace(folder)
    console.print(
        f"A garden shop with {customers:,} customers, made up from a seed, in {folder}.\n"
        f"Its calendar runs {BEHIND.days} days behind, so that the goal's two weeks are over by now.\n"
        "Mail server, telephones and fax machines are programs on this machine."
    )
    no_calls = faxing.why_no_calls()
    if no_calls:
        console.print(f"{no_calls[0].upper()}{no_calls[1:]}.")
    key, entry = new_api_key("demo")
    bounces = make_maildir(folder.resolve() / ".tidings" / "bounces")
    with ExitStack() as stack:
        listening = stack.enter_context(listen())
        address = address_of(listening)
        boxes = stack.enter_context(place("mailboxes", str(bounces)))
        phones = stack.enter_context(place("phones", f"{address}/h/sms"))
        write_channels(
            folder, address, mail=boxes.port, bounces=bounces, texts=phones.port, calls=not no_calls
        )
        stack.enter_context(_variable(TOKEN, twilio.TOKEN))
        stack.enter_context(_variable(api_keys.VARIABLE, entry))
        stack.enter_context(tracker(folder, listening, BEHIND - _LATER))
        clock = ClockBehind()
        migrate(target_of(load_settings(folder, ENVIRONMENT), clock))
        session = stack.enter_context(open_session(ENVIRONMENT, folder, clock=clock))
        phases = Phases(SystemClock(), console)
        return _told(Stage(console, phases, session, boxes, phones, address, key, not no_calls, customers))


def _told(stage: Stage) -> int:
    session = stage.session
    _import(stage, stage.customers)
    insight.fill_pool(stage)
    adapters = load_adapters(session.settings, stage.console.print)
    if stage.calls:
        adapters["fax"] = faxing.keeping_adapter(session.settings)
    tide = Tide(session, adapters, [stage.boxes, stage.phones], stage.console.print)
    earlier = _start(session, EARLIER)
    tide.deliver(earlier)
    # So that the plan is the same every time: it hangs on which of these came back.
    tide.settle()
    _plan(stage)
    run_id = _start(session, CAMPAIGN)
    tokens = _old_links(session, earlier, run_id)
    with tide.coming_in():
        _send(stage, tide, run_id, lambda: answers.unsubscribe(stage.tracker, tokens))
    _come_back(stage, tide, run_id)
    _remind(stage, tide)
    _orders(stage, tide, run_id)
    insight.import_ads(stage, run_id)
    insight.redeem(stage)
    _report(stage, run_id)
    insight.ask(stage, "attribute", "--by", "campaign", name="Credit beside effect")
    insight.ask(stage, "kpi", name="How customers moved")
    show_chosen(stage.console, insight.score(stage))
    insight.paper(stage, CAMPAIGN)
    done = _ledger(stage, run_id)
    into_outbox(session.settings.root)
    return done


def _import(stage: Stage, customers: int) -> None:
    session, phases = stage.session, stage.phases
    today = session.clock.now()
    definitions = session.settings.definitions
    for name, write in (("customers", write_customers), ("orders", write_orders)):
        path = session.settings.root / f"{name}.csv"
        write(path, today, customers)
        with phases.phase(f"Import {name}", f"tidings import {path.name} --as {name}") as part:
            result = import_file(session.store, definitions, definitions.imports[name], path)
            part.count, part.unit = result.rows, "rows"
            phases.console.print(
                f"  {result.rows:,} rows: {result.created:,} customers made, {result.events:,} events, "
                f"{result.rejected:,} rejected"
                + (f"\n  (see {result.rejects_path})" if result.rejected else "")
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


def _plan(stage: Stage) -> None:
    session, console = stage.session, stage.console
    definitions, now = session.settings.definitions, session.clock.now()
    with stage.phases.phase("Segment", "tidings segment lapsed_buyers") as part:
        found = refresh(session.store, definitions, ["lapsed_buyers"], now=now)[-1]
        part.count, part.unit = found.members, "members"
        console.print(f"  {definitions.segments['lapsed_buyers'].title}: {found.members:,} customers")
    with stage.phases.phase("Plan", f"tidings plan {CAMPAIGN}") as part:
        plan = make_plan(session.store, definitions, CAMPAIGN, now=now)
        part.count, part.unit = plan.audience, "people"
        print_plan(plan, ZoneInfo(definitions.workspace.zone), "lapsed_buyers")


def _send(stage: Stage, tide: Tide, run_id: int, leave: Callable[[], int]) -> None:
    """Send everything; when a third is out, some of those still waiting unsubscribe by the link of an older letter."""
    midway: list[int] = []
    leaving = threading.Thread(target=lambda: midway.append(leave()))
    shown = [0]

    def progress(done: int, total: int) -> None:
        if done * 3 >= total and leaving.ident is None:
            leaving.start()
        if done * 5 // max(total, 1) > shown[0]:
            shown[0] = done * 5 // max(total, 1)
            # Who goes on by the next channel meanwhile was not counted yet.
            stage.console.print(f"  {done:>7,} of {max(done, total):,} handed over")

    with stage.phases.phase("Send by e-mail, SMS and fax", f"tidings run {CAMPAIGN}") as part:
        tide.deliver(run_id, progress)
        if leaving.ident is not None:
            leaving.join()
        counts = run_counts(stage.session.store, run_id)
        part.count, part.unit = sum(counts.values()), "messages"
        stage.console.print(f"  {sum(midway):,} people unsubscribed while it was going out")


def _come_back(stage: Stage, tide: Tide, run_id: int) -> None:
    """Take in the rest of what comes back, send what follows from it, and tell all of it."""
    session = stage.session
    with stage.phases.phase("Bounces, receipts, replies", "tidings serve") as part:
        tide.settle()
        part.count, part.unit = books.receipts(session.store), "receipts"
    boxes, phones = stage.boxes.settled(), stage.phones.settled()
    on = books.went_on(session.store, run_id)
    kept = books.suppressed(session.store)
    returned, full = boxes.get("returned", 0), boxes.get("full", 0)
    by_sms, by_fax, followed = on.get("sms", 0), on.get("fax", 0), phones.get("followed", 0)
    lines = [
        f"{boxes['refused']:,} mailboxes refused at once, {returned:,} e-mails came back later",
        f"{by_sms:,} people went on by SMS, {by_fax:,} by fax; {followed:,} followed the link in a text",
        f"{phones['said stop']:,} people answered STOP, 退訂 or стоп; {phones['confirmed once']:,} got one confirmation",
        "never again: " + ", ".join(f"{count:,} {name}" for name, count in kept.items()),
        f"(a full mailbox is no reason: {full:,} of those that came back)",
    ]
    if stage.calls:
        fax = faxing.arrived(fax_folder(session.settings.root))
        lines.append(
            f"{len(fax.names):,} faxes by true T.30 calls: {fax.equal:,} of {fax.pages:,} pages arrived "
            "equal, dot by dot"
        )
    for line in lines:
        stage.console.print(f"  {line}")


def _remind(stage: Stage, tide: Tide) -> None:
    """Write to a club by SMS, some of whom have said stop."""
    session = stage.session
    with stage.phases.phase("A reminder by SMS", f"tidings run {REMINDER}") as part:
        plan = make_plan(session.store, session.settings.definitions, REMINDER, now=session.clock.now())
        run_id = _start(session, REMINDER)
        tide.deliver(run_id)
        tide.settle()
        part.count, part.unit = sum(run_counts(session.store, run_id).values()), "messages"
    refused = dict(plan.refusals)
    stage.console.print(
        f"  {plan.audience:,} people in the club: {part.count:,} texts, {refused.get('stop_sms', 0):,} had said "
        f"stop, {refused.get('no_consent', 0):,} never agreed\n"
        f"  texts to people who had said stop: {stage.phones.settled()['texts after stop']:,}"
    )


def _orders(stage: Stage, tide: Tide, run_id: int) -> None:
    store = stage.session.store
    with stage.phases.phase("Orders through the tracker", "tidings serve") as part:
        did = stage.boxes.settled()
        members = answers.enrolled(store, run_id)
        anchor = answers.anchor_of(store, run_id)
        batches = answers.orders(
            members, answers.reached(store, run_id), anchor, coupons.codes_of(store, run_id)
        )
        # They come in on the days after the letter, and so by a tracker that knows these days.
        root = stage.session.settings.root
        with listen() as listening, tracker(root, listening, timedelta(0)):
            bought = answers.post_events(address_of(listening), stage.key, batches)
        tide.drainer.drain()
        # Most of the rest came in while the e-mails went out, and is not work of this part.
        part.count, part.unit = bought, "orders"
        stage.console.print(
            f"  {did.get('opened', 0):,} opened, {did.get('clicked', 0):,} clicked, {did.get('unsubscribed', 0):,} "
            f"unsubscribed, {bought:,} orders\n"
            f"  {did.get('scanner requests', 0):,} requests by programs that look through mail"
        )


def _report(stage: Stage, run_id: int) -> None:
    session, console = stage.session, stage.console
    with stage.phases.phase("Report", f"tidings report {CAMPAIGN}") as part:
        report = make_report(session.store, session.settings.definitions, CAMPAIGN, as_of=SystemClock().now())
        part.count, part.unit = sum(arm.customers for arm in report.arms), "customers"
    # Its sentences are broken into lines, which the rest has of itself.
    show(report, Console(highlight=False))
    members = answers.enrolled(session.store, run_id)
    show_truth(console, report, answers.truth(members), answers.bought_anyway(members))


def _ledger(stage: Stage, run_id: int) -> int:
    """Show the ledger beside what was received and return the exit code."""
    session, console = stage.session, stage.console
    root = session.settings.root
    with stage.phases.phase("Ledger", "tidings verify") as part:
        verdict = verify(session.store)
        part.count, part.unit = sum(run.planned for run in verdict.runs), "messages"
        console.print(
            f"  {part.count:,} messages, {len(verdict.checks)} rules: "
            + ("every one holds" if not verdict.broken else "; ".join(one.sentence for one in verdict.broken))
        )
    fax = faxing.arrived(fax_folder(root)) if stage.calls else faxing.filed(fax_folder(root))
    boxes = stage.boxes.settled()
    salt = session.settings.definitions.workspace.salt
    both = books.compare(session.store, salt, boxes, stage.phones.settled(), fax)
    two = books.two_live(session.store)
    console.print()
    books.show_legs(console, session.store, run_id)
    console.print()
    books.show_books(console, both, two)
    console.print()
    stage.phases.show()
    console.print(
        f"\n{boxes['e-mails']:,} e-mails reached the mailboxes (with an earlier letter), the ledger\n"
        f"says {both.emails:,}; {boxes['received twice']:,} came twice."
    )
    what_next(console, root, fax_folder(root))
    waiting = sum(run.pending for run in verdict.runs)
    whole = both.agree and not (two or waiting or boxes["received twice"] or verdict.broken)
    return 0 if whole else 1


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of this process, and so of those that it starts."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
