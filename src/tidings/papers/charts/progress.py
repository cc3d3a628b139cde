"""Goals on the way to their targets: what is there, what was due by now, and where it will end as far as can be said."""

from __future__ import annotations

from collections.abc import Sequence

from tidings.papers.charts.figures import GoalLine
from tidings.papers.charts.ink import BLUE, DIM, GRID, INK, ORANGE, WIDTH, wrapped
from tidings.papers.charts.scale import Scale
from tidings.papers.charts.svg import Drawing

_LABEL, _LEFT, _RIGHT = 176.0, 192.0, 660.0
_BAR, _ROW = 13.0, 64.0
# Beyond so many times the target an axis says nothing more: what lies there runs off its edge.
_MOST = 2.0


def progress(
    title: str, lines: Sequence[GoalLine], *, nothing: str = "There is no goal that can be measured yet."
) -> str:
    """Return the picture: a bar for what is there in parts of the target, a mark for what was due, a dot for the forecast."""
    drawing = Drawing(title, _aloud(lines) or nothing)
    if not lines:
        drawing.text(0, 16, nothing, fill=DIM)
        return drawing.finish(24)
    _legend(drawing)
    values = [
        one for line in lines for one in (line.actual, line.plan, line.forecast, line.high) if one is not None
    ]
    scale = Scale(0.0, min(max(1.0, *values) * 1.04, _MOST) if values else 1.0, _LEFT, _RIGHT)
    bottom = drawing.y + _ROW * len(lines)
    for mark in scale.marks():
        x = scale.at(mark)
        whole = abs(mark - 1) < 1e-9
        drawing.line(
            x, drawing.y, x, bottom, INK if whole or mark == 0 else GRID, width=1.2 if whole else 1.0
        )
        drawing.text(x, bottom + 15, f"{mark:.0%}", size=10.5, fill=INK if whole else DIM, anchor="middle")
    if 1 not in [round(mark, 9) for mark in scale.marks()]:
        drawing.line(scale.at(1), drawing.y, scale.at(1), bottom, INK, width=1.2)
    for line in lines:
        _row(drawing, line, scale)
        drawing.y += _ROW
    drawing.text(
        scale.at(1),
        bottom + 30,
        "target",
        size=11,
        fill=INK,
        anchor="middle" if scale.at(1) < WIDTH - 20 else "end",
    )
    return drawing.finish(bottom + 34)


def _legend(drawing: Drawing) -> None:
    drawing.bar(_LEFT, 4, 16, 9, BLUE)
    drawing.text(_LEFT + 22, 13, "there", size=12)
    drawing.line(_LEFT + 76, 2, _LEFT + 76, 16, ORANGE, width=3)
    drawing.text(_LEFT + 84, 13, "due by now", size=12)
    drawing.line(_LEFT + 170, 9, _LEFT + 196, 9, INK, width=2)
    drawing.dot(_LEFT + 183, 9, INK, radius=3.5)
    drawing.text(_LEFT + 203, 13, "forecast, with its 80 % interval", size=12)
    drawing.y = 28


def _row(drawing: Drawing, line: GoalLine, scale: Scale) -> None:
    middle = drawing.y + _ROW / 2
    words = wrapped(line.label, _LABEL, 12.5, 2)
    below = drawing.lines(0, middle - 8.1 * (len(words) + 1) + 12, line.label, _LABEL, most=2)
    drawing.text(0, below, line.standing, size=11, fill=DIM)
    if line.actual is not None:
        drawing.bar(_LEFT, middle - _BAR, scale.at(line.actual) - _LEFT, _BAR, BLUE)
    if line.plan is not None:
        drawing.line(scale.at(line.plan), middle - _BAR - 3, scale.at(line.plan), middle + 3, ORANGE, width=3)
    if line.forecast is not None:
        y = middle + 9
        if line.low is not None and line.high is not None:
            drawing.line(scale.at(line.low), y, scale.at(line.high), y, INK, width=2)
            if line.high > scale.high:
                drawing.tip(scale.at(scale.high), y, INK, left=False)
        drawing.dot(scale.at(line.forecast), y, INK, radius=3.5)
    drawing.lines(_LEFT + 4, middle + 26, line.words, _RIGHT - _LEFT, size=11, fill=DIM, most=1, halo=True)


def _aloud(lines: Sequence[GoalLine]) -> str:
    return " ".join(f"{one.label} ({one.standing}): {one.words}." for one in lines)
