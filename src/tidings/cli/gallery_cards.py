"""The cards of a gallery: each message as a mail program, a phone or a sheet of paper shows it, with its facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidings.clock import Clock
    from tidings.definitions.kinds.channel import Channel
    from tidings.definitions.workspace import Definitions
    from tidings.delivery.asked_ahead import Somewhere
    from tidings.delivery.wordings import Compiled
    from tidings.templates.email import MessageUrls, Recipient
    from tidings.templates.gallery import Card
    from tidings.templates.sms.segments import Segmented

# The stored values that a compiled message names, for a locale.
Values = Callable[["Compiled", str], Mapping[str, Any]]
# CSS pixels: what most mail programs give a message, and a phone.
EMAIL_WIDTH, PHONE_WIDTH = 680, 320
FAX_WIDTH = 840
# Gmail cuts a longer page and hides what is below, the link to unsubscribe first.
_CLIPPED = 102 * 1024
# In the place of a token; as long as real ones get, so that segments are counted as they will be sent.
_MADE_UP = "k3Qv9ZrT1mW8bYc5Lp2NxA"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One card to make."""

    channel: Channel
    locale: str
    variant: str | None

    @property
    def stem(self) -> str:
        """Return the start of its file names."""
        parts = [self.channel.id, self.locale, *([self.variant] if self.variant else [])]
        return re.sub(r"[^\w.-]+", "_", "-".join(parts))


@dataclass(frozen=True, slots=True)
class Somebody:
    """Who the cards are made for: key, addresses by kind and country; an example customer, anywhere, where nothing is said."""

    key: str = "C-1"
    addresses: Mapping[str, str] | None = None
    country: str | None = None

    def place(self, kind: str) -> Somewhere:
        """Return where they are, as a channel of a kind tells."""
        from tidings.customers.countries import telling_number
        from tidings.delivery.asked_ahead import Somewhere

        if self.addresses is None:
            return Somewhere(anywhere=True)
        number = telling_number(kind, self.addresses.get("sms"), self.addresses.get("fax"))
        return Somewhere(self.country, number)

    def recipient(self, one: Wanted, values: Mapping[str, Any]) -> Recipient:
        """Return the recipient of one card."""
        from tidings.templates.email import Recipient
        from tidings.templates.gallery.samples import ADDRESSES

        address = (self.addresses or {}).get(one.channel.kind) or ADDRESSES[one.channel.kind]
        return Recipient(0, self.key, address, one.locale, values)


class CardWriter:
    """Makes cards and writes their files into a folder; `files` are those written. Raises TidingsError where it cannot."""

    def __init__(
        self,
        definitions: Definitions,
        name: str,
        folder: Path,
        sources: Mapping[str, bytes],
        clock: Clock,
        values: Values,
        who: Somebody,
    ) -> None:
        self._definitions, self._name, self._folder = definitions, name, folder
        self._sources, self._clock, self._values, self._who = sources, clock, values, who
        self._base = definitions.workspace.public_url.rstrip("/")
        self.files: list[Path] = []

    def write(self, name: str, content: bytes) -> Path:
        """Write one file of the gallery."""
        from tidings.errors import TidingsError

        path = self._folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise TidingsError(
                f"the preview cannot be written to {path}: {error.strerror}",
                what_to_do="name another folder with --out",
            ) from error
        self.files.append(path)
        return path

    def card(self, one: Wanted) -> Card:
        """Make one card and its files; raises RenderError where this customer's message cannot be written."""
        return {"email": self._email, "sms": self._sms, "fax": self._fax}[one.channel.kind](one)

    def _compile_with(self, one: Wanted, *, tracked: bool) -> dict[str, Any]:
        return {
            "sources": self._sources,
            "locale": one.locale,
            "salt": "preview",
            "clock": self._clock,
            "variant": one.variant,
            "channel": one.channel,
            "tracked": tracked,
        }

    def _person(self, one: Wanted, compiled: Compiled) -> Recipient:
        return self._who.recipient(one, self._values(compiled, one.locale))

    def _email(self, one: Wanted) -> Card:
        from tidings.templates.campaign import campaign_email
        from tidings.templates.gallery import Card, page_png
        from tidings.templates.images import image_files
        from tidings.templates.values import RenderError

        compiled = campaign_email(self._definitions, self._name, **self._compile_with(one, tracked=False))
        person = self._person(one, compiled)
        shown = compiled.show(person, self._urls(short=False))
        html = shown.html or f"<pre>{shown.text}</pre>"
        size = len(html.encode())
        facts = [f"Subject: {shown.subject}", *([f"Preheader: {shown.preheader}"] if shown.preheader else [])]
        kept, lacks = self._asked(one, compiled, person)
        facts += kept
        notes = [*(problem.message for problem in compiled.warnings), *lacks]
        if size > _CLIPPED:
            notes.append(f"{size / 1024:.0f} KB: Gmail cuts a page after 102 KB, and hides what is below")
        link = self.write(f"{one.stem}.html", html.encode()).name
        pictures: tuple[str, ...] = ()
        try:
            drawn = page_png(html, width=EMAIL_WIDTH, images=image_files(self._sources))
            pictures = (self.write(f"{one.stem}.png", drawn).name,)
        except RenderError as error:
            notes.append(f"no picture: {error.reason}; open the HTML in a browser")
        return Card(
            "email", one.channel.title, one.locale, one.variant or "", pictures, "", link, tuple(facts), tuple(notes),
            shown.text.replace("\r\n", "\n"), shown.fell_back, one.channel.id,
        )  # fmt: skip

    def _sms(self, one: Wanted) -> Card:
        from tidings.templates.gallery import Card, bubble_html, page_png
        from tidings.templates.gallery.bubble import bubble_page
        from tidings.templates.sms.campaign import campaign_sms

        # With short links, as it is sent: they decide how many segments there are.
        compiled = campaign_sms(self._definitions, self._name, **self._compile_with(one, tracked=True))
        person = self._person(one, compiled)
        shown = compiled.show(person, self._urls(short=True))
        cut = shown.segmented
        count = _segments(cut)
        facts = [count, *_cost(one.channel, segments=cut.count)]
        if cut.offending and cut.encoding != "gsm7" and one.locale.partition("-")[0] in ("en", "de", "sv"):
            facts.append(f"in 16-bit signs because of {' '.join(cut.offending[:8])}")
        if shown.replaced:
            facts.append(f"written plainly: {' '.join(shown.replaced)}")
        facts += [f"the short link leads to {url}" for url in compiled.links]
        fragment = bubble_html(one.channel.sender, cut.parts, count, lang=one.locale)
        drawn = page_png(bubble_page(fragment), width=PHONE_WIDTH, scale=2)
        picture = self.write(f"{one.stem}.png", drawn).name
        kept, lacks = self._asked(one, compiled, person)
        facts += kept
        notes = (*(problem.message for problem in compiled.warnings), *lacks)
        return Card(
            "sms", one.channel.title, one.locale, one.variant or "", (picture,), fragment, "", tuple(facts), notes,
            shown.text, shown.fell_back, one.channel.id,
        )  # fmt: skip

    def _fax(self, one: Wanted) -> Card:
        from tidings.templates.fax import campaign_fax, pages_png
        from tidings.templates.gallery import Card

        compiled = campaign_fax(self._definitions, self._name, **self._compile_with(one, tracked=True))
        person = self._person(one, compiled)
        pages = compiled.fill(person, self._urls(short=True))
        self.write(f"{one.stem}.tif", pages.tiff)
        names = tuple(
            self.write(f"{one.stem}-{number}.png", content).name
            for number, content in enumerate(pages_png(pages.tiff, width=FAX_WIDTH), 1)
        )
        plural = "" if pages.pages == 1 else "s"
        facts = [
            f"{pages.pages} page{plural}, about {pages.seconds:.0f} s on the line",
            *_cost(one.channel, pages=pages.pages),
            *(f"the short link leads to {url}" for url in compiled.links),
        ]
        notes = (*(problem.message for problem in compiled.warnings), *self._asked(one, compiled, person)[1])
        lacks = tuple(sorted(name for name in compiled.named if person.variables.get(name) in (None, "")))
        return Card(
            "fax", one.channel.title, one.locale, one.variant or "", names, "", "", tuple(facts), notes,
            "", lacks, one.channel.id,
        )  # fmt: skip

    def _asked(self, one: Wanted, compiled: Any, person: Recipient) -> tuple[list[str], list[str]]:
        """Return what the rules of countries find in a message, and what a real send would refuse it for."""
        from tidings.delivery.asked_ahead import asked_ahead, kept_line, lack_lines

        asked = asked_ahead(
            self._definitions, self._definitions.campaigns[self._name], one.channel, compiled,
            person.variables, self._who.place(one.channel.kind),
        )  # fmt: skip
        kept = kept_line(asked)
        return ([f"by {kept}"] if kept else []), lack_lines(asked)

    def _urls(self, *, short: bool) -> MessageUrls:
        """Links that nobody can follow to an act: plain ones in e-mails, a made-up token where signs are counted."""
        from tidings.templates.email import MessageUrls

        base = self._base
        made_up = f"{base}/s/{_MADE_UP}"
        return MessageUrls(
            click=lambda _, __, url: made_up if short else url,
            pixel=lambda _: "",
            unsubscribe=lambda _: made_up if short else f"{base}/u/preview",
        )


def _segments(cut: Segmented) -> str:
    """Return how many segments a text takes and how full they are, in words."""
    gsm = cut.encoding == "gsm7"
    room = (160 if gsm else 70) if cut.count == 1 else (153 if gsm else 67) * cut.count
    plural = "" if cut.count == 1 else "s"
    return f"{cut.count} segment{plural}, {cut.units} of {room} signs ({'GSM 7-bit' if gsm else 'UCS-2, 16-bit'})"


def _cost(channel: Channel, *, segments: int = 1, pages: int = 1) -> list[str]:
    if channel.cost is None:
        return []
    from tidings.definitions.money import format_price

    units = {"segment": segments, "page": pages}.get(channel.cost_unit, 1)
    return [f"costs {format_price(channel.cost.millionths * units, channel.cost.currency)}"]
