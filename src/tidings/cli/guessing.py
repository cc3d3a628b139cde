"""`tidings import FILE --guess`: propose a mapping, ask what is unclear, write it."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tidings.customers.guessing import Guess


def guess_mapping(
    file: Path,
    name: str | None,
    *,
    encoding: str | None,
    sheet: str | None,
    ask: bool,
    environment: str | None,
) -> int:
    """Write config/imports/NAME.yaml from what the file holds; an existing one is never overwritten."""
    from tidings.config.settings import load_settings
    from tidings.customers.guessing import guess
    from tidings.customers.mapping_text import mapping_text
    from tidings.definitions.loader import load_import
    from tidings.errors import UsageError

    settings = load_settings(environment=environment)
    definitions = settings.definitions
    made = guess(file, definitions.attributes, definitions.events, encoding=encoding, sheet=sheet)
    name = name or re.sub(r"[^a-z0-9]+", "_", file.name.split(".")[0].lower()).strip("_") or "customers"
    target = settings.root / "config" / "imports" / f"{name}.yaml"
    if target.exists():
        raise UsageError(
            f"config/imports/{name}.yaml is there already; nothing was written",
            what_to_do="name another one with --as NAME",
        )
    click.echo(f"{file.name}: {made.read_as}; looked at {made.rows:,} rows.")
    made = _asked(made) if ask and sys.stdin.isatty() else made
    if not made.key:
        raise UsageError(
            f"no column of {file.name} names a customer",
            what_to_do="without one a second import could not know the same customer again",
        )
    text = mapping_text(
        made, definitions, title=file.name.split(".")[0].replace("_", " ").strip().capitalize()
    )
    # A mapping that tidings itself does not take must not lie in the workspace.
    with TemporaryDirectory() as folder:
        trial = Path(folder) / target.name
        trial.write_text(text, encoding="utf-8")
        load_import(trial, definitions)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("x", encoding="utf-8") as handle:
        handle.write(text)
    click.echo(f"wrote config/imports/{name}.yaml:\n")
    click.echo(text)
    if made.repeated and made.kind == "customers":
        click.echo(f"{made.key} repeats in {made.repeated:,} of the rows: the last one of a customer wins.")
    click.echo("Next: look through it, then")
    said = f" --encoding {encoding}" if encoding else ""
    click.echo(f"  tidings import {file} --as {name}{said}{f' --sheet {sheet!r}' if sheet else ''}")
    return 0


def _asked(made: Guess) -> Guess:
    """Ask for what the guess is not sure of; Enter takes the guess."""
    from tidings.customers.guessing import Guessed

    names = [one.column for one in made.columns]
    click.echo("Columns: " + ", ".join(names))
    kind = click.prompt(
        "Is a row a customer, something that happened, or a number that wants no advertising?",
        type=click.Choice(["customers", "events", "do_not_call"]),
        default=made.kind,
    )
    key = click.prompt(
        "Which column holds the number?" if kind == "do_not_call" else "Which column names the customer?",
        type=click.Choice(names),
        default=made.key or None,
        show_choices=False,
    )
    columns: list[Guessed] = []
    for one in made.columns:
        shown = ", ".join(one.examples)
        asked = one.target and not one.sure and one.column != key and kind != "do_not_call"
        if asked and not click.confirm(
            f'"{one.column}" ({shown}): read as {one.target}? {one.why}', default=True
        ):
            columns.append(replace(one, target="", how={}, sure=True, why="left out when it was asked"))
        else:
            columns.append(replace(one, sure=True) if asked else one)
    at = made.at
    if kind == "events" and at is None:
        from tidings.errors import UsageError

        raise UsageError(
            "no column says when it happened",
            what_to_do="events need a column of days or times that tidings can read",
        )
    return replace(made, kind=kind, key=key, columns=tuple(columns), at=at)
