"""`tidings check`: every problem of every definition, with its place and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidings.cli.options import examples, json_option
from tidings.config.settings import find_root
from tidings.definitions.files import WORKSPACE_FILE, list_files
from tidings.definitions.loader import check, load_import
from tidings.errors import DefinitionErrors, Problem, UsageError

if TYPE_CHECKING:
    from tidings.definitions.workspace import Definitions
    from tidings.segments.looking import Look
    from tidings.templates.languages import Languages


@click.command(
    epilog=examples(
        "tidings check",
        "tidings check campaigns/spring_winback.yaml",
        "tidings check segments --json",
        "tidings check --read --locale ru",
        "tidings check segments --counts",
    )
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--read", "aloud", is_flag=True, help="Read every sound definition back as one plain sentence.")
@click.option(
    "--counts",
    "counted",
    is_flag=True,
    help="Say how many customers each segment has, and whom unknown values drop or keep.",
)
@click.option(
    "--locale",
    type=click.Choice(["en", "zh-TW", "zh-CN", "ru"]),
    help="The language of --read; else the workspace's.",
)
@click.option(
    "--verbose", is_flag=True, help="Name every message with its languages, and who gets which instead."
)
@json_option
def command(
    *,
    paths: tuple[Path, ...],
    aloud: bool,
    counted: bool,
    locale: str | None,
    verbose: bool,
    as_json: bool,
) -> int:
    """Check every definition, channel and message; say all problems with their place.

    PATH is a workspace, or files and folders of one: then only their problems are said. A mapping that lies
    outside of the workspace is checked against it. Warnings do not count as failure. Of a whole
    workspace it also says in which languages the messages are written; with --verbose of each, and who gets which when theirs
    is not among them (with --json: `languages`). With --read, each segment,
    campaign, flow and channel is said back in a sentence, to see whether it says what you meant. With --counts the store is
    asked as well; without it no store is opened.
    """
    count, problems, spoken = _looked_at(paths)
    errors = [problem for problem in problems if problem.severity == "error"]
    read = read_back(paths, locale) if aloud else {}
    looks = head_counts(paths) if counted and not errors else []
    if as_json:
        import json

        answer = {
            "files": count,
            "errors": len(errors),
            "warnings": len(problems) - len(errors),
            "problems": [problem.as_json() for problem in problems],
            "languages": [one.as_json() for one in spoken],
            **({"read": read} if aloud else {}),
            **({"counts": _counts_as_data(looks)} if counted else {}),
        }
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        for problem in problems:
            click.echo(problem.render() + "\n")
        for path, said in read.items():
            click.echo(f"{path}\n  {said}\n")
        for line in _count_lines(looks):
            click.echo(line)
        for line in _language_lines(spoken, verbose=verbose):
            click.echo(line)
        click.echo(summary(count, problems))
    return 1 if errors else 0


def read_back(paths: tuple[Path, ...], locale: str | None) -> dict[str, str]:
    """Return the sentence of each definition that these paths concern (all for none); nothing while there are errors."""
    from tidings.definitions.aloud import LOCALES, sentences

    first = paths[0].resolve() if paths else Path.cwd()
    root = find_root(first if first.is_dir() else first.parent)
    definitions, _ = check(root)
    if definitions is None:
        return {}
    own = definitions.workspace.locale
    every = sentences(definitions, locale or (own if own in LOCALES else "en"))
    chosen = set().union(*(_files(root, path.resolve()) for path in paths)) if paths else set(every)
    return {path: said for path, said in sorted(every.items()) if path in chosen}


def head_counts(paths: tuple[Path, ...]) -> list[Look]:
    """Return how many customers each segment has that these paths concern (all for none)."""
    from tidings.cli.head_counts import segment_counts

    first = paths[0].resolve() if paths else Path.cwd()
    root = find_root(first if first.is_dir() else first.parent) if paths else find_root()
    places = paths or (root,)
    return segment_counts(root, set().union(*(_files(root, path.resolve()) for path in places)))


def _count_lines(looks: list[Look]) -> list[str]:
    if not looks:
        return []
    from tidings.cli.head_counts import count_lines

    return [*count_lines(looks), ""]


def _counts_as_data(looks: list[Look]) -> dict[str, dict[str, object]]:
    from tidings.cli.head_counts import as_data

    return as_data(looks)


def _looked_at(paths: tuple[Path, ...]) -> tuple[int, list[Problem], list[Languages]]:
    """Return how many files were checked, their problems, and of a whole workspace the languages of its messages."""
    if paths and not (len(paths) == 1 and (paths[0] / WORKSPACE_FILE).is_file()):
        return (*check_paths(paths), [])
    root = paths[0].resolve() if paths else find_root()
    definitions, problems = _examined(root)
    if definitions is None:
        return len(_files(root, root)), problems, []
    from tidings.templates.languages import languages

    return len(_files(root, root)), problems, list(languages(definitions))


def _language_lines(spoken: list[Languages], *, verbose: bool) -> list[str]:
    from tidings.templates.languages import language_lines, short_lines

    return [*(language_lines if verbose else short_lines)(spoken), ""] if spoken else []


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
    return _examined(root)[1]


def _examined(root: Path) -> tuple[Definitions | None, list[Problem]]:
    definitions, problems = check(root)
    if definitions is None:
        return None, problems
    from tidings.campaigns.steps import with_steps
    from tidings.channels.checking import check_channels
    from tidings.templates.checking import check_messages

    definitions = with_steps(definitions)
    problems = [*problems, *check_channels(definitions), *check_messages(definitions)]
    return definitions, sorted(problems, key=lambda problem: (problem.at, problem.code))


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
