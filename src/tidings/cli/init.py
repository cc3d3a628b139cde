"""`tidings init`: a folder that works, to change into one's own."""

from __future__ import annotations

from pathlib import Path

import click

from tidings.cli.options import examples


@click.command(epilog=examples("tidings init my-shop"))
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
def command(folder: Path) -> int:
    """Start a workspace in a folder.

    DIR is new or empty. It gets a believable shop: segments, four campaigns, eight flows, messages in four languages, channels for
    e-mail, SMS and fax, rules, and ten customers to try it with. Nothing leaves the machine before production is
    named.
    """
    from tidings.clock import SystemClock
    from tidings.config.starter import EXAMPLES, copy_starter

    written = copy_starter(folder, SystemClock().now())
    click.echo(f"{len(written)} files in {folder}")
    click.echo("Next:")
    click.echo(f"  cd {folder}")
    click.echo("  tidings check                    # all definitions are sound")
    click.echo(f"  tidings import {EXAMPLES[0]} --as customers")
    click.echo(f"  tidings import {EXAMPLES[1]} --as orders")
    click.echo("  tidings plan spring_winback      # who would get it, before anything is sent")
    click.echo("Then write your name, address and sender into config/workspace.yaml and channels/email.yaml.")
    return 0
