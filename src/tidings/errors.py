"""What can go wrong, in the author's words: problems with a place, and errors that end a command.

TidingsError
├── UsageError          the command line itself is wrong (exit 2)
├── DefinitionErrors    problems in files of the workspace (exit 1)
├── RefusedByPolicy     a rule of the workspace forbids it (exit 3)
└── StoreError          the database cannot do it now (exit 1)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Position:
    """Where something stands in a file: path relative to the workspace, line and column from 1."""

    path: str
    line: int = 1
    column: int = 1
    length: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, with its stable code, its place and what to do about it."""

    code: str
    message: str
    at: Position
    hint: str = ""
    severity: str = "error"
    source: tuple[tuple[int, str], ...] = ()

    def render(self) -> str:
        """Return the problem as `file:line:column: sentence`, the source lines and a caret."""
        head = f"{self.at.path}:{self.at.line}:{self.at.column}: {self.message}"
        if self.severity == "warning":
            head += " (warning)"
        head += f"  [{self.code}]"
        if not self.source:
            return f"{head}\n  {self.hint}" if self.hint else head
        width = max(len(str(number)) for number, _ in self.source)
        lines = [head]
        lines += [f"  {number:>{width}} | {text}" for number, text in self.source]
        caret = self._caret(self.source[-1][1])
        lines.append(f"  {' ' * width} | {caret}{' ' + self.hint if self.hint else ''}")
        return "\n".join(lines)

    def _caret(self, line: str) -> str:
        """Return the caret under the place in a line, as wide as the signs above it are shown."""
        start = self.at.column - 1
        # Where something is missing the place lies beyond the end of the line; where a line is cut, far beyond.
        before, marked = line[:start].ljust(min(start, 80)), line[start:][: self.at.length]
        # A tab is as wide as the one above it.
        room = "".join(sign if sign == "\t" else " " * display_width(sign) for sign in before)
        return room + "^" * max(display_width(marked) + self.at.length - len(marked), 1)

    def as_json(self) -> dict[str, object]:
        """Return the problem with the stable keys of `tidings check --json`."""
        return {
            "code": self.code,
            "severity": self.severity,
            "path": self.at.path,
            "line": self.at.line,
            "column": self.at.column,
            "message": self.message,
            "hint": self.hint,
        }


def display_width(text: str) -> int:
    """Return how many cells of a terminal a text takes: wide CJK signs take two, combining marks none."""
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


class TidingsError(Exception):
    """Ends a command with one clear sentence; `what_to_do` is the way out, `exit_code` per the conventions."""

    exit_code = 1

    def __init__(self, message: str, *, what_to_do: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.what_to_do = what_to_do
        self.code = code
        if what_to_do:
            # A notebook shows it under the sentence, as the commands do.
            self.add_note(what_to_do)


class UsageError(TidingsError):
    """The command line is wrong."""

    exit_code = 2


class RefusedByPolicy(TidingsError):
    """A rule of the workspace forbids what was asked."""

    exit_code = 3


class StoreError(TidingsError):
    """The database is missing, locked, full, read-only, of another workspace or not migrated."""


class DefinitionErrors(TidingsError):
    """Problems in files of the workspace: all of them, sorted by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.at))
        count = len(self.problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in the definitions")
