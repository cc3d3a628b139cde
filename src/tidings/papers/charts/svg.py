"""Drawing: lines, bars and letters as the text of one SVG picture, readable aloud and without anything from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite

from tidings.papers.charts.ink import FONTS, INK, PAPER, WIDTH, wrapped

# Signs that XML 1.0 cannot hold (https://www.w3.org/TR/xml/#charsets), whatever a name brings.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escaped(text: str) -> str:
    """Return a text as it may stand in XML and HTML."""
    safe = _UNWRITABLE.sub("\ufffd", text)
    return safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def number(value: float) -> str:
    """Return a coordinate. Raises ValueError for one that is no number: no picture may hold it."""
    if not isfinite(value):
        raise ValueError("a chart was given a figure that is not a number")
    return f"{value:.1f}".removesuffix(".0")


class Drawing:
    """A picture of a fixed width that grows downwards; `y` is where the next thing goes."""

    def __init__(self, title: str, description: str) -> None:
        self._title = title
        self._description = description
        self._parts: list[str] = []
        self.y = 0.0

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 12.5,
        fill: str = INK,
        anchor: str = "start",
        strong: bool = False,
        halo: bool = False,
    ) -> None:
        """Write one line. `strong` thickens it, for the fonts on paper have one weight; `halo` keeps it off what is below."""
        if halo:
            self._letters(x, y, words, size, PAPER, anchor, f' stroke="{PAPER}" stroke-width="4"')
        thick = f' stroke="{fill}" stroke-width="{number(size * 0.03)}"' if strong else ""
        self._letters(x, y, words, size, fill, anchor, thick)

    def _letters(
        self, x: float, y: float, words: str, size: float, fill: str, anchor: str, more: str
    ) -> None:
        at = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(
            f'<text x="{number(x)}" y="{number(y)}" font-size="{number(size)}" fill="{fill}"{at}{more}>'
            f"{escaped(words)}</text>"
        )

    def lines(
        self,
        x: float,
        y: float,
        words: str,
        room: float,
        *,
        size: float = 12.5,
        fill: str = INK,
        most: int = 3,
        halo: bool = False,
    ) -> float:
        """Write a text in lines of a width, and return where the line after them would stand."""
        for line in wrapped(words, room, size, most):
            self.text(x, y, line, size=size, fill=fill, halo=halo)
            y += size * 1.3
        return y

    def line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        colour: str,
        *,
        width: float = 1.0,
        dashes: str = "",
    ) -> None:
        """Draw a straight line."""
        more = f' stroke-dasharray="{dashes}"' if dashes else ""
        self._parts.append(
            f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}" '
            f'stroke="{colour}" stroke-width="{number(width)}"{more}/>'
        )

    def path(self, points: Sequence[tuple[float, float]], colour: str, *, width: float = 2.4) -> None:
        """Draw a line through points."""
        through = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self._parts.append(
            f'<polyline points="{through}" fill="none" stroke="{colour}" stroke-width="{number(width)}" '
            'stroke-linejoin="round"/>'
        )

    def bar(self, x: float, y: float, width: float, height: float, colour: str, *, edge: str = "") -> None:
        """Draw a bar; one of no width leaves no mark."""
        if width <= 0:
            return
        more = f' stroke="{edge}" stroke-width="1"' if edge else ""
        self._parts.append(
            f'<rect x="{number(x)}" y="{number(y)}" width="{number(max(width, 0.8))}" '
            f'height="{number(height)}" fill="{colour}"{more}/>'
        )

    def dot(self, x: float, y: float, colour: str, *, hollow: bool = False, radius: float = 4.5) -> None:
        """Draw a dot, hollow where the figure may well be nothing."""
        fill = PAPER if hollow else colour
        self._parts.append(
            f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" fill="{fill}" '
            f'stroke="{colour}" stroke-width="2"/>'
        )

    def tip(self, x: float, y: float, colour: str, *, left: bool) -> None:
        """Draw the tip of an arrow: it goes on beyond the edge."""
        back = x + 7 if left else x - 7
        points = f"{number(x)},{number(y)} {number(back)},{number(y - 4.5)} {number(back)},{number(y + 4.5)}"
        self._parts.append(f'<polygon points="{points}" fill="{colour}"/>')

    def finish(self, bottom: float | None = None) -> str:
        """Return the picture, as high as what was drawn."""
        height = number((self.y if bottom is None else bottom) + 4)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number(WIDTH)} {height}" '
            f'width="{number(WIDTH)}" height="{height}" font-family="{FONTS}" role="img">'
            f"<title>{escaped(self._title)}</title><desc>{escaped(self._description)}</desc>"
            f'<rect width="{number(WIDTH)}" height="{height}" fill="{PAPER}"/>'
            + "".join(self._parts)
            + "</svg>"
        )
