"""HTML to picture elements in black and white, the same on every machine: one face, no network, no files.

What steers the cutting into pages (a forced break, blocks that stay together) is painted in colours that the threshold
turns to white, and read back from the picture: the engine tells where boxes stand only for pages of a known height.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache, lru_cache
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidings.templates.fax.geometry import ACROSS, WIDTH, Page
from tidings.templates.fax.glyphs import FACES, face, families
from tidings.templates.values import RenderError

Ink = NDArray[np.bool_]

_SCALE = ACROSS / 96
# Wider than the page, so that what overflows is seen.
_CANVAS = 860
BREAK, KEEP, NOTICE, HEADING = (254, 1, 253), (1, 254, 253), (1, 253, 254), (2, 253, 253)
# Darker than this is black. Above one half, so that thin strokes of CJK survive 98 lines to the inch.
THRESHOLD = 150
# What no family of a template may change: fonts of the machine would make other pages on another machine. The engine
# leans oblique text to the wrong side, so emphasis is underlined.
_CSS = """
*{{font-family:{families}!important;font-style:normal!important;overflow-wrap:anywhere}}
html{{margin:0!important;padding:0!important;background:#fff}}
body{{margin:0!important;width:723px!important;padding:0 45px!important;font-size:12pt;line-height:1.4;color:#000;
transform:scaleY({ratio})!important;transform-origin:0 0!important}}
i,em,cite{{text-decoration:underline}}
table{{border-collapse:collapse}}
.page-break{{display:block!important;width:auto!important;height:8px!important;margin:0!important;border:0!important;
background:rgb{BREAK}!important}}
h1,h2,h3,h4{{box-shadow:5px 0 0 rgb{HEADING}!important}}
.keep{{box-shadow:5px 0 0 rgb{KEEP}!important}}
.opt-out{{box-shadow:5px 0 0 rgb{NOTICE}!important}}
"""
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A document drawn as one long strip: `ink` is True where black.

    `breaks`: middle lines of forced breaks. `keep`: lines at which no page may end. `notice`: first and last line of
    the opt-out notice, None where there is none. `overflow`: something reaches beyond the right edge.
    """

    ink: Ink
    breaks: tuple[int, ...]
    keep: Ink
    notice: tuple[int, int] | None
    overflow: bool
    _pixels: NDArray[np.uint8]

    def has_grey(self) -> bool:
        """Tell whether there is an area of half an inch by a tenth that is neither black nor white."""
        return _has_grey(self._pixels)


@cache
def engine() -> Any:
    """Return the drawing engine with our Chinese faces registered, once a process."""
    import blitz_py

    blitz_py.register_fonts([face(package, file) for _, package, file in FACES])
    return blitz_py


def _css(page: Page, simplified: bool) -> str:
    ratio = page.lines / ACROSS
    marks = {"BREAK": BREAK, "KEEP": KEEP, "NOTICE": NOTICE, "HEADING": HEADING}
    return _CSS.format(ratio=ratio, families=families(simplified), **marks)


def _pixels(html: str, css: str, height: int | None = None) -> NDArray[np.uint8]:
    with _lock:
        drawing = engine()
    try:
        # A relative address without a base stops the engine; this host is never asked, for it fetches nothing.
        width, lines, data = drawing.render_rgba(
            html,
            width=_CANVAS,
            height=height,
            scale=_SCALE,
            css=css,
            base_url="http://nowhere.invalid/",
        )
    except ValueError as error:
        raise RenderError("pages", f"grow longer than any fax: {error}") from error
    except BaseException as error:
        # A panic of the engine is no Exception; it must cost one message and not the sender.
        if type(error).__name__ != "PanicException":
            raise
        raise RenderError("pages", "cannot be drawn: the HTML stops the engine") from None
    return np.frombuffer(data, np.uint8).reshape(lines, width, 4)


def _black(pixels: NDArray[np.uint8]) -> Ink:
    """Return where a picture is black: luminance (ITU-R BT.601, as Pillow has it) below the threshold."""
    from PIL import Image

    lines, width, _ = pixels.shape
    light = np.asarray(Image.frombuffer("RGBA", (width, lines), pixels, "raw", "RGBA", 0, 1).convert("L"))
    dark: Ink = light[:, :WIDTH] < THRESHOLD
    return dark


def _rows(codes: NDArray[np.uint32], colour: tuple[int, int, int]) -> NDArray[np.intp]:
    value = np.frombuffer(bytes((*colour, 255)), np.uint32)[0]
    found: NDArray[np.intp] = (codes == value).any(axis=1).nonzero()[0]
    return found


def _spans(rows: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return first and last line of each group of lines, gaps of a few lines bridged."""
    if not len(rows):
        return []
    cuts = (np.diff(rows) > 4).nonzero()[0]
    starts, ends = np.r_[rows[0], rows[cuts + 1]], np.r_[rows[cuts], rows[-1]]
    return [(int(low), int(high)) for low, high in zip(starts, ends, strict=True)]


def draw(html: str, page: Page, *, simplified: bool = False) -> Drawn:
    """Return a whole document as one strip at the resolution of the page; RenderError where it cannot be drawn.

    `simplified`: signs that both Chinese scripts have are drawn as the simplified one has them.
    """
    pixels = _pixels(html, _css(page, simplified))
    codes = pixels.view(np.uint32)[:, :, 0]
    ink = _black(pixels)
    breaks = _spans(_rows(codes, BREAK))
    keep = np.zeros(len(ink), np.bool_)
    for colour, after in ((KEEP, 0), (NOTICE, 0), (HEADING, round(0.45 * page.lines))):
        # A heading alone at the foot of a page is as bad as a line cut through.
        for low, high in _spans(_rows(codes, colour)):
            keep[low : high + 1 + after] = True
    for low, high in breaks:
        # The edges of the mark are half covered and would come out black.
        ink[max(low - 2, 0) : high + 3] = False
        keep[max(low - 2, 0) : high + 3] = False
    notice = _spans(_rows(codes, NOTICE))
    return Drawn(
        ink=ink,
        breaks=tuple((low + high) // 2 for low, high in breaks),
        keep=keep,
        notice=(notice[0][0], notice[-1][1]) if notice else None,
        overflow=bool((codes[:, WIDTH:] != 0xFFFFFFFF).any()),
        _pixels=pixels,
    )


def _has_grey(pixels: NDArray[np.uint8]) -> bool:
    tile = pixels[4::10, 4:WIDTH:10, :3].astype(np.int16)
    light = tile.max(axis=2)
    # The marks are vivid; fills that become solid black or vanish are what to warn about.
    between = (light > 60) & (light < 250) & (light - tile.min(axis=2) < 60)
    rows, columns = between.shape
    if columns < 10 or rows < 2:
        return False
    wide = np.lib.stride_tricks.sliding_window_view(between, (2, 10))
    return bool(wide.all(axis=(2, 3)).any())


@lru_cache(maxsize=64)
def strip(left: str, middle: str, right: str, page: Page, *, simplified: bool = False) -> Ink:
    """Return the header strip of a page: three texts on one line and a rule under them (texts are escaped here)."""
    cells = f"<span>{escape(left)}</span><span>{escape(middle)}</span><span>{escape(right)}</span>"
    ratio = page.lines / ACROSS
    html = (
        '<body style="padding:0!important"><div style="display:flex;justify-content:space-between;margin:12px 45px 0;'
        f'font-size:11pt;white-space:nowrap;border-bottom:2px solid #000;padding-bottom:2px">{cells}</div></body>'
    )
    body = f"width:{WIDTH / _SCALE}px!important"
    css = _css(page, simplified).replace("width:723px!important;padding:0 45px!important", body)
    return _black(_pixels(html, css, height=round(page.top / _SCALE / ratio)))[: page.top]
