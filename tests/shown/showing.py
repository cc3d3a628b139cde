"""What every `make shown-NN` is made of: rows of claim, command and figure, run and printed one by one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"
PYTEST = "python -m pytest -q -n 2"

# What reads the figure from the output and the wall seconds; ValueError says why it does not show the claim.
Reader = Callable[[str, float], str]


@dataclass(frozen=True)
class Shown:
    """One row: what is claimed, the command that shows it, how to read its figure from the output."""

    point: str
    claim: str
    command: str
    figure: Reader


def claim(holds: bool, otherwise: str) -> None:
    """Raise ValueError with the reason when a claim does not hold."""
    if not holds:
        raise ValueError(otherwise)


def last(pattern: str) -> Reader:
    """Return what reads the last match of a pattern; the row fails when there is none."""

    def read(text: str, seconds: float) -> str:
        found = re.findall(pattern, text)
        claim(bool(found), f"nothing like {pattern!r} in the output")
        return str(found[-1])

    return read


PASSED = last(r"\d+ passed[^\n]*")


def reference_figures(text: str, seconds: float) -> str:
    """Return what passed on the public data; a skip is honest only where no folder of data is named."""
    if not os.environ.get("TIDINGS_REFERENCE_DATA"):
        claim(" passed" not in text and " skipped" in text, "something else than a skip without data")
        return "skipped: no data"
    claim(" skipped" not in text, "skipped although TIDINGS_REFERENCE_DATA is set")
    return PASSED(text, seconds)


def suite_figures(text: str, seconds: float) -> str:
    """Return the wall seconds of a whole run and how many tests passed."""
    return f"{seconds:.0f} s, {last(r'[0-9]+ passed')(text, seconds)}"


def show(row: Shown) -> dict[str, str]:
    """Run one row and return it with its figure; `ok` is NO when the command failed or said something else."""
    started = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", row.command],
        cwd=ROOT,
        # A missing PostgreSQL or smtp-sink fails: a row must not pass because its tests were skipped.
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "TIDINGS_REQUIRE_ALL": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - started
    output = done.stdout + done.stderr
    try:
        figure, ok = row.figure(output, seconds), done.returncode == 0
    except ValueError as error:
        figure, ok = str(error), False
    if not ok:
        sys.stderr.write(output[-4000:])
    return {
        "point": row.point,
        "claim": row.claim,
        "command": row.command,
        "figure": figure,
        "ok": "yes" if ok else "NO",
    }


def main(rows_of_issue: Sequence[Shown]) -> int:
    """Print the table; exit 1 when a row failed."""
    only = set(sys.argv[1:])
    unknown = only - {row.point for row in rows_of_issue}
    if unknown:
        print(f"no such point: {', '.join(sorted(unknown))}")
        return 2
    rows = []
    for row in rows_of_issue:
        if only and row.point not in only:
            continue
        shown = show(row)
        rows.append(shown)
        figure = shown["figure"].replace("\n", "\n       ")
        print(
            f"{shown['point']:>3}  {shown['ok']:<3}  {shown['claim']}\n       $ {shown['command']}\n       {figure}",
            flush=True,
        )
    failed = [row for row in rows if row["ok"] != "yes"]
    print(f"\n{len(rows) - len(failed)} of {len(rows)} shown")
    if os.environ.get("SHOWN_JSON"):
        Path(os.environ["SHOWN_JSON"]).write_text(json.dumps(rows, indent=1))
    return 1 if failed else 0
