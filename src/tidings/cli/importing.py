"""`tidings import`: read customers, events, a test, costs, touches or products from a file, and say what that did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidings.cli import import_answers
from tidings.cli.options import environment_option, examples, json_option, yes_option

if TYPE_CHECKING:
    from tidings.customers.driving import Progress
    from tidings.customers.listing import Lists
    from tidings.customers.result import ImportResult
    from tidings.definitions.kinds.importing import Import
    from tidings.definitions.workspace import Definitions

_DETAILS = {
    "consents": "consents recorded",
    "enrolled": "customers new in the test",
    "listed": "customers put on the list",
    "unlisted": "customers taken off the list",
    "events_completed": "orders known before that got more lines",
    "events_known": "events known before, left as they were",
    "unnamed": "rows of people not known yet: kept, and looked for again",
}
_WARNINGS = {
    "withdrawals_kept": "rows give consent that the customer has withdrawn; the withdrawal stays",
    "pending_kept": "rows give consent that waits for the customer's confirmation; it still waits",
    "events_differ": "events are known with another time, amount or lines; the first word stays "
    "(if the file has several rows for one order, the mapping needs `order:`)",
    "other_arm": "customers stand in another arm than when the test was first imported; that stays",
}


@click.command(
    epilog=examples(
        "tidings import customers.csv --as customers",
        "tidings import orders-2027-03.csv.gz --as orders --json",
        "tidings import kunden.xlsx --guess",
        "tidings import fair.csv --as customers --into fair_leads",
        "tidings import direct-2027-03.csv --as yandex_costs",
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--as", "mapping", metavar="MAPPING", help="A name in config/imports/, or a path.")
@click.option("--into", metavar="SEGMENT", help="Put the customers of the file into a listed segment.")
@click.option("--out-of", metavar="SEGMENT", help="Take the customers of the file out of a listed segment.")
@click.option(
    "--guess",
    is_flag=True,
    help="Write a mapping from the header and the first rows, and ask what is unclear.",
)
@click.option(
    "--encoding", metavar="NAME", help="Of a text that is not UTF-8, where the guess is wrong: cp1251, big5 …"
)
@click.option("--sheet", metavar="NAME", help="Of a workbook, where it is not the first.")
@environment_option
@yes_option
@click.option("--again", is_flag=True, help="Read the file again although it was imported before.")
@json_option
def command(
    file: Path,
    mapping: str | None,
    into: str | None,
    out_of: str | None,
    guess: bool,
    encoding: str | None,
    sheet: str | None,
    yes: bool,
    environment: str | None,
    again: bool,
    as_json: bool,
) -> int:
    """Read customers, events, a test, costs and touches of ads, products, stock or numbers not to call from FILE.

    FILE is a CSV, CSV.gz or XLSX.

    A text that is not UTF-8 is recognised (UTF-16, GB18030, Big5, Windows-1251 and others), and the result says as what.

    MAPPING says which column is what. Importing twice changes nothing, and neither do exports that overlap.
    Ctrl-C stops after the rows at hand; run the same command to go on. Rows that cannot be taken go to FILE.rejects.csv,
    with line and reason: repair them there and import that file. The exit code is 1 when there are any.
    """
    import json

    from tidings.cli.session import open_session
    from tidings.customers.importing import import_file

    if guess:
        from tidings.cli.guessing import guess_mapping

        return guess_mapping(
            file, mapping, encoding=encoding, sheet=sheet, ask=not yes, environment=environment
        )
    if mapping is None:
        raise click.UsageError('missing option "--as": name a mapping, or let --guess write one')
    with open_session(environment) as session:
        settings = session.settings
        chosen = _mapping(mapping, settings.definitions)
        lists = _lists(settings.definitions, chosen, into, out_of)
        with _stopping() as stop, _showing(file.name, quiet=as_json) as progress:
            result = import_file(
                session.store,
                settings.definitions,
                chosen,
                file,
                progress=progress,
                stop=stop,
                again=again,
                data_dir=settings.data_dir,
                encoding=encoding,
                sheet=sheet,
                lists=lists,
            )
    if as_json:
        click.echo(json.dumps(result.as_json(), ensure_ascii=False, indent=2))
    else:
        _show(result)
    if result.interrupted:
        return 130
    return 1 if result.rejected else 0


def _mapping(name: str, definitions: Definitions) -> Import:
    if name in definitions.imports:
        return definitions.imports[name]
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        from tidings.definitions.loader import load_import

        return load_import(path, definitions)
    from difflib import get_close_matches

    from tidings.errors import UsageError

    near = get_close_matches(name, definitions.imports, n=1)
    known = ", ".join(sorted(definitions.imports)) or "none yet"
    raise UsageError(
        f'there is no mapping "{name}" in config/imports/' + (f'; did you mean "{near[0]}"?' if near else ""),
        what_to_do=f"Mappings: {known}. A path to a YAML file works too.",
    )


def _lists(definitions: Definitions, mapping: Import, into: str | None, out_of: str | None) -> Lists | None:
    """Return what happens to listed segments; UsageError for a segment that computes its members."""
    from tidings.customers.listing import Lists
    from tidings.definitions.kinds.importing import CustomersImport
    from tidings.errors import UsageError

    if into is None and out_of is None:
        return None
    if not isinstance(mapping, CustomersImport):
        raise UsageError("only an import of customers can fill a list", what_to_do="leave --into out")
    for name in filter(None, (into, out_of)):
        segment = definitions.segments.get(name)
        if segment is None or segment.members != "listed":
            known = ", ".join(one.id for one in definitions.segments.values() if one.members == "listed")
            what = (
                f'there is no segment "{name}"'
                if segment is None
                else f'the segment "{name}" computes its members'
            )
            raise UsageError(
                what, what_to_do=f"listed segments: {known or 'none; write `members: listed` in one'}"
            )
    return Lists(into or "", out_of or "")


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C (or a polite kill) into a wish to stop; the second stops at once."""
    import signal

    wished: list[int] = []

    def wish(number: int, _frame: object) -> None:
        if wished:
            raise KeyboardInterrupt
        wished.append(number)
        click.echo("stopping after the rows at hand …", err=True)

    before = [(number, signal.signal(number, wish)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield lambda: bool(wished)
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextmanager
def _showing(name: str, *, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Show a bar in a terminal, and plain lines now and then where the output is a file."""
    import sys

    if quiet:
        yield None
    elif not sys.stderr.isatty():
        said: dict[str, int] = {}

        def say(now: Progress) -> None:
            if not now.total:
                return
            tenth = 10 * now.done // now.total
            if tenth > said.get(now.phase, 0):
                said[now.phase] = tenth
                click.echo(f"{now.phase} {name}: {tenth * 10} %, {now.rows:,} rows", err=True)

        yield say
    else:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Bars(*columns, TextColumn("{task.fields[rows]:,} rows"), console=Console(stderr=True)) as bars:
            tasks: dict[str, Any] = {}

            def show(now: Progress) -> None:
                if now.phase not in tasks:
                    tasks[now.phase] = bars.add_task(f"{now.phase} {name}", total=now.total or None, rows=0)
                bars.update(tasks[now.phase], completed=now.done, rows=now.rows)

            yield show


def _show(result: ImportResult) -> None:
    if result.already:
        click.echo(
            f"{result.file} was imported before as {result.mapping}: nothing to do. What it did then:\n"
        )
    elif result.interrupted:
        click.echo(f"stopped after {result.rows:,} rows; run the same command again to go on.\n")
    elif result.resumed_from:
        click.echo(f"went on behind row {result.resumed_from:,}, where an earlier import stopped.\n")
    counted = [(result.rows, f"rows in the file ({result.read_as})")]
    if result.kind in import_answers.KINDS:
        counted += import_answers.counts(result)
    elif result.events or result.kind == "events":
        counted.append((result.events, "events new"))
    if result.kind not in import_answers.KINDS:
        counted += [(result.created, "customers new")]
    if result.kind not in ("events", *import_answers.KINDS):
        counted += [(result.updated, "rows changed a customer"), (result.unchanged, "rows changed nothing")]
    counted += [(result.details[name], words) for name, words in _DETAILS.items() if name in result.details]
    if result.skipped:
        counted.append((result.skipped, "rows skipped by the mapping"))
    for count, words in counted:
        click.echo(f"  {count:>12,}  {words}")
    if result.no_customer:
        click.echo(f"  {result.no_customer:>12,}  rows without a customer, kept out{_worth(result)}")
    for name, words in _WARNINGS.items():
        if name in result.details:
            click.echo(f"  {result.details[name]:>12,}  {words}")
    if result.costs is not None:
        click.echo("\n" + "\n".join(import_answers.money(result.costs)))
    _show_rejects(result)
    _show_reach(result)


def _worth(result: ImportResult) -> str:
    from tidings.definitions.money import format_money

    values = [format_money(minor, currency) for currency, minor in sorted(result.no_customer_value.items())]
    return f" (worth {', '.join(values)} net of returns)" if values else ""


def _show_rejects(result: ImportResult) -> None:
    if not result.rejected:
        return
    click.echo(f"\n{result.rejected:,} {'row was' if result.rejected == 1 else 'rows were'} not taken:")
    for one in result.rejects[:20]:
        place = f" in {one.column}" if one.column else ""
        click.echo(f"  {one.rows:>12,}  {one.reason}{place}")
    if result.rejects_path is None and not result.already:
        click.echo("  They could not be written anywhere: neither folder may be written to.")
    elif result.rejects_path is not None:
        why = " (the folder of the file may not be written to)" if result.rejects_moved else ""
        click.echo(f"  They are in {result.rejects_path}{why}: repair them there and import that file.")


def _show_reach(result: ImportResult) -> None:
    from tidings.customers.reach import WORDS

    if result.reach:
        click.echo("\nMay be written to now, of all customers in the store:")
    for one in result.reach:
        not_these = []
        for code, count in sorted(one.refused.items(), key=lambda pair: -pair[1]):
            words = WORDS[code]
            not_these.append(f"{count:,} {words[one.channel] if isinstance(words, dict) else words}")
        others = f"  (not: {', '.join(not_these)})" if not_these else ""
        click.echo(f"  {one.reachable:>12,}  by {_NAMES[one.channel]} for {one.purpose}{others}")
    if result.missing_columns:
        click.echo(f"\nThe mapping does not bring: {', '.join(result.missing_columns)}.")


_NAMES = {"email": "e-mail", "sms": "SMS", "fax": "fax"}
