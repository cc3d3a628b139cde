"""The end of the demo: measured effects beside the truth that was planted, and what to try next."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from tidings.cli.demo.insight import Chosen
from tidings.measurement.report import Report

_WIDE = 38


def show_truth(
    console: Console, report: Report, planted: dict[str, tuple[float, float]], anyway: float
) -> None:
    """Print each variant's measured effect with its interval beside what was planted.

    `anyway` is the planted share of those who used their code that would have bought without a message.
    """
    table = Table(
        title="Measured, beside the truth that the seed planted",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
    )
    for name in ("variant", "metric"):
        table.add_column(name)
    for name in ("measured", "95 % interval", "planted", "inside"):
        table.add_column(name, justify="right")
    for effect in report.as_json()["effects"]:
        if effect["against"] != "holdout" or effect["arm"] not in planted or effect["interval"] is None:
            continue
        money = effect.get("currency") is not None
        true = planted[effect["arm"]][1 if money else 0]
        low, high = effect["interval"]
        scale, form = (1.0, "{:+.3f} EUR") if money else (100.0, "{:+.2f} points")
        table.add_row(
            effect["arm"],
            effect["metric"],
            form.format(effect["estimate"] * scale),
            f"{low * scale:+.2f} … {high * scale:+.2f}",
            form.format(true * scale),
            "yes" if low <= true <= high else "no",
        )
    bought = report.economics.anyway if report.economics else None
    if bought is not None and bought.of_redeemers is not None and bought.of_redeemers.interval is not None:
        low, high = bought.of_redeemers.interval
        table.add_row(
            "both",
            "bought anyway",
            f"{bought.of_redeemers.low:.0%} … {bought.of_redeemers.high:.0%}",
            f"{low:.0%} … {high:.0%}",
            f"{anyway:.0%}",
            "yes" if low <= anyway <= high else "no",
        )
    console.print(table)
    console.print("[dim]Of intervals like these, 95 in 100 hold the truth.[/dim]")


def show_chosen(console: Console, chosen: Chosen) -> None:
    """Print how much more those buy whom a score chose, by what the seed planted."""
    console.print(
        f"  {chosen.count:,} chosen; planted: {chosen.chosen:.2f} orders a year each, {chosen.every:.2f} of everybody with a\n"
        f"  score, {chosen.best:.2f} of as many whom one who knew the truth would choose"
    )


def what_next(console: Console, folder: Path, faxes: Path) -> None:
    """Print commands that continue where the demo ended."""
    console.print(f"\n[bold]Try next[/bold], after  cd {folder}")
    for command, words in (
        ("tidings check", "the definitions are sound; break one"),
        ("tidings run spring_winback", "a second time: nothing, and says so"),
        ("tidings report spring_winback --json", "the same report for a program"),
        ("tidings segment gold_gardeners --sql", "who, and the one statement for it"),
        ("tidings preview spring_winback", "all wordings on every channel"),
        ("tidings preview spring_winback --customer C000042", "the message of one customer"),
        ("tidings plan text_reminder", "who would get it, and who said stop"),
        ("tidings verify", "the ledger, recomputed"),
    ):
        fits = len(command) <= _WIDE
        if not fits:
            console.print(f"  {command}")
        console.print(f"  {command if fits else '':<{_WIDE}}  [dim]{words}[/dim]")
    if any(faxes.glob("*.tif")):
        console.print(f"The fax pages lie in\n  {faxes}")
