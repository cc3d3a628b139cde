"""What `tidings fmt` does to a definition: keyboard traps and odd encodings out, everything else byte for byte.

A sign is replaced only where the check of the whole workspace says that it is in the way, so that a full-width
comma in a title stays what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidings.definitions.encodings import NAMES, decode
from tidings.definitions.hashing import canonical
from tidings.definitions.input_method import plain_lines
from tidings.definitions.keyboard import plain_signs
from tidings.definitions.loader import check
from tidings.definitions.workspace import Definitions
from tidings.errors import Problem, UsageError

_TRAPS = ("KBD01", "KBD03", "YAM09")
# Several slips of one line come to light one after the other.
_ROUNDS = 12
_INDENT = re.compile(r"^[ \t\u00a0\u2007\u202f\u3000]+")
_ODD = str.maketrans(dict.fromkeys("\u00a0\u2007\u202f\u3000", " "))


@dataclass(frozen=True, slots=True)
class Repaired:
    """A file before and after: both as text with plain line ends; `said` names what is no matter of single signs.

    `note` says why a named encoding was not used, also where nothing changes.
    """

    path: str
    before: str
    after: str
    content: bytes
    said: tuple[str, ...]
    note: str = ""


def repair(root: Path, path: str, content: bytes, *, encoding: str | None = None) -> Repaired:
    """Return a file of a workspace with everything repaired that a keyboard, an editor or Excel did to it.

    What the definition means stays as it is: where it could be read before, it reads the same afterwards. Raises
    UsageError when the encoding is not plain, and when a repair would change the meaning.
    """
    found = decode(content, encoding)
    if found is None:
        what = f"it is not {encoding}" if encoding else "it could be several"
        raise UsageError(
            f"{path}: this file is not UTF-8, and its encoding is not plain: {what}",
            what_to_do="name it: tidings fmt --encoding cp1251 (or gb18030, big5, utf-16)",
        )
    said = []
    if found.encoding != "utf-8":
        said.append(f"{NAMES.get(found.encoding, found.encoding)} becomes UTF-8")
    elif found.marked:
        said.append("the byte-order mark goes")
    if "\r" in found.text:
        said.append("line ends become those of Unix")
    note = ""
    named = (encoding or "utf-8").lower().replace("_", "-")
    if found.encoding in ("utf-8", "utf-16-le", "utf-16-be") and not named.startswith(
        ("utf", found.encoding)
    ):
        known = NAMES[found.encoding]
        if not content.isascii():
            note = f"it is {known} already, so it was read as that, and not as {encoding}"
    before = found.text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    after = before
    if path.endswith(".yaml"):
        after = _signs(before, lambda text: check(root, {path: text.encode()})[1], path)
        _same_meaning(root, path, content, after.encode())
    return Repaired(path, before, after, after.encode(), tuple(said), note)


def _signs(text: str, problems_of: Callable[[str], list[Problem]], path: str) -> str:
    """Return a text with every sign made plain that is in the way.

    Where signs of an input method are in the way, all lines whose structure is written in them are made plain first;
    that stays only when it leaves fewer errors.
    """

    def errors(of: str) -> int:
        return sum(1 for one in problems_of(of) if one.at.path == path and one.severity == "error")

    if any(one.code in _TRAPS and one.at.path == path for one in problems_of(text)):
        lines = text.split("\n")
        for trap in plain_lines(lines):
            lines[trap.line - 1] = trap.repaired or ""
        wide = "\n".join(lines)
        if wide != text and errors(wide) < errors(text):
            text = wide
    return _pointed_at(text, problems_of, path)


def _pointed_at(text: str, problems_of: Callable[[str], list[Problem]], path: str) -> str:
    """Return a text with every sign made plain that a problem points at."""
    for _ in range(_ROUNDS):
        lines = text.split("\n")
        changed = False
        problems = [one for one in problems_of(text) if one.at.path == path and one.severity == "error"]
        for problem in reversed(problems):
            number = problem.at.line - 1
            if not 0 <= number < len(lines):
                continue
            repaired = _line(lines[number], problem)
            if repaired != lines[number]:
                lines[number] = repaired
                changed = True
        if not changed:
            break
        text = "\n".join(lines)
    return text


def _line(line: str, problem: Problem) -> str:
    """Return the line of a problem without what an input method or an editor put in, as far as this problem goes."""
    indent = _INDENT.match(line)
    if indent and problem.code in (*_TRAPS, "YAM01"):
        plain = indent[0].translate(_ODD).replace("\t", "  ")
        if plain != indent[0]:
            return plain + line[indent.end() :]
    if problem.code not in _TRAPS and not problem.code.startswith(("PHR", "VAL")):
        return line
    if problem.code == "YAM09":
        return re.sub(r"(?<=[:-])[ \t]*\t[ \t]*", " ", line, count=1)
    start = problem.at.column - 1
    end = start + max(problem.at.length, 1)
    head, part, tail = line[:start], line[start:end], line[end:]
    if part[:1] in "\"'" and part[:1] == part[-1:] and len(part) > 1:
        # A text in quotes: only the signs that nobody sees at its ends are in the way.
        inner = part[1:-1]
        return (
            head + part[0] + inner.strip("\u00a0\u2007\u202f\u3000\u200b\u200c\u200d\u2060 ") + part[0] + tail
        )
    if part == "：":
        return (head.rstrip() + ": " + tail.lstrip(" \u3000")).rstrip()
    return head + _plain(part) + tail


def _plain(text: str) -> str:
    """Return a value with plain signs, a space after each comma and colon that an input method wrote wide."""
    spaced = re.sub(r"[，、][ \u3000]*", ", ", text)
    spaced = re.sub(r"：[ \u3000]*", ": ", spaced)
    plain = plain_signs(spaced).rstrip()
    return re.sub(r"(?<=[0-9]) +(?=%)", "", plain)


def _same_meaning(root: Path, path: str, before: bytes, after: bytes) -> None:
    """Refuse a repair after which the file would mean something else than before."""
    old = _meaning(root, {path: before}, path)
    if old is not None and old != _meaning(root, {path: after}, path):
        raise UsageError(f"{path}: a repair would change what this file means; nothing was written")


def _meaning(root: Path, instead: Mapping[str, bytes], path: str) -> object:
    """Return all that a workspace says with these bytes, or None when this file has an error."""
    definitions, problems = check(root, instead)
    if any(one.severity == "error" and one.at.path == path for one in problems):
        return None
    return _said_by(definitions, path) if definitions is not None else None


def _said_by(definitions: Definitions, path: str) -> object:
    kinds = (
        definitions.segments,
        definitions.campaigns,
        definitions.flows,
        definitions.channels,
        definitions.imports,
    )
    for kind in kinds:
        for one in kind.values():
            if one.path == path:
                return canonical(one)
    parts = (
        definitions.workspace,
        definitions.policies,
        definitions.attributes,
        definitions.events,
        definitions.staff,
        definitions.holidays,
        definitions.goals,
        definitions.attribution,
        definitions.scores,
    )
    return [canonical(one) for one in parts]
