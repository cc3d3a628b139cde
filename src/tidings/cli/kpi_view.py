"""The movement of customers as a marketer reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.cli.report_tables import table
from tidings.measurement.movement.moves import MOVEMENTS

if TYPE_CHECKING:
    from rich.console import Console

    from tidings.measurement.movement.asking import Kpi
    from tidings.measurement.movement.by_sales import SalesChannel
    from tidings.measurement.movement.cohorts import Cohorts
    from tidings.measurement.movement.concentration import Concentration
    from tidings.measurement.movement.moves import Moves
    from tidings.measurement.movement.rfm import Rfm
    from tidings.measurement.movement.sums import Money

_SIGNS = {"new": "+", "reactivated": "+", "lost": "-"}


def percent(value: float | None) -> str:
    """Return a share as people read it; a dash where there is none."""
    return "–" if value is None else f"{value:.1%}"


def show_kpi(kpi: Kpi, screen: Console) -> None:
    """Print every part that was asked for."""
    screen.print(f"Customers, {kpi.span}", style="bold")
    for one in kpi.words:
        screen.print(one)
    _revenue(kpi, screen)
    if kpi.moves is not None:
        _ladder(kpi.moves, kpi.money, screen, made_up=kpi.made_up)
    if kpi.sales is not None:
        _sales(kpi.sales, kpi.money, screen)
    if kpi.concentration is not None:
        _curve(kpi.concentration, kpi.money, screen)
    if kpi.rfm is not None:
        _rfm(kpi.rfm, kpi.money, screen)
    if kpi.cohorts is not None:
        _cohorts(kpi.cohorts, kpi.money, screen)


def _revenue(kpi: Kpi, screen: Console) -> None:
    revenue, money = kpi.revenue, kpi.money
    # A time may have returns and no order.
    if revenue.orders or revenue.returned:
        orders = "order" if revenue.orders == 1 else "orders"
        people = "customer" if revenue.customers == 1 else "customers"
        line = f"{revenue.customers:,} {people}, {revenue.orders:,} {orders}"
        if money.currency:
            line += f": {money.say(revenue.gross)}, less {money.say(revenue.returned)} returned = {money.say(revenue.net)} net"
            if kpi.trade.margin:
                line += f", margin {money.say(revenue.margin) if money.margin else 'not known'}"
        screen.print(line)
    if revenue.nobody:
        worth = revenue.nobody_amount
        amount = f" ({money.say(worth)})" if worth is not None and money.currency else ""
        screen.print(f"{revenue.nobody:,} orders{amount} name no customer and are in no number below.")


def _ladder(moves: Moves, money: Money, screen: Console, *, made_up: bool) -> None:
    if made_up:
        screen.print(
            "config/goals.yaml has no ladder: the steps are known, lapsed, bought once, bought more than once."
        )
    screen.print()
    shown = table("movement of active customers")
    shown.add_column("")
    for heading in ("customers", "of start", "net", "before", "net each"):
        shown.add_column(heading, justify="right", no_wrap=True)
    if moves.start or moves.end:
        shown.add_row("at the start", f"{moves.start:,}")
        for name in MOVEMENTS:
            one = moves.kinds[name]
            shown.add_row(
                f"{_SIGNS.get(name, ' ')} {name}",
                f"{one.customers:,}",
                percent(moves.rate(name)),
                money.say(one.value),
                money.say(one.earlier),
                money.say_each(one.value, one.customers),
            )
        shown.add_section()
        shown.add_row(
            "at the end", f"{moves.end:,}", percent(moves.end / moves.start if moves.start else None)
        )
        screen.print(shown)
        new, back, lost = (moves.kinds[name].customers for name in ("new", "reactivated", "lost"))
        screen.print(f"{moves.start:,} + {new:,} new + {back:,} reactivated - {lost:,} lost = {moves.end:,}")
        if moves.kept is not None:
            screen.print(f"{percent(moves.kept)} of those active at the start still are.")
        screen.print("Before is the same length of time just before.")
    else:
        screen.print("Nobody stood on an active step, neither at the start nor at the end.")
    screen.print()
    _steps(moves, money, screen)


def _steps(moves: Moves, money: Money, screen: Console) -> None:
    shown = table("the ladder, highest step first")
    shown.add_column("step", overflow="fold", ratio=1)
    headings = ["start", "in", "out", "end", "net each"]
    if money.margin:
        headings.append("margin each")
    for heading in headings:
        shown.add_column(heading, justify="right", no_wrap=True)
    for one in reversed(moves.steps):
        title = one.title if one.active else f"({one.title})"
        cells = [f"{one.start:,}", f"+{one.came:,}", f"-{one.went:,}", f"{one.end:,}"]
        cells.append(money.say_each(one.worth.value, one.worth.customers))
        if money.margin:
            cells.append(money.say_each(one.worth.margin, one.worth.customers))
        shown.add_row(title, *cells)
    screen.print(shown)
    idle = any(not one.active for one in moves.steps)
    screen.print(
        "Start + in - out = end on each step; net is of the time above, by who stands there at its end."
        + (" In brackets: not active, no customers now." if idle else "")
    )


def _sales(channels: tuple[SalesChannel, ...], money: Money, screen: Console) -> None:
    screen.print()
    if not channels:
        screen.print("No sales channel had customers or orders in this time.")
        return
    shown = table("by sales channel")
    shown.add_column("sales channel", overflow="fold")
    for heading in ("start", "new", "reactiv.", "lost", "end", "up", "down", "orders", "net"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for one in channels:
        kinds = one.moves.kinds
        numbers = [one.moves.start, *(kinds[name].customers for name in ("new", "reactivated", "lost"))]
        numbers += [one.moves.end, kinds["upgraded"].customers, kinds["downgraded"].customers, one.orders]
        shown.add_row(one.name, *[f"{number:,}" for number in numbers], money.say(one.value))
    screen.print(shown)
    screen.print(
        "A customer belongs to the channel of the latest purchase; orders and net are those made through it."
    )


def _curve(curve: Concentration, money: Money, screen: Console) -> None:
    screen.print()
    if curve.top_fifth is None:
        screen.print(curve.reason)
        return
    if curve.reason:
        screen.print(curve.reason)
    screen.print(
        f"The best 20 % of customers bring {percent(curve.top_fifth)} of {money.say(curve.total)}; "
        f"{curve.for_80:,} of {curve.customers:,} ({percent((curve.for_80 or 0) / curve.customers)}) bring 80 %. Gini {curve.gini:.2f}."
    )
    shown = table("who brings the money")
    for heading in ("best", "customers", "of net revenue"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("")
    for part, number, share in curve.points:
        shown.add_row(f"{part:.0%}", f"{number:,}", percent(share), "█" * round(max(share, 0.0) * 30))
    screen.print(shown)
    screen.print("Parts are rounded up; equal values change no share.")


def _rfm(grid: Rfm, money: Money, screen: Console) -> None:
    screen.print()
    for one in grid.words:
        screen.print(one)
    if not grid.cells:
        return
    shown = table(f"{grid.customers:,} customers who ever ordered, by last order and number of orders")
    shown.add_column("last order")
    often = grid.ranges["frequency"]
    for place in range(1, 6):
        shown.add_column(f"F{place}\n{_range(often[place - 1], 'order')}", justify="right", no_wrap=True)
    days = grid.ranges["recency"]
    for recency in range(5, 0, -1):
        row = [one for one in grid.cells if one.recency == recency]
        shown.add_row(
            f"R{recency}  {_range(days[recency - 1], 'day', ' ago')}",
            *[
                f"{one.customers:,}\n{money.say_each(one.value, one.customers)}" if one.customers else "·"
                for one in row
            ],
        )
    screen.print(shown)
    screen.print("Customers and their average, net, ever. Equal values share a fifth, so one may be empty.")


def _range(found: tuple[int, int] | None, what: str, after: str = "") -> str:
    if found is None:
        return "none"
    low, high = found
    number = f"{low:,}" if low == high else f"{low:,}-{high:,}"
    return f"{number} {what}{'' if low == high == 1 else 's'}{after}"


def _cohorts(found: Cohorts, money: Money, screen: Console) -> None:
    screen.print()
    if not found.cohorts:
        screen.print(found.reason)
        return
    # Without signs of percent a year of months fits a terminal of 80 columns.
    shown = table(f"who orders again, by {found.period} of the first order, in %")
    shown.add_column("first\norder", no_wrap=True)
    shown.add_column("customers", justify="right", no_wrap=True)
    width = max(len(one.active) for one in found.cohorts)
    for later in range(1, width):
        shown.add_column(f"+{later}", justify="right", no_wrap=True)
    shown.add_column("net each", justify="right", no_wrap=True)
    for one in found.cohorts:
        cells = [f"{100 * number / one.customers:.0f}" if one.customers else "" for number in one.active[1:]]
        cells += [""] * (width - 1 - len(cells))
        shown.add_row(one.name, f"{one.customers:,}", *cells, money.say_each(sum(one.value), one.customers))
    screen.print(shown)
    last = "" if found.over else f" The last {found.period} is not over."
    older = f" {found.older:,} customers ordered first before these." if found.older else ""
    screen.print(f"Each column: how many of 100 ordered in that later {found.period}.{last}{older}")
