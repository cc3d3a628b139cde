"""`tidings cancel`: drop the messages of a campaign or run that have not gone out."""

from __future__ import annotations

import json
import sys

import click

from tidings.cli.counted import counted, people
from tidings.cli.options import environment_option, examples, json_option, yes_option


@click.command(
    epilog=examples(
        "tidings cancel spring_winback",
        "tidings cancel 12 --channel fax -y    # only the faxes of run 12",
    )
)
@click.argument("of", metavar="CAMPAIGN|RUN")
@click.option("--channel", metavar="CHANNEL", help="Only the messages by this channel; the run goes on.")
@yes_option
@environment_option
@json_option
def command(of: str, channel: str | None, yes: bool, environment: str | None, as_json: bool) -> int:
    """Drop what a campaign or run has not sent yet; it can not be taken back.

    Messages that were handed over stay as they are, and who was enrolled stays in the report. Those in the hands of a
    sender at this moment are waited for; exit code 1 when some were still left.
    """
    import getpass

    from tidings.campaigns.standing import open_approval, revoke
    from tidings.cli.session import open_session
    from tidings.delivery.cancelling import Cancellable, cancel, cancellable
    from tidings.errors import UsageError

    with open_session(environment, need_vocabulary=False, despite_workspace=True) as session:
        standing = None if channel else open_approval(session.store, of)
        try:
            found = cancellable(session.store, of, channel)
        except UsageError:
            # Approved, and none of its runs has begun.
            if standing is None:
                raise
            found = Cancellable(of, (), None, 0)
        by = f" by {channel}" if channel else ""
        walkers = f" and end the journeys of {people(found.walking)}" if found.walking else ""
        if (found.messages or found.walking) and not yes:
            if not sys.stdin.isatty():
                raise UsageError(
                    f"this would drop {counted(found.messages, 'message')}{by}{walkers} and there is nobody to ask",
                    what_to_do="add --yes",
                )
            if not click.confirm(
                f"drop {counted(found.messages, 'message')} of {of}{by}{walkers} for good?", default=False
            ):
                click.echo("nothing was dropped", err=True)
                return 0
        if standing is not None:
            revoke(session.store, of, actor=getpass.getuser(), now=session.clock.now())
            click.echo(f"{of} starts no more runs by itself.", err=as_json)
        done = cancel(session.store, found, actor=getpass.getuser(), now=session.clock.now())
    if as_json:
        click.echo(json.dumps(done.as_json(), indent=2))
        return 1 if done.left else 0
    click.echo(f"{done.cancelled:,} message{'s' if done.cancelled != 1 else ''} of {of}{by} cancelled.")
    if done.left:
        click.echo(
            f"{done.left:,} are in the hands of a sender: run the same command again when it has ended.",
            err=True,
        )
    return 1 if done.left else 0
