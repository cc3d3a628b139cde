"""Effects as intervals about the line of no effect: one panel for each metric, one line for each comparison."""

from __future__ import annotations

from collections.abc import Sequence

from tidings.papers.charts.figures import Estimate, Panel
from tidings.papers.charts.ink import BLUE, DIM, GRID, INK, PAPER, WIDTH, wrapped
from tidings.papers.charts.scale import Scale, for_intervals, step_of
from tidings.papers.charts.svg import Drawing

_LABEL, _LEFT, _RIGHT = 176.0, 196.0, 490.0
_HEAD, _AXIS, _GAP = 24.0, 26.0, 16.0


def intervals(title: str, panels: Sequence[Panel], *, nothing: str = "Nothing can be compared yet.") -> str:
    """Return the picture: a dot for each estimate, a line through its 95 % interval, filled where zero lies outside."""
    drawing = Drawing(title, _aloud(panels) or nothing)
    if not panels:
        drawing.text(0, 16, nothing, fill=DIM)
        return drawing.finish(24)
    for place, panel in enumerate(panels):
        drawing.y += _GAP if place else 0
        _panel(drawing, panel)
    return drawing.finish()


def _panel(drawing: Drawing, panel: Panel) -> None:
    drawing.y += 14
    drawing.text(0, drawing.y, panel.title, size=13.5, strong=True)
    unit = f"{panel.figures.unit}, with 95 % interval" if panel.figures.unit else "with 95 % interval"
    drawing.text(WIDTH, drawing.y, unit, size=11, fill=DIM, anchor="end")
    drawing.y += _HEAD - 14
    known = [
        (one.low, one.estimate, one.high)
        for one in panel.estimates
        if one.low is not None and one.high is not None and one.estimate is not None
    ]
    alone = [(one.estimate,) * 3 for one in panel.estimates if one.low is None and one.estimate is not None]
    scale = for_intervals(known or alone, _LEFT, _RIGHT)
    heights = [_height(one) for one in panel.estimates]
    top, bottom = drawing.y, drawing.y + sum(heights)
    drawn = bool(known or alone)
    if drawn:
        _axis(drawing, panel, scale, top, bottom)
    for one, height in zip(panel.estimates, heights, strict=True):
        _line(drawing, panel, one, scale, height)
        drawing.y += height
    drawing.y += _AXIS if drawn else 0


def _height(one: Estimate) -> float:
    lines = len(wrapped(one.label, _LABEL, 12.5, 3))
    below = len(wrapped(one.note, _LABEL, 11, 2)) if one.note else 0
    why = len(wrapped(one.why, WIDTH - _LEFT, 12, 3)) if one.estimate is None else 0
    return max(34.0, 16.25 * max(lines, why) + 14.3 * below + 14)


def _axis(drawing: Drawing, panel: Panel, scale: Scale, top: float, bottom: float) -> None:
    marks = scale.marks(6)
    step = step_of(scale.high - scale.low, 6)
    for mark in marks:
        x = scale.at(mark)
        zero = abs(mark) < step / 1000
        drawing.line(x, top, x, bottom, INK if zero else GRID, width=1.2 if zero else 1.0)
        words = "no effect" if zero else panel.figures.mark(mark, step)
        drawing.text(x, bottom + 15, words, size=10.5, fill=INK if zero else DIM, anchor="middle")


def _line(drawing: Drawing, panel: Panel, one: Estimate, scale: Scale, height: float) -> None:
    words = wrapped(one.label, _LABEL, 12.5, 3)
    below = wrapped(one.note, _LABEL, 11, 2) if one.note else []
    block = 16.25 * len(words) + 14.3 * len(below)
    middle = drawing.y + height / 2
    y = drawing.lines(0, middle - block / 2 + 12, one.label, _LABEL)
    if below:
        drawing.lines(0, y - 1, one.note, _LABEL, size=11, fill=DIM, most=2)
    if one.estimate is None:
        lines = wrapped(one.why, WIDTH - _LEFT - 10, 12, 3)
        drawing.bar(_LEFT, drawing.y, WIDTH - _LEFT, height, PAPER)
        drawing.lines(
            _LEFT + 8, middle - 7.8 * len(lines) + 12, one.why, WIDTH - _LEFT - 10, size=12, fill=DIM
        )
        return
    colour = BLUE if one.shown else DIM
    if one.low is not None and one.high is not None:
        low, high = scale.at(one.low), scale.at(one.high)
        drawing.line(low, middle, high, middle, colour, width=2.4)
        for end, value, left in ((low, one.low, True), (high, one.high, False)):
            if scale.low <= value <= scale.high:
                drawing.line(end, middle - 4.5, end, middle + 4.5, colour, width=1.8)
            else:
                drawing.tip(end, middle, colour, left=left)
    if scale.low <= one.estimate <= scale.high:
        drawing.dot(scale.at(one.estimate), middle, colour, hollow=not one.shown)
    figures = panel.figures
    if one.low is None or one.high is None:
        drawing.text(WIDTH, middle + 4, figures.bare(one.estimate), anchor="end", strong=True)
        return
    drawing.text(WIDTH, middle - 1, figures.bare(one.estimate), anchor="end", strong=True, fill=INK)
    ends = f"{figures.bare(one.low)} to {figures.bare(one.high)}"
    drawing.text(WIDTH, middle + 13, ends, size=11, fill=DIM, anchor="end")


def _aloud(panels: Sequence[Panel]) -> str:
    """Return the picture in words, for those who do not see it."""
    said = []
    for panel in panels:
        for one in panel.estimates:
            if one.estimate is None:
                said.append(f"{panel.title}, {one.label}: {one.why}.")
            elif one.low is None or one.high is None:
                said.append(f"{panel.title}, {one.label}: {panel.figures.text(one.estimate)}.")
            else:
                ends = f"{panel.figures.bare(one.low)} to {panel.figures.bare(one.high)}"
                said.append(f"{panel.title}, {one.label}: {panel.figures.text(one.estimate)} ({ends}).")
    return " ".join(said)
