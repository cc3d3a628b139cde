"""`tidings verify`: recompute the ledger and check that its sums agree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.delivery.verify import Verdict


@click.command(epilog=examples("tidings verify", "tidings verify --json | jq .holds"))
@environment_option
@json_option
def command(environment: str | None, as_json: bool) -> int:
    """Recompute the ledger from its rows and say every rule that does not hold.

    For each run: planned = accepted + unconfirmed + rejected + refused + in doubt + pending + cancelled. Nothing is changed.
    Exit code 1 when something is broken.
    """
    from tidings.cli.paused import paused_lines
    from tidings.cli.session import open_session
    from tidings.delivery.pause import paused_channels
    from tidings.delivery.verify import verify

    with open_session(environment, need_vocabulary=False, despite_problems=True) as session:
        verdict = verify(session.store)
        held = paused_lines(session.store)
        with session.store.read() as connection:
            channels = paused_channels(connection)
    if as_json:
        click.echo(json.dumps({**verdict.as_json(), "paused_channels": channels}, indent=2))
    else:
        _tell(verdict)
        for line in held:
            click.echo(f"WARNING  {line}")
    return 1 if verdict.broken else 0


def _tell(verdict: Verdict) -> None:
    from rich.console import Console
    from rich.table import Table

    if verdict.runs:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("run", overflow="fold")
        table.add_column("state", no_wrap=True)
        every = (
            "planned",
            "accepted",
            "unconfirmed",
            "rejected",
            "refused",
            "in_doubt",
            "pending",
            "cancelled",
        )
        # Only what happened: with all eight the page does not fit into 80 columns.
        names = [one for one in every if one in every[:2] or any(getattr(run, one) for run in verdict.runs)]
        for name in names:
            table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
        for run in verdict.runs:
            name = run.campaign if run.occurrence == "once" else f"{run.campaign}/{run.occurrence}"
            table.add_row(name, run.state, *(f"{getattr(run, one):,}" for one in names))
        Console().print(table)
    for one in verdict.broken:
        where = f" (for instance {', '.join(one.examples)})" if one.examples else ""
        click.echo(f"broken [{one.check}]: {one.sentence}{where}")
    if verdict.broken:
        click.echo(
            f"{len(verdict.broken)} of {len(verdict.checks)} checks do not hold; keep a copy of the store."
        )
    else:
        entries = f"{verdict.audit_rows:,} audit entr{'ies' if verdict.audit_rows != 1 else 'y'}"
        runs = f"{len(verdict.runs):,} run{'s' if len(verdict.runs) != 1 else ''}"
        click.echo(f"The ledger holds: {len(verdict.checks)} checks, {runs}, {entries}.")
