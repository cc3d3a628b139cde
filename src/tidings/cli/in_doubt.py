"""`tidings in-doubt`: list or resolve messages that may or may not have gone out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from tidings.cli.options import ListsByDefault, environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.delivery.doubt import Doubt


@click.group(
    cls=ListsByDefault,
    epilog=examples(
        "tidings in-doubt",
        "tidings in-doubt spring_winback --json",
        "tidings in-doubt resolve 4711 4712 --sent",
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """List the messages that may or may not have gone out, or resolve them.

    A message is in doubt when it was handed over and no answer came back: the sender was killed, the connection
    broke. It is not sent again unless its purpose says so (`in_doubt:` in config/policies.yaml) or you do.
    `tidings in-doubt [CAMPAIGN]` lists, `tidings in-doubt resolve` settles.
    """


@command.command("list", epilog=examples("tidings in-doubt spring_winback --json"))
@click.argument("of", metavar="[CAMPAIGN|RUN]", default="")
@environment_option
@json_option
def list_command(of: str, environment: str | None, as_json: bool) -> int:
    """List the messages in doubt, of one campaign or run, or all."""
    from tidings.cli.session import open_session
    from tidings.delivery.doubt import doubts

    with (
        open_session(environment, need_vocabulary=False, despite_problems=True) as session,
        session.store.read() as connection,
    ):
        found = doubts(connection, of)
        if as_json:
            click.echo(json.dumps([one.as_json() for one in found], indent=2, ensure_ascii=False))
            return 0
        zone = ZoneInfo(session.settings.definitions.workspace.zone)
    if not found:
        click.echo("No message is in doubt.")
        return 0
    _tell(found, zone)
    count = f"{len(found):,} messages are" if len(found) > 1 else "1 message is"
    click.echo(f"\n{count} in doubt. Ask the receiving side, then:")
    click.echo("  tidings in-doubt resolve MESSAGE… --sent | --resend | --not-sent")
    return 0


@command.command(
    "resolve",
    epilog=examples(
        "tidings in-doubt resolve 4711 4712 --sent",
        "tidings in-doubt resolve --all spring_winback --resend",
    ),
    short_help="Settle messages in doubt, by number or all of a campaign.",
)
@click.argument("messages", metavar="[MESSAGE]...", nargs=-1, type=int)
@click.option("--all", "campaign", metavar="CAMPAIGN", help="All that are in doubt of this campaign or run.")
@click.option("--sent", "how", flag_value="sent", help="It arrived: count it as sent.")
@click.option("--resend", "how", flag_value="resend", help="Send it again, even if it arrived.")
@click.option("--not-sent", "how", flag_value="not sent", help="It did not arrive and shall not be sent.")
@click.option("-y", "--yes", is_flag=True, help="For scripts; this never asks.")
@environment_option
def resolve_command(
    messages: tuple[int, ...], campaign: str | None, how: str | None, yes: bool, environment: str | None
) -> int:
    """Settle messages in doubt, by number or all of a campaign; who did it stands in the audit trail."""
    import getpass

    from tidings.cli.session import open_session
    from tidings.delivery.doubt import doubts, resolve
    from tidings.errors import UsageError

    if how is None:
        raise UsageError("say what became of them", what_to_do="one of --sent, --resend or --not-sent")
    if bool(messages) == bool(campaign):
        raise UsageError("say which messages", what_to_do="their numbers, or --all CAMPAIGN")
    with open_session(environment, need_vocabulary=False, despite_problems=True) as session:
        ids = list(messages)
        if campaign:
            with session.store.read() as connection:
                ids = [one.message_id for one in doubts(connection, campaign)]
        done, unknown = resolve(session.store, ids, how, actor=getpass.getuser(), now=session.clock.now())
    said = {"sent": "count as sent", "resend": "will be sent again", "not sent": "count as not sent"}[how]
    click.echo(
        f"{len(done):,} message{'s' if len(done) != 1 else ''} {said if len(done) != 1 else _one(said)}."
    )
    if how == "resend" and done:
        click.echo("`tidings serve` sends them, or `tidings run` with the name of the campaign.")
    if unknown:
        click.echo(f"Not in doubt, so left alone: {', '.join(str(one) for one in unknown)}", err=True)
        return 1
    return 0


def _one(said: str) -> str:
    return said.replace("count as", "counts as")


def _tell(found: Sequence[Doubt], zone: ZoneInfo) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("message", "customer", "campaign", "channel", "handed over"):
        table.add_column(name, overflow="fold")
    for one in found:
        # By the clock of the workspace, as in every report.
        at = one.attempted_at and f"{one.attempted_at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        table.add_row(str(one.message_id), one.customer, one.campaign, one.channel, at or "unknown")
    Console(highlight=False, markup=False).print(table)
    # Hundreds in doubt mostly share one story: it is told once, below, where it has the whole width.
    stories: dict[str, list[int]] = {}
    for one in found:
        stories.setdefault(one.detail, []).append(one.message_id)
    click.echo("\nWhat is known:")
    for detail, messages in stories.items():
        which = "all" if len(stories) == 1 else ", ".join(str(number) for number in messages)
        click.echo(f"  {which}: {detail or 'nothing'}")
