"""Customers in a grid of rows and columns, the darker the more of them: the fifths of recency and frequency."""

from __future__ import annotations

from collections.abc import Sequence

from tidings.papers.charts.figures import Cell
from tidings.papers.charts.ink import DIM, INK, PAPER, WIDTH, one_line
from tidings.papers.charts.svg import Drawing

_LABEL, _ROW, _HEAD, _GAP = 132.0, 44.0, 34.0, 3.0
# From nearly white to the blue of all charts; the figures stand on them in the colour that is read best.
_SHADES = ("#f3f6f9", "#dbe9f4", "#b3d3ea", "#7db4da", "#3d8fc4", "#0072b2")
_WHITE_FROM = 4


def shade_of(part: float) -> tuple[str, str]:
    """Return the colour of a cell that is so dark, 0 … 1, and that of the letters on it."""
    place = min(int(max(part, 0.0) * (len(_SHADES) - 1) + 0.999), len(_SHADES) - 1) if part > 0 else 0
    return _SHADES[place], PAPER if place >= _WHITE_FROM else INK


def squares(
    title: str,
    rows: Sequence[tuple[str, str]],
    columns: Sequence[tuple[str, str]],
    cells: Sequence[Sequence[Cell]],
    *,
    nothing: str = "There is nobody to put in order.",
) -> str:
    """Return the picture; `rows` and `columns` are names with what they mean, `cells` stand row by row."""
    drawing = Drawing(title, _aloud(rows, columns, cells) or nothing)
    if not any(one.count for row in cells for one in row):
        drawing.text(0, 16, nothing, fill=DIM)
        return drawing.finish(24)
    wide = (WIDTH - _LABEL) / len(columns)
    for place, (name, means) in enumerate(columns):
        x = _LABEL + (place + 0.5) * wide
        drawing.text(x, 12, name, size=12, anchor="middle", strong=True)
        drawing.text(x, 26, one_line(means, wide - 6, 10.5), size=10.5, fill=DIM, anchor="middle")
    drawing.y = _HEAD
    for (name, means), row in zip(rows, cells, strict=True):
        drawing.text(0, drawing.y + 18, name, size=12, strong=True)
        drawing.text(0, drawing.y + 33, one_line(means, _LABEL - 8, 10.5), size=10.5, fill=DIM)
        for place, one in enumerate(row):
            if one.count is None:
                continue
            colour, letters = shade_of(one.shade)
            x = _LABEL + place * wide
            drawing.bar(x, drawing.y, wide - _GAP, _ROW - _GAP, colour)
            shown = f"{one.count:,}" if one.count else "\u2013"
            drawing.text(
                x + (wide - _GAP) / 2,
                drawing.y + (18 if one.note else 25),
                shown,
                size=13,
                fill=letters,
                anchor="middle",
            )
            if one.note:
                drawing.text(
                    x + (wide - _GAP) / 2,
                    drawing.y + 33,
                    one_line(one.note, wide - 8, 10.5),
                    size=10.5,
                    fill=letters,
                    anchor="middle",
                )
        drawing.y += _ROW
    return drawing.finish()


def _aloud(
    rows: Sequence[tuple[str, str]], columns: Sequence[tuple[str, str]], cells: Sequence[Sequence[Cell]]
) -> str:
    said = []
    for (name, means), row in zip(rows, cells, strict=True):
        found = [
            f"{column} {one.count:,}" for (column, _), one in zip(columns, row, strict=True) if one.count
        ]
        if found:
            said.append(f"{name} ({means}): {', '.join(found)}.")
    return " ".join(said)
