"""The tables of reports, all in one manner."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console
    from rich.table import Table

# A name longer than this is folded before a table is parted because of it.
_NAME = 24


def table(title: str) -> Table:
    """Return an empty table in the manner of the reports."""
    from rich import box
    from rich.table import Table

    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )


def print_parted(
    screen: Console,
    title: str,
    first: Sequence[str],
    columns: Sequence[Sequence[str]],
    show: Callable[[list[int]], Table],
) -> None:
    """Print a table of names and numbers, in as many parts as it takes for every number to be read whole.

    `first` is the column of names, which every part begins with, and `columns` are the others, each with its heading; `show`
    makes a table, without a title, of those of them that go into one part.
    """
    from rich.cells import cell_len

    def wide(cells: Sequence[str]) -> int:
        return max((cell_len(line) for cell in cells for line in cell.splitlines()), default=0)

    if title:
        screen.print(title, style="bold")
    left = list(range(len(columns)))
    while left:
        part: list[int] = []
        room = screen.width - min(wide(first), _NAME)
        # Two signs stand between columns.
        while left and (not part or room >= wide(columns[left[0]]) + 2):
            room -= wide(columns[left[0]]) + 2
            part.append(left.pop(0))
        screen.print(show(part))
        if left:
            screen.print()
