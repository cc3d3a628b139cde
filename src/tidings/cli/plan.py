"""`tidings plan`: what a campaign would do, before it does anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.cli.session import Session
    from tidings.definitions.kinds.campaign import Campaign


@click.command(
    epilog=examples(
        "tidings plan                      # every campaign and how it stands",
        "tidings plan spring_winback",
    )
)
@click.argument("name", required=False)
@json_option
@environment_option
def command(name: str | None, as_json: bool, environment: str | None) -> int:
    """Show what a campaign would do; nothing is sent.

    People, refusals, arms, cost and what the comparison can show. The audience is stored as a snapshot, so that
    `tidings run --plan` can send to exactly these people. Without NAME: every campaign and how it stands.
    """
    from tidings.campaigns.planning import find_campaign, make_plan
    from tidings.campaigns.runs import find_run
    from tidings.cli.plan_view import print_plan
    from tidings.cli.readiness import check_plannable
    from tidings.cli.session import open_session

    with open_session(environment=environment) as session:
        definitions = session.settings.definitions
        if name is None:
            rows = []
            for campaign in definitions.campaigns.values():
                run = find_run(session.store, campaign.id)
                rows.append(
                    {
                        "campaign": campaign.id,
                        "title": campaign.title,
                        "state": run.state if run else "not run",
                    }
                )
            if as_json:
                click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
            for row in [] if as_json else rows:
                click.echo(f"{row['campaign']:<28} {row['state']:<10} {row['title']}")
            if not rows and not as_json:
                click.echo("campaigns/ has no campaign yet; `tidings new campaign NAME` starts one")
            return 0
        campaign = find_campaign(definitions, name)
        check_plannable(session, campaign)
        plan = make_plan(session.store, definitions, campaign.id, now=session.clock.now())
        unknown = _unknown(session, campaign)
        if as_json:
            click.echo(json.dumps({**plan.as_json(), "unknown": unknown}, ensure_ascii=False, indent=2))
        else:
            print_plan(plan, ZoneInfo(definitions.workspace.zone), audience_name(campaign))
            for one in unknown:
                click.echo(f"  {one['segment']}: {one['sentence']}")
            run = find_run(session.store, campaign.id)
            if run is not None and run.state != "enrolling":
                click.echo(f"\nThis campaign has run already ({run.state}); running it again does nothing.")
            else:
                click.echo(f"\nRun it:  tidings run {campaign.id} --plan {plan.hash}")
        return 1 if plan.over_budget else 0


def _unknown(session: Session, campaign: Campaign) -> list[dict[str, object]]:
    """Return, for each segment of the audience, whom it drops or keeps only because something is not known."""
    from tidings.segments.scope import Scope
    from tidings.segments.unknowns import unknown_counts

    definitions = session.settings.definitions
    scope = Scope.of(definitions, session.clock.now(), looking=True)
    with session.store.read() as connection:
        return [
            {
                "segment": name,
                "attribute": count.attribute,
                "dropped": count.dropped,
                "kept": count.kept,
                "sentence": count.sentence(),
            }
            for name in campaign.to.segments
            for count in unknown_counts(connection, definitions.segments[name], scope)
        ]


def audience_name(campaign: Campaign) -> str:
    """Return the audience of a campaign in words."""
    names = " or ".join(campaign.to.segments) or "the audience written in the campaign"
    return names + (f" without {', '.join(campaign.to.except_)}" if campaign.to.except_ else "")
