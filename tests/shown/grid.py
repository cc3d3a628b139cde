"""`make grid`: every adapter against every behaviour of the other side, as one table; exit code 1 when a cell fails."""

from __future__ import annotations

import sys
import tempfile
import warnings
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from support.stages import BEHAVIOURS, STAGES
from tidings.channels.conformance import CHECKS

WHY_NOT = "— : this other side cannot do that (a folder never hangs, a bound session cannot be forged)"


def cell(adapter: str, name: str) -> str:
    """Return what one check says about one adapter: ok, — or why it fails."""
    behaviour, check = CHECKS[name]
    if behaviour not in BEHAVIOURS[adapter]:
        return "—"
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            check(stack.enter_context(STAGES[adapter](Path(folder))))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return f"{type(error).__name__}: {error}"
    return "ok"


def main() -> int:
    """Run all cells and print the table; return the exit code."""
    warnings.simplefilter("ignore")
    console = Console(width=max(Console().width, 118))
    cells: dict[tuple[str, str], str] = {}
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("grid", total=len(STAGES) * len(CHECKS))
        for adapter in STAGES:
            for name in CHECKS:
                progress.update(task, description=f"{adapter}: {name.replace('_', ' ')}")
                cells[adapter, name] = cell(adapter, name)
                progress.advance(task)
    table = Table("check", *STAGES, title="Channel adapters against the other side")
    for name in CHECKS:
        said = name.replace("_", " ")
        row = [cells[adapter, name] for adapter in STAGES]
        table.add_row(said, *[one if one in ("ok", "—") else "FAIL" for one in row])
    console.print(table)
    console.print(WHY_NOT)
    failed = {place: why for place, why in cells.items() if why not in ("ok", "—")}
    for (adapter, name), why in failed.items():
        console.print(f"FAIL {adapter}, {name}: {why}")
    counted = sum(one == "ok" for one in cells.values())
    console.print(
        f"{counted} cells ok, {len(failed)} failed, {sum(one == '—' for one in cells.values())} do not apply"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
