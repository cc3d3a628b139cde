"""`tidings costs`: what ads cost, by source, medium, campaign and month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.measurement.costs import CostLine

_WIDTH = 110


@click.command(
    epilog=examples(
        "tidings costs", "tidings costs --from 2027-03-01 --to 2027-03-31", "tidings costs --json"
    )
)
@click.option("--from", "first", metavar="DAY", help="The first day, such as 2027-03-01.")
@click.option("--to", "last", metavar="DAY", help="The last day, included.")
@environment_option
@json_option
def command(first: str | None, last: str | None, environment: str | None, as_json: bool) -> int:
    """Show what was imported as costs: money net of tax, clicks, impressions and the price of a click.

    What was paid under a name that is none of our campaigns stands under that name and counts in the sum, which is
    that of the invoices. Which orders it brought is what `tidings attribute` tells.
    """
    import json

    from tidings.cli.session import open_session
    from tidings.definitions.asked_days import day_of
    from tidings.errors import UsageError
    from tidings.measurement.costs import cost_lines, totals

    begin, end = day_of(first, "--from"), day_of(last, "--to")
    if begin and end and begin > end:
        raise UsageError(f"{begin} comes after {end}", what_to_do="give the earlier day as --from")
    with (
        open_session(environment, need_vocabulary=False) as session,
        session.store.read() as connection,
    ):
        lines = cost_lines(connection, first=begin, last=end)
    sums = totals(lines)
    unmatched = totals(tuple(one for one in lines if one.campaign is None))
    if as_json:
        told = {
            "from": first,
            "to": last,
            "lines": [one.as_json() for one in lines],
            "total": _major(sums),
            "unmatched": _major(unmatched),
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return 0
    if not lines:
        when = " in this time" if first or last else ""
        click.echo(
            f"No costs are known{when}. `tidings import FILE --as MAPPING` brings them (`kind: costs`)."
        )
        return 0
    _show(lines, sums, unmatched)
    return 0


def _show(lines: tuple[CostLine, ...], sums: dict[str, int], unmatched: dict[str, int]) -> None:
    from rich.console import Console
    from rich.table import Table

    from tidings.definitions.money import format_money

    table = Table(box=None, pad_edge=False, header_style="bold")
    one_currency = next(iter(sums)) if len(sums) == 1 else ""
    for name in ("month", "source", "medium", "campaign"):
        table.add_column(name, overflow="fold", no_wrap=name != "campaign")
    for name in (one_currency or "amount", "clicks", "shown", "a click"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in lines:
        click_price = one.per_click
        table.add_row(
            one.month,
            one.source,
            one.medium,
            one.campaign or f"({one.label or 'no name'})",
            format_money(one.amount, one.currency).removesuffix(f" {one_currency}"),
            _count(one.clicks),
            _count(one.impressions),
            "–" if click_price is None else f"{click_price:,.2f}",
        )
    # Names of ads are long: a terminal folds a wide line more legibly than a column of eight signs.
    width = max(Console().width, _WIDTH)
    Console(markup=False, highlight=False, width=width).print(table)
    for currency, total in sums.items():
        rest = unmatched.get(currency)
        of_these = (
            f"; {format_money(rest, currency)} of it under names (in brackets) that match no campaign"
            if rest
            else ""
        )
        click.echo(f"\nTogether {format_money(total, currency)} net of tax{of_these}.")


def _major(sums: dict[str, int]) -> dict[str, float]:
    """Return sums by currency in major units."""
    from tidings.definitions.money import from_minor

    return {currency: float(from_minor(minor, currency)) for currency, minor in sums.items()}


def _count(value: int | None) -> Any:
    return "–" if value is None else f"{value:,}"
