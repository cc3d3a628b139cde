"""The 80/20 curve: what part of the money the best part of the customers brings, against all bringing the same."""

from __future__ import annotations

from collections.abc import Sequence

from tidings.papers.charts.ink import BLUE, DIM, GRID, INK, ORANGE, WIDTH
from tidings.papers.charts.svg import Drawing

_LEFT, _RIGHT, _TOP, _HEIGHT = 54.0, 424.0, 14.0, 260.0
_WORDS = 452.0


def curve(
    title: str,
    points: Sequence[tuple[float, float]],
    said: Sequence[str] = (),
    *,
    marked: Sequence[tuple[float, float]] = (),
    nothing: str = "Nobody bought anything, so there is nothing to share out.",
) -> str:
    """Return the picture. `points` are (part of customers, share of the money), from 0 to 1; `marked` get a dot and guides.

    `said` are sentences that stand beside it. A share may be over 1, where others brought less than nothing.
    """
    drawing = Drawing(title, _aloud(points, said) or nothing)
    if len(points) < 2:
        drawing.text(0, 16, nothing, fill=DIM)
        return drawing.finish(24)
    most = max(1.0, *(share for _, share in points))
    bottom = _TOP + _HEIGHT

    def at(part: float, share: float) -> tuple[float, float]:
        return _LEFT + part * (_RIGHT - _LEFT), bottom - max(share, 0.0) / most * _HEIGHT

    for mark in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        colour, wide = (INK, 1.2) if mark == 0 else (GRID, 1.0)
        x, y = at(mark, mark)
        drawing.line(x, _TOP, x, bottom, colour, width=wide)
        drawing.line(_LEFT, y, _RIGHT, y, colour, width=wide)
        drawing.text(x, bottom + 16, f"{mark:.0%}", size=10.5, fill=DIM, anchor="middle")
        drawing.text(_LEFT - 7, y + 4, f"{mark:.0%}", size=10.5, fill=DIM, anchor="end")
    drawing.text(
        (_LEFT + _RIGHT) / 2, bottom + 32, "customers, the best first", size=11, fill=DIM, anchor="middle"
    )
    drawing.line(*at(0, 0), *at(1, 1), DIM, width=1.2, dashes="4 4")
    for part, share in marked:
        x, y = at(part, share)
        drawing.line(x, y, x, bottom, ORANGE, width=1.2, dashes="3 3")
        drawing.line(_LEFT, y, x, y, ORANGE, width=1.2, dashes="3 3")
    drawing.path([at(part, share) for part, share in points], BLUE)
    for part, share in marked:
        drawing.dot(*at(part, share), ORANGE)
    drawing.y = _TOP + 12
    for sentence in said:
        drawing.y = drawing.lines(_WORDS, drawing.y, sentence, WIDTH - _WORDS, most=5) + 8
    drawing.line(_WORDS, drawing.y, _WORDS + 26, drawing.y, DIM, width=1.2, dashes="4 4")
    drawing.lines(
        _WORDS + 34, drawing.y + 4, "if all brought the same", WIDTH - _WORDS - 34, size=11, fill=DIM
    )
    return drawing.finish(bottom + 36)


def _aloud(points: Sequence[tuple[float, float]], said: Sequence[str]) -> str:
    shown = [
        f"the best {part:.0%} bring {share:.1%}"
        for part, share in points
        if round(part * 100) in (10, 20, 50, 80)
    ]
    return " ".join([*said, *([f"{'; '.join(shown)}.".capitalize()] if shown else [])])
