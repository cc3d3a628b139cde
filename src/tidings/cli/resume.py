"""`tidings resume`: take back a pause."""

from __future__ import annotations

import click

from tidings.cli.options import environment_option, examples


@click.command(
    epilog=examples(
        "tidings resume spring_winback",
        "tidings resume                    # take back the pause of everything",
    )
)
@click.argument("campaign", required=False)
@environment_option
def command(campaign: str | None, environment: str | None) -> int:
    """Take back the pause of a campaign, or with no name the pause of everything.

    Nothing is sent again: sending goes on after the last message that was handed over.
    """
    import getpass

    from tidings.cli.session import open_session
    from tidings.delivery.pause import resume

    with open_session(environment, need_vocabulary=False) as session:
        done = resume(session.store, campaign, actor=getpass.getuser(), now=session.clock.now())
    what = campaign or "all sending"
    click.echo(f"{what} is no longer paused." if done.changed else f"{what} was not paused.")
    if done.left:
        click.echo(
            f"{done.left:,} messages wait. `tidings serve` sends them"
            + (f", or now:  tidings run {campaign}" if campaign else "; or run each campaign again")
        )
    if done.still_paused:
        click.echo(f"Still paused by themselves: {', '.join(done.still_paused)}")
    return 0
