"""A flow as an SVG picture: a box for each step, arrows on, ways that jump ahead in lanes beside the boxes."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from unicodedata import east_asian_width

from tidings.definitions.readers.step_order import END
from tidings.flows.explaining.standing import FlowStands, StepStands, Way
from tidings.flows.explaining.telling import step_counts, step_words

_WIDTH, _INDENT, _LEFT, _TOP = 460, 60, 40, 40
_LINE, _PAD, _GAP, _HEAD = 18, 12, 44, 28
_LANE, _SIGN = 26, 6.7
_FONT = "'Noto Sans', 'DejaVu Sans', 'Noto Sans CJK TC', 'Noto Sans CJK SC', 'PingFang TC', 'Microsoft JhengHei', sans-serif"
_COLOURS = {
    "send": ("#e8f1fb", "#2b6cb0"),
    "notify": ("#fdf3e3", "#b7791f"),
    "wait": ("#f3f4f6", "#6b7280"),
    "wait_for": ("#f3f4f6", "#6b7280"),
    "split": ("#f3eefc", "#6b46c1"),
    "end": ("#f9e8e8", "#9b2c2c"),
}
_OTHER = ("#e9f7ef", "#2f855a")
_INK, _DIM = "#1f2937", "#6b7280"


@dataclass(frozen=True, slots=True)
class _Box:
    """Where a box stands, and its lines: the words dark, the counts below them."""

    x: float
    y: float
    width: float
    height: float
    words: tuple[str, ...]
    counts: tuple[str, ...]

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def right(self) -> float:
        return self.x + self.width


def flow_svg(stands: FlowStands, lines: list[tuple[str, str]]) -> str:
    """Return a flow as the text of an SVG file; `lines` stand above it, as labels with words."""
    head, top = _heading(stands, lines)
    starting, start = _start(stands, top)
    y = start + _GAP
    boxes: dict[str, _Box] = {}
    for step in stands.steps:
        box = _box(step, y)
        boxes[step.name] = box
        y = box.bottom + _GAP
    end_y = y
    height = end_y + 60
    arrows, lanes = _arrows(stands, boxes, end_y)
    # Room for the lanes and for the words beside the first of them.
    width = max(_LEFT + _WIDTH + _INDENT + _LANE * (lanes + 1) + 150, 760)
    drawn = [_drawn(step, boxes[step.name]) for step in stands.steps]
    first = boxes[stands.steps[0].name]
    arrows.insert(0, _arrow(f"M {_LEFT + 60} {start} V {first.y - 2}"))
    ending = (
        f'<circle cx="{_LEFT + 60}" cy="{end_y + 12}" r="11" fill="{_INK}"/>'
        f'<text x="{_LEFT + 80}" y="{end_y + 17}" fill="{_INK}">end</text>'
    )
    title = escape(stands.title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="{_FONT}" font-size="13" role="img">\n'
        f"<title>{title}</title>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z" fill="{_DIM}"/></marker></defs>\n'
        f'<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join([*head, *starting, *arrows, *drawn, ending])
        + "\n</svg>\n"
    )


def _heading(stands: FlowStands, lines: list[tuple[str, str]]) -> tuple[list[str], float]:
    y: float = _TOP
    found = [f'<text x="{_LEFT}" y="{y}" font-size="20" font-weight="bold" fill="{_INK}">{escape(stands.title)}</text>']  # fmt: skip
    y += 10
    for label, words in lines:
        for number, line in enumerate(_wrapped(words, _WIDTH + _INDENT + 60)):
            y += _LINE
            if number == 0:
                found.append(f'<text x="{_LEFT}" y="{y}" fill="{_DIM}">{escape(label)}</text>')
            found.append(f'<text x="{_LEFT + 80}" y="{y}" fill="{_INK}">{escape(line)}</text>')
    return found, y + 24


def _start(stands: FlowStands, top: float) -> tuple[list[str], float]:
    """Return the start with its words, and where the first arrow begins."""
    x, y = _LEFT + 60, top + 14
    found = [f'<circle cx="{x}" cy="{y}" r="10" fill="white" stroke="{_INK}" stroke-width="2"/>']
    words = stands.starts[:1].upper() + stands.starts[1:]
    for number, line in enumerate(_wrapped(words, _WIDTH - 40)):
        found.append(f'<text x="{x + 20}" y="{y + 5 + number * _LINE}" fill="{_INK}">{escape(line)}</text>')
    return found, y + max(11, (len(found) - 1) * _LINE - 8)


def _box(step: StepStands, y: float) -> _Box:
    indent = _INDENT if step.instead_of else 0
    inner = _WIDTH - 2 * _PAD
    words = tuple(line for one in step_words(step) for line in _wrapped(one, inner))
    counts = tuple(line for one in step_counts(step) for line in _wrapped(one, inner))
    height = _HEAD + _PAD + _LINE * (len(words) + len(counts)) + (6 if counts else 0)
    return _Box(_LEFT + indent, y, _WIDTH, height, words, counts)


def _drawn(step: StepStands, box: _Box) -> str:
    fill, ink = _COLOURS.get(step.verb, _OTHER)
    dash = ' stroke-dasharray="5 3"' if step.instead_of else ""
    rows = [
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="8" fill="{fill}" stroke="{ink}"{dash}/>',
        f'<text x="{box.x + _PAD}" y="{box.y + 20}" font-weight="bold" fill="{ink}">{escape(step.name)}</text>',
    ]
    waiting = sum(step.waiting.values())
    if waiting:
        label, wide = f"{waiting:,}", len(f"{waiting:,}") * 8 + 16
        rows.append(f'<rect x="{box.right - wide - 8}" y="{box.y + 6}" width="{wide}" height="20" rx="10" fill="{ink}"/>')  # fmt: skip
        rows.append(f'<text x="{box.right - wide / 2 - 8}" y="{box.y + 20}" text-anchor="middle" fill="white" font-weight="bold">{label}</text>')  # fmt: skip
    y = box.y + _HEAD
    for line in box.words:
        y += _LINE
        rows.append(f'<text x="{box.x + _PAD}" y="{y - 4}" fill="{_INK}">{escape(line)}</text>')
    y += 6
    for line in box.counts:
        y += _LINE
        rows.append(f'<text x="{box.x + _PAD}" y="{y - 4}" fill="{_DIM}">{escape(line)}</text>')
    return "\n".join(rows)


def _arrows(stands: FlowStands, boxes: dict[str, _Box], end_y: float) -> tuple[list[str], int]:
    """Return the arrows, and how many lanes beside the boxes they take.

    A way to the next box goes straight down; every other one goes out to the right, down in a lane and back in.
    """
    places = {step.name: number for number, step in enumerate(stands.steps)}
    places[END] = len(stands.steps)
    found: list[str] = []
    # Of each lane: until which place it is taken.
    lanes: list[int] = []
    for number, step in enumerate(stands.steps):
        box, beside = boxes[step.name], 0
        for way in step.ways:
            if places[way.to] == number + 1:
                found.append(_straight(box, boxes.get(way.to), way, end_y))
                continue
            lane = next((one for one, until in enumerate(lanes) if until <= number), len(lanes))
            if lane == len(lanes):
                lanes.append(0)
            lanes[lane] = places[way.to]
            found.append(_round(box, boxes.get(way.to), way, lane, beside, end_y))
            beside += 1
    return found, len(lanes)


def _straight(box: _Box, target: _Box | None, way: Way, end_y: float) -> str:
    x = max(box.x, target.x if target else _LEFT) + 60
    y = end_y if target is None else target.y
    return _arrow(f"M {x} {box.bottom} V {y - 2}") + _label(x + 8, box.bottom + 18, way.why)


def _round(box: _Box, target: _Box | None, way: Way, lane: int, beside: int, end_y: float) -> str:
    x = _LEFT + _WIDTH + _INDENT + _LANE * (lane + 1)
    out = box.y + 20 + 24 * beside
    if target is None:
        to_x, to_y = _LEFT + 120.0, end_y + 12
    else:
        to_x, to_y = target.right + 2, target.y + 12
    path = f"M {box.right} {out} H {x - 8} Q {x} {out} {x} {out + 8} V {to_y - 8} Q {x} {to_y} {x - 8} {to_y} H {to_x}"  # fmt: skip
    return _arrow(path) + _label(x + 6, out + 5, way.why)


def _arrow(path: str) -> str:
    return f'<path d="{path}" fill="none" stroke="{_DIM}" stroke-width="1.5" marker-end="url(#tip)"/>'


def _label(x: float, y: float, words: str) -> str:
    # A white edge keeps the words readable where a lane passes behind them.
    return (
        f'<text x="{x}" y="{y}" font-size="12" fill="{_DIM}" stroke="white" stroke-width="4" paint-order="stroke">{escape(words)}</text>'
        if words
        else ""
    )


def _wrapped(text: str, width: float) -> list[str]:
    """Return the lines of a text, each about as wide as may be; a line may end after any sign of a CJK script."""
    lines: list[str] = []
    line, used = "", 0.0
    for piece in _pieces(text):
        wide = sum(_SIGN * (2 if _is_wide(sign) else 1.05) for sign in piece)
        if line and used + wide > width:
            lines.append(line.strip())
            line, used = "", 0.0
        line, used = line + piece, used + wide
    return [*lines, line.strip()] if line.strip() or not lines else lines


def _pieces(text: str) -> list[str]:
    found = [""]
    for sign in text:
        found[-1] += sign
        if sign == " " or _is_wide(sign):
            found.append("")
    return [one for one in found if one]


def _is_wide(sign: str) -> bool:
    return east_asian_width(sign) in ("W", "F")
