"""How long each part of the demo took, as a table at the end."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from tidings.clock import Clock


@dataclass
class Phase:
    """One part: wall and CPU seconds of this process and what it worked through."""

    name: str
    wall: float = 0.0
    cpu: float = 0.0
    count: int = 0
    unit: str = ""


@dataclass
class Phases:
    """The parts so far."""

    clock: Clock
    console: Console
    done: list[Phase] = field(default_factory=list)

    @contextmanager
    def phase(self, name: str, command: str = "") -> Iterator[Phase]:
        """Announce a part with the command that does the same, and measure it."""
        self.console.print(f"\n[bold]{name}[/bold]" + (f"   [dim]{command}[/dim]" if command else ""))
        part = Phase(name)
        started, cpu = self.clock.monotonic(), _cpu()
        yield part
        part.wall, part.cpu = self.clock.monotonic() - started, _cpu() - cpu
        self.done.append(part)

    def show(self) -> None:
        """Print the table."""
        table = Table(
            title="Where the time went", title_justify="left", title_style="bold", box=None, pad_edge=False
        )
        table.add_column("")
        for name in ("seconds", "CPU s", "worked through", "per CPU second"):
            table.add_column(name, justify="right")
        for part in self.done:
            rate = f"{part.count / part.cpu:,.0f}" if part.count and part.cpu > 0.05 else ""
            table.add_row(
                part.name,
                f"{part.wall:.1f}",
                f"{part.cpu:.1f}",
                f"{part.count:,} {part.unit}" if part.count else "",
                rate,
            )
        table.add_row(
            "all", f"{sum(part.wall for part in self.done):.1f}", f"{sum(part.cpu for part in self.done):.1f}"
        )
        self.console.print(table)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
