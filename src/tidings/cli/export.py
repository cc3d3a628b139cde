"""`tidings export`: results as CSV or XLSX for a spreadsheet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.cli.session import Session
    from tidings.papers.tables.table import Table

_NAMED = ("report", "segment")
# Where reading all tables takes long: the one that a .csv holds if none is named.
_FIRST = {"kpi": "ladder", "attribute": "credit"}


@click.command(
    epilog=examples(
        "tidings export report spring_winback --out spring.xlsx",
        "tidings export segment gold_gardeners --out members.csv --locale ru",
        "tidings export attribute --by campaign --from 2027-01-01 --out credit.csv",
        "tidings export attribute --table sensitivity --out choices.csv",
        "tidings export kpi --table cohorts --out cohorts.csv",
    )
)
@click.argument(
    "what", type=click.Choice(["report", "attribute", "kpi", "goals", "touches", "costs", "segment"])
)
@click.argument("name", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="A .csv with one table, or a .xlsx with all of them; one that is there is replaced.",
)
@click.option("--table", metavar="TABLE", help="Which table goes into a .csv; the first if not given.")
@click.option("--run", "run_id", type=int, metavar="ID", help="An earlier run of a campaign.")
@click.option("--from", "first_day", metavar="DAY", help="First day of credit, movement, touches or costs.")
@click.option(
    "--to", "last_day", metavar="DAY", help="Last day, through its end; of goals the day they are looked at."
)
@click.option(
    "--by",
    type=click.Choice(["channel", "campaign", "sales channel"]),
    default="channel",
    show_default=True,
    help="What gets the credit.",
)
@click.option(
    "--locale",
    metavar="LOCALE",
    help="Write a .csv as spreadsheets of this language open it: ru writes 1,5 and ; between cells, with a BOM.",
)
@click.option(
    "--delimiter", type=click.Choice([",", ";", "tab"]), help="What stands between the cells of a .csv."
)
@click.option(
    "--bom/--no-bom", default=None, help="Begin a .csv with a byte order mark, as Excel wants for UTF-8."
)
@json_option
@environment_option
def command(
    *,
    what: str,
    name: str | None,
    out: Path,
    table: str | None,
    run_id: int | None,
    first_day: str | None,
    last_day: str | None,
    by: str,
    locale: str | None,
    delimiter: str | None,
    bom: bool | None,
    as_json: bool,
    environment: str | None,
) -> int:
    """Write a result as a spreadsheet: a report with what it earned, credit, movement of customers, goals, touches, costs, or a segment.

    No text in it is ever taken for a formula, and every number is one. A .xlsx says in a sheet of its own what each column holds.
    """
    from tidings.cli.session import open_session
    from tidings.papers.files import write

    ending = out.suffix.lower()
    _check(what, name, ending, locale, csv_only=[table, locale, delimiter, bom])
    with open_session(environment, need_vocabulary=False) as session:
        # A .csv holds one table: of what takes long, no other is read.
        only = None if ending == ".xlsx" else table or _FIRST.get(what)
        tables = _tables(session, what, name, run_id, first_day, last_day, by, only)
        if ending == ".xlsx":
            from zoneinfo import ZoneInfo

            from tidings.papers.tables.xlsx_file import xlsx_bytes

            zone = ZoneInfo(session.settings.definitions.workspace.zone)
            content = xlsx_bytes(tables, zone=zone, made_at=session.clock.now())
        else:
            from tidings.papers.tables.csv_file import CsvForm, csv_bytes

            tables = (_one(tables, table),)
            between = "\t" if delimiter == "tab" else delimiter
            content = csv_bytes(tables[0], CsvForm.of(locale or "en", between, bom=bom))
    written = write(out, content)
    if as_json:
        listed = [{"table": one.name, "rows": len(one.rows)} for one in tables]
        told = {
            "file": str(out),
            "folder_made": str(written.folder) if written.folder else None,
            "tables": listed,
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        rows = ", ".join(f"{one.name} {len(one.rows):,}" for one in tables)
        click.echo(f"wrote {out} (rows: {rows})")
        if written.folder:
            click.echo(f"made the folder {written.folder}, which was not there")
    return 0


def _check_locale(locale: str) -> None:
    from babel import Locale, UnknownLocaleError

    from tidings.errors import UsageError

    try:
        Locale.parse(locale.replace("_", "-"), sep="-")
    except (ValueError, UnknownLocaleError):
        raise UsageError(
            f'"{locale}" is no locale', what_to_do="write such as --locale ru, zh-TW or de-CH"
        ) from None


def _check(what: str, name: str | None, ending: str, locale: str | None, csv_only: list[object]) -> None:
    from tidings.errors import UsageError

    if locale is not None:
        _check_locale(locale)
    if what in _NAMED and not name:
        raise UsageError(f"export {what} needs a name", what_to_do=f"tidings export {what} NAME --out FILE")
    if what not in _NAMED and name:
        raise UsageError(f"export {what} takes no name", what_to_do=f"leave out {name}")
    if ending not in (".csv", ".xlsx"):
        raise UsageError("the file must end in .csv or .xlsx", what_to_do="write such as --out result.xlsx")
    if ending == ".xlsx" and any(one is not None for one in csv_only):
        raise UsageError(
            "--table, --locale, --delimiter and --bom are for a .csv", what_to_do="leave them out"
        )


def _tables(
    session: Session,
    what: str,
    name: str | None,
    run_id: int | None,
    first: str | None,
    last: str | None,
    by: str,
    only: str | None,
) -> tuple[Table, ...]:
    from tidings.cli.report_economics import read_codes
    from tidings.papers.tables.asking import Questions

    questions = Questions(session.store, session.settings.definitions, session.clock.now())
    if what == "report":
        read_codes(session)
        return questions.report(name or "", run_id)
    if what == "segment":
        from tidings.measurement.redemptions import catch_up

        catch_up(session.store, session.settings.definitions, now=session.clock.now())
        return questions.segment(name or "")
    if what == "kpi":
        return questions.kpi(first, last, table=only)
    if what == "costs":
        return questions.costs(first, last)
    from tidings.measurement import conversions, touches

    # Credit, and what goals take from it, comes of these two tables.
    for part in (touches, conversions):
        part.refresh(session.store, session.settings.definitions, now=session.clock.now())
    if what == "goals":
        return questions.goals(last)
    if what == "touches":
        return questions.touches(first, last)
    return questions.attribute(first, last, by=by, table=only)


def _one(tables: tuple[Table, ...], wanted: str | None) -> Table:
    from tidings.errors import UsageError

    for one in tables:
        if wanted in (None, one.name):
            return one
    names = ", ".join(one.name for one in tables) or "none"
    raise UsageError(f'there is no table "{wanted}"', what_to_do=f"tables are: {names}")
