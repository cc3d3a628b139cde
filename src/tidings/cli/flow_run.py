"""What `tidings run FLOW` does: show the plan, ask, and let the flow, or its edited version, go live."""

from __future__ import annotations

import getpass
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from tidings.cli.counted import people

if TYPE_CHECKING:
    from tidings.cli.session import Session


def run_flow(session: Session, name: str, *, at_most: int | None, yes: bool, as_json: bool) -> int:
    """Let a flow go live after asking, or approve anew how many may enter; return the exit code.

    `at_most` is that number, None: the plan's. Whoever waits at a removed step must have a place to go (3).
    """
    from tidings.cli.flow_plan import make, show
    from tidings.cli.flow_readiness import check_flow, check_flow_sendable
    from tidings.errors import UsageError
    from tidings.flows.journeys.limits import DAYS, approve_anew, stopped_by_limit
    from tidings.flows.journeys.live import find_live
    from tidings.flows.journeys.versions import check_moved, start_flow

    definitions, store = session.settings.definitions, session.store
    flow = definitions.flows[name]
    check_flow(session, flow)
    check_flow_sendable(session.settings, flow)
    plan = make(session, name)
    if at_most is not None:
        plan = replace(plan, most=at_most)
    if not as_json:
        show(plan)
    live = find_live(store, name)
    if live is not None and plan.missing:
        check_moved(store, flow, live)
    asks = live is not None and live.state == "paused" and stopped_by_limit(live.pause_reason, name)
    anew = plan.kind == "unchanged" and plan.most is not None and (at_most is not None or asks)
    if (plan.kind != "unchanged" or anew) and not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                "this would go live and there is nobody to ask",
                what_to_do="add --yes once you have read the plan",
            )
        what = "Let it go live" if plan.kind == "new" else f"Let version {plan.version} go live"
        if anew:
            what = f"Let at most {people(plan.most or 0)} enter in {DAYS} days"
        if not click.confirm(f"\n{what} in {session.settings.environment.name}?", default=False):
            click.echo("nothing was changed", err=True)
            return 0
    who, now = getpass.getuser(), session.clock.now()
    run_id = start_flow(store, definitions, name, approved_by=who, now=now, most=plan.most)
    if plan.most is not None and (anew or asks):
        approve_anew(store, name, run_id, plan.most, approved_by=who, now=now)
    after = find_live(store, name)
    assert after is not None
    if as_json:
        told = {
            "flow": name,
            "run": run_id,
            "version": after.version,
            "state": after.state,
            "kind": plan.kind,
        }
        click.echo(json.dumps(told, indent=2))
        return 0
    if anew:
        click.echo(f"\n{name}: at most {people(plan.most or 0)} may enter in {DAYS} days from now on.")
    elif plan.kind == "unchanged":
        click.echo(f"\n{name} is live already as it is; nothing was changed.")
    else:
        click.echo(f"\n{name} is live (version {after.version}).")
    if after.state == "paused":
        click.echo(f"It is paused: nobody enters or goes on until `tidings resume {name}`.")
    else:
        click.echo("`tidings serve` lets people in and leads them on; leave it running.")
    return 0
