"""`tidings calendar`: a month with everything that goes out, days off and what collides."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from tidings.cli.counted import counted
from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from datetime import datetime

    from tidings.flows.explaining.month import Entry, Month

_SIGNS = {"run": "●", "planned": "◆", "coming": "○", "held": "‖", "skipped": "×", "holiday": "☼", "workday": "+", "offer ends": "⊣"}  # fmt: skip
_WORDS = {
    "run": "went out", "planned": "planned", "coming": "comes again", "held": "held", "skipped": "skipped",
    "holiday": "holiday", "workday": "worked", "offer ends": "an offer ends",
}  # fmt: skip
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = "January February March April May June July August September October November December".split()
_CELL = 10


@click.command(
    epilog=examples("tidings calendar", "tidings calendar --month 2027-03", "tidings calendar --json")
)
@click.option("--month", metavar="YYYY-MM", help="Which month; this one if not given.")
@json_option
@environment_option
def command(*, month: str | None, as_json: bool, environment: str | None) -> int:
    """Show a month: what goes out on which day, days off, what collides, which offers end.

    Days and hours are on the workspace's clock; with `clock: recipient` the hour is the one written, for each recipient.
    Collisions: sends of one class to the same people beyond their cap (known from the stored plans), and several campaigns by
    one channel in the same hour.

    \b
    With --json:
      entries       day, kind (run, planned, coming, skipped, held, holiday,
                    workday, offer ends), name, title, at, detail, approved,
                    hour (as written, of each recipient), clock, people,
                    channels
      collisions    day, kind (cap or hour), campaigns, words
      flows         those that are live
      unscheduled   campaigns without a day: they go out when somebody runs them
    """  # noqa: D301
    from tidings.cli.session import open_session
    from tidings.flows.explaining.collisions import month_of

    with open_session(environment, need_vocabulary=False) as session:
        definitions, now = session.settings.definitions, session.clock.now()
        first = _first(month, now, ZoneInfo(definitions.workspace.zone))
        found = month_of(session.store, definitions, first, now=now)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
        return 0
    _tell(found)
    return 0


def _first(text: str | None, now: datetime, zone: ZoneInfo) -> date:
    from tidings.errors import UsageError

    if text is None:
        return now.astimezone(zone).date().replace(day=1)
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise UsageError(f'"{text}" is not a month', what_to_do="write it as 2027-03") from error


def _tell(month: Month) -> None:
    from tidings.cli.wrapping import hanging, width_of_terminal

    width = width_of_terminal()
    click.secho(f"{_MONTHS[month.first.month - 1]} {month.first.year}", bold=True, nl=False)
    click.echo(f"   on the clock of {month.zone}\n")
    click.echo("\n".join(_grid(month)))
    used = [kind for kind in _SIGNS if any(one.kind == kind for one in month.entries)]
    legend = [f"{_SIGNS[kind]} {_WORDS[kind]}" for kind in used] + (
        ["! collides"] if month.collisions else []
    )
    if legend:
        click.echo("\n".join(hanging("  ", "   ".join(legend), width)))
    click.echo()
    days = sorted({one.day for one in month.entries} | {one.day for one in month.collisions})
    for day in days:
        lines = [_line(one, month.zone) for one in month.entries if one.day == day]
        lines += [f"!        {one.words}" for one in month.collisions if one.day == day]
        for number, line in enumerate(lines):
            head = f"{_DAYS[day.weekday()]} {day.day:>2}  " if number == 0 else " " * 8
            # What is wrapped goes on below the words, not below the sign and the hour.
            click.echo("\n".join(hanging(head + line[:9], line[9:], width)))
    if not days:
        click.echo("Nothing stands on any day of this month.")
    if month.flows:
        names = ", ".join(f"{title} ({name})" for name, title in month.flows)
        click.echo("\n" + "\n".join(hanging("live flows   ", names, width)))
    if month.unscheduled:
        gap = "" if month.flows else "\n"
        click.echo(gap + "\n".join(hanging("without day  ", f"{', '.join(month.unscheduled)} (they go out when somebody runs them)", width)))  # fmt: skip


def _grid(month: Month) -> list[str]:
    """Return the weeks: the day, and a sign for everything on it; at most five, then how many more."""
    from tidings.cli.wrapping import padded

    lines = ["  " + "".join(f"{name:<{_CELL}}" for name in _DAYS).rstrip()]
    day = month.first - timedelta(days=month.first.weekday())
    while day <= month.last:
        cells = []
        for ahead in range(7):
            one = day + timedelta(days=ahead)
            cells.append(padded(_cell(month, one) if one.month == month.first.month else "", _CELL))
        lines.append("  " + "".join(cells).rstrip())
        day += timedelta(days=7)
    return [*lines, ""]


def _cell(month: Month, day: date) -> str:
    signs = [_SIGNS[one.kind] for one in month.entries if one.day == day]
    if any(one.day == day for one in month.collisions):
        signs.insert(0, "!")
    shown = "".join(signs[:5]) + (f"+{len(signs) - 5}" if len(signs) > 5 else "")
    today = ">" if day == month.today else " "
    return f"{today}{day.day:>2} {shown}"


def _line(one: Entry, zone: str) -> str:
    hour = one.wall or (f"{one.at.astimezone(ZoneInfo(zone)):%H:%M}" if one.at else "")
    said = one.title if not one.name or one.title == one.name else f"{one.title} ({one.name})"
    if one.wall and one.sends:
        said += f", {one.wall} for each recipient"
    if one.kind == "offer ends":
        said += f": the offer ends: {one.detail}"
    elif one.kind in ("held", "skipped"):
        said += f": {one.kind}" + (f", {one.detail}" if one.detail else "")
    elif one.detail:
        said += f": {one.detail}"
    if one.people is not None:
        said += f", {counted(one.people, 'message')}" + (" by the last plan" if one.kind != "run" else "")
    return f"{_SIGNS[one.kind]} {hour:<7}{said}"
