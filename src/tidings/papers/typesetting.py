"""Typst, the typesetter: pages as PDF and pictures as PNG, with the fonts of ours alone, on any machine alike."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidings.errors import TidingsError

if TYPE_CHECKING:
    import typst

_PAGE = Path(__file__).with_name("page.typ")
_PICTURE = b"""#let given = json(bytes(sys.inputs.given))
#set page(width: given.width * 1pt, height: auto, margin: 0pt, fill: white)
#set text(font: given.fonts)
#image(bytes(given.svg), format: "svg", width: 100%)
"""


def fonts_for(locale: str) -> list[str]:
    """Return the families of our fonts in the order in which a language wants its Chinese signs."""
    simplified = locale.lower().replace("_", "-").startswith(("zh-cn", "zh-hans", "zh-sg"))
    return ["Noto Sans SC", "Noto Sans TC"] if simplified else ["Noto Sans TC", "Noto Sans SC"]


def pdf(page: dict[str, Any], *, locale: str, made_at: datetime) -> bytes:
    """Return a page as PDF/A-2a with text that can be selected. `made_at` is what the file says of its making."""
    given = {**page, "fonts": fonts_for(locale), "lang": locale.split("-", maxsplit=1)[0].lower()}
    return _compiled(
        _PAGE.read_bytes(), given, format="pdf", timestamp=int(made_at.timestamp()), pdf_standards=["a-2a"]
    )


def png(svg: str, *, width: float, scale: float = 2.0, locale: str = "en") -> bytes:
    """Return a picture as PNG, `scale` dots for each of the `width` units it is wide."""
    given = {"svg": svg, "width": width, "fonts": fonts_for(locale)}
    return _compiled(_PICTURE, given, format="png", ppi=72.0 * scale)


def _compiled(source: bytes, given: dict[str, Any], **how: Any) -> bytes:
    import typst

    try:
        # What comes from names and titles goes in as data: nothing of it is read as markup.
        made = typst.compile(
            source, font_paths=_fonts(), sys_inputs={"given": json.dumps(given, ensure_ascii=False)}, **how
        )
    except typst.TypstError as error:
        raise TidingsError(
            f"the page cannot be set: {error.message}",
            what_to_do="`--html` writes the same page without the typesetter",
        ) from error
    assert isinstance(made, bytes)
    return made


@cache
def _fonts() -> typst.Fonts:
    import pylopdf_fonts_zh_cn
    import pylopdf_fonts_zh_tw
    import typst

    files = (pylopdf_fonts_zh_tw.sans_path(), pylopdf_fonts_zh_cn.sans_path())
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(file.parent) for file in files],
    )
