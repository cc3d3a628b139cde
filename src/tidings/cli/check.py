"""`tidings check`: every problem of every definition, with its place and the way out."""

from __future__ import annotations

from pathlib import Path

import click

from tidings.cli.options import examples, json_option
from tidings.config.settings import find_root
from tidings.definitions.files import WORKSPACE_FILE, list_files
from tidings.definitions.loader import check, load_import
from tidings.errors import DefinitionErrors, Problem, UsageError


@click.command(
    epilog=examples(
        "tidings check", "tidings check campaigns/spring_winback.yaml", "tidings check segments --json"
    )
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@json_option
def command(paths: tuple[Path, ...], as_json: bool) -> int:
    """Check every definition, channel and message; say all problems with their place.

    PATH is a workspace, or files and folders of one: then only their problems are said. A mapping that lies
    outside of the workspace is checked against it. Warnings do not count as failure.
    """
    count, problems = check_paths(paths)
    errors = [problem for problem in problems if problem.severity == "error"]
    if as_json:
        import json

        answer = {
            "files": count,
            "errors": len(errors),
            "warnings": len(problems) - len(errors),
            "problems": [problem.as_json() for problem in problems],
        }
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        for problem in problems:
            click.echo(problem.render() + "\n")
        click.echo(summary(count, problems))
    return 1 if errors else 0


def check_paths(paths: tuple[Path, ...]) -> tuple[int, list[Problem]]:
    """Return how many files were checked and the problems that concern these paths (all of them for none)."""
    if len(paths) == 1 and (paths[0] / WORKSPACE_FILE).is_file():
        return _whole(paths[0].resolve())
    if not paths:
        return _whole(find_root())
    found: list[Problem] = []
    count = 0
    for path in paths:
        counted, problems = _part(path)
        count += counted
        found += [problem for problem in problems if problem not in found]
    return count, found


def _whole(root: Path) -> tuple[int, list[Problem]]:
    return len(_files(root, root)), workspace_problems(root)


def workspace_problems(root: Path) -> list[Problem]:
    """Return the problems of the definitions and, once these are sound, of their channels and messages."""
    definitions, problems = check(root)
    if definitions is None:
        return problems
    from tidings.channels.checking import check_channels
    from tidings.templates.checking import check_messages

    problems = [*problems, *check_channels(definitions), *check_messages(definitions)]
    return sorted(problems, key=lambda problem: (problem.at, problem.code))


def _part(path: Path) -> tuple[int, list[Problem]]:
    if not path.exists():
        raise click.UsageError(f"there is no file or folder {path}")
    whole = path.resolve()
    try:
        root = find_root(whole if whole.is_dir() else whole.parent)
    except UsageError:
        # A mapping may lie anywhere; the workspace is then the one we stand in.
        return 1, _mapping(path, find_root())
    problems = workspace_problems(root)
    relative = whole.relative_to(root).as_posix()
    inside = [one for one in problems if one.at.path == relative or one.at.path.startswith(f"{relative}/")]
    files = _files(root, whole)
    if whole.is_file() and relative not in files and not relative.startswith("templates/"):
        # What is said of this file as part of the workspace holds; only what nobody reads there may be a mapping.
        return 1, inside or _mapping(path, root)
    return len(files), problems if whole == root else inside


def _mapping(path: Path, root: Path) -> list[Problem]:
    definitions, problems = check(root)
    if definitions is None:
        return problems
    try:
        load_import(path, definitions)
    except DefinitionErrors as error:
        return list(error.problems)
    return []


def _files(root: Path, inside: Path) -> set[str]:
    """Return the definition files of a workspace that lie in a folder (or are the file itself)."""
    listing = list_files(root, [])
    paths = {*listing.config, *(path for folder in listing.folders.values() for path in folder.values())}
    chosen = inside.relative_to(root).as_posix()
    return {path for path in paths if chosen in (".", path) or path.startswith(f"{chosen}/")}


def summary(files: int, problems: list[Problem]) -> str:
    """Return the last line: how many files and problems."""
    errors = [problem for problem in problems if problem.severity == "error"]
    warnings = len(problems) - len(errors)
    counted = f"{files} file{'s' if files != 1 else ''}"
    said = f", {warnings} warning{'s' if warnings != 1 else ''}" if warnings else ""
    if not errors:
        return f"{counted}, no problems{said}"
    places = len({problem.at.path for problem in errors})
    return f"{len(errors)} problem{'s' if len(errors) != 1 else ''} in {places} file{'s' if places != 1 else ''}{said}"
