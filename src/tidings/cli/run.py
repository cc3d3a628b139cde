"""`tidings run`: show the plan, ask, enrol, send; again after a kill, go on where it stopped."""

from __future__ import annotations

import getpass
import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from tidings.cli.counted import people
from tidings.cli.options import environment_option, examples, json_option, yes_option

if TYPE_CHECKING:
    from tidings.campaigns.plan import Plan
    from tidings.campaigns.runs import Run
    from tidings.cli.session import Session
    from tidings.definitions.kinds.campaign import Campaign
    from tidings.flows.one_shot import OneShot
    from tidings.flows.recurring import Started


@click.command(
    epilog=examples(
        "tidings run spring_winback                  # show the plan and ask",
        "tidings run spring_winback --plan 3fa9c1    # run a stored plan",
        "tidings run spring_winback --wait 300        # give receipts five minutes",
        "tidings run spring_winback --yes --json",
        "tidings run welcome         # a flow, or its edited version, goes live",
    )
)
@click.argument("name")
@click.option("--plan", "plan_hash", metavar="HASH", help="Run this stored plan instead of planning anew.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 86_400),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="After sending, collect receipts for so long at most and try the next channel where one failed.",
)
@click.option(
    "--at-most",
    type=click.IntRange(1),
    metavar="PEOPLE",
    help="For a campaign that comes again: how many each time, at most; for a flow: how many may enter in 28 days. Else those of the plan and the drift allowed.",
)
@yes_option
@environment_option
@json_option
def command(
    name: str,
    plan_hash: str | None,
    wait: float,
    at_most: int | None,
    yes: bool,
    environment: str | None,
    as_json: bool,
) -> int:
    """Run a campaign: show its plan, ask, enrol every arm and send. Of a flow: let it, or its edited version, go live.

    A campaign that comes again (`every:`) is approved once: `tidings serve` then starts each occurrence by itself, inside the
    bounds approved, and holds what lies outside of them or comes of edited definitions until you run it again. So does a
    campaign whose `at:` is still to come: its people are looked at again at the hour, unless --plan or
    `audience: fixed when planned` says that they are these.

    Running an occurrence a second time sends nothing again and says so; one that was interrupted goes on. Receipts that a
    provider sends to the tracker, and those that come later, are for `tidings serve`.
    """
    from tidings.campaigns.offer_checks import check_campaign_offer
    from tidings.campaigns.planning import find_campaign
    from tidings.campaigns.runs import check_whole, enrol, find_run, start_run
    from tidings.cli.readiness import check_plannable, check_sendable
    from tidings.cli.session import open_session

    with open_session(environment=environment) as session:
        definitions = session.settings.definitions
        if name in definitions.flows:
            from tidings.cli.flow_run import run_flow

            return run_flow(session, name, at_most=at_most, yes=yes, as_json=as_json)
        campaign = find_campaign(definitions, name)
        run = find_run(session.store, campaign.id)
        if campaign.recurrence is not None or (run is None and plan_hash is None):
            from tidings.campaigns.standing import open_approval
            from tidings.cli.run_standing import stands

            if stands(session, campaign) or open_approval(session.store, campaign.id):
                return _standing(session, campaign, plan_hash, at_most, wait, yes=yes, as_json=as_json)
        if run is None:
            check_whole(campaign)
            check_plannable(session, campaign)
            check_sendable(session.settings, campaign)
            plan = _choose_plan(session, name, plan_hash)
            check_campaign_offer(session.store, definitions, plan)
            if not as_json:
                _show(session, plan)
            if not yes and not _asked(session, plan):
                click.echo("nothing was sent", err=True)
                return 0
            run = start_run(
                session.store, definitions, plan.hash, approved_by=getpass.getuser(), now=session.clock.now()
            )
        elif run.state == "enrolling":
            click.echo("an interrupted start of this run is taken up", err=True)
            enrol(session.store, run.id)
        elif run.state == "cancelled" or (run.state == "finished" and not _followed(session, run, wait)):
            return _already(session, run, as_json)
        elif run.state != "paused":
            click.echo("this run was started before; going on", err=True)
        return _send(session, run, wait, as_json)


def _standing(
    session: Session,
    campaign: Campaign,
    plan_hash: str | None,
    at_most: int | None,
    wait: float,
    *,
    yes: bool,
    as_json: bool,
) -> int:
    """Approve a campaign that starts by itself, unless it is approved as it is; then start and send what is due."""
    from tidings.campaigns.offer_checks import check_campaign_offer
    from tidings.campaigns.runs import check_whole
    from tidings.campaigns.standing import open_approval
    from tidings.cli import run_standing
    from tidings.cli.readiness import check_plannable, check_sendable
    from tidings.definitions.hashing import definition_hash

    known = open_approval(session.store, campaign.id)
    same = known is not None and known.definition_hash == definition_hash(
        session.settings.definitions, campaign.id
    )
    if known is None or known.state != "active" or not same or plan_hash or at_most:
        check_whole(campaign)
        check_plannable(session, campaign)
        check_sendable(session.settings, campaign)
        plan = _choose_plan(session, campaign.id, plan_hash)
        check_campaign_offer(session.store, session.settings.definitions, plan)
        if not as_json:
            _show(session, plan)
            for line in run_standing.approval_lines(session, campaign):
                click.echo(f"  {line}")
        if not run_standing.approve_plan(session, campaign, plan, at_most=at_most, yes=yes, as_json=as_json):
            click.echo("nothing was approved", err=True)
            return 0
    else:
        # It may have been approved where the keys were set: nobody is enrolled for a message that cannot be written here.
        check_sendable(session.settings, campaign)
    done = run_standing.due_now(session, campaign.id)
    runs = _open_runs(session, campaign.id)
    if as_json:
        return _send_all(session, campaign, done, runs, wait)
    for line in [*run_standing.done_lines(done), *run_standing.approval_lines(session, campaign)]:
        click.echo(line)
    if not runs:
        click.echo("Nothing is due now. Leave `tidings serve` running.")
    return max(
        [
            1 if any(one.state == "held" for one in done) else 0,
            *(_send(session, run, wait, False) for run in runs),
        ]
    )


def _open_runs(session: Session, campaign: str) -> list[Run]:
    """Return the runs of a campaign that are begun and not over, oldest first."""
    import sqlalchemy as sa

    from tidings.campaigns.runs import find_run
    from tidings.clock import to_micros
    from tidings.store.tables import sending

    runs = sending.runs
    with session.store.read() as connection:
        names = connection.execute(
            sa.select(runs.c.occurrence)
            .where(
                runs.c.campaign == campaign,
                runs.c.state.in_(["enrolling", "sending"]),
                runs.c.anchor_at <= to_micros(session.clock.now()),
            )
            .order_by(runs.c.anchor_at)
        ).scalars()
        found = list(names)
    return [run for name in found if (run := find_run(session.store, campaign, name)) is not None]


def _send_all(session: Session, campaign: Campaign, done: list[Started], runs: list[Run], wait: float) -> int:
    """Deliver the runs of a campaign that starts by itself, and say as JSON how it stands."""
    from tidings.campaigns.runs import find_run
    from tidings.cli import run_standing
    from tidings.delivery.running import run_counts

    results = []
    with _stopping() as stop:
        for run in runs:
            one_shot = _one_shot(session, run)
            delivered = one_shot.deliver(run.id, progress=None, stop=stop)
            if delivered.state == "finished" and not delivered.reason and not stop.is_set():
                one_shot.settle(run.id, wait, stop=stop)
            after = find_run(session.store, run.campaign, run.occurrence) or run
            results.append(
                _result(after, run_counts(session.store, run.id), already=False, reason=delivered.reason)
            )
    click.echo(run_standing.told(session, campaign, done, results))
    left = any(one["state"] != "finished" for one in results)
    return 1 if left or any(one.state == "held" for one in done) else 0


def _choose_plan(session: Session, name: str, plan_hash: str | None) -> Plan:
    from tidings.campaigns.planning import check_drift, load_plan
    from tidings.cli.plan_estimates import planned
    from tidings.errors import UsageError
    from tidings.measurement.redemptions import catch_up

    definitions, store, now = session.settings.definitions, session.store, session.clock.now()
    if plan_hash is None:
        return planned(session, definitions.campaigns[name])
    catch_up(store, definitions, now=now)
    _, _, plan = load_plan(store, plan_hash)
    if plan.campaign != name:
        raise UsageError(f"plan {plan.hash} is of the campaign {plan.campaign}, not of {name}")
    check_drift(store, definitions, plan, now=now)
    return plan


def _show(session: Session, plan: Plan) -> None:
    from tidings.cli.plan import audience_name
    from tidings.cli.plan_view import print_plan

    definitions = session.settings.definitions
    print_plan(
        plan, ZoneInfo(definitions.workspace.zone), audience_name(definitions.campaigns[plan.campaign])
    )


def _asked(session: Session, plan: Plan) -> bool:
    from tidings.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(
            "this would send and there is nobody to ask", what_to_do="add --yes once you have read the plan"
        )
    environment = session.settings.environment
    how = "write files to the outbox for" if environment.outbox else "SEND to"
    return click.confirm(f"\n{how} {people(plan.people)} in {environment.name}?", default=False)


def _already(session: Session, run: Run, as_json: bool) -> int:
    from tidings.delivery.running import run_counts

    counts = run_counts(session.store, run.id)
    if as_json:
        click.echo(json.dumps(_result(run, counts, already=True), indent=2))
        return 0
    told = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in counts.items() if count)
    click.echo(f"{run.campaign} has run already and is {run.state} ({told}); nothing was done.")
    click.echo(f"What it caused:  tidings report {run.campaign}")
    return 0


def _one_shot(session: Session, run: Run) -> OneShot:
    from tidings.flows.one_shot import OneShot

    return OneShot(
        session.settings,
        session.store,
        run.bounds.get("via", ()),
        clock=session.clock,
        say=lambda words: click.echo(words, err=True),
    )


def _followed(session: Session, run: Run, wait: float) -> bool:
    """Collect what has come since a run went out; tell whether somebody is written to by the next channel because of it."""
    from tidings.campaigns.runs import find_run

    with _stopping() as stop:
        _one_shot(session, run).settle(run.id, wait, stop=stop)
    after = find_run(session.store, run.campaign, run.occurrence)
    return after is not None and after.state != "finished"


def _send(session: Session, run: Run, wait: float, as_json: bool) -> int:
    """Deliver what is due, collect receipts and say how it went; exit 1 when something is left undone."""
    from tidings.campaigns.runs import find_run
    from tidings.cli import run_standing
    from tidings.cli.paused import paused_lines
    from tidings.clock import from_micros, to_micros
    from tidings.delivery.running import run_counts, waiting_channels

    now = to_micros(session.clock.now())
    if run.anchor_at > now:
        at = from_micros(run.anchor_at).astimezone(ZoneInfo(session.settings.definitions.workspace.zone))
        click.echo(f"enrolled; it goes out at {at:%Y-%m-%d %H:%M}. Leave `tidings serve` running.")
        return 0
    waiting = 0
    with _stopping() as stop:
        one_shot = _one_shot(session, run)
        done = one_shot.deliver(run.id, progress=None if as_json else progress_line(), stop=stop)
        if done.state == "finished" and not done.reason and not stop.is_set():
            waiting = one_shot.settle(run.id, wait, stop=stop)
    counts = run_counts(session.store, run.id)
    after = find_run(session.store, run.campaign, run.occurrence) or run
    later = run_standing.later_words(session, run.id) if after.state == "sending" and not done.reason else ""
    if as_json:
        result = _result(after, counts, already=False, reason=done.reason)
        click.echo(json.dumps({**result, "waiting": waiting}, indent=2))
    else:
        _tell(
            after,
            counts,
            done.reason or later,
            paused_lines(session.store, waiting_channels(session.store, run.id)),
        )
        if waiting:
            click.echo(
                f"{waiting:,} wait for their receipts: `tidings serve` collects them, or `tidings run {run.campaign}` again."
            )
    return 0 if after.state == "finished" or later else 1


def progress_line() -> Any:
    """Return a callback that rewrites one line on a terminal and is silent when piped."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        click.echo(f"\r  {done:,} of {total:,} handed over", nl=done >= total, err=True)

    return show


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into a clean stop after the messages in flight."""
    stop = threading.Event()

    def ask(signum: int, frame: Any) -> None:
        click.echo("\nstopping after the messages in flight", err=True)
        stop.set()

    previous = [(number, signal.signal(number, ask)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield stop
    finally:
        for number, handler in previous:
            signal.signal(number, handler)


def _result(run: Run, counts: dict[str, int], *, already: bool, reason: str = "") -> dict[str, Any]:
    return {
        "campaign": run.campaign,
        "occurrence": run.occurrence,
        "state": run.state,
        "already": already,
        "pause_reason": run.pause_reason or reason or None,
        "messages": counts,
    }


def _tell(run: Run, counts: dict[str, int], reason: str, held: list[str]) -> None:
    from tidings.cli import run_standing

    for state, count in counts.items():
        if count:
            click.echo(f"  {count:>9,}  {state.replace('_', ' ')}")
    if counts.get("in_doubt"):
        click.echo("Those in doubt may or may not have gone out; `tidings in-doubt` lists each.")
    if run.state == "paused":
        click.echo(f"The run is paused: {run.pause_reason}\nGo on with:  tidings resume {run.campaign}")
    elif run.state == "finished":
        click.echo(f"{run.campaign} is out. Watch what it causes:  tidings report {run.campaign}")
    elif reason.endswith(run_standing.LATER):
        click.echo(f"{reason}.\nLeave `tidings serve` running.")
    elif reason.startswith("all sending is paused"):
        click.echo(
            f"Not all is out yet: {reason}\nGo on with:  tidings resume, then tidings run {run.campaign}"
        )
    elif held:
        click.echo("Not all is out yet: messages wait.")
        for line in held:
            click.echo(line)
        click.echo(f"then:  tidings run {run.campaign}  (or leave it to `tidings serve`)")
    else:
        why = f": {reason}" if reason else ""
        click.echo(f"Not all is out yet{why}. Go on with:  tidings run {run.campaign}")
