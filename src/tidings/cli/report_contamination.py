"""What blurs the comparison of a report, as a marketer reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from tidings.measurement.report import Report


def show_contamination(report: Report, console: Console) -> None:
    """Print who was held out and reached all the same, and what else the arms got; nothing where nothing was drawn."""
    found = report.contamination
    if found is None:
        return
    words = found.sentences()
    if any(one.messages for one in found.others):
        heads = ", ".join(f"{one.arm} {one.mean:.2f}" for one in found.others if one.mean is not None)
        words.append(f"Other messages a head while the windows ran: {heads}.")
    if not words:
        return
    for one in words:
        console.print(f"• {one}")
    console.print()
