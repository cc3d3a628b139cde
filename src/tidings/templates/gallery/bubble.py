"""A text message as it stands on a phone, with a mark wherever a new segment begins."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

STYLE = """
.phone{box-sizing:border-box;width:320px;padding:18px 14px 22px;border-radius:26px;background:#eceef1;font-family:Inter,"Noto Sans TC","Noto Sans SC",sans-serif}
.from{font-size:13px;color:#5b6470;text-align:center;margin-bottom:10px}
.bubble{background:#ffffff;color:#14181d;border-radius:16px;padding:11px 14px;font-size:16px;line-height:1.42;white-space:pre-wrap;overflow-wrap:anywhere}
.cut{display:inline-block;background:#c2410c;color:#ffffff;border-radius:8px;font-size:11px;padding:0 5px;margin:0 2px}
.count{font-size:12px;color:#5b6470;margin-top:9px;text-align:right}
"""


def bubble_html(sender: str, parts: Sequence[str], count: str, *, lang: str = "en") -> str:
    """Return the bubble as a fragment of HTML: `parts` are the segments, `count` the line below, `lang` the locale."""
    marked = escape(parts[0]) if parts else ""
    for number, part in enumerate(parts[1:], 2):
        marked += f'<span class="cut">{number}</span>{escape(part)}'
    return (
        f'<div class="phone" lang="{escape(lang)}"><div class="from">{escape(sender)}</div>'
        f'<div class="bubble">{marked}</div><div class="count">{escape(count)}</div></div>'
    )


def bubble_page(fragment: str) -> str:
    """Return a page that holds the bubble alone, to draw it."""
    return f"<!doctype html><meta charset='utf-8'><style>body{{margin:0;background:#fff}}{STYLE}</style>{fragment}"
