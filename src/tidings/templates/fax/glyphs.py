"""The faces of a fax page and the signs they have: a box in place of a letter is worse than no fax.

The engine brings Inter (Latin, Greek, Cyrillic); Noto Sans TC and SC, two packages, bring Chinese. Neither Chinese face has all
signs of the other script, so both are there and the locale says which comes first.
"""

from __future__ import annotations

import struct
from functools import cache
from importlib import import_module
from pathlib import Path

# Family, package, file.
FACES = (
    ("Noto Sans TC", "pylopdf_fonts_zh_tw", "NotoSansTC-Regular.otf"),
    ("Noto Sans SC", "pylopdf_fonts_zh_cn", "NotoSansSC-Regular.otf"),
)
# Blocks that Inter has in full for the languages of the European alphabets.
_LATIN = (
    (0x20, 0x7E),
    (0xA0, 0x17F),
    (0x1CD, 0x1DC),
    (0x218, 0x21B),
    (0x386, 0x3CE),
    (0x400, 0x45F),
    (0x490, 0x4F9),
)
_MARKS = frozenset(
    "\n\r\t\u00ad\u200b\u200c\u200d\u2009\u202f\u2011\u2007\ufeff–—―‘’‚“”„†‡•…‰‹›€₽₴₹№™←↑→↓−≈≠≤≥"
)


def families(simplified: bool) -> str:
    """Return the families of a page as CSS, the Chinese face of its locale first."""
    names = [f'"{name}"' for name, _, _ in FACES]
    return ",".join(["Inter", *(reversed(names) if simplified else names)])


@cache
def face(package: str, file: str) -> bytes:
    """Return the content of a font file of an installed package."""
    return (Path(str(import_module(package).__file__)).parent / file).read_bytes()


@cache
def _covered() -> frozenset[int]:
    return frozenset().union(*(_of(face(package, file)) for _, package, file in FACES))


def _of(data: bytes) -> set[int]:
    """Return the code points of a font, read from its cmap table (OpenType, formats 4 and 12)."""
    count = struct.unpack_from(">H", data, 4)[0]
    heads = range(12, 12 + 16 * count, 16)
    tables = {data[at : at + 4]: struct.unpack_from(">I", data, at + 8)[0] for at in heads}
    start = tables[b"cmap"]
    found: set[int] = set()
    for number in range(struct.unpack_from(">H", data, start + 2)[0]):
        at = start + struct.unpack_from(">I", data, start + 4 + 8 * number + 4)[0]
        form = struct.unpack_from(">H", data, at)[0]
        if form == 4:
            half = struct.unpack_from(">H", data, at + 6)[0] // 2
            ends = struct.unpack_from(f">{half}H", data, at + 14)
            starts = struct.unpack_from(f">{half}H", data, at + 16 + 2 * half)
            for low, high in zip(starts, ends, strict=True):
                found.update(range(low, high + 1))
        elif form == 12:
            for group in range(struct.unpack_from(">I", data, at + 12)[0]):
                low, high = struct.unpack_from(">II", data, at + 16 + 12 * group)
                found.update(range(low, high + 1))
    return found - {0xFFFF}


def without_glyph(text: str) -> str | None:
    """Return the first sign of a text that no face of ours has, or None."""
    for sign in sorted(set(text)):
        code = ord(sign)
        if sign in _MARKS or any(low <= code <= high for low, high in _LATIN) or code in _covered():
            continue
        return sign
    return None
