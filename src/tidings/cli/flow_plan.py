"""What `tidings plan FLOW` prints: who enters, who waits where, and what an edit would change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tidings.cli.session import Session
    from tidings.flows.journeys.planning import FlowPlan

_SIGNS = {"same": " ", "added": "+", "changed": "~", "removed": "-"}


def plan_of_flow(session: Session, name: str, *, as_json: bool) -> int:
    """Plan a flow and print it; 3 when it cannot go live because `moved` is missing or an offer cannot be kept, else 0."""
    from tidings.cli.flow_readiness import check_flow

    definitions = session.settings.definitions
    check_flow(session, definitions.flows[name])
    from tidings.campaigns.offer_checks import flow_offer_problems
    from tidings.delivery.freshness import waiting_feeds

    plan = make(session, name)
    unkept = flow_offer_problems(session.store, definitions, definitions.flows[name])
    waiting = waiting_feeds(session.store, definitions, definitions.flows[name], session.clock.now())
    if as_json:
        told = {**plan.as_json(), "warnings": waiting, "problems": [one.as_json() for one in unkept]}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        show(plan)
        for line in waiting:
            click.echo(f"  WARNING  {line}")
        for problem in unkept:
            click.echo(f"\n{problem.render()}")
        if not unkept and not plan.missing and plan.kind != "unchanged":
            click.echo(f"\nRun it:  tidings run {plan.flow}")
    return 3 if plan.missing or unkept else 0


def make(session: Session, name: str) -> FlowPlan:
    """Return the plan of a flow as of now."""
    from tidings.flows.journeys.planning import plan_flow

    return plan_flow(session.store, session.settings.definitions, name, now=session.clock.now())


def rows_of_flows(session: Session) -> list[dict[str, str]]:
    """Return every flow with how its run stands, as `tidings plan` lists them."""
    from tidings.flows.journeys.live import find_live

    rows = []
    for flow in session.settings.definitions.flows.values():
        live = find_live(session.store, flow.id)
        state = "not live" if live is None else "live" if live.state == "sending" else live.state
        rows.append({"flow": flow.id, "title": flow.title, "state": state})
    return rows


def show(plan: FlowPlan) -> None:
    """Print the plan of a flow for people."""
    told = {
        "new": "goes live for the first time",
        "edit": f"version {plan.version} of a flow that is {'live' if plan.state == 'sending' else plan.state}",
        "unchanged": f"version {plan.version} is what runs; nothing is changed",
    }
    click.echo(f"{plan.flow}: {plan.title}")
    click.echo(f"  {told[plan.kind]}; {plan.people:,} on the way")
    if plan.new_start:
        arms = ", ".join(f"{count:,} {arm}" for arm, count in sorted(plan.entering.items(), reverse=True))
        click.echo(f"  enter at once: {arms or 'nobody'}")
    if plan.expected is not None:
        click.echo(f"  starts in four weeks: about {plan.expected:,}")
    if plan.most is not None:
        click.echo(f"  approved with it: at most {plan.most:,} enter in four weeks, else it pauses and asks")
    else:
        click.echo("  no limit on who enters: too little is known yet")
        click.echo("  (`tidings run --at-most` sets one)")
    click.echo(f"  holdout: {plan.holdout / 100:g}% ({plan.holdout_reason})")
    click.echo("")
    width = max(len(step.name) for step in plan.steps)
    for step in plan.steps:
        where = ""
        if step.change == "removed" and step.heads:
            where = f"  → {step.moved}" if step.moved else "  → ? "
        note = "" if step.change == "same" else f"  {step.change}"
        click.echo(
            f"  {_SIGNS[step.change]} {step.name:<{width}}  {step.verb:<11} {step.heads:>9,} wait{note}{where}"
        )
    for name, count in plan.missing:
        click.echo(
            f'\n{count:,} wait at "{name}", and the flow has no such step any more: it cannot go live so.\n'
            f"Write where they go, such as  moved: {{{name}: {plan.steps[-1 - _gone(plan)].name}}}  or  moved: {{{name}: end}}"
        )


def _gone(plan: FlowPlan) -> int:
    return sum(step.change == "removed" for step in plan.steps)
