"""A long strip cut into pages: at forced breaks, else between lines, never through one."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tidings.templates.fax.drawing import Drawn, Ink
from tidings.templates.fax.geometry import Page
from tidings.templates.values import RenderError

# A vertical rule is black over this many blocks of lines on end and no wider than this: no letter is.
_BLOCK, _BLOCKS, _NARROW = 16, 8, 12
# A horizontal rule of a table is at least this long, in picture elements.
_LONG = 200


def pages_of(drawn: Drawn, page: Page, most: int) -> tuple[list[Ink], int | None]:
    """Return the content of each page and the page (from 1) of the opt-out notice; RenderError over `most` pages.

    A table is cut at one of its rules, which stands on both pages; text between two lines, best between two
    paragraphs.
    """
    ink = drawn.ink
    upright = _upright(ink)
    text = np.where(upright.any(axis=1, keepdims=True), ink & ~upright, ink)
    full: Ink = np.asarray(text.any(axis=1))
    last = int(full.nonzero()[0][-1]) + 1 if full.any() else 1
    table: Ink = np.asarray(upright.any(axis=1))
    spans: list[tuple[int, int]] = []
    start = 0
    while start < last:
        if len(spans) == most:
            raise RenderError("pages", f"are more than {most}; shorten the text, or raise `max_pages`")
        limit = start + page.body
        forced = next((at for at in drawn.breaks if start < at <= limit), None)
        if forced is not None:
            stop = resume = forced
        elif last <= limit:
            stop = resume = last
        else:
            stop, resume = _cut(full, drawn.keep, table, ink, start, limit, page)
        # A break at the very end, or two on end, makes no empty page.
        if full[start:stop].any():
            spans.append((start, stop))
        start = resume
        if start < last and not table[start]:
            # White at the top of a page after a cut is left over from a margin.
            start += int(full[start:last].argmax())
    notice = None
    if drawn.notice is not None:
        low, high = drawn.notice
        notice = next((n for n, (a, b) in enumerate(spans, 1) if a <= (low + high) // 2 < b), None)
    return [ink[low:high] for low, high in spans] or [ink[:1]], notice


def _upright(ink: Ink) -> Ink:
    """Return which picture elements belong to vertical rules: long, narrow and straight."""
    height, width = ink.shape
    blocks = height // _BLOCK
    if blocks < _BLOCKS:
        return np.zeros_like(ink)
    solid: Ink = np.asarray(ink[: blocks * _BLOCK].reshape(blocks, _BLOCK, width).all(axis=1))
    on_end: Ink = np.asarray(sliding_window_view(solid, _BLOCKS, axis=0).all(axis=2))
    rule = np.zeros_like(solid)
    for shift in range(_BLOCKS):
        rule[shift : shift + len(on_end)] |= on_end
    wide: Ink = np.asarray(sliding_window_view(rule, _NARROW + 1, axis=1).all(axis=2))
    for shift in range(_NARROW + 1):
        rule[:, shift : shift + wide.shape[1]] &= ~wide
    # The ends of a rule lie within a block.
    rule[1:] |= rule[:-1].copy()
    rule[:-1] |= rule[1:].copy()
    found = np.zeros_like(ink)
    found[: blocks * _BLOCK] = np.repeat(rule, _BLOCK, axis=0)
    if height > blocks * _BLOCK:
        found[blocks * _BLOCK :] = rule[-1]
    return found & ink


def _cut(
    full: NDArray[np.bool_],
    keep: Ink,
    table: NDArray[np.bool_],
    ink: Ink,
    start: int,
    limit: int,
    page: Page,
) -> tuple[int, int]:
    """Return where a page ends and where the next begins."""
    inch = page.lines
    low = start + page.body // 2
    for allowed in (~keep[low:limit], np.ones(limit - low, np.bool_)):
        free = ~full[low:limit] & ~table[low:limit] & allowed
        candidates: list[tuple[int, int]] = []
        gaps = _runs(free)
        # Between paragraphs, if that costs at most a fifth of the page; else between any two lines.
        wide = [(a, b) for a, b in gaps if b - a >= inch // 12 and low + b > limit - page.body // 5]
        for a, b in wide[-1:] or [gap for gap in gaps if gap[1] - gap[0] >= 2][-1:]:
            candidates.append((low + a + 1, low + b))
        rules = _rules(ink, table, low, limit)
        candidates += [(end, begin) for begin, end in rules[-1:] if allowed[min(end, limit - 1) - low]]
        if candidates:
            return max(candidates)
    inside = _runs(~full[start + 1 : limit])
    if inside:
        at = start + 1 + inside[-1][0]
        if at > start + 1:
            return at, start + 1 + inside[-1][1]
    raise RenderError("pages", "hold something taller than a page, which cannot be cut")


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and end of each run of True."""
    edges = np.diff(np.r_[False, flags, False].astype(np.int8))
    starts, ends = (edges == 1).nonzero()[0], (edges == -1).nonzero()[0]
    return [(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]


def _rules(ink: Ink, table: NDArray[np.bool_], low: int, limit: int) -> list[tuple[int, int]]:
    """Return first and end line of each horizontal rule inside tables between two lines of the strip."""
    rows = np.zeros(limit - low, np.bool_)
    for at in (table[low:limit] & (ink[low:limit].sum(axis=1) >= _LONG)).nonzero()[0]:
        rows[at] = any(b - a >= _LONG for a, b in _runs(ink[low + int(at)]))
    return [(low + a, low + b) for a, b in _runs(rows) if b - a <= _NARROW and low + b < limit]
