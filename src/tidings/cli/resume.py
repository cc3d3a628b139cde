"""`tidings resume`: take back a pause."""

from __future__ import annotations

from dataclasses import replace

import click

from tidings.cli.options import environment_option, examples


@click.command(
    epilog=examples(
        "tidings resume spring_winback",
        "tidings resume --channel email    # the key is right again",
        "tidings resume                    # everything; says what is still paused",
    )
)
@click.argument("campaign", required=False)
@click.option("--channel", metavar="CHANNEL", help="Go on by this channel, in all campaigns.")
@click.option("-y", "--yes", is_flag=True, help="For scripts; this never asks.")
@environment_option
def command(campaign: str | None, channel: str | None, yes: bool, environment: str | None) -> int:
    """Take back the pause of a campaign, of a channel, or with no name the pause of everything.

    Nothing is sent again: sending goes on after the last message that was handed over.
    """
    import getpass

    from tidings.campaigns.standing import resume_approval
    from tidings.cli.paused import channel_line, check_channel
    from tidings.cli.session import open_session
    from tidings.delivery.pause import Switched, resume, resume_channel
    from tidings.errors import UsageError

    if campaign and channel:
        raise UsageError("name a campaign or a channel, not both")
    with open_session(environment, need_vocabulary=False, despite_workspace=True) as session:
        store, actor, now = session.store, getpass.getuser(), session.clock.now()
        if channel:
            check_channel(session.settings, store, channel)
            done = resume_channel(store, channel, actor=actor, now=now)
        else:
            going = campaign is not None and resume_approval(store, campaign, actor=actor, now=now)
            try:
                done = resume(store, campaign, actor=actor, now=now)
            except UsageError:
                # Approved, and none of its runs has begun.
                if not going:
                    raise
                done = Switched(False, (), True, 0)
            if going and not done.changed:
                done = replace(done, changed=True)
    what = campaign or (f"the channel {channel}" if channel else "all sending")
    click.echo(f"{what} is no longer paused." if done.changed else f"{what} was not paused.")
    if done.left:
        click.echo(
            f"{done.left:,} messages wait. `tidings serve` sends them"
            + (f", or now:  tidings run {campaign}" if campaign else "; or run each campaign again")
        )
    if done.still_paused:
        click.echo(f"Still paused by themselves: {', '.join(done.still_paused)}")
    for name, why in done.channels:
        click.echo(channel_line(name, why))
    return 0
