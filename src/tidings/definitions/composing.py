"""Text to nodes through libyaml's events: YAML 1.2 meaning, nothing that surprises, every refusal located."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tidings.definitions.context import MOST_PROBLEMS
from tidings.definitions.input_method import plain_lines
from tidings.definitions.nodes import Broken, Entry, Mapping, Node, Place, Scalar, Sequence
from tidings.definitions.source import SourceFile
from tidings.definitions.syntax import Trap, explain, quoted, whole_line
from tidings.errors import Position, Problem

MAX_DEPTH = 20
MAX_VALUES = 50_000
_MAX_REPAIRS = 50
_COMMENT = re.compile(r"([ \t]*)(#.*)")
_COMMENT_AFTER = re.compile(r"\s{2,}#\s.*$")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def compose(file: SourceFile, loader: Any = None) -> tuple[Node | None, list[Problem]]:
    """Return the root node of a decoded file and every problem of its spelling.

    A line that YAML cannot read, but whose meaning is plain, is read as its author meant it, so that one slip
    does not hide the other problems of the file. The root is None when the file cannot be read at all or is empty.
    """
    lines = list(file.lines)
    problems: list[Problem] = []
    # Every repair reads the file again; a large one is repaired a few times only.
    for _ in range(min(_MAX_REPAIRS, 2 + 500_000 // (len(file.text) + 1))):
        builder = _Builder(file, lines)
        try:
            root = builder.build(loader or _LOADER)
        except (yaml.YAMLError, ValueError) as error:
            trap = explain(lines, error)
            problems.append(_from_trap(file, trap))
            if trap.repaired is None or trap.line in file.repaired:
                return None, problems
            lines[trap.line - 1] = trap.repaired
            file.repaired.add(trap.line)
            continue
        wide = plain_lines(lines) if isinstance(root, Scalar) and root.plain and not file.repaired else []
        if wide:
            # A definition is keys with values: one long text is a file typed in full-width signs.
            problems += [_from_trap(file, trap) for trap in wide]
            for trap in wide:
                lines[trap.line - 1] = trap.repaired or ""
                file.repaired.add(trap.line)
            continue
        problems += [one for one in builder.problems if one.at.line not in file.repaired]
        return root, problems
    return None, problems


def _from_trap(file: SourceFile, trap: Trap) -> Problem:
    hint = "" if file.is_sensitive(trap.line) else trap.hint
    at = Position(file.path, trap.line, trap.column, trap.length)
    return file.problem(trap.code, at, trap.message, hint)


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come; `key` is the key that waits for its value.

    `odd_key` is set while the value of a refused key is awaited, `spoiled` once there was one.
    """

    node: Mapping | Sequence
    key: Scalar | None = None
    odd_key: bool = False
    spoiled: bool = False


class _Builder:
    def __init__(self, file: SourceFile, lines: list[str]) -> None:
        self.file = file
        self.lines = lines
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.values = 0

    def build(self, loader: Any) -> Node | None:
        """Walk the events once; stop at the depth cap, because a deeper file is an attack or a mistake."""
        documents = 0
        for event in _events("\n".join(self.lines) + "\n", loader):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if event.version or event.tags:
                    self._report("YAM07", _place(event), "a line that starts with % is not for definitions")
                if documents > 1:
                    self._report(
                        "YAM07",
                        _place(event),
                        "a second document starts here; a file holds one definition",
                        "move it to a file of its own and delete ---",
                    )
                    return self.root
            elif isinstance(event, yaml.AliasEvent):
                self._report(
                    "YAM06",
                    _place(event),
                    f'"*{event.anchor}" is a YAML alias; definitions have none',
                    f"a text that starts with * stands in quotes: {self._quoted(_place(event))}",
                )
                self._add(Broken(_place(event)))
            elif self.values > MAX_VALUES:
                self._report("FIL03", _place(event), f"this file holds more than {MAX_VALUES:,} values")
                return None
            elif len(self.problems) > MOST_PROBLEMS:
                return None
            elif isinstance(event, yaml.ScalarEvent):
                self._add(self._scalar(event))
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                if len(self.stack) >= MAX_DEPTH:
                    self._report("YAM08", _place(event), f"this is nested more than {MAX_DEPTH} levels deep")
                    self.root = None
                    return None
                self._refuse_properties(event)
                kind = Mapping if isinstance(event, yaml.MappingStartEvent) else Sequence
                self.stack.append(_Open(kind(_place(event), flow=bool(event.flow_style))))
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._close(event)
        return self.root

    def _scalar(self, event: Any) -> Node:
        place = _place(event)
        if self._refuse_properties(event):
            return Broken(place)
        plain = not event.style  # libyaml says "", the pure loader None
        scalar = Scalar(place, event.value, plain)
        line = self.lines[place.line - 1] if place.line <= len(self.lines) else ""
        if place.column > 1 and line[place.column - 2 : place.column - 1] == "\t":
            self._report("YAM09", place, "a tab stands in front of this", "write a space")
        return Broken(place) if plain and self._lost_comment(scalar) else scalar

    def _lost_comment(self, scalar: Scalar) -> bool:
        """Report what YAML would silently drop: `headline: only #1` loses its end (decision D27); tell whether it did."""
        place = scalar.place
        line = self.lines[place.end_line - 1] if place.end_line <= len(self.lines) else ""
        match = _COMMENT.match(line, place.end_column - 1)
        if match is None or place.end_line in self.file.repaired:
            return False
        gap, comment = len(match[1]), match[2]
        scalar.crowded = gap < 2 and bool(scalar.text)
        if len(comment) > 1 and not comment[1].isspace() and comment[1] != "#":
            at = Position(self.file.path, place.end_line, place.end_column + gap, len(comment.rstrip()))
            start = place.column if scalar.text else place.end_column + gap
            hint = "put the whole text in quotes"
            if place.line == place.end_line:
                hint = f"write: {whole_line(line, start)}"
            self.problems.append(
                self.file.problem(
                    "YAM04",
                    at,
                    "YAML takes this for a comment and drops it",
                    "" if self.file.is_sensitive(place.end_line) else hint,
                )
            )
            return True
        return False

    def _quoted(self, place: Place) -> str:
        """Return the line with the text at a place in quotes; in brackets and braces, only the text itself."""
        line = self.lines[place.line - 1]
        if self.file.is_sensitive(place.line) or place.line in self.file.repaired:
            return '"…"'
        if any(one.node.flow for one in self.stack):
            return quoted(re.split(r"[,\]}]", line[place.column - 1 :])[0].strip())
        return whole_line(_COMMENT_AFTER.sub("", line), place.column)

    def _refuse_properties(self, event: Any) -> bool:
        """Report an anchor or a tag; tell whether there was one."""
        if event.anchor is not None:
            self._report(
                "YAM06",
                _place(event),
                f'"&{event.anchor}" is a YAML anchor; definitions have none',
                "refer to a segment, channel or template by its name; "
                f"a text that starts with & stands in quotes: {self._quoted(_place(event))}",
            )
            return True
        if event.tag is not None:
            self._report(
                "YAM06",
                _place(event),
                "a text that starts with ! is a YAML tag; definitions have none",
                f"put the whole text in quotes: {self._quoted(_place(event))}",
            )
            return True
        return False

    def _add(self, node: Node) -> None:
        self.values += 1
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if isinstance(top.node, Sequence):
            top.node.items.append(node)
        elif top.odd_key:
            top.odd_key = False
        elif top.key is None:
            self._key(top, node)
        else:
            self._entry(top.node, top.key, node)
            top.key = None

    def _key(self, top: _Open, node: Node) -> None:
        if not isinstance(node, Scalar):
            if not isinstance(node, Broken):
                self._report(
                    "YAM13",
                    node.place,
                    "a key must be a text; here a list or braces stand where a key should",
                    'a text that starts with { or [ stands in quotes: "{{ full_name }}"',
                )
            top.odd_key = top.spoiled = True
            return
        node.text = unicodedata.normalize("NFC", node.text)
        if node.plain and node.text == "<<":
            self._report(
                "YAM06", node.place, "<< is a YAML merge key; definitions have none", "write the keys out"
            )
            top.odd_key = top.spoiled = True
            return
        top.key = node

    def _entry(self, mapping: Mapping, key: Scalar, value: Node) -> None:
        first = mapping.entries.get(key.text)
        if first is None:
            mapping.entries[key.text] = Entry(key, value)
            return
        self._report(
            "YAM05",
            key.place,
            f'"{key.text}" is written twice',
            f"first written on line {first.key.place.line}",
        )

    def _close(self, event: Any) -> None:
        closed = self.stack.pop()
        node = closed.node
        last = _last_place(node)
        place = node.place
        if node.flow or last is None:
            end = (event.end_mark.line + 1, event.end_mark.column + 1)
        else:
            end = (last.end_line, last.end_column)
        length = end[1] - place.column if end[0] == place.line else 1
        node.place = Place(place.line, place.column, max(length, 1), *end)
        self._add(Broken(node.place) if closed.spoiled else node)

    def _report(self, code: str, place: Place, message: str, hint: str = "") -> None:
        at = Position(self.file.path, place.line, place.column, place.length)
        self.problems.append(self.file.problem(code, at, message, hint))


def _events(text: str, loader: Any) -> Iterator[Any]:
    yield from yaml.parse(text, Loader=loader)


def _place(event: Any) -> Place:
    start, end = event.start_mark, event.end_mark
    length = end.column - start.column if end.line == start.line else 1
    return Place(start.line + 1, start.column + 1, max(length, 1), end.line + 1, end.column + 1)


def _last_place(node: Mapping | Sequence) -> Place | None:
    if isinstance(node, Mapping):
        entry = next(reversed(node.entries.values()), None)
        return entry.value.place if entry else None
    return node.items[-1].place if node.items else None
