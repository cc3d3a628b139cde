"""`tidings customer`: merge two records of one person, part them again, list who is merged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from tidings.cli.counted import counted
from tidings.cli.options import environment_option, examples, json_option, yes_option

if TYPE_CHECKING:
    from tidings.delivery.uniting import Merged

_ROWS = {"events": "event", "messages": "message", "conversions": "conversion", "responses": "response"}


@click.group(
    epilog=examples(
        "tidings customer merge C-17 C-4     # C-17 is C-4",
        "tidings customer unmerge C-17",
        "tidings customer merged",
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """Merge two records of one person, or part them again.

    Nobody is merged by itself: two people may share an address. Customers are named by their keys; `tidings explain ADDRESS`
    says the key of an address.
    """


@command.command(
    "merge", epilog=examples("tidings customer merge C-17 C-4", "tidings customer merge C-17 C-4 -y --json")
)
@click.argument("customer")
@click.argument("into")
@yes_option
@environment_option
@json_option
def merge_command(*, customer: str, into: str, yes: bool, environment: str | None, as_json: bool) -> int:
    """Say that CUSTOMER is INTO: the history becomes one, and only INTO is written to from now on.

    What CUSTOMER did, was sent and answered becomes INTO's; addresses and attributes fill what is empty there. A withdrawal or
    complaint of either holds for both. What is still to go out to CUSTOMER is refused as `merged`, and so is what would be
    a second message to INTO. Imports and events that name CUSTOMER later count for INTO.

    \b
    With --json:
      customer, into   the keys
      moved            rows that went over, by table
      consents         entries of the consent ledger that were carried over
      filled           what was empty and is known now
      refused          messages to INTO that would have been second ones
    """  # noqa: D301
    import getpass
    import sys

    from tidings.cli.session import open_session
    from tidings.delivery.uniting import check_merge, merge_customers
    from tidings.errors import UsageError

    with open_session(environment) as session:
        if not yes:
            check_merge(session.store, customer, into)
            if not sys.stdin.isatty():
                raise UsageError(
                    f"this would merge {customer} into {into} and there is nobody to ask",
                    what_to_do="add --yes",
                )
            if not click.confirm(f"merge {customer} into {into}?", default=False):
                click.echo("nothing was merged", err=True)
                return 0
        attributes = session.settings.definitions.attributes
        done = merge_customers(
            session.store, attributes, customer, into, actor=getpass.getuser(), now=session.clock.now()
        )
    if as_json:
        click.echo(json.dumps(done.as_json(), ensure_ascii=False, indent=2))
        return 0
    click.echo(f"{done.customer} is {done.into} from now on.")
    for line in _lines(done):
        click.echo(f"  {line}")
    click.echo(f"  Part them again:  tidings customer unmerge {done.customer}")
    return 0


@command.command("unmerge", epilog=examples("tidings customer unmerge C-17"))
@click.argument("customer")
@environment_option
@json_option
def unmerge_command(*, customer: str, environment: str | None, as_json: bool) -> int:
    """Part CUSTOMER again from the one it was merged into: its history goes back, and it is written to again.

    What happened since stays where it happened, and messages that were refused stay refused. Consents go back to what they were
    before, unless the customer has said something since.

    \b
    With --json:
      customer, into   the keys
    """  # noqa: D301
    import getpass

    from tidings.cli.session import open_session
    from tidings.delivery.uniting import part_customers

    with open_session(environment) as session:
        attributes = session.settings.definitions.attributes
        done = part_customers(
            session.store, attributes, customer, actor=getpass.getuser(), now=session.clock.now()
        )
    if as_json:
        click.echo(json.dumps({"customer": done.customer, "into": done.into}, ensure_ascii=False, indent=2))
    else:
        click.echo(f"{done.customer} and {done.into} are two customers again.")
    return 0


@command.command("merged", epilog=examples("tidings customer merged", "tidings customer merged --json"))
@environment_option
@json_option
def merged_command(*, environment: str | None, as_json: bool) -> int:
    """List who is merged into whom, the latest first.

    \b
    With --json a list of:
      customer, into   the keys
      at, by           when, and by whom
    """  # noqa: D301
    from tidings.cli.session import open_session
    from tidings.clock import from_micros, iso
    from tidings.delivery.uniting import list_merged

    with open_session(environment, need_vocabulary=False, despite_problems=True) as session:
        zone = ZoneInfo(session.settings.definitions.workspace.zone)
        with session.store.read() as connection:
            found = list_merged(connection)
    if as_json:
        told = [
            {"customer": row.key, "into": row.into, "at": iso(from_micros(row.at)), "by": row.actor}
            for row in found
        ]
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return 0
    for row in found:
        click.echo(
            f"{row.key} into {row.into}   {from_micros(row.at).astimezone(zone):%Y-%m-%d %H:%M} by {row.actor}"
        )
    if not found:
        click.echo("Nobody is merged.")
    return 0


def _lines(done: Merged) -> list[str]:
    went = [counted(done.moved[name], word) for name, word in _ROWS.items() if done.moved.get(name)]
    lines = [f"{', '.join(went)} went over" if went else "it has no history that could go over"]
    if done.consents:
        lines.append(f"{counted(done.consents, 'word')} on consent carried over")
    if done.filled:
        lines.append(f"filled: {', '.join(done.filled)}")
    if done.refused:
        lines.append(f"{counted(done.refused, 'message')} refused that would have been second ones")
    return lines
