"""The ladder of customers: who stood on each step at the start, who came, who went, and who stands there now."""

from __future__ import annotations

from collections.abc import Sequence

from tidings.papers.charts.figures import Step
from tidings.papers.charts.ink import BLUE, DIM, GREEN, INK, RED, SAND, WIDTH, one_line, width_of, wrapped
from tidings.papers.charts.svg import Drawing

_LABEL = 150.0
_STOCK = 96.0
_START, _MIDDLE, _END = 166.0, 418.0, 584.0
_FLOW = 128.0
_BAR, _ROW = 16.0, 62.0
# Shades of one colour, from the darkest: each is named in words as well.
_CAME = (GREEN, "#4cb591", "#9ad7c2", "#cdeee3")
_WENT = (RED, "#e08a55", "#f0b995", "#f8dcc9")


def ladder(
    title: str,
    steps: Sequence[Step],
    *,
    start: str = "at the start",
    end: str = "at the end",
    nothing: str = "There is no ladder, or nobody stands on it.",
) -> str:
    """Return the picture, the highest step on top: those who went to the left of the middle, those who came to the right.

    `steps` come from the lowest up. Bars of those who stand somewhere share one scale, those of who moved another.
    """
    drawing = Drawing(title, _aloud(steps) or nothing)
    stock = max((max(step.start, step.end) for step in steps), default=0)
    moved = max((max(_sum(step.came), _sum(step.went)) for step in steps), default=0)
    if not steps or not (stock or moved):
        drawing.text(0, 16, nothing, fill=DIM)
        return drawing.finish(24)
    drawing.text(_START, 13, one_line(start, 108, 11.5), size=11.5, fill=DIM)
    drawing.text(_MIDDLE - 8, 13, "went", size=11.5, fill="#9a3d00", anchor="end")
    drawing.text(_MIDDLE + 8, 13, "came", size=11.5, fill="#00664a")
    drawing.text(_END, 13, one_line(end, WIDTH - _END, 11.5), size=11.5, fill=DIM)
    drawing.y = 22
    top = drawing.y
    for step in reversed(steps):
        drawing.line(0, drawing.y, WIDTH, drawing.y, "#e3e7eb")
        _row(drawing, step, stock, moved)
        drawing.y += _height(step)
    drawing.line(0, drawing.y, WIDTH, drawing.y, "#e3e7eb")
    drawing.line(_MIDDLE, top + 4, _MIDDLE, drawing.y - 4, INK, width=1.2)
    return drawing.finish()


def _height(step: Step) -> float:
    """Return the height of a row: what happened is named in as many lines as it needs."""
    lines = max(len(_named(step.came)), len(_named(step.went)))
    return _ROW + 13 * max(0, lines - 2)


def _named(parts: Sequence[tuple[str, int]]) -> list[str]:
    return _joined([f"{words} {count:,}" for words, count in parts if count], _FLOW + 20)


def _row(drawing: Drawing, step: Step, stock: int, moved: int) -> None:
    middle = drawing.y + _ROW / 2
    words = wrapped(step.label, _LABEL, 12.5, 3)
    drawing.lines(0, middle - 8.1 * len(words) + 12, step.label, _LABEL)
    _standing(drawing, _START, middle, step.start, stock, SAND)
    _standing(drawing, _END, middle, step.end, stock, "#9fc6e0")
    change = step.end - step.start
    sign = f"{change:+,}".replace("-", "\u2212") if change else "no change"
    colour = BLUE if change > 0 else "#9a3d00" if change else DIM
    x, wide = _END + width_of(f"{step.end:,}", 13.5) + 8, width_of(sign, 11.5)
    # Beside the figure where there is room, else under its bar.
    beside = x + wide <= WIDTH
    drawing.text(x if beside else _END, middle - 5 if beside else middle + 25, sign, size=11.5, fill=colour)
    _moving(drawing, step.went, middle, moved, _WENT, left=True)
    _moving(drawing, step.came, middle, moved, _CAME, left=False)


def _standing(drawing: Drawing, x: float, middle: float, count: int, most: int, colour: str) -> None:
    drawing.text(x, middle - 5, f"{count:,}", size=13.5, strong=True)
    drawing.bar(x, middle + 3, _STOCK * count / (most or 1), 9, colour)


def _moving(
    drawing: Drawing,
    parts: Sequence[tuple[str, int]],
    middle: float,
    most: int,
    colours: Sequence[str],
    *,
    left: bool,
) -> None:
    total = _sum(parts)
    y = middle - _BAR - 4
    if not total:
        return
    x = _MIDDLE
    for place, (_, count) in enumerate([part for part in parts if part[1]]):
        wide = (_FLOW - 30) * count / (most or 1)
        drawing.bar(x - wide if left else x, y, wide, _BAR, colours[place % len(colours)])
        x += -wide if left else wide
    sign = "\u2212" if left else "+"
    drawing.text(x - 6 if left else x + 6, y + 12, f"{sign}{total:,}", size=12, anchor="end" if left else "start")  # fmt: skip
    lines = _named(parts)
    for place, line in enumerate(lines):
        at = _MIDDLE - 8 if left else _MIDDLE + 8
        drawing.text(at, middle + 11 + place * 13, line, size=10.5, fill=DIM, anchor="end" if left else "start")  # fmt: skip


def _joined(named: Sequence[str], room: float) -> list[str]:
    """Return what happened in lines of a width, never broken within one of them."""
    found: list[str] = []
    for words in named:
        together = f"{found[-1]}, {words}" if found else words
        if found and width_of(together, 10.5) <= room:
            found[-1] = together
        else:
            found.append(one_line(words, room, 10.5))
    return found


def _sum(parts: Sequence[tuple[str, int]]) -> int:
    return sum(count for _, count in parts)


def _aloud(steps: Sequence[Step]) -> str:
    said = []
    for step in steps:
        came = ", ".join(f"{words} {count:,}" for words, count in step.came if count) or "nobody"
        went = ", ".join(f"{words} {count:,}" for words, count in step.went if count) or "nobody"
        said.append(f"{step.label}: {step.start:,} at the start, came {came}, went {went}, {step.end:,} at the end.")  # fmt: skip
    return " ".join(said)
