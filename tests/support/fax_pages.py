"""Faxes for tests: templates in four languages, a picture, small pages that are quick to send."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tidings.clock import FixedClock
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.definitions.values import Money
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.fax import CompiledFax, compile_fax
from tidings.templates.fax.geometry import Page
from tidings.templates.fax.tiff import tiff_of

VOCABULARY = Attributes(
    (
        Attribute("full_name", "text"),
        Attribute("lifetime_value", "money", currency="EUR"),
        Attribute("vip", "flag"),
        Attribute("interests", "list"),
    )
)
CLOCK = FixedClock(datetime(2027, 3, 2, 9, tzinfo=UTC))
FAX = Channel(
    "fax", "Fax", "channels/fax.yaml", "t30", kind="fax", sender="Nordic Garden <+46850001000>",
    cost=Money(12, "EUR"), cost_unit="page",
)  # fmt: skip
URLS = MessageUrls(
    click=lambda message, position, _: f"https://t.example/s/Ab{message}Cd{position}",
    pixel=lambda _: "",
    unsubscribe=lambda message: f"https://t.example/s/u{message}",
)
NOTICE = '<div class="opt-out"><p>{{ opt_out_notice }}</p></div>'
WORDS = {
    "en": ("Spring", 'Dear {{ full_name or "friend" }},', "The beds are waking up; what you liked is back. ", "Item", "Price"),
    "zh-TW": ("春季特賣", '{{ full_name or "親愛的顧客" }} 您好：', "花圃正在甦醒，您去年喜歡的商品又重新上架了。", "品名", "價格"),
    "zh-CN": ("春季特卖", '{{ full_name or "亲爱的顾客" }}，您好！', "花圃正在苏醒，您去年喜欢的商品又重新上架了。", "品名", "价格"),
    "ru": ("Весна", 'Здравствуйте, {{ full_name or "друг" }}!', "Грядки просыпаются, и всё снова есть у нас. ", "Товар", "Цена"),
}  # fmt: skip
NAMES = {"en": "Anna", "zh-TW": "王小明", "zh-CN": "张伟", "ru": "Анна"}


def page(body: str, *, notice: str = NOTICE, style: str = "", lang: str = "en") -> dict[str, bytes]:
    """Return the one file of a fax in English."""
    html = f'<!doctype html><html lang="{lang}"><head><style>{style}</style></head><body>{notice}{body}</body></html>'
    return {f"fax.{lang}.html": html.encode()}


def letter(lang: str, *, paragraphs: int = 3, rows: int = 3) -> dict[str, bytes]:
    """Return a letter with a table, in one of four languages."""
    title, greeting, words, item, price = WORDS[lang]
    lines = "".join(f"<tr><td>{item} {n}</td><td>{n}.90</td></tr>" for n in range(rows))
    body = f"<h1>{title}</h1>{NOTICE}<p>{greeting}</p>" + f"<p>{words * 4}</p>" * paragraphs
    body += (
        f"<table><tr><th>{item}</th><th>{price}</th></tr>{lines}</table><p>https://shop.example/spring</p>"
    )
    style = "table{width:100%} td,th{border:2px solid #000;padding:4px 8px}"
    return page(body, notice="", style=style, lang=lang)


def compiled(files: dict[str, bytes], **more: Any) -> CompiledFax:
    """Compile a fax with sensible defaults."""
    settings: dict[str, Any] = {
        "folder": "templates/spring",
        "locale": "en",
        "fallback_locale": "en",
        "texts": {},
        "attributes": VOCABULARY,
        "sender": "Nordic Garden <+46850001000>",
        "clock": CLOCK,
        "zone": "Europe/Stockholm",
        "postal_address": "Storgatan 1, Stockholm",
    }
    return compile_fax(files, **settings | more)


def recipient(message_id: int = 7, **variables: Any) -> Recipient:
    """Return a recipient with some variables."""
    return Recipient(message_id, "C-1", "+46812345678", "en", variables)


def picture(width: int = 300, height: int = 120) -> bytes:
    """Return a logo as a PNG."""
    image = Image.new("L", (width, height), 255)
    ImageDraw.Draw(image).ellipse((10, 10, height - 10, height - 10), outline=0, width=8)
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@cache
def small_tiff(pages: int = 1, lines: int = 220, resolution: str = "standard") -> bytes:
    """Return pages that are sent within a few seconds of line time: some bars, different on each page."""
    made = []
    for number in range(pages):
        ink = np.zeros((lines, 1728), np.bool_)
        ink[10 * (number + 1) : 10 * (number + 1) + 4, 100:1600] = True
        ink[100:120, 100 : 300 + 50 * number] = True
        made.append(ink)
    return tiff_of(made, Page(resolution))
