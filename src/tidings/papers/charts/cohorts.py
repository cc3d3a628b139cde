"""Those who began together, a line each: what share of them is there again in every later month or quarter."""

from __future__ import annotations

from collections.abc import Sequence

from tidings.papers.charts.figures import CohortLine
from tidings.papers.charts.ink import DIM, WIDTH, one_line
from tidings.papers.charts.squares import shade_of
from tidings.papers.charts.svg import Drawing

_LABEL, _COUNT, _NOTE, _ROW, _HEAD, _GAP = 70.0, 136.0, 92.0, 26.0, 34.0, 2.0
_MOST_WIDE = 62.0


def cohorts(
    title: str,
    lines: Sequence[CohortLine],
    *,
    note: str = "",
    nothing: str = "Nobody ever ordered, so there is no cohort.",
) -> str:
    """Return the picture, the oldest line on top; `note` names what stands at the end of each line.

    The first share of each line is that of the period itself and is left out: it is everybody.
    """
    drawing = Drawing(title, _aloud(lines) or nothing)
    if not lines:
        drawing.text(0, 16, nothing, fill=DIM)
        return drawing.finish(24)
    later = max(len(one.kept) for one in lines) - 1
    room = WIDTH - _COUNT - _NOTE
    wide = min(room / max(later, 1), _MOST_WIDE)
    most = max((share for one in lines for share in one.kept[1:]), default=0.0)
    drawing.text(0, 14, "first order", size=11, fill=DIM)
    drawing.text(_COUNT - 12, 14, "customers", size=11, fill=DIM, anchor="end")
    for place in range(later):
        drawing.text(_COUNT + (place + 0.5) * wide, 14, f"+{place + 1}", size=11, fill=DIM, anchor="middle")
    if note:
        drawing.text(WIDTH, 14, one_line(note, _NOTE - 4, 11), size=11, fill=DIM, anchor="end")
    drawing.y = _HEAD - 12
    for one in lines:
        base = drawing.y + _ROW / 2 + 4
        drawing.text(0, base, one_line(one.label, _LABEL, 12.5))
        drawing.text(_COUNT - 12, base, f"{one.customers:,}", anchor="end")
        for place, share in enumerate(one.kept[1:]):
            colour, letters = shade_of(share / most if most else 0.0)
            x = _COUNT + place * wide
            drawing.bar(x, drawing.y, wide - _GAP, _ROW - _GAP, colour)
            drawing.text(x + (wide - _GAP) / 2, base, f"{share:.0%}", size=11, fill=letters, anchor="middle")
        if one.note:
            drawing.text(WIDTH, base, one_line(one.note, _NOTE - 4, 11.5), size=11.5, anchor="end")
        drawing.y += _ROW
    return drawing.finish()


def _aloud(lines: Sequence[CohortLine]) -> str:
    said = []
    for one in lines:
        again = ", ".join(f"+{place} {share:.0%}" for place, share in enumerate(one.kept[1:], 1))
        said.append(f"{one.label}: {one.customers:,} customers" + (f", again {again}." if again else "."))
    return " ".join(said)
