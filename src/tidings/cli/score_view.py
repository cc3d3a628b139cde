"""The quality of a score as a page of the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


def print_quality(quality: dict[str, Any], zone: ZoneInfo) -> None:
    """Print what a score is worth: doubts first, then the verdict, the figures and the tenths."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from tidings.scores.words import figures, verdict

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=100)
    title = quality["title"] or quality["score"]
    console.print(f"{title} ({quality['score']}): {quality['did']} within {quality['within']}", style="bold")
    console.print()
    for words in quality["warnings"]:
        console.print(f"WARNING  {words}", style="bold red")
    if quality["warnings"]:
        console.print()
    for words in verdict(quality):
        console.print(f"• {words}")
    console.print()
    shown = Table.grid(padding=(0, 1))
    for name, words in figures(quality, zone):
        shown.add_row(name, words)
    console.print(shown)
    console.print()
    table = Table(
        title="tenths of those it was judged by, the highest chances first",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    for column in ("", "customers", "said", "did it (95 %)", "lift", "of all who did"):
        table.add_column(column, justify="right")
    for one in quality["groups"]:
        table.add_row(
            str(one["group"]),
            f"{one['customers']:,}",
            f"{one['said']:.1%}",
            f"{one['did']:.1%} ({one['low']:.1%} … {one['high']:.1%})",
            "–" if one["lift"] is None else f"{one['lift']:.2f}",
            "–" if one["caught"] is None else f"{one['caught']:.0%}",
        )
    console.print(table)


def factor(factor: float) -> str:
    """Return a multiple of the odds as people read it; below one as a part."""
    if 0.995 <= factor <= 1.005:
        return "× 1"
    return f"× {factor:,.2f}"
