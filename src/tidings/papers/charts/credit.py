"""Credit against effect: what a model credits each campaign with, and beside it what its holdout says it caused."""

from __future__ import annotations

from collections.abc import Sequence
from math import copysign

from tidings.papers.charts.figures import CreditLine, Figures
from tidings.papers.charts.ink import BLUE, DIM, GRID, INK, WIDTH, width_of, wrapped
from tidings.papers.charts.scale import Scale, about_zero, step_of
from tidings.papers.charts.svg import Drawing

_LABEL, _LEFT, _RIGHT = 166.0, 182.0, 560.0
_BAR, _ROW, _SMALL = 13.0, 58.0, 11.5
# The axis is never narrower than this, whatever has to be said beside it.
_LEAST = 150.0
_CREDIT = "#f0b557"


def credit(
    title: str,
    lines: Sequence[CreditLine],
    figures: Figures,
    *,
    model: str = "",
    nothing: str = "Nothing was credited and nothing measured in this time.",
) -> str:
    """Return the picture: a bar for the credit, and under it the effect as a dot with its 95 % interval.

    Both are in one unit and on one axis. Where the effect is not known the line says why, and has no dot.
    """
    drawing = Drawing(title, _aloud(lines, figures) or nothing)
    if not lines:
        drawing.text(0, 16, nothing, fill=DIM)
        return drawing.finish(24)
    _legend(drawing, figures, model)
    scale = _scale(lines, figures)
    top = drawing.y
    step = step_of(scale.high - scale.low)
    bottom = top + _ROW * len(lines)
    for mark in scale.marks():
        zero = abs(mark) < step / 1000
        x = scale.at(mark)
        drawing.line(x, top, x, bottom, INK if zero else GRID, width=1.2 if zero else 1.0)
        drawing.text(x, bottom + 15, figures.mark(mark, step), size=10.5, fill=INK if zero else DIM, anchor="middle")  # fmt: skip
    for line in lines:
        _row(drawing, line, scale, figures)
        drawing.y += _ROW
        if line is not lines[-1]:
            drawing.line(0, drawing.y, _LEFT - 16, drawing.y, "#eef1f4")
    drawing.y += 20
    return drawing.finish()


def _legend(drawing: Drawing, figures: Figures, model: str) -> None:
    drawing.bar(_LEFT, 4, 16, 9, _CREDIT)
    words = f"credited ({model})" if model else "credited"
    drawing.text(_LEFT + 22, 13, words, size=12)
    x = _LEFT + 22 + width_of(words, 12) + 26
    drawing.line(x, 9, x + 26, 9, BLUE, width=2.4)
    drawing.dot(x + 13, 9, BLUE, radius=4)
    drawing.text(x + 33, 13, "caused, with 95 % interval", size=12)
    if figures.unit:
        drawing.text(WIDTH, 13, figures.unit, size=11, fill=DIM, anchor="end")
    drawing.y = 26


def _scale(lines: Sequence[CreditLine], figures: Figures) -> Scale:
    """Return the axis; credit and estimates always fit, an interval far beyond them runs off the edge."""
    firm = [value for line in lines for value in (line.credited, line.effect) if value is not None]
    most = max(abs(value) for value in firm)
    ends = [value for line in lines for value in (line.low, line.high) if value is not None]
    if most > 0:
        ends = [value if abs(value) <= 2.5 * most else copysign(1.25 * most, value) for value in ends]
    return about_zero([*firm, *ends], _LEFT, _edge(lines, figures))


def _edge(lines: Sequence[CreditLine], figures: Figures) -> float:
    """Return where the axis ends: beside the longest bar stand its figure and what its credit is of the effect."""
    factor = max(width_of(line.factor, _SMALL) for line in lines)
    figure = max(width_of(figures.bare(line.credited), _SMALL) for line in lines)
    return max(min(_RIGHT, WIDTH - factor - figure - 18), _LEFT + _LEAST) if factor else _RIGHT


def _row(drawing: Drawing, line: CreditLine, scale: Scale, figures: Figures) -> None:
    middle = drawing.y + _ROW / 2
    words = wrapped(line.label, _LABEL, 12.5, 3)
    drawing.lines(0, middle - 8.1 * len(words) + 12, line.label, _LABEL)
    zero = scale.at(0)
    end = scale.at(line.credited)
    drawing.bar(min(zero, end), middle - _BAR - 3, abs(end - zero), _BAR, _CREDIT)
    drawing.text(max(zero, end) + 6, middle - 6, figures.bare(line.credited), size=_SMALL, fill="#7a4d00", halo=True)  # fmt: skip
    y = middle + 12
    if line.factor:
        drawing.text(WIDTH, middle - 6, line.factor, size=_SMALL, fill=INK, anchor="end", strong=True)
    if line.effect is None:
        # Where effects are negative little room is left of zero to the right; nothing else stands on this line.
        x = zero + 6 if WIDTH - zero > WIDTH / 2 else _LEFT
        drawing.lines(x, y + 3, line.why, WIDTH - x - 2, size=11, fill=DIM, most=2, halo=True)
        return
    shown = line.low is not None and line.high is not None and (line.low > 0 or line.high < 0)
    colour = BLUE if shown else DIM
    right = scale.at(line.effect)
    if line.low is not None and line.high is not None:
        low, high = scale.at(line.low), scale.at(line.high)
        right = max(high, right)
        drawing.line(low, y, high, y, colour, width=2.4)
        for place, value, left in ((low, line.low, True), (high, line.high, False)):
            if scale.low <= value <= scale.high:
                drawing.line(place, y - 4, place, y + 4, colour, width=1.8)
            else:
                drawing.tip(place, y, colour, left=left)
    drawing.dot(scale.at(line.effect), y, colour, hollow=not shown, radius=4)
    words_ = figures.bare(line.effect)
    drawing.text(right + 9, y + 4, words_, size=_SMALL, fill=colour, halo=True, strong=shown)
    if not shown and line.low is not None:
        x = right + 9 + width_of(words_, _SMALL) + 6
        if x + 120 < WIDTH:
            drawing.text(x, y + 4, "may be nothing", size=11, fill=DIM)


def _aloud(lines: Sequence[CreditLine], figures: Figures) -> str:
    said = []
    for line in lines:
        caused = f"caused is not known: {line.why}"
        if line.effect is not None:
            caused = f"caused {figures.text(line.effect)}"
            if line.low is not None and line.high is not None:
                caused += f" ({figures.bare(line.low)} to {figures.bare(line.high)})"
        said.append(f"{line.label}: credited {figures.text(line.credited)}, {caused}.")
    return " ".join(said)
