"""`tidings pause`: stop sending a campaign, by a channel, or everything."""

from __future__ import annotations

from dataclasses import replace

import click

from tidings.cli.options import environment_option, examples


@click.command(
    epilog=examples(
        'tidings pause spring_winback --reason "wrong price"',
        "tidings pause --channel sms       # nothing by SMS, whatever the campaign",
        "tidings pause                     # stop all sending",
    )
)
@click.argument("campaign", required=False)
@click.option("--channel", metavar="CHANNEL", help="Stop this channel for all campaigns; the others go on.")
@click.option("--reason", default="", help="Why; everybody who looks sees it.")
@environment_option
def command(campaign: str | None, channel: str | None, reason: str, environment: str | None) -> int:
    """Stop sending a campaign, or by a channel, or with no name everything.

    Holds at once in every process; only messages whose hand-over has begun still go out.
    """
    import getpass

    from tidings.campaigns.standing import pause_approval
    from tidings.cli.paused import check_channel
    from tidings.cli.session import open_session
    from tidings.delivery.pause import Switched, pause, pause_channel
    from tidings.errors import UsageError

    if campaign and channel:
        raise UsageError("name a campaign or a channel, not both")
    with open_session(environment, need_vocabulary=False, despite_workspace=True) as session:
        store, actor, now = session.store, getpass.getuser(), session.clock.now()
        if channel:
            check_channel(session.settings, store, channel)
            done = pause_channel(store, channel, reason=reason, actor=actor, now=now)
        else:
            stopped = campaign is not None and pause_approval(
                store, campaign, reason=reason, actor=actor, now=now
            )
            try:
                done = pause(store, campaign, reason=reason, actor=actor, now=now)
            except UsageError:
                # Approved, and none of its runs has begun.
                if not stopped:
                    raise
                done = Switched(False, (), True, 0)
            if stopped and not done.changed:
                done = replace(done, changed=True)
    what = campaign or (f"the channel {channel}" if channel else "all sending")
    if not done.changed:
        click.echo(f"{what} was paused already; {done.left:,} messages wait.")
        return 0
    click.echo(f"{what} is paused; {done.left:,} messages wait.")
    rest = f" {campaign}" if campaign else f" --channel {channel}" if channel else ""
    click.echo(f"Go on with:  tidings resume{rest}")
    return 0
