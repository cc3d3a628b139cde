"""The section of `tidings report` that says what a campaign earned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.cli.report_tables import table as empty_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tidings.cli.session import Session
    from tidings.measurement.promotions.planned import PlanLine
    from tidings.measurement.promotions.result import Economics
    from tidings.measurement.report import Report


def read_codes(session: Session) -> None:
    """Bring redemptions up to date with the events, where any event may hold a code."""
    from tidings.measurement.redemptions import refresh

    definitions = session.settings.definitions
    if any(event.code for event in definitions.events.events):
        refresh(session.store, definitions, now=session.clock.now())


def show_economics(report: Report, console: Console) -> None:
    """Print what the run earned: sentences, money by arm, and the plan beside it."""
    from tidings.measurement.promotions.words import sentences

    told = report.economics
    if told is None or report.maturity.silent:
        return
    worth = told.worth is not None or told.redeemed is not None
    if not worth and not told.plan:
        return
    console.print("what it earned", style="bold")
    for words in [*(sentences(told) if worth else ()), *told.notes]:
        console.print(f"• {words}")
    console.print()
    if told.earned and told.currency:
        console.print(_money(told))
        console.print()
    if told.plan:
        console.print(_planned(told.plan))
        console.print()


def _money(told: Economics) -> Table:
    from tidings.measurement.promotions.words import amount, between

    table = empty_table(f"beyond the holdout, in {told.currency}")
    table.add_column("")
    for one in told.earned:
        table.add_column(one.arm, justify="right", overflow="fold")

    def cell(pair: tuple[float, tuple[float, float] | None] | None) -> str:
        if pair is None:
            return "–"
        limits = between(pair[1], told.currency).rpartition(" ")[0] if pair[1] else "no interval"
        return f"{amount(pair[0], told.currency).rpartition(' ')[0]}\n({limits})"

    rows = [
        ("orders", [f"{one.orders.total[0]:+,.0f}" if one.orders.total else "–" for one in told.earned]),
        (
            "revenue, net of returns",
            [cell(one.revenue.total if one.revenue else None) for one in told.earned],
        ),
    ]
    if told.worth == "margin":
        rows.append(
            ("margin after discounts", [cell(one.gain.total if one.gain else None) for one in told.earned])
        )
        rows.append(("cost", [amount(one.cost, told.currency).rpartition(" ")[0] for one in told.earned]))
        profits = [(one.profit.total, one.profit.interval) if one.profit else None for one in told.earned]
        rows.append(("profit", [cell(one) for one in profits]))
        returns = [one.on_cost for one in told.earned]
        if any(returns):
            shown = [f"{one[0]:,.2f}" + (f"\n({one[1][0]:,.2f} to {one[1][1]:,.2f})" if one[1] else "") if one else "–" for one in returns]  # fmt: skip
            rows.append(("profit for each 1 of cost", shown))
    for name, cells in rows:
        table.add_row(name, *cells)
    return table


def _planned(lines: tuple[PlanLine, ...]) -> Table:
    from tidings.measurement.promotions.words import amount

    table = empty_table("plan against actual")
    for name in ("", "plan", "actual", "difference"):
        table.add_column(name, justify="right" if name else "left")

    def shown(line: PlanLine, value: float | None, *, sign: bool = False) -> str:
        if value is None:
            return "not known"
        plus = "+" if sign and value > 0 else ""
        if line.unit == "share":
            return f"{plus}{value * 100:,.2f} %"
        if line.unit == "money":
            return plus + amount(value, line.currency)
        return f"{plus}{value:,.0f}"

    for line in lines:
        table.add_row(
            line.title,
            shown(line, line.planned),
            shown(line, line.actual),
            shown(line, line.difference, sign=True) if line.actual is not None else "–",
        )
    return table
