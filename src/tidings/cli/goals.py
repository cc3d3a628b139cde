"""`tidings goals`: the scorecard of the goals of the company."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from tidings.cli.options import environment_option, examples, json_option
from tidings.cli.report_papers import check_out, file_options, say, write_papers

if TYPE_CHECKING:
    from pathlib import Path

    from tidings.measurement.scorecard.asking import Scorecard


@click.command(
    epilog=examples(
        "tidings goals",
        "tidings goals --as-of 2027-03-31",
        "tidings goals --check",
        "tidings goals --pdf",
        "tidings goals --json",
    )
)
@click.option(
    "--as-of", metavar="DAY", help="As things stood at the end of a day, 2027-03-31; now if not given."
)
@click.option(
    "--check",
    is_flag=True,
    help="Exit with 1 when a goal is in danger or missed, or its review overdue.",
)
@file_options
@json_option
@environment_option
def command(
    as_of: str | None,
    check: bool,
    as_html: bool,
    as_pdf: bool,
    out: Path | None,
    as_json: bool,
    environment: str | None,
) -> int:
    """Show the goals of config/goals.yaml: plan, actual, forecast and status."""
    from tidings.cli.session import open_session
    from tidings.definitions.asked_days import day_of
    from tidings.measurement import conversions, touches
    from tidings.measurement.scorecard.asking import make_scorecard

    check_out(out, as_html=as_html, as_pdf=as_pdf)
    day = day_of(as_of, "--as-of")
    with open_session(environment) as session:
        definitions, now = session.settings.definitions, session.clock.now()
        if definitions.goals is not None and definitions.goals.goals:
            # The credit of what serves a goal comes of these two tables.
            touches.refresh(session.store, definitions, now=now)
            conversions.refresh(session.store, definitions, now=now)
        found = make_scorecard(session.store, definitions, now=now, day=day)
    if as_html or as_pdf:
        from zoneinfo import ZoneInfo

        from tidings.papers.scorecard_page import scorecard_page

        page = scorecard_page(found, definitions, ZoneInfo(definitions.workspace.zone), now)
        written = write_papers(page, f"goals-{found.day}", as_html=as_html, as_pdf=as_pdf, out=out)
        say(written, [], as_json=as_json)
    elif as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        from tidings.cli.attribute_view import console
        from tidings.cli.goals_view import show_scorecard

        show_scorecard(found, console())
    return _code(found) if check else 0


def _code(found: Scorecard) -> int:
    return 1 if found.alarming else 0
