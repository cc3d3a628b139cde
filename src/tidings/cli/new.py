"""`tidings new`: a valid definition to start from."""

from __future__ import annotations

from pathlib import Path

import click

from tidings.cli.options import examples


@click.command(
    epilog=examples(
        "tidings new segment big_spenders",
        "tidings new campaign summer --like spring_winback",
        "tidings new flow second_order",
    )
)
@click.argument(
    "kind", type=click.Choice(["segment", "campaign", "flow", "channel", "import"]), metavar="KIND"
)
@click.argument("name")
@click.option("--like", metavar="OLD", help="Start from this definition of the same kind.")
def command(kind: str, name: str, like: str | None) -> int:
    """Write a valid definition to start from.

    KIND is segment, campaign, flow, channel or import. NAME is the file name without .yaml, and the id by which others refer to it. An existing file is never
    overwritten.
    """
    from tidings.config.drafts import draft
    from tidings.config.settings import find_root
    from tidings.definitions.loader import check, load
    from tidings.errors import DefinitionErrors, UsageError

    root = find_root()
    made = draft(load(root), kind, name, like)
    target = Path(root) / made.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as handle:
            handle.write(made.text)
    except OSError as error:
        reason = (error.strerror or "it cannot be written").lower()
        raise UsageError(f"{made.path} cannot be written: {reason}") from error
    problems = [one for one in check(root)[1] if one.at.path == made.path and one.severity == "error"]
    if problems:
        raise DefinitionErrors(problems)
    click.echo(f"wrote {made.path}")
    click.echo("Next: change it to what you mean, then")
    click.echo("  tidings check")
    click.echo(f"  {made.next_step}")
    return 0
