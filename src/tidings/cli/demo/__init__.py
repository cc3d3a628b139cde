"""`tidings demo`: one campaign from customers to measured effect, on this machine alone."""

from __future__ import annotations

from pathlib import Path

import click

from tidings.cli.options import examples

DEFAULT_CUSTOMERS = 20_000


@click.command(epilog=examples("tidings demo", "tidings demo --customers 2000 --folder /tmp/shop"))
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(".tidings/demo"),
    show_default=True,
    metavar="DIR",
    help="Where its workspace is made anew and stays, to look at.",
)
@click.option(
    "--customers",
    type=click.IntRange(200, 200_000),
    default=DEFAULT_CUSTOMERS,
    show_default=True,
    help="How many customers the shop has.",
)
def command(folder: Path, customers: int) -> int:
    """Show one campaign from segment to effect on seeded customers, by e-mail, SMS and fax.

    They are imported, planned and written to; who is not reached by one channel gets the next. Mailboxes, telephones
    and fax machines are programs on this machine: they bounce, complain, follow links and say stop. The report stands
    beside the truth that the seed planted, the ledger beside what was really received. Nothing leaves the machine.
    """
    from tidings.cli.demo.story import tell

    return tell(folder, customers)
