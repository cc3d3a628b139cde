"""`tidings kpi`: how customers moved, who brings the money, and who comes back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from tidings.cli.options import environment_option, examples, json_option
from tidings.cli.report_papers import check_out, file_options, say, write_papers

if TYPE_CHECKING:
    from pathlib import Path

    from tidings.measurement.movement.cohorts import Period

_PARTS = ("ladder", "80-20", "rfm", "cohorts")


@click.command(
    epilog=examples(
        "tidings kpi",
        "tidings kpi --from 2027-01-01 --to 2027-03-31 --show all",
        "tidings kpi --show 80-20",
        'tidings kpi --by "sales channel"',
        "tidings kpi --show cohorts --cohorts quarter --json",
        "tidings kpi --from 2027-01-01 --pdf",
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
    help="The ladder (if not given), how much the best bring, the RFM grid, cohorts, or all; on paper all if not given.",
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
@file_options
@json_option
@environment_option
def command(
    first_day: str | None,
    last_day: str | None,
    show: str | None,
    by: str | None,
    cohorts: Period,
    as_html: bool,
    as_pdf: bool,
    out: Path | None,
    as_json: bool,
    environment: str | None,
) -> int:
    """Show how customers moved: new, retained, upgraded, downgraded, reactivated, lost."""
    from zoneinfo import ZoneInfo

    from tidings.cli.session import open_session
    from tidings.measurement.movement.asking import ask
    from tidings.measurement.movement.span import span_of

    on_paper = as_html or as_pdf
    check_out(out, as_html=as_html, as_pdf=as_pdf)
    show = show or ("all" if on_paper else "ladder")
    with open_session(environment) as session:
        definitions = session.settings.definitions
        zone = ZoneInfo(definitions.workspace.zone)
        span = span_of(first_day, last_day, zone=zone, now=session.clock.now())
        parts = _PARTS if show == "all" else (show,)
        kpi = ask(session.store, definitions, span, parts=parts, by_channel=by is not None, period=cohorts)
        now = session.clock.now()
    if on_paper:
        from tidings.papers.movement_page import movement_page

        page, stem = movement_page(kpi, definitions, now), f"customers-{span.first}-{span.last}"
        return say(write_papers(page, stem, as_html=as_html, as_pdf=as_pdf, out=out), [], as_json=as_json)
    if as_json:
        click.echo(json.dumps(kpi.as_json(), ensure_ascii=False, indent=2, allow_nan=False))
        return 0
    from tidings.cli.attribute_view import console
    from tidings.cli.kpi_view import show_kpi

    show_kpi(kpi, console())
    return 0
