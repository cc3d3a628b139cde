"""`tidings plan`: what a campaign would do, before it does anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.campaigns.plan import Plan
    from tidings.cli.session import Session
    from tidings.definitions.kinds.campaign import Campaign


@click.command(
    epilog=examples(
        "tidings plan                      # every campaign and how it stands",
        "tidings plan spring_winback",
        "tidings plan welcome              # a flow: who waits where, what changes",
    )
)
@click.argument("name", required=False)
@json_option
@environment_option
def command(name: str | None, as_json: bool, environment: str | None) -> int:
    """Show what a campaign or a flow would do; nothing is sent.

    People, refusals, arms, channels, cost and what the comparison can show. Segments of an SMS and pages of a fax are
    estimated with real customers. The audience is stored as a snapshot, so that `tidings run --plan` can send to exactly
    these people. Without NAME: every campaign and flow and how it stands.

    Of a flow: who would enter at once, how many wait before each step, which steps an edit adds, changes or takes out. Exit
    code 3 when people wait at a step that was taken out and `moved:` does not say where they go.

    \b
    With --json, about channels and money (in minor units):
      legs         for each place of `via`: messages that go out by it first,
                   and `later`, how many of those written to by an earlier one
                   it could reach
      unreached    people whom none of the channels may reach; `refusals` says
                   why
      covered      by arm, those enrolled without a message of their own (`unit:
                   account`)
      copies       staff who get the real message; copy_messages counts each
                   wording
      costs        by channel: price of one unit, units a message (estimated or
                   1), cost
      fixed_costs  what `costs:` names
      cost, cost_most   all of it; and if every first message failed and the
                        rest were tried

    \b
    With --json, about words (by first channel and the locale of the words):
      gaps         `customers` of `of` lack `values`: they get `words` instead,
                   or are refused when `words` is null. "salutation" is a
                   greeting without a name. `many`: look at it
      curve        messages by the hour (UTC) they leave in and the zone they go
                   to; empty where zones decide nothing
      unknown_zones  people written to whose zone is not known, by channel
      moved, late  whose hours allow it later than written; whose hour was past
                   already
      next, approval   of a campaign that comes again: its next times, and how
                       its approval stands
      lacking      people whose message lacks what `rules` of the policies ask
                   for, by code: they would be refused
      warnings     channels of the campaign that are paused, and imports that it
                   waits for, as sentences
      problems     what keeps it from keeping its offer: too few codes, no
                   stock; then the exit code is 3
      ranked       scores that segments are ranked by: model, when trained and
                   applied
      unworded     people whose locale (null: not known) has no words, and which
                   locale they get
    """  # noqa: D301
    from tidings.campaigns.legs import legs_of
    from tidings.campaigns.offer_checks import campaign_offer_problems
    from tidings.campaigns.planning import find_campaign
    from tidings.cli.paused import paused_lines
    from tidings.cli.plan_estimates import planned
    from tidings.cli.plan_gaps import gap_lines, plan_gaps, plan_lacks
    from tidings.cli.plan_view import print_plan
    from tidings.cli.ranked import ranked_by
    from tidings.cli.readiness import check_plannable
    from tidings.cli.run_standing import approval_lines, coming_lines, standing_json
    from tidings.cli.session import open_session
    from tidings.definitions.readers.later import deciding
    from tidings.delivery.freshness import waiting_feeds

    with open_session(environment=environment) as session:
        definitions = session.settings.definitions
        if name is None:
            return _list_all(session, as_json)
        if name in definitions.flows:
            from tidings.cli.flow_plan import plan_of_flow

            return plan_of_flow(session, name, as_json=as_json)
        campaign = find_campaign(definitions, name)
        check_plannable(session, campaign)
        plan = planned(session, campaign)
        unknown, refused = _unknown(session, campaign), list(deciding(campaign.acts_later))
        gaps = plan_gaps(session, campaign, plan.hash)
        lacks = plan_lacks(session, campaign, plan.hash)
        ranked = ranked_by(session, campaign)
        held = paused_lines(session.store, {leg.channel for leg in legs_of(campaign, definitions)})
        held += waiting_feeds(session.store, definitions, campaign, session.clock.now())
        unkept = campaign_offer_problems(
            session.store, definitions, campaign, plan.people + plan.copy_messages
        )
        if as_json:
            told = {**plan.as_json(), "unknown": unknown, "not_acted_on": refused, **gaps.as_json()}
            told["lacking"] = [one.as_json() for one in lacks]
            told["warnings"] = held
            told["problems"] = [one.as_json() for one in unkept]
            told["ranked"] = [one.as_json() for one in ranked]
            standing = standing_json(session, campaign)
            told |= {"next": standing.pop("next"), "approval": standing}
            click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        else:
            print_plan(plan, ZoneInfo(definitions.workspace.zone), audience_name(campaign))
            for key in refused:
                click.echo(
                    f"  `{key}` decides who gets what or when, and nothing acts on it yet: this cannot run"
                )
            for one in unknown:
                click.echo(f"  {one['segment']}: {one['sentence']}")
            for used in ranked:
                click.echo(f"  {used.sentence(session.clock.now())}")
            for lack in lacks:
                click.echo(f"  look at this: {lack.sentence()}")
            for line in gap_lines(gaps):
                click.echo(f"  {line}")
            for line in held:
                click.echo(f"  WARNING  {line}")
            for line in [*coming_lines(session, campaign), *approval_lines(session, campaign)]:
                click.echo(f"  {line}")
            for problem in unkept:
                click.echo(f"\n{problem.render()}")
            _say_what_next(
                session, campaign, plan, "not like this" if unkept else "not yet" if refused else ""
            )
        return 3 if unkept else 1 if plan.over_budget else 0


def _say_what_next(session: Session, campaign: Campaign, plan: Plan, held: str) -> None:
    """Say how the plan is approved or run, unless it is `held`."""
    from tidings.campaigns.runs import find_run

    run = find_run(session.store, campaign.id)
    if held == "not like this":
        click.echo("\nIt cannot be approved like this.")
    elif campaign.recurrence is not None and not held:
        click.echo(f"\nApprove it:  tidings run {campaign.id} --plan {plan.hash}")
    elif run is not None and run.state != "enrolling":
        click.echo(f"\nThis campaign has run already ({run.state}); running it again does nothing.")
    elif not held:
        click.echo(f"\nRun it:  tidings run {campaign.id} --plan {plan.hash}")


def _list_all(session: Session, as_json: bool) -> int:
    """Show every campaign and flow and how it stands."""
    from tidings.cli.flow_plan import rows_of_flows
    from tidings.cli.run_standing import campaign_state

    rows = [
        {"campaign": one.id, "title": one.title, "state": campaign_state(session.store, one)}
        for one in session.settings.definitions.campaigns.values()
    ]
    rows += rows_of_flows(session)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    for row in [] if as_json else rows:
        click.echo(f"{row.get('campaign') or row['flow']:<28} {row['state']:<10} {row['title']}")
    if not rows and not as_json:
        click.echo("campaigns/ has no campaign yet; `tidings new campaign NAME` starts one")
    return 0


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
