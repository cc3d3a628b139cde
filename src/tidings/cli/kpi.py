"""`tidings kpi`: how customers moved, who brings the money, and who comes back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.measurement.movement.cohorts import Period

_PARTS = ("ladder", "80-20", "rfm", "cohorts")


@click.command(
    epilog=examples(
        "tidings kpi",
        "tidings kpi --from 2027-01-01 --to 2027-03-31 --show all",
        "tidings kpi --show 80-20",
        'tidings kpi --by "sales channel"',
        "tidings kpi --show cohorts --cohorts quarter --json",
    )
)
@click.option(
    "--from",
    "first_day",
    metavar="DAY",
    help="First day, 2027-01-01; that of the last whole quarter if not given.",
)
@click.option(
    "--to", "last_day", metavar="DAY", help="Last day, through its end; today if only --from is given."
)
@click.option(
    "--show",
    type=click.Choice([*_PARTS, "all"]),
    default="ladder",
    show_default=True,
    help="The ladder, how much the best bring, the RFM grid, cohorts, or all.",
)
@click.option(
    "--by", type=click.Choice(["sales channel"]), help="The movement of each sales channel as well."
)
@click.option(
    "--cohorts",
    type=click.Choice(["month", "quarter"]),
    default="month",
    show_default=True,
    help="What makes a cohort: the month or the quarter of the first order.",
)
@json_option
@environment_option
def command(
    first_day: str | None,
    last_day: str | None,
    show: str,
    by: str | None,
    cohorts: Period,
    as_json: bool,
    environment: str | None,
) -> int:
    """Show how customers moved: new, retained, upgraded, downgraded, reactivated, lost."""
    from zoneinfo import ZoneInfo

    from tidings.cli.session import open_session
    from tidings.measurement.movement.asking import ask
    from tidings.measurement.movement.span import span_of

    with open_session(environment) as session:
        definitions = session.settings.definitions
        zone = ZoneInfo(definitions.workspace.zone)
        span = span_of(first_day, last_day, zone=zone, now=session.clock.now())
        parts = _PARTS if show == "all" else (show,)
        kpi = ask(session.store, definitions, span, parts=parts, by_channel=by is not None, period=cohorts)
    if as_json:
        click.echo(json.dumps(kpi.as_json(), ensure_ascii=False, indent=2, allow_nan=False))
        return 0
    from tidings.cli.attribute_view import console
    from tidings.cli.kpi_view import show_kpi

    show_kpi(kpi, console())
    return 0
