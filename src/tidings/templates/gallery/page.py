"""The gallery: one page with every leg, locale and variant of a message, readable without anything beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from tidings.templates.gallery.bubble import STYLE as BUBBLE

_KINDS = {"email": "e-mail", "sms": "SMS", "fax": "fax"}
_STYLE = """
*{box-sizing:border-box}
body{margin:0;background:#f5f5f2;color:#1b1f24;font:15px/1.5 system-ui,Inter,"Noto Sans TC","Noto Sans SC",sans-serif}
header{padding:28px 32px 8px}h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:26px 32px 10px}
p{margin:0;color:#59616b}nav{padding:6px 32px 0}a{color:#1d5c45}
.row{display:flex;flex-wrap:wrap;gap:22px;padding:0 32px 22px;align-items:flex-start}
figure{margin:0;background:#fff;border:1px solid #dfe1dc;border-radius:10px;padding:14px;max-width:100%}
figcaption{font-size:13px;color:#59616b;margin-bottom:9px;max-width:480px}figcaption b{color:#1b1f24;font-size:14px}
.email figcaption span:first-of-type{color:#1b1f24}.sms figcaption,.sms .note{max-width:320px}
.fax figcaption,.fax .note{max-width:420px}
figure img{display:block;max-width:100%;border:1px solid #e6e7e3}.fax img{width:420px;margin-bottom:10px}.email img{width:480px}
.note{color:#a33b0b;font-size:13px;margin-top:8px;max-width:480px}footer{padding:26px 32px;color:#59616b;font-size:13px}
"""


@dataclass(frozen=True, slots=True)
class Card:
    """One message as it is seen: `pictures` are file names of PNG beside the page, `fragment` HTML shown in their place.

    `facts` are short sentences (subject, segments, pages, cost), `notes` what a person should look at. `channel` is the
    title and `channel_id` the id; `text` the words where there are any, `fell_back` the values that were not known.
    """

    kind: str
    channel: str
    locale: str
    variant: str
    pictures: tuple[str, ...] = ()
    fragment: str = ""
    link: str = ""
    facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    text: str = ""
    fell_back: tuple[str, ...] = ()
    channel_id: str = ""


def gallery_html(title: str, subtitle: str, cards: Sequence[Card], footer: str) -> str:
    """Return the page; cards of one channel stand together, in the order in which they come."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width,initial-scale=1'>",
        f"<title>{escape(title)}</title><style>{_STYLE}{BUBBLE}</style></head><body>",
        f"<header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></header>",
    ]
    groups = [(key, list(group)) for key, group in groupby(cards, key=lambda card: (card.channel, card.kind))]
    if len(groups) > 1:
        links = [f"<a href='#{place}'>{escape(_heading(*key))}</a>" for place, (key, _) in enumerate(groups)]
        parts.append(f"<nav>{' · '.join(links)}</nav>")
    for place, (key, group) in enumerate(groups):
        parts.append(f"<h2 id='{place}'>{escape(_heading(*key))}</h2>")
        # A language a row, its variants side by side; without variants all in one row.
        for _, row in groupby(group, key=lambda card: card.variant and card.locale):
            parts += ["<div class='row'>", *(_figure(card) for card in row), "</div>"]
    parts.append(f"<footer>{escape(footer)}</footer></body></html>")
    return "".join(parts)


def text_page(text: str) -> str:
    """Return a page that shows a message without HTML as it is written: nothing in it is markup, in whatever script."""
    style = "white-space:pre-wrap;overflow-wrap:anywhere;font:1rem/1.5 system-ui,sans-serif;margin:1rem"
    return f"<!doctype html><meta charset='utf-8'><title>Message</title><pre style='{style}'>{escape(text)}</pre>"


def _heading(channel: str, kind: str) -> str:
    word = _KINDS.get(kind, kind)
    return channel if channel.casefold() == word.casefold() else f"{channel} · {word}"


def _figure(card: Card) -> str:
    where = card.locale + (f" · {card.variant}" if card.variant else "")
    facts = "".join(f"<br><span>{escape(fact)}</span>" for fact in card.facts)
    named = f"<a href='{escape(card.link)}'>{escape(where)}</a>" if card.link else escape(where)
    shown = card.fragment or "".join(
        f"<img src='{escape(name)}' alt='{escape(f'{card.kind} in {where}')}' loading='lazy'>"
        for name in card.pictures
    )
    notes = "".join(f"<div class='note'>{escape(note)}</div>" for note in card.notes)
    # The language decides which form a Chinese sign has in a browser.
    return f"<figure class='{escape(card.kind)}' lang='{escape(card.locale)}'><figcaption><b>{named}</b>{facts}</figcaption>{shown}{notes}</figure>"
