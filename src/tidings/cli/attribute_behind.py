"""What lies behind credit: how much hangs on the choice of model and windows, and the path of one conversion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from tidings.cli.attribute_view import TITLES, amount, print_grid
from tidings.cli.report_tables import table
from tidings.definitions.money import format_money

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tidings.measurement.attribution.one_path import OnePath
    from tidings.measurement.attribution.sensitivity import Sensitivity


def show_sensitivity(panel: Sensitivity, screen: Console) -> None:
    """Print how much the credit hangs on model and windows."""
    screen.print(
        f"How much hangs on the choice (against {TITLES[panel.model]} with the windows as set)", style="bold"
    )
    for words in panel.words:
        screen.print(f"• {words}")
    if not any(one.attributed for one in panel.choices):
        return
    screen.print()
    page = table("")
    page.add_column("model", no_wrap=True)
    page.add_column("windows", no_wrap=True)
    page.add_column("attributed", justify="right", no_wrap=True)
    page.add_column("rank\nagreement", justify="right", no_wrap=True)
    page.add_column("pairs\nswapped", justify="right", no_wrap=True)
    page.add_column("the first three", overflow="fold")
    previous = ""
    for one in panel.choices:
        if previous and one.model != previous:
            page.add_section()
        page.add_row(
            TITLES[one.model] if one.model != previous else "",
            one.windows,
            f"{one.attributed:,}",
            "–" if one.tau is None else f"{one.tau:.2f}",
            f"{one.swapped:,}",
            ", ".join(f"{label} {one.shares[label]:.0%}" for label in one.ranking[:3]),
        )
        previous = one.model
    screen.print(page)
    screen.print("Rank agreement is Kendall's tau: 1 the same order, 0 none, -1 the reverse.")


def show_path(path: OnePath, screen: Console, *, zone: ZoneInfo) -> None:
    """Print the touches of one conversion."""
    worth = (
        "" if path.amount is None or not path.currency else f", {format_money(path.amount, path.currency)}"
    )
    screen.print(f"{path.goal} {path.key} of {path.customer}{worth}", style="bold")
    screen.print(f"on {path.at.astimezone(zone):%Y-%m-%d %H:%M}")
    if not path.steps:
        screen.print("No touch lies before it within its window: the conversion is unattributed.")
        return
    screen.print()
    page = table("touches within their windows")
    for name in ("", "when", "what", "campaign", "window"):
        page.add_column(name, no_wrap=name != "campaign", overflow="fold")
    for place, step in enumerate(path.steps, 1):
        page.add_row(
            f"{place}",
            f"{step.at.astimezone(zone):%Y-%m-%d %H:%M}",
            f"{step.channel} {step.kind}",
            step.campaign or "–",
            _length(step.window),
        )
    screen.print(page)
    screen.print()
    shares = [{model: f"{share:.0%}" for model, share in one.shares.items()} for one in path.steps]
    _by_touch("share of the conversion", path, shares, screen)
    if path.currency and path.amount is not None:
        values = [
            {model: amount(value, path.currency) for model, value in one.values.items()} for one in path.steps
        ]
        _by_touch(f"value in {path.currency}", path, values, screen)
    screen.print(
        "Markov and Shapley weigh the channels over all paths of the time; here is what that means for this one."
    )


def _by_touch(title: str, path: OnePath, cells: list[dict[str, str]], screen: Console) -> None:
    names = [f"{place} {step.channel}" for place, step in enumerate(path.steps, 1)]
    columns = {name: [row[model] for row in cells] for model, name in TITLES.items()}
    print_grid(screen, "touch", names, columns, title)
    screen.print()


def _length(micros: int) -> str:
    hours = micros / 3_600_000_000
    if hours >= 48 and hours % 24 == 0:
        return f"{hours / 24:,.0f} days"
    return f"{hours:g} hours"
