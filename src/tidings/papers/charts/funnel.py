"""How far each arm came: for each stage a bar for each arm, as a share of those enrolled in it."""

from __future__ import annotations

from collections.abc import Sequence

from tidings.papers.charts.figures import ArmFunnel
from tidings.papers.charts.ink import (
    BLUE,
    DIM,
    GREEN,
    GRID,
    NONE,
    ORANGE,
    SKY,
    WIDTH,
    one_line,
    width_of,
    wrapped,
)
from tidings.papers.charts.svg import Drawing

_LEFT, _RIGHT, _BAR, _PAD = 150.0, 560.0, 15.0, 11.0
# The held-out arm is grey: nothing was done to it.
_COLOURS, _HELD_OUT = (BLUE, ORANGE, GREEN, SKY, "#8a5a9e"), "#a8b0b8"


def funnel(
    title: str,
    stages: Sequence[str],
    arms: Sequence[ArmFunnel],
    *,
    held_out: str = "holdout",
    nothing: str = "Nobody is enrolled yet.",
) -> str:
    """Return the picture. Shares are of the first stage of the same arm, so that arms of any size compare."""
    filled = [arm for arm in arms if arm.counts and arm.counts[0]]
    drawing = Drawing(title, _aloud(stages, filled) or nothing)
    if not filled:
        drawing.text(0, 16, nothing, fill=DIM)
        return drawing.finish(24)
    colours = _colours(filled, held_out)
    _legend(drawing, filled, colours)
    top = drawing.y
    shares = [count / (arm.counts[0] or 1) for arm in filled for count in arm.counts if count is not None]
    most = max(1.0, *shares)
    for place, stage in enumerate(stages):
        rows = [(arm, arm.counts[place]) for arm in filled if place < len(arm.counts)]
        if all(count is None for _, count in rows):
            continue
        _stage(drawing, stage, rows, colours, most)
    drawing.line(_LEFT, top + 2, _LEFT, drawing.y - 2, GRID)
    return drawing.finish()


def _colours(arms: Sequence[ArmFunnel], held_out: str) -> dict[str, str]:
    treated = [arm.label for arm in arms if arm.label != held_out]
    found = {label: _COLOURS[place % len(_COLOURS)] for place, label in enumerate(treated)}
    return found | {held_out: _HELD_OUT}


def _legend(drawing: Drawing, arms: Sequence[ArmFunnel], colours: dict[str, str]) -> None:
    x, y = _LEFT, 12.0
    for arm in arms:
        words = one_line(arm.label, 240, 12)
        wide = width_of(words, 12) + 34
        if x + wide > WIDTH and x > _LEFT:
            x, y = _LEFT, y + 18
        drawing.bar(x, y - 9, 11, 11, colours[arm.label])
        drawing.text(x + 16, y + 1, words, size=12)
        x += wide
    drawing.y = y + 14


def _stage(
    drawing: Drawing,
    stage: str,
    rows: Sequence[tuple[ArmFunnel, int | None]],
    colours: dict[str, str],
    most: float,
) -> None:
    # An arm that cannot have a stage at all (nobody writes to a holdout) has no line there.
    shown = [(arm, count) for arm, count in rows if count is not None]
    words = wrapped(stage, _LEFT - 16, 12.5, 2)
    height = max(len(shown) * (_BAR + 3) - 3, 16.25 * len(words))
    top = drawing.y + _PAD / 2
    drawing.lines(0, top + height / 2 - 8.1 * len(words) + 12, stage, _LEFT - 16, most=2)
    y = top + (height - len(shown) * (_BAR + 3) + 3) / 2
    for arm, count in shown:
        enrolled = arm.counts[0] or 1
        share = (count or 0) / enrolled
        wide = (_RIGHT - _LEFT) * share / most
        drawing.bar(_LEFT, y, wide, _BAR, colours[arm.label])
        label = (
            f"{count:,}" if count == enrolled and arm.counts[0] == count else f"{count:,}  ({percent(share)})"
        )
        drawing.text(_LEFT + wide + 7, y + _BAR - 3.5, label, size=11.5, fill=DIM if not count else "#1b2733")
        y += _BAR + 3
    drawing.y += height + _PAD
    drawing.line(0, drawing.y, WIDTH, drawing.y, "#eef1f4")


def percent(share: float) -> str:
    """Return a share as people read it, never 0 % of something or 100 % of less than all."""
    if share <= 0:
        return "0 %"
    if share < 0.1:
        return f"{share * 100:.2f} %" if share >= 0.0001 else "under 0.01 %"
    return f"{min(share * 100, 99.9) if share < 1 else share * 100:.1f} %".replace(".0 %", " %")


def _aloud(stages: Sequence[str], arms: Sequence[ArmFunnel]) -> str:
    said = []
    for arm in arms:
        counts = [
            f"{stage} {count:,}"
            for stage, count in zip(stages, arm.counts, strict=False)
            if count is not None
        ]
        said.append(f"{arm.label}: {', '.join(counts) or NONE}.")
    return " ".join(said)
