"""What a reader of definitions needs to know beside the file: the vocabulary, and where problems go."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from tidings.definitions.codes import CODES
from tidings.definitions.keyboard import latin_look, plain_signs
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.flow import Person
from tidings.definitions.kinds.measuring import CompanyGoal, Score
from tidings.definitions.kinds.rules import FIXED_COLUMNS, Attribute, Event
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.nodes import Broken, Node, Place
from tidings.definitions.source import SourceFile
from tidings.errors import Position, Problem

MOST_PROBLEMS = 200
_LONGEST_NAME = 100


class Unreadable(Exception):
    """A value could not be read and the problem is reported; whoever holds the rest goes on with the rest."""


class AnyName(dict[str, Any]):
    """Stands for the names of a file that cannot be read: every name may be one of them, so none is unknown."""

    def __contains__(self, name: object) -> bool:
        return True


@dataclass(slots=True)
class Vocabulary:
    """The names that definitions may refer to. A value None means: declared, but unreadable; say nothing about it.

    `purposes` None means that config/policies.yaml itself could not be read. `no_holdout` are the purposes that hold nobody
    out unless a campaign says so, `topics` those of each purpose. `segment_rules` are the segments that could be read.
    `media` are what imports of costs and touches say that ads came by; None where the files themselves say it.
    """

    currency: str | None = None
    locale: str = "en"
    attributes: dict[str, Attribute | None] = field(default_factory=dict)
    events: dict[str, Event | None] = field(default_factory=dict)
    segments: dict[str, str] = field(default_factory=dict)
    channels: dict[str, Channel | None] = field(default_factory=dict)
    campaigns: set[str] = field(default_factory=set)
    purposes: set[str] | None = None
    templates: frozenset[str] = frozenset()
    goals: dict[str, CompanyGoal | None] = field(default_factory=dict)
    scores: dict[str, Score | None] = field(default_factory=dict)
    media: frozenset[str] | None = frozenset()
    no_holdout: frozenset[str] = frozenset()
    topics: dict[str, tuple[str, ...]] = field(default_factory=dict)
    segment_rules: dict[str, Segment] = field(default_factory=dict)
    flows: set[str] = field(default_factory=set)
    staff: dict[str, Person | None] = field(default_factory=dict)

    def attribute(self, name: str) -> Attribute | None:
        """Return a declared attribute, or a fixed column as the text attribute that it is."""
        if name in FIXED_COLUMNS:
            return Attribute(name, "text")
        return self.attributes.get(name)

    def attribute_names(self) -> list[str]:
        """Return every name that a condition on an attribute may use."""
        return [*FIXED_COLUMNS, *self.attributes]


class TooManyProblems(Exception):
    """One file has so many problems that the rest of it waits until these are mended."""


class Context:
    """One file being read: reports problems at its nodes."""

    def __init__(self, file: SourceFile, vocabulary: Vocabulary, problems: list[Problem]) -> None:
        self.file = file
        self.vocabulary = vocabulary
        self.problems = problems
        self.count = 0
        # Of a flow: what starts it, and the event whose properties its conditions may ask for.
        self.start_kind = ""
        self.start_event: Event | None = None

    def position(self, place: Place) -> Position:
        """Return a place of this file as a position in the workspace."""
        return Position(self.file.path, place.line, place.column, place.length)

    def report(self, code: str, at: Node | Place, message: str, hint: str = "") -> Unreadable:
        """Record a problem and return the signal to raise when the value cannot be used.

        Nothing is recorded about a node that is known to be broken, nor about a line that was read as
        its author meant it: its columns are not those of the file.
        """
        if isinstance(at, Broken):
            return Unreadable()
        place = at if isinstance(at, Place) else at.place
        if place.line not in self.file.repaired:
            severity = CODES[code].severity
            problem = self.file.problem(
                code, self.position(place), shortened(message), shortened(hint), severity
            )
            self._append(problem)
        return Unreadable()

    def warn(self, code: str, at: Node | Place, message: str, hint: str = "") -> None:
        """Record something worth a second look that keeps nothing from working."""
        self.report(code, at, message, hint)

    def report_missing(self, code: str, line: int, column: int, message: str, hint: str) -> Unreadable:
        """Record a key that is missing, shown as the empty line where it should go."""
        at = Position(self.file.path, line, column)
        above = self.file.excerpt(line - 1)[-1:]
        self._append(Problem(code, message, at, hint, "error", (*above, (line, ""))))
        return Unreadable()

    def _append(self, problem: Problem) -> None:
        self.problems.append(problem)
        self.count += 1
        if self.count >= MOST_PROBLEMS:
            raise TooManyProblems


def shortened(text: str) -> str:
    """Return a sentence that repeats a very long text with its middle left out."""
    return text if len(text) <= 300 else f"{text[:180]} … {text[-80:]}"


def nearest(name: str, names: Collection[str]) -> str:
    """Return the nearest of the names, or an empty text when none is near."""
    if len(name) > _LONGEST_NAME:
        return ""
    cleaned = latin_look(plain_signs(name)).strip()
    known = sorted(names)
    folded = {one.casefold(): one for one in known}
    if cleaned.casefold() in folded:
        return folded[cleaned.casefold()]
    found = get_close_matches(cleaned.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else ""


def did_you_mean(name: str, names: Collection[str], *, listing: bool = True) -> str:
    """Return `did you mean "x"?` for the nearest name; else the few there are; else nothing."""
    near = nearest(name, names)
    if near:
        return f'did you mean "{near}"?'
    if listing and names and len(names) <= 12:
        return "there is " + ", ".join(sorted(names))
    return ""
