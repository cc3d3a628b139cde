"""`tidings fmt`: repairs what keyboards, input methods and editors do to definitions."""

from __future__ import annotations

from pathlib import Path

import click

from tidings.cli.options import examples


@click.command(
    epilog=examples(
        "tidings fmt",
        "tidings fmt --check",
        "tidings fmt segments/vip.yaml --encoding big5",
        "tidings fmt --undo",
    )
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option(
    "--check",
    "only_check",
    is_flag=True,
    help="Write nothing; exit 1 where something is to be repaired, or does not load.",
)
@click.option(
    "--encoding", metavar="NAME", help="Read files that are not UTF-8 as this: cp1251, gb18030, big5, utf-16."
)
@click.option("--undo", "back", is_flag=True, help="Give the files of the latest run their old bytes back.")
def command(paths: tuple[Path, ...], only_check: bool, encoding: str | None, back: bool) -> int:
    """Repair keyboard traps in definitions, and show the difference.

    FILE is a definition or a file of a message; all definitions of the workspace when none is named. Full-width signs
    outside of texts, no-break spaces and tabs become plain ones where they are in the way; a byte-order mark, line
    ends of Windows and older encodings (CP1251, GB18030, Big5, UTF-16) become plain UTF-8. Comments, order, quotes
    and every text stay as they are: a file never means something else afterwards. What is UTF-8 already is never
    read as --encoding says.

    Exit code 0: nothing is left to repair and all of it loads; 1: a file still does not load, and is named. The old
    bytes are kept in .tidings/undo/.
    """
    from tidings.config.settings import find_root

    first = paths[0].resolve() if paths else Path.cwd()
    root = find_root(first if first.is_dir() else first.parent)
    if back:
        if paths or only_check or encoding:
            raise click.UsageError("--undo stands alone: it gives back all files of the latest run")
        return _undone(root)
    chosen = [_inside(root, path) for path in paths] if paths else _all(root)
    changed, failed = _repaired(root, chosen, encoding, only_check)
    word = "would be repaired" if only_check else "repaired"
    click.echo(f"{len(chosen)} file{'s' if len(chosen) != 1 else ''}, {len(changed)} {word}")
    if changed and not only_check:
        click.echo("to take it back: tidings fmt --undo")
    broken = _broken(root, chosen, changed if only_check else {})
    for path, count in broken.items():
        if path not in failed:
            problems = f"{count} problem{'s' if count != 1 else ''}"
            click.echo(f"{path} still does not load: {problems}; see: tidings check {path}", err=True)
    return 1 if failed or broken or (only_check and changed) else 0


def _all(root: Path) -> list[str]:
    from tidings.definitions.files import list_files

    listing = list_files(root, [])
    return sorted({*listing.config, *(one for folder in listing.folders.values() for one in folder.values())})


def _repaired(
    root: Path, chosen: list[str], encoding: str | None, only_check: bool
) -> tuple[dict[str, bytes], set[str]]:
    """Repair files and show how; return the new bytes of those that change, and those whose repair was refused."""
    from difflib import unified_diff

    from tidings.definitions.files import write_whole
    from tidings.definitions.repairing import repair
    from tidings.definitions.undoing import Undo
    from tidings.errors import UsageError

    kept = Undo(root)
    changed: dict[str, bytes] = {}
    failed: dict[str, UsageError] = {}
    for path in chosen:
        content = (root / path).read_bytes()
        try:
            found = repair(root, path, content, encoding=encoding)
        except UsageError as error:
            failed[path] = error
            continue
        if found.note:
            click.echo(f"{path}: {found.note}")
        if found.content == content:
            continue
        changed[path] = found.content
        for sentence in found.said:
            click.echo(f"{path}: {sentence}")
        before, after = found.before.splitlines(), found.after.splitlines()
        for line in unified_diff(before, after, path, path, lineterm="", n=1):
            click.echo(line)
        if not only_check:
            kept.keep(path, content, found.content)
            write_whole(root / path, found.content)
    for refused in failed.values():
        click.echo(f"{refused.message}\n  {refused.what_to_do}".rstrip(), err=True)
    return changed, set(failed)


def _broken(root: Path, chosen: list[str], instead: dict[str, bytes]) -> dict[str, int]:
    """Return how many errors keep each of these files from loading, as they are or as they would be."""
    from collections import Counter

    from tidings.definitions.loader import check

    _, problems = check(root, instead)
    counted = Counter(one.at.path for one in problems if one.severity == "error")
    return {path: counted[path] for path in chosen if counted[path]}


def _undone(root: Path) -> int:
    from tidings.definitions.undoing import FOLDER, undo

    restored, left = undo(root)
    for path in restored:
        click.echo(f"{path}: as it was")
    for path in left:
        click.echo(f"{path} was changed since and is left alone; its old bytes stay in {FOLDER}/", err=True)
    click.echo(f"{len(restored)} file{'s' if len(restored) != 1 else ''} given back")
    return 1 if left else 0


def _inside(root: Path, path: Path) -> str:
    """Return a file's path below the workspace; UsageError for one that is not there or lies elsewhere."""
    whole = path.resolve()
    if not whole.is_file():
        raise click.UsageError(f"there is no file {path}")
    if not whole.is_relative_to(root.resolve()):
        raise click.UsageError(f"{path} does not lie in the workspace {root}")
    return whole.relative_to(root.resolve()).as_posix()
