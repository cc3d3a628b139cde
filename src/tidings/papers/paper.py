"""A paper: what a page holds, without saying how it is drawn. HTML, PDF and mail are made from the same one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tidings.papers.charts.ink import width_of

# A cell of words longer than this, in ems, may be broken into lines.
_LONG = 14.0
# Words of Latin and Cyrillic letters longer than a column: names of campaigns often have no space.
_LONG_WORD = re.compile(r"[^\s\u2e80-\uffef]{25,}")
_BREAKS = re.compile(r"[_/.@-]+(?=.)|[^_/.@-]{24}(?=[^_/.@-])")
Tone = Literal["plain", "dim", "warning"]


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph; a warning stands in a frame."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Points:
    """Sentences of equal rank, one below the other."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart as SVG; `alt` says in a few words what is seen, `name` is its file name without an ending."""

    name: str
    svg: str
    alt: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: `right` are the places of columns of figures; the first row may be repeated on a new page."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()
    caption: str = ""

    def wide(self) -> list[int]:
        """Return the columns of words that take what room there is; the others are as wide as their cells."""
        longest = {
            place: max((width_of(row[place], 1) for row in self.rows), default=0.0)
            for place in range(len(self.head))
            if place not in self.right
        }
        found = [place for place, width in longest.items() if width > _LONG]
        return found or sorted(longest, key=lambda place: (-longest[place], place))[:1]


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One figure to see first: the figure, what it is, and how sure or of whom."""

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """Two to four figures side by side."""

    figures: tuple[KeyFigure, ...]


Block = Words | Points | Picture | Grid | KeyFigures


@dataclass(frozen=True, slots=True)
class Section:
    """A part with its heading; the first of a paper may have none."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Paper:
    """One page or several for one reader: `above` stands small over the title, `facts` are labels with words under it.

    `made_at` is when the figures were asked for, `foot` the line at the bottom of each page.
    """

    title: str
    above: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    foot: str
    made_at: datetime
    locale: str = "en"
    summary: tuple[str, ...] = field(default=())

    def pictures(self) -> list[Picture]:
        """Return the charts, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Picture)]

    def as_data(self) -> dict[str, Any]:
        """Return the paper as plain data, for the typesetter."""
        return {
            "title": self.title,
            "above": self.above,
            "facts": [list(fact) for fact in self.facts],
            "foot": self.foot,
            "sections": [
                {"title": section.title, "blocks": [_data(block) for block in section.blocks]}
                for section in self.sections
            ],
        }


def _data(block: Block) -> dict[str, Any]:
    match block:
        case Words(text, tone):
            return {"kind": "words", "text": text, "tone": tone}
        case Points(items):
            return {"kind": "points", "items": list(items)}
        case Picture(_, svg, alt, caption):
            return {"kind": "picture", "svg": svg, "alt": alt, "caption": caption}
        case Grid(head, rows, right, caption):
            wide = block.wide()
            return {
                "kind": "grid",
                "head": list(head),
                "rows": [
                    [
                        _LONG_WORD.sub(_breakable, cell) if place in wide else cell
                        for place, cell in enumerate(row)
                    ]
                    for row in rows
                ],
                "right": sorted(right),
                "wide": wide,
                "caption": caption,
            }
        case KeyFigures(figures):
            return {"kind": "figures", "items": [[one.value, one.label, one.note] for one in figures]}


def _breakable(word: re.Match[str]) -> str:
    """Return a word with places to break at that are not seen: the typesetter would print it over the next column."""
    return _BREAKS.sub("\\g<0>\u200b", word[0])
