"""Pages as one TIFF, CCITT Group 4, and what its bytes cost on the line."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import numpy as np

from tidings.templates.fax.drawing import Ink
from tidings.templates.fax.geometry import ACROSS, WIDTH, Page

# Seconds from the first tone to the first page and after the last, and for each page; what the frames of error
# correction add to the bytes. Fitted to a dozen calls of two T.30 machines, of 1 to 6 pages, none off by more than 0.3 s
# (tests/channels/test_t30.py holds the estimate to them). Dialling and ringing come on top.
_BEFORE, _EACH, _RATE, _FRAMES = 11.9, 2.83, 14_400, 1.086
# TIFF 6.0: PhotometricInterpretation, RowsPerStrip.
_PHOTOMETRIC, _ROWS = 262, 278


def tiff_of(pages: list[Ink], page: Page) -> bytes:
    """Return pages (True is black, 1,728 wide) as a TIFF with one strip a page, white as 0 as T.4 has it."""
    from PIL import Image

    images = [
        Image.frombytes("1", (WIDTH, len(ink)), np.packbits(ink, axis=1).tobytes(), "raw", "1")
        for ink in pages
    ]
    out = BytesIO()
    images[0].save(
        out,
        "TIFF",
        compression="group4",
        dpi=(ACROSS, page.lines),
        # One strip, so that a page is one piece of code.
        tiffinfo={_ROWS: page.height},
        save_all=True,
        append_images=images[1:],
    )
    return _white_is_zero(bytearray(out.getvalue()))


def _white_is_zero(data: bytearray) -> bytes:
    """Say in each directory that 0 is white: the bits are written so, and Pillow's own turning costs 0.3 s a page."""
    order = "<" if data[:2] == b"II" else ">"
    at = struct.unpack_from(f"{order}I", data, 4)[0]
    while at:
        count = struct.unpack_from(f"{order}H", data, at)[0]
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            if struct.unpack_from(f"{order}H", data, entry)[0] == _PHOTOMETRIC:
                struct.pack_into(f"{order}H", data, entry + 8, 0)
        at = struct.unpack_from(f"{order}I", data, at + 2 + 12 * count)[0]
    return bytes(data)


def _frames(tiff: bytes) -> list[Any]:
    from PIL import Image, ImageSequence

    with Image.open(BytesIO(tiff)) as opened:
        return [frame.copy() for frame in ImageSequence.Iterator(opened)]


def pages_ink(tiff: bytes) -> list[Ink]:
    """Return the pages of a fax TIFF as arrays, True where black."""
    return [~np.asarray(frame.convert("1"), dtype=np.bool_) for frame in _frames(tiff)]


def pages_png(tiff: bytes, *, width: int = 0) -> list[bytes]:
    """Return each page as a PNG for a screen, in true proportions; `width` scales it down (0: 1,728)."""
    from PIL import Image

    written = []
    with Image.open(BytesIO(tiff)) as opened:
        for number in range(getattr(opened, "n_frames", 1)):
            opened.seek(number)
            across, down = (float(one) for one in opened.info.get("dpi", (ACROSS, ACROSS)))
            wide = width or opened.width
            tall = round(opened.height * (across / down) * wide / opened.width)
            out = BytesIO()
            opened.convert("L").resize((wide, tall), Image.Resampling.BOX).save(out, "PNG", optimize=False)
            written.append(out.getvalue())
    return written


def page_sizes(tiff: bytes) -> list[int]:
    """Return the encoded bytes of each page."""
    from PIL import Image

    sizes = []
    with Image.open(BytesIO(tiff)) as opened:
        for number in range(getattr(opened, "n_frames", 1)):
            opened.seek(number)
            tags: Any = getattr(opened, "tag_v2", {})
            sizes.append(int(sum(tags[279])))
    return sizes


def line_seconds(tiff: bytes, rate: int = _RATE) -> float:
    """Return how long a call with these pages takes at `rate` bit/s: an estimate, without retransmissions."""
    return round(_BEFORE + sum(_EACH + size * 8 * _FRAMES / rate for size in page_sizes(tiff)), 1)
