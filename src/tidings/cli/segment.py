"""`tidings segment`: count and show the members of a segment; looking stores nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.definitions.workspace import Definitions
    from tidings.segments.looking import Look, Shown, Stored


@click.command(
    epilog=examples(
        "tidings segment                   # every segment and the age of its count",
        "tidings segment lapsed_buyers",
        "tidings segment lapsed_buyers --now 2027-03-02T10:00 --json",
    )
)
@click.argument("name", required=False)
@click.option("--sql", "with_sql", is_flag=True, help="Print the one statement and its parameters.")
@json_option
@click.option(
    "--now",
    metavar="INSTANT",
    help="Look as if it were then: 2027-03-02 (its first minute) or 2027-03-02T10:00, on the workspace clock "
    "unless a zone is written. For looking only; sending always goes by the real clock.",
)
@click.option(
    "--limit", default=10, show_default=True, type=click.IntRange(0, 1000), help="How many members to show."
)
@environment_option
def command(
    *, name: str | None, with_sql: bool, as_json: bool, now: str | None, limit: int, environment: str | None
) -> int:
    """Count a segment as it is now, show some of its members, and say whom unknown values drop or keep.

    Looking stores no members. Without NAME: every segment with its stored count and the age of that.
    """
    from tidings.cli.session import open_session
    from tidings.measurement.redemptions import catch_up
    from tidings.segments.looking import look, statement, stored
    from tidings.segments.references import find_segment

    with open_session(environment=environment) as session:
        definitions = session.settings.definitions
        zone = ZoneInfo(definitions.workspace.zone)
        instant = read_instant(now, zone) if now else session.clock.now()
        if name is None:
            with session.store.read() as connection:
                kept = stored(connection, definitions)
            _print_list(kept, instant, as_json=as_json)
            return 0
        segment = find_segment(definitions, name)
        catch_up(session.store, definitions, now=session.clock.now())
        with session.store.read() as connection:
            found = look(connection, definitions, segment, now=instant, limit=limit)
            text, parameters = statement(definitions, segment, now=instant, dialect=connection.dialect)
    if as_json:
        extra: dict[str, object] = {}
        if with_sql:
            listed = [{"name": label, "value": _bound(value)} for label, value in parameters]
            extra = {"sql": text, "parameters": listed}
        click.echo(json.dumps({**as_data(found), **extra}, ensure_ascii=False, indent=2))
    elif with_sql:
        click.echo(text)
        click.echo("\nparameters:" if parameters else "\nno parameters")
        for place, (label, value) in enumerate(parameters, 1):
            click.echo(f"  {place}  {label} = {json.dumps(_bound(value), ensure_ascii=False)}")
    else:
        _print_look(found, definitions, zone)
    return 0


def read_instant(text: str, zone: ZoneInfo) -> datetime:
    """Return a written date or date and time as an instant in UTC; without a zone it is meant on the workspace clock."""
    from tidings.errors import UsageError

    try:
        instant = datetime.fromisoformat(text.strip())
        return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f'"{text}" is not a date or a date and time',
            what_to_do="write 2027-03-02, 2027-03-02T10:00 or 2027-03-02T10:00+01:00",
        ) from None


def as_data(found: Look) -> dict[str, object]:
    """Return a look with the stable keys of `tidings segment --json`."""
    from tidings.clock import iso

    return {
        "segment": found.segment.id,
        "title": found.segment.title,
        "count": found.count,
        "customers": found.customers,
        "as_of": iso(found.as_of),
        "unknown": [
            {"attribute": one.attribute, "left_out": one.dropped, "let_in": one.kept} for one in found.unknown
        ],
        "ranked": [one.as_json() for one in found.ranked],
        "sample": [{column: _plain(value) for column, value in row.items()} for row in found.sample],
    }


def _plain(value: Shown) -> object:
    from tidings.clock import iso

    match value:
        case datetime():
            return iso(value)
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case tuple():
            return list(value)
        case _:
            return value


def _bound(value: object) -> object:
    """Return a bound value as JSON can say it; instants are the microseconds that the store keeps."""
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _print_look(found: Look, definitions: Definitions, zone: ZoneInfo) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)

    def say(text: str, style: str = "") -> None:
        console.print(Text(text, style=style))

    say(found.segment.title, "bold")
    if found.segment.why:
        say(found.segment.why)
    if found.segment.members == "listed":
        say("Filled from a list (`tidings import … --into`), not by rules.")
    share = f"{found.count / found.customers:.1%}" if found.customers else "0%"
    moment = found.as_of.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    say(f"\n{found.count:,} of {found.customers:,} customers ({share}) as of {moment} {zone.key}")
    for one in found.unknown:
        say(f"  {one.sentence()}", "yellow")
    for used in found.ranked:
        say(f"  {used.sentence(found.as_of)}")
    if not found.sample:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in found.columns:
        declared = definitions.attributes.get(column)
        table.add_column(
            Text(column), justify="right" if declared and declared.type in ("money", "number") else "left"
        )
    for row in found.sample:
        table.add_row(*[Text(_readable(column, value, definitions, zone)) for column, value in row.items()])
    say("")
    console.print(table)
    if found.count > len(found.sample):
        say(f"… and {found.count - len(found.sample):,} more")


def _readable(column: str, value: Shown, definitions: Definitions, zone: ZoneInfo) -> str:
    match value:
        case None:
            return "unknown"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(zone).strftime("%Y-%m-%d %H:%M")
        case Decimal():
            declared = definitions.attributes.get(column)
            currency = (declared.currency if declared else None) or definitions.workspace.currency
            return f"{value:,} {currency}"
        case float():
            return f"{value:,.10g}"
        case tuple():
            return ", ".join(value)
        case _:
            return str(value)


def _print_list(kept: Sequence[Stored], now: datetime, *, as_json: bool) -> None:
    from tidings.clock import iso

    if as_json:
        rows = [
            {
                "segment": one.segment.id,
                "title": one.segment.title,
                "members": one.segment.members,
                "count": one.count,
                "as_of": iso(one.as_of) if one.as_of else None,
                "changed_since": one.changed,
            }
            for one in kept
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    if not kept:
        click.echo("segments/ has no segment yet; `tidings new segment NAME` starts one")
    width = max((len(one.segment.id) for one in kept), default=0)
    for one in kept:
        count = "–" if one.count is None else f"{one.count:,}"
        click.echo(f"{one.segment.id:<{width}}  {count:>9}  {_age(one, now):<34}  {one.segment.title}")


def _age(one: Stored, now: datetime) -> str:
    """Return how old the stored membership is, in words."""
    if one.segment.members == "listed":
        return "kept as a list"
    if one.as_of is None:
        return "never stored"
    minutes = int((now - one.as_of).total_seconds() // 60)
    if minutes < 1:
        age = "just now"
    elif minutes < 120:
        age = f"{minutes} minutes ago"
    elif minutes < 48 * 60:
        age = f"{minutes // 60} hours ago"
    else:
        age = f"{minutes // (24 * 60)} days ago"
    return f"stored {age}" + (", changed since" if one.changed else "")
