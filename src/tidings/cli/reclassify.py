"""`tidings reclassify`: judge opens and clicks again by the rules of today, and say what that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tidings.measurement.touches import Refreshed
    from tidings.responses.reclassifying import Reclassified
    from tidings.responses.suspects import Suspect

_KINDS = {"opened": "opens", "clicked": "clicks", "unsubscribed": "unsubscriptions", "replied": "answers"}


@click.command(
    epilog=examples(
        "tidings reclassify --dry-run",
        "tidings reclassify --from 2027-03-01 --to 2027-03-31",
        "tidings reclassify --json",
    )
)
@click.option("--from", "first", metavar="DAY", help="The first day, such as 2027-03-01.")
@click.option("--to", "last", metavar="DAY", help="The last day, through its end.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@environment_option
@json_option
def command(
    *, first: str | None, last: str | None, dry_run: bool, environment: str | None, as_json: bool
) -> int:
    """Judge again who opened and clicked: people, or machines that read mail.

    What came in is kept as it came and only judged. Do it after an update with better rules, after a change of
    config/networks.txt, and now and then for late receipts and orders. Stopped half-way, it can be called again.
    Days are those of the workspace.

    \b
    With --json an object of:
      rules       the version of the rules
      dry_run     whether nothing was written
      responses   how many were looked at
      changed     how many are judged otherwise than before
      added       how many hits had no judgement
      classes     kind, before, now, count (before is null: none)
      customers   by kind: before, after, gained, lost
      touches     added, removed; null with --dry-run
      suspects    networks that behave like a filter's and stand in
                  no list: network, customers, given_away,
                  taken_for_people
    """  # noqa: D301
    import json
    from datetime import timedelta
    from zoneinfo import ZoneInfo

    from tidings.cli.session import open_session
    from tidings.clock import local_midnight, to_micros
    from tidings.definitions.asked_days import day_of
    from tidings.errors import UsageError
    from tidings.measurement.touches import refresh
    from tidings.responses.networks import networks_of
    from tidings.responses.reclassifying import reclassify
    from tidings.responses.suspects import suspects

    begin, end = day_of(first, "--from"), day_of(last, "--to")
    if begin and end and begin > end:
        raise UsageError(f"{begin} comes after {end}", what_to_do="give the earlier day as --from")
    with open_session(environment, need_vocabulary=False) as session:
        definitions = session.settings.definitions
        zone = ZoneInfo(definitions.workspace.zone)
        networks = networks_of(definitions.root)
        since = None if begin is None else to_micros(local_midnight(begin, zone))
        until = None if end is None else to_micros(local_midnight(end + timedelta(days=1), zone))
        with _showing(quiet=as_json) as progress:
            result = reclassify(
                session.store,
                since=since,
                until=until,
                networks=networks,
                dry_run=dry_run,
                progress=progress,
            )
        with session.store.read() as connection:
            strange = suspects(connection, networks, since=since, until=until)
        touches = None if dry_run else refresh(session.store, definitions, now=session.clock.now())
    if as_json:
        click.echo(
            json.dumps(_as_json(result, touches, strange, dry_run=dry_run), ensure_ascii=False, indent=2)
        )
    else:
        _show(result, touches, dry_run=dry_run)
        _show_suspects(strange)
    return 0


def _as_json(
    result: Reclassified, touches: Refreshed | None, strange: Sequence[Suspect], *, dry_run: bool
) -> dict[str, Any]:
    from dataclasses import asdict

    from tidings.responses.classify import RULES_VERSION

    return {
        "rules": RULES_VERSION,
        "dry_run": dry_run,
        "responses": result.responses,
        "changed": result.changed,
        "added": result.added,
        "classes": [
            {"kind": kind, "before": before, "now": now, "count": count}
            for (kind, before, now), count in sorted(
                result.classes.items(), key=lambda one: (one[0][0], one[0][1] or "", one[0][2])
            )
        ],
        "customers": {kind: asdict(people) for kind, people in result.customers.items()},
        "touches": None if touches is None else {"added": touches.added, "removed": touches.removed},
        "suspects": [asdict(one) for one in strange],
    }


def _show(result: Reclassified, touches: Refreshed | None, *, dry_run: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from tidings.responses.classify import CLASSES, RULES_VERSION

    if not result.responses:
        click.echo("Nothing came in that time that could be judged.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "class"):
        table.add_column(name, no_wrap=True)
    for name in ("before", "now", "more", "fewer"):
        table.add_column(name, justify="right", no_wrap=True)
    for kind, words in _KINDS.items():
        cells = {(before, now): n for (of, before, now), n in result.classes.items() if of == kind}
        for name in CLASSES:
            before = sum(n for (was, _), n in cells.items() if was == name)
            now = sum(n for (_, is_), n in cells.items() if is_ == name)
            stayed = cells.get((name, name), 0)
            if before or now:
                counts = (f"{before:,}", f"{now:,}", _moved(now - stayed, "+"), _moved(before - stayed, "−"))
                table.add_row(words, name.replace("_", " "), *counts)
                words = ""
    Console(markup=False, highlight=False).print(table)
    click.echo(
        f"\n{result.responses:,} judged by rules version {RULES_VERSION}; "
        f"{result.changed:,} {'would be' if dry_run else 'are'} judged otherwise than before, {result.added:,} for the first time."
    )
    for kind, did in (("opened", "opened"), ("clicked", "clicked")):
        people = result.customers[kind]
        click.echo(
            f"Customers who {did}: {people.before:,} before, {people.after:,} now ({people.gained:,} more, {people.lost:,} fewer)."
        )
    if touches is None:
        click.echo("Nothing was written: this was a dry run.")
    else:
        click.echo(
            f"Touches: {touches.added:,} added, {touches.removed:,} taken away. Reports and `tidings attribute` count by them; "
            "what flows did already stays done."
        )


def _show_suspects(strange: Sequence[Suspect]) -> None:
    from rich.console import Console
    from rich.table import Table

    if not strange:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("network", no_wrap=True)
    for name in ("customers", "not as people click", "taken for people"):
        table.add_column(name, justify="right")
    for one in strange:
        table.add_row(one.network, f"{one.customers:,}", f"{one.given_away:,}", f"{one.taken_for_people:,}")
    click.echo("\nThese networks behave like a filter's, and stand in no list:\n")
    Console(markup=False, highlight=False).print(table)
    click.echo(
        "\nLook whose they are. Name those of filters in config/networks.txt as `security`, and judge again."
    )


def _moved(count: int, sign: str) -> str:
    return f"{sign}{count:,}" if count else "–"


def _showing(*, quiet: bool) -> Any:
    """Show a bar in a terminal where it takes long, and a line each tenth where the output is a file."""
    import sys
    from contextlib import contextmanager

    @contextmanager
    def bars() -> Iterator[Callable[[int, int], None] | None]:
        if quiet:
            yield None
        elif not sys.stderr.isatty():
            said = [0]

            def say(done: int, total: int) -> None:
                if 10 * done // total > said[0] and total > 10_000:
                    said[0] = 10 * done // total
                    click.echo(f"judging: {said[0] * 10} %", err=True)

            yield say
        else:
            from rich.console import Console
            from rich.progress import Progress

            with Progress(console=Console(stderr=True), transient=True) as bar:
                task = bar.add_task("judging", total=None)
                yield lambda done, total: bar.update(task, completed=done, total=total)

    return bars()
