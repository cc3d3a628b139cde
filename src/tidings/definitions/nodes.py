"""What a YAML file is before it means anything: scalars, mappings and lists, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,29})\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,29})\.[0-9]{1,30}\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """From a line and column (both from 1) to another; `length` is the caret's, on the first line."""

    line: int
    column: int
    length: int
    end_line: int
    end_column: int


@dataclass(slots=True)
class Scalar:
    """One text as written; `plain` means without quotes, `crowded` that a comment follows after one space only."""

    place: Place
    text: str
    plain: bool
    crowded: bool = False

    @property
    def value(self) -> str | int | Decimal | bool | None:
        """Return what the text means: only true, false, null, plain integers and decimals are not text.

        Leading zeros, times, `yes`, `no` and `on` stay text, as YAML 1.2 has it.
        """
        if not self.plain:
            return self.text
        if self.text in ("", "null"):
            return None
        if self.text in ("true", "false"):
            return self.text == "true"
        if _INTEGER.match(self.text):
            return int(self.text)
        if _DECIMAL.match(self.text):
            return Decimal(self.text)
        return self.text


@dataclass(slots=True)
class Entry:
    """A key of a mapping and its value."""

    key: Scalar
    value: Node


@dataclass(slots=True)
class Mapping:
    """Keys and values in the order of the file; `flow` means written in braces."""

    place: Place
    flow: bool = False
    entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(slots=True)
class Sequence:
    """A list."""

    place: Place
    flow: bool = False
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Broken:
    """A node about which a problem is reported already; whoever reads it stays silent."""

    place: Place


Node = Scalar | Mapping | Sequence | Broken
