"""`tidings report`: what a campaign caused, with intervals."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import click

from tidings.cli.options import environment_option, examples, json_option
from tidings.cli.report_papers import paper_options, write_papers
from tidings.cli.report_tables import table as empty_table

if TYPE_CHECKING:
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from rich.console import Console
    from rich.table import Table

    from tidings.measurement.effects import Effect
    from tidings.measurement.report import Report


@click.command(
    epilog=examples(
        "tidings report spring_winback",
        "tidings report spring_winback --as-of 2027-03-20",
        "tidings report spring_winback --html --pdf",
        "tidings report --all --pdf",
        "tidings report spring_winback --json",
    )
)
@click.argument("name", required=False)
@click.option(
    "--all", "everything", is_flag=True, help="The page of the whole company: --html, --pdf or --mail."
)
@json_option
@click.option("--run", "run_id", type=int, metavar="ID", help="An earlier run; without it the latest.")
@click.option(
    "--as-of",
    metavar="INSTANT",
    help="Count only what had happened by then: 2027-03-20, 2027-03-20T18:00 (workspace clock) or with an offset.",
)
@paper_options
@environment_option
def command(
    name: str | None,
    everything: bool,
    as_json: bool,
    run_id: int | None,
    as_of: str | None,
    as_html: bool,
    as_pdf: bool,
    out: Path | None,
    by_mail: bool,
    recipients: tuple[str, ...],
    dry_run: bool,
    environment: str | None,
) -> int:
    """Say what a campaign caused: sample ratio, effects with intervals, funnel, refusals, plain words."""
    from zoneinfo import ZoneInfo

    from tidings.cli.report_economics import read_codes
    from tidings.cli.report_papers import check_mail, company_paper, mail_now, only_one, say
    from tidings.cli.session import open_session
    from tidings.measurement.report import make_report

    on_paper = as_html or as_pdf or by_mail
    only_one(name, everything=everything, paper=on_paper, of_run=run_id is not None or as_of is not None)
    check_mail(by_mail=by_mail, recipients=recipients, dry_run=dry_run)
    with open_session(environment, need_vocabulary=False) as session:
        if name is not None:
            definitions = session.settings.definitions
            zone = ZoneInfo(definitions.workspace.zone)
            now = session.clock.now()
            at = now if as_of is None else _instant(as_of, zone, now)
            read_codes(session)
            report = make_report(session.store, definitions, name, as_of=at, run_id=run_id)
        if on_paper:
            if name is None:
                page, stem = company_paper(session)
            else:
                from tidings.papers.campaign_page import campaign_page

                page, stem = campaign_page(report, definitions), f"report-{name}"
            written = write_papers(page, stem, as_html=as_html, as_pdf=as_pdf, out=out)
            mailed = mail_now(session, page, name, recipients, dry_run=dry_run) if by_mail else []
            return say(written, mailed, as_json=as_json)
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        from rich.console import Console

        console = Console(highlight=False, markup=False)
        if not console.is_terminal:
            console = Console(highlight=False, markup=False, width=100)
        show(report, console)
    return 0


def _instant(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    """Return the instant asked for; a date alone means through that day on the workspace clock, today as far as it is past.

    Raises UsageError for what is no instant, or none that is past: windows that are not over would be taken for over.
    """
    from datetime import UTC, timedelta

    from tidings.clock import local_day, local_midnight
    from tidings.definitions.asked_days import day_of
    from tidings.errors import UsageError

    try:
        day = day_of(text[:10], "--as-of")
        at = datetime.fromisoformat(text)
    except (UsageError, ValueError) as error:
        raise UsageError(
            f'"{text}" is not an instant', what_to_do="write it as 2027-03-20 or 2027-03-20T18:00"
        ) from error
    if len(text) == 10 and day is not None:
        if day == local_day(now, zone):
            return now
        at = local_midnight(day + timedelta(days=1), zone)
    at = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    if at > now:
        raise UsageError(
            f"{text} is not here yet: it is {now.astimezone(zone):%Y-%m-%d %H:%M}",
            what_to_do="give an earlier --as-of, or leave it out",
        )
    return at


def show(report: Report, console: Console) -> None:
    """Print a report as a marketer reads it."""
    from tidings.cli.report_economics import show_economics
    from tidings.measurement.words import headlines, p_value

    run, local = report.run, report.as_of.astimezone(report.zone)
    console.print(f"{report.title} ({report.campaign})", style="bold")
    kind = "imported test" if run.kind == "experiment" else f"run {run.id}, {run.state}"
    console.print(f"{kind}; as things had happened by {local:%Y-%m-%d %H:%M}")
    if not report.begun:
        for words in report.warnings:
            console.print(words)
        return
    for words in report.maturity.sentences(report.zone):
        console.print(words)
    console.print()
    for words in report.warnings:
        console.print(f"WARNING  {words}", style="bold red")
    sizes = ", ".join(f"{arm.name} {arm.customers:,}" for arm in report.arms) or "nobody"
    console.print(f"arms          {sizes}", soft_wrap=True)
    ratio = report.ratio
    if ratio.p is None:
        console.print(f"sample ratio  not tested: {ratio.reason}", soft_wrap=True)
    else:
        against = "equal sizes, as no plan says others" if report.ratio_assumed else "the sizes planned"
        verdict = "NOT in order" if ratio.alarm else "in order"
        console.print(f"sample ratio  {verdict} (p = {p_value(ratio.p)} against {against})", soft_wrap=True)
    console.print()
    findings = report.findings()
    for words in headlines(findings):
        console.print(f"• {words}")
    for words in report.notes:
        console.print(f"• {words}")
    if findings or report.notes:
        console.print()
    if findings:
        console.print(_effects(findings, doubtful=ratio.alarm))
        if any(effect.any_time is not None for effect in findings):
            console.print(
                "Limits at any look hold for all your looks together while the window is open; the others, and p, hold for one "
                "look at its end."
            )
        console.print()
    show_economics(report, console)
    if run.kind != "experiment":
        console.print(_funnel(report))
        console.print()
    _blurred(report, console)
    _refusals(report, console)


def _effects(effects: tuple[Effect, ...], *, doubtful: bool) -> Table:
    from rich.text import Text

    from tidings.measurement.words import (
        WORTH_A_ROW,
        level,
        p_value,
        reduction,
        relative_span,
        with_limits,
    )

    table = empty_table(
        "effects, per customer" + (" (doubtful: the arms are not as drawn)" if doubtful else "")
    )
    # The metric stands on a line of its own: beside the arms it would not fit into 80 columns.
    table.add_column("metric, arm", overflow="fold")
    table.add_column("level", justify="right", no_wrap=True)
    table.add_column("difference (95 %)", justify="right", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("relative (95 %)", justify="right", no_wrap=True)
    previous = ""
    for effect in effects:
        difference, metric = effect.difference, effect.metric
        if metric.name != previous:
            if previous:
                table.add_section()
            table.add_row(Text(metric.name, style="bold"), "", "", "", "")
        table.add_row(
            f" {effect.arm}\n against {effect.against}",
            f"{level(metric, effect.mean)}\n{level(metric, effect.base)}",
            "\n".join(with_limits(metric, difference.estimate, difference.interval)),
            p_value(difference.p),
            relative_span(effect.relative),
        )
        adjusted = effect.adjusted
        if (
            adjusted is not None
            and adjusted.difference.interval is not None
            and adjusted.reduction >= WORTH_A_ROW
        ):
            table.add_row(
                f"   adjusted\n   variance -{reduction(adjusted.reduction)}",
                "",
                "\n".join(with_limits(metric, adjusted.difference.estimate, adjusted.difference.interval)),
                p_value(adjusted.difference.p),
                relative_span(adjusted.relative),
            )
        if effect.any_time is not None:
            limits = "\n".join(with_limits(metric, difference.estimate, effect.any_time))
            table.add_row("   at any look", "", limits, "", "")
        previous = metric.name
    return table


def _funnel(report: Report) -> Table:
    names = {
        "enrolled": "customers enrolled",
        "messages": "messages",
        "waiting": "  still waiting",
        "accepted": "  accepted",
        "delivered": "    delivered",
        "bounced": "    bounced",
        "complained": "    reported as spam",
        "in_doubt": "  in doubt",
        "rejected": "  rejected",
        "refused": "  refused by a rule",
        "cancelled": "  cancelled",
        "opened": "opened by people",
        "clicked": "clicked by people",
        "machine": "touched by programs only",
        "unsubscribed": "unsubscribed",
        "converted": "customers converted",
    }
    always = {"enrolled", "messages", "accepted", "opened", "clicked", "machine", "unsubscribed", "converted"}
    table = empty_table("from enrolled to converted")
    table.add_column("")
    for row in report.funnel:
        table.add_column(row.arm, justify="right", overflow="fold")
    for key, words in names.items():
        values = [row.as_json()[key] for row in report.funnel]
        if key in always or any(values):
            table.add_row(words, *["–" if value is None else f"{value:,}" for value in values])
    return table


def _blurred(report: Report, console: Console) -> None:
    from tidings.cli.report_contamination import show_contamination

    show_contamination(report, console)


def _refusals(report: Report, console: Console) -> None:
    from tidings.customers.refusals import they

    if not report.refusals:
        return
    table = empty_table("got nothing")
    table.add_column("customers", justify="right")
    table.add_column("because they")
    table.add_column("code")
    table.add_column("found when")
    for one in report.refusals:
        table.add_row(f"{one.customers:,}", they(one.code), one.code, one.when)
    console.print(table)
