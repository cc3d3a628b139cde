"""`tidings pause`: stop sending a campaign, or everything."""

from __future__ import annotations

import click

from tidings.cli.options import environment_option, examples


@click.command(
    epilog=examples(
        'tidings pause spring_winback --reason "wrong price"',
        "tidings pause                     # stop all sending",
    )
)
@click.argument("campaign", required=False)
@click.option("--reason", default="", help="Why; everybody who looks sees it.")
@environment_option
def command(campaign: str | None, reason: str, environment: str | None) -> int:
    """Stop sending a campaign, or with no name everything.

    Holds at once in every process; only messages whose hand-over has begun still go out.
    """
    import getpass

    from tidings.cli.session import open_session
    from tidings.delivery.pause import pause

    with open_session(environment, need_vocabulary=False) as session:
        done = pause(session.store, campaign, reason=reason, actor=getpass.getuser(), now=session.clock.now())
    what = campaign or "all sending"
    if not done.changed:
        click.echo(f"{what} was paused already; {done.left:,} messages wait.")
        return 0
    click.echo(f"{what} is paused; {done.left:,} messages wait.")
    click.echo(f"Go on with:  tidings resume{f' {campaign}' if campaign else ''}")
    return 0
