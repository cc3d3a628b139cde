"""`tidings report … --html --pdf --mail`: the report as a page for people who open no terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from tidings.cli.session import Session
    from tidings.papers.files import Written
    from tidings.papers.paper import Paper

_ADDRESS = re.compile(r"[^<>@\s,;]+@[^<>@\s,;]+")
Command = TypeVar("Command", bound=Callable[..., object])


def file_options(command: Command) -> Command:
    """Add the options of papers as files: `as_html`, `as_pdf` and `out`."""
    for option in (
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            metavar="PATH",
            help="A folder for --html and --pdf, or the one file; without it the folder you are in.",
        ),
        click.option("--pdf", "as_pdf", is_flag=True, help="Write it as PDF, with charts."),
        click.option("--html", "as_html", is_flag=True, help="Write it as one HTML file, with charts."),
    ):
        command = option(command)
    return command


def paper_options(command: Command) -> Command:
    """Add the options of papers: files as `file_options` does, mail by `by_mail`, `recipients`, `dry_run`."""
    for option in (
        click.option(
            "--dry-run", is_flag=True, help="With --mail: say to whom it would go, and send nothing."
        ),
        click.option(
            "--to",
            "recipients",
            multiple=True,
            metavar="ADDRESS",
            help="With --mail: to whom instead of the owners.",
        ),
        click.option(
            "--mail", "by_mail", is_flag=True, help="Mail it to the owners now, by the e-mail channel."
        ),
        file_options,
    ):
        command = option(command)
    return command


def write_papers(paper: Paper, stem: str, *, as_html: bool, as_pdf: bool, out: Path | None) -> list[Written]:
    """Write the files asked for and return them; earlier ones of the same names are replaced."""
    from tidings.papers.files import place, write

    several = as_html and as_pdf
    written = []
    if as_html:
        from tidings.papers.html import html

        written.append(write(place(out, stem, "html", several=several), html(paper).encode()))
    if as_pdf:
        from tidings.papers.pdf import pdf

        written.append(write(place(out, stem, "pdf", several=several), pdf(paper)))
    return written


def check_out(out: Path | None, *, as_html: bool, as_pdf: bool) -> None:
    """Refuse a place for files that nobody asked for."""
    from tidings.errors import UsageError

    if out is not None and not as_html and not as_pdf:
        raise UsageError("--out is for --html and --pdf", what_to_do="add one of them, or leave it out")


def only_one(name: str | None, *, everything: bool, paper: bool, of_run: bool) -> None:
    """Refuse what does not go together: a name and --all, and --all without a paper or with a run of one campaign."""
    from tidings.errors import UsageError

    if everything == (name is not None):
        raise UsageError(
            "a report is of one campaign or of --all",
            what_to_do="tidings report NAME, or tidings report --all --pdf",
        )
    if everything and not paper:
        raise UsageError(
            "the page of the whole company is a paper",
            what_to_do="write --html, --pdf or --mail beside --all",
        )
    if everything and of_run:
        raise UsageError("--run and --as-of are of one campaign", what_to_do="leave them out, or name it")


def check_mail(*, by_mail: bool, recipients: tuple[str, ...], dry_run: bool) -> None:
    """Refuse options of a mail without --mail, and what is no address."""
    from tidings.errors import UsageError

    if not by_mail and (recipients or dry_run):
        raise UsageError("--to and --dry-run are for --mail", what_to_do="add --mail, or leave them out")
    for one in recipients:
        if not _ADDRESS.fullmatch(one):
            raise UsageError(
                f'"{one}" is not an e-mail address', what_to_do="write such as anna@shop.example"
            )


def company_paper(session: Session) -> tuple[Paper, str]:
    """Return the page of the whole company and the name of its files, with what it reads brought up to date first."""
    from tidings.papers.company_page import Company, company_page, up_to_date

    of = Company.lately(session.store, session.settings.definitions, session.clock.now())
    up_to_date(of)
    return company_page(of), f"report-{of.definitions.workspace.id}"


def mail_now(
    session: Session, paper: Paper, name: str | None, recipients: tuple[str, ...], *, dry_run: bool
) -> list[tuple[str, str]]:
    """Mail a paper now, to the owner of the campaign `name` or (None) to all owners; return each reader with what became of it. Raises UsageError where nobody is to read it."""
    from zoneinfo import ZoneInfo

    from tidings.clock import local_day, to_micros
    from tidings.delivery.reference import Referrer
    from tidings.errors import UsageError
    from tidings.flows.paper_mails import email_channel, hand_over, made_letter, owner_of, readers

    definitions = session.settings.definitions
    to = recipients or (readers(definitions) if name is None else owner_of(definitions, name))
    if not to:
        raise UsageError(
            "nobody is named who reads the page",
            what_to_do="name one with --to, or an `owner:` in config/goals.yaml or a campaign",
        )
    if dry_run:
        return [(one, "would be sent") for one in to]
    channel, adapter = email_channel(session.settings)
    day = local_day(session.clock.now(), ZoneInfo(definitions.workspace.zone))
    made = made_letter(paper, session.settings, day)
    referrer = Referrer(session.store.workspace, session.store.environment, definitions.workspace.salt)
    # Asked for by a person, it is a mail of its own each time; no row of the schedule has such a number.
    number = to_micros(session.clock.now())
    way = adapter.connect()
    try:
        return [
            (one, str(hand_over(way, made, adapter, channel, one, number + place, referrer).kind))
            for place, one in enumerate(to)
        ]
    finally:
        way.close()


def say(written: list[Written], mailed: list[tuple[str, str]], *, as_json: bool) -> int:
    """Print what was written and mailed, and which folders were made; return 1 where a mail was not accepted."""
    import json

    if as_json:
        told: dict[str, object] = {
            "files": [str(one.path) for one in written],
            "folders_made": [str(one.folder) for one in written if one.folder],
        }
        if mailed:
            told["mailed"] = [{"to": to, "outcome": outcome} for to, outcome in mailed]
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        for one in written:
            click.echo(one.sentence)
        for to, outcome in mailed:
            click.echo(f"{to}: {outcome.replace('_', ' ')}")
    return 0 if all(outcome in ("accepted", "would be sent") for _, outcome in mailed) else 1
