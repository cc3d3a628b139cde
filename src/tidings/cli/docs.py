"""`tidings docs`: the reference pages, from the tables that read the files and from the commands themselves."""

from __future__ import annotations

from pathlib import Path

import click

from tidings.cli.options import examples


@click.command(epilog=examples("tidings docs --write docs/reference"))
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder to write the pages into.",
)
def command(folder: Path) -> int:
    """Write the reference pages from the models: keys, phrases, adapters, codes, commands, JSON Schemas."""
    written = reference_pages()
    for name, text in written.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    click.echo(f"{len(written)} pages in {folder}")
    return 0


def reference_pages() -> dict[str, str]:
    """Return every generated page by its path below docs/reference/."""
    from tidings.cli import adapter_pages, code_pages
    from tidings.definitions.reference import NOTE, pages, titles

    listed = [*titles(), adapter_pages.TITLE, *code_pages.TITLES, ("commands.md", "Commands")]
    index = "".join(f"- [{title}]({name})\n" for name, title in listed)
    heading = f"# Reference\n\n{NOTE}{index}- [JSON Schemas for editors](schemas/)\n"
    return {
        "README.md": heading,
        **pages(),
        **code_pages.pages(),
        "adapters.md": adapter_pages.page(),
        "commands.md": commands_page(),
    }


def commands_page() -> str:
    """Return the page of all commands, from the help that each prints."""
    from tidings.cli.main import COMMANDS, app
    from tidings.definitions.reference import NOTE

    heading = (
        f"# Commands\n\n{NOTE}Exit codes: 0 all is well · 1 a problem was found · 2 the command line is wrong · "
        "3 refused by a policy · 130 interrupted with Ctrl-C: what was done so far is kept, run it again.\n"
    )
    parts = [heading]
    with click.Context(app, info_name="tidings", **app.context_settings) as parent:
        for name in COMMANDS:
            found = app.get_command(parent, name)
            assert found is not None
            parts.append(_described(found, f"tidings {name}", parent))
    return "".join(parts)


def _described(found: click.Command, path: str, parent: click.Context) -> str:
    # click keeps the help option that it made first; a command called outside of `tidings` does not know -h.
    found._help_option = None
    with click.Context(
        found,
        info_name=path.rpartition(" ")[2],
        parent=parent,
        max_content_width=100,
        terminal_width=100,
    ) as context:
        text = f"\n## {path}\n\n```text\n{found.get_help(context).rstrip()}\n```\n"
        if isinstance(found, click.Group):
            for name in found.list_commands(context):
                inner = found.get_command(context, name)
                assert inner is not None
                text += _described(inner, f"{path} {name}", context)
    return text
