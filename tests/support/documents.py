"""Fenced blocks of the pages in docs/, with the file that a sentence before them says to save them as."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
_FENCE = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
_NAMED = re.compile(r"(?:Save this as|Replace what is in)\s+`([^`]+)`[^`]*(?:`[^`]*`[^`]*)*\Z")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, its text, the line it begins at, and the file it is to be saved as."""

    language: str
    text: str
    line: int
    file: str | None

    @property
    def steps(self) -> list[tuple[str, list[str]]]:
        """Return the commands of a console block, each with the output lines shown below it."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.strip():
                found[-1][1].append(line)
        return found


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    text = path.read_text(encoding="utf-8")
    found, end = [], 0
    for match in _FENCE.finditer(text):
        named = _NAMED.search(text[end : match.start()])
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(match[1], match[2], line, named[1] if named else None))
        end = match.end()
    return found


def said(output: str, expected: str) -> bool:
    """Tell whether a line of the output holds what a page shows, `…` standing for anything."""
    parts = [part.strip() for part in expected.split("…")]
    pattern = ".*".join(re.escape(part).replace(r"\ ", r"\s+") for part in parts)
    return re.search(pattern, output) is not None
