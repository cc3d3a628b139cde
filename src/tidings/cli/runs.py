"""`tidings runs`: runs of campaigns and flows with their progress, what is approved and waits, and the scheduled work."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from tidings.cli.counted import people
from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from datetime import datetime

    from rich.table import Table

    from tidings.flows.approvals_standing import ApprovalStands
    from tidings.flows.clock_lock import Holder
    from tidings.flows.running_work import RunStands
    from tidings.flows.work_runs import WorkRun


@click.command(epilog=examples("tidings runs", "tidings runs --last 50", "tidings runs --json | jq .work"))
@click.option(
    "--last", type=click.IntRange(1, 10_000), default=15, show_default=True, help="How many of each to show."
)
@environment_option
@json_option
def command(last: int, environment: str | None, as_json: bool) -> int:
    """List the runs of campaigns and flows, how far they are, what is approved and waits, and recent scheduled work.

    A campaign that was approved and goes out by itself stands there with its day; with --json under `approvals`. Runs that are not finished are always shown. Scheduled work is what the clock does by itself: rounds that start and move
    flows, refreshed segments, occurrences, deliveries by Prefect. "lost" is work whose process ended before it was done: the
    next round goes on from the ledger.
    """
    from tidings.cli.session import open_session
    from tidings.flows.approvals_standing import approvals_standing
    from tidings.flows.clock_lock import holder_of, used_clock
    from tidings.flows.running_work import runs_standing
    from tidings.flows.work_runs import recent

    with (
        open_session(environment, need_vocabulary=False, despite_problems=True) as session,
        session.store.read() as connection,
    ):
        runs = runs_standing(connection, limit=last)
        work = recent(connection, now=session.clock.now(), limit=last)
        holder, kind = holder_of(connection), used_clock(connection)
        at_work = holder is not None and holder.leased_until > session.store.lease_now(connection)
        definitions = session.settings.definitions
        approvals = approvals_standing(
            session.store, definitions, session.clock.now(), broken=session.settings.broken
        )
        zone = ZoneInfo(definitions.workspace.zone)
    if as_json:
        shown = {
            "clock": _clock(holder, kind, at_work),
            "runs": [_run(one) for one in runs],
            "approvals": [one.as_json() for one in approvals],
            "work": [_work(one) for one in work],
        }
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return 0
    _tell_runs(runs, zone)
    _tell_approvals(approvals)
    _tell_work(work, zone)
    if not kind:
        click.echo("No clock has run yet: `tidings serve` starts it.")
    elif at_work and holder is not None:
        click.echo(f"The {kind} clock is at work: {holder.words()}.")
    else:
        click.echo(f"The {kind} clock is not at work now.")
    return 0


def _tell_runs(runs: Sequence[RunStands], zone: ZoneInfo) -> None:
    if not runs:
        click.echo("No run yet.")
        return
    table = _table("run", "state", "began", "messages", "people")
    for one in runs:
        people = f"{one.walking:,} of {one.entered:,} under way" if one.kind == "flow" else ""
        table.add_row(
            _name(one), one.state, _at(one.began, zone), _progress(one.settled, one.messages), people
        )
    _print(table)
    for one in runs:
        if one.state == "paused" and one.reason:
            click.echo(f"{_name(one)} is paused: {one.reason}")


def _tell_approvals(approvals: Sequence[ApprovalStands]) -> None:
    if not approvals:
        return
    click.echo()
    table = _table("goes out by itself", "state", "next", "at most")
    for one in approvals:
        own = " for each recipient" if one.clock == "recipient" else ""
        following = f"{one.day} {one.hour}{own}" if one.day else one.why_no_day or "nothing to come"
        table.add_row(one.campaign, one.state, following, people(one.bounds["people"]))
    _print(table)
    for one in approvals:
        if one.reason:
            click.echo(f"{one.campaign} is {one.state}: {one.reason}")


def _tell_work(work: Sequence[WorkRun], zone: ZoneInfo) -> None:
    if not work:
        click.echo("\nNo scheduled work yet.")
        return
    click.echo()
    table = _table("work", "state", "began", "took", "outcome")
    for one in work:
        name = f"{one.work} {one.subject}" if one.subject else one.work
        took = (
            "" if one.finished_at is None else f"{(one.finished_at - one.started_at).total_seconds():.1f} s"
        )
        outcome = one.outcome or _progress(one.done, one.total)
        if one.state == "failed" and one.done > 1:
            outcome = f"{outcome} ({one.done:,} times)"
        table.add_row(name, one.state, _at(one.started_at, zone), took, outcome)
    _print(table)


def _table(*names: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        right = name in ("messages", "took")
        table.add_column(
            name, justify="right" if right else "left", overflow="fold", no_wrap=name in ("state", "began")
        )
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    Console(highlight=False, markup=False).print(table)


def _name(one: RunStands) -> str:
    return (
        one.campaign if one.kind == "flow" or one.occurrence == "once" else f"{one.campaign}/{one.occurrence}"
    )


def _progress(done: int, total: int | None) -> str:
    return f"{done:,}" if total is None else f"{done:,} of {total:,}"


def _at(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"


def _clock(holder: Holder | None, kind: str, at_work: bool) -> dict[str, Any] | None:
    from tidings.clock import iso

    if holder is None:
        return None
    return {
        "kind": kind,
        "at_work": at_work,
        "host": holder.host,
        "pid": holder.pid,
        "since": iso(holder.since),
    }


def _run(one: RunStands) -> dict[str, Any]:
    from tidings.clock import iso

    return {
        "run": one.id,
        "campaign": one.campaign,
        "occurrence": one.occurrence,
        "kind": one.kind,
        "state": one.state,
        "pause_reason": one.reason or None,
        "began": iso(one.began),
        "finished": one.finished and iso(one.finished),
        "messages": one.messages,
        "settled": one.settled,
        "by_state": one.counts,
        "entered": one.entered,
        "walking": one.walking,
    }


def _work(one: WorkRun) -> dict[str, Any]:
    from tidings.clock import iso

    return {
        "id": one.id,
        "work": one.work,
        "subject": one.subject,
        "state": one.state,
        "where": one.where,
        "started": iso(one.started_at),
        "beat": iso(one.beat_at),
        "finished": one.finished_at and iso(one.finished_at),
        "done": one.done,
        "total": one.total,
        "outcome": one.outcome,
    }
