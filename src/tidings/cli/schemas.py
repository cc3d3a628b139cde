"""`tidings schemas`: what an editor needs to complete and check the definitions of this workspace."""

from __future__ import annotations

from pathlib import Path

import click

from tidings.cli.options import examples


@click.command(epilog=examples("tidings schemas", "tidings schemas --check"))
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing; exit 1 where a schema is missing or old."
)
def command(only_check: bool) -> int:
    """Write the JSON Schemas of this workspace to config/schemas/.

    They know its own segments, attributes, events, channels and messages, in English, Traditional and Simplified
    Chinese and Russian. Name one on the first line of a definition, and the editor completes what you type:

    # yaml-language-server: $schema=../config/schemas/en/segment.json
    """
    from tidings.config.settings import find_root
    from tidings.definitions.editor import FOLDER, schema_files
    from tidings.definitions.loader import load

    root = find_root()
    files = schema_files(load(root))
    stale = [path for path, text in files.items() if _old(root / path) != text]
    if only_check:
        for path in stale:
            click.echo(f"{path} is missing or old")
        click.echo(
            f"{len(files)} schemas, {len(stale)} to be written"
            if stale
            else f"{len(files)} schemas, all current"
        )
        return 1 if stale else 0
    for path in stale:
        target = Path(root) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(files[path], encoding="utf-8")
    click.echo(f"{len(files)} schemas in {FOLDER}/, {len(stale)} of them written")
    return 0


def _old(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
