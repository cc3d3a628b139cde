"""`tidings report … --html --pdf`: the report as a page for people who open no terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from tidings.cli.session import Session
    from tidings.papers.paper import Paper

Command = TypeVar("Command", bound=Callable[..., object])


def paper_options(command: Command) -> Command:
    """Add `--html`, `--pdf` and `--out`, passed on as `as_html`, `as_pdf` and `out`."""
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


def write_papers(paper: Paper, stem: str, *, as_html: bool, as_pdf: bool, out: Path | None) -> list[Path]:
    """Write the files asked for and return their paths; earlier ones of the same names are replaced."""
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
            "the page of the whole company is a paper", what_to_do="write --html or --pdf beside --all"
        )
    if everything and of_run:
        raise UsageError("--run and --as-of are of one campaign", what_to_do="leave them out, or name it")


def company_files(session: Session, *, as_html: bool, as_pdf: bool, out: Path | None) -> list[Path]:
    """Write the page of the whole company, with touches and conversions brought up to date first."""
    from tidings.papers.company_page import Company, company_page, up_to_date

    of = Company.lately(session.store, session.settings.definitions, session.clock.now())
    up_to_date(of)
    stem = f"report-{of.definitions.workspace.id}"
    return write_papers(company_page(of), stem, as_html=as_html, as_pdf=as_pdf, out=out)
