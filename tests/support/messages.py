"""Small messages for tests of the templates: a pair of files, a vocabulary, a compiled e-mail."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from tidings.clock import FixedClock
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.templates.compile import compile_email
from tidings.templates.email import CompiledEmail, MessageUrls, Recipient

VOCABULARY = Attributes(
    (
        Attribute("full_name", "text"),
        Attribute("member_level", "text", values=("basic", "silver", "gold")),
        Attribute("lifetime_value", "money", currency="EUR"),
        Attribute("vip", "flag"),
        Attribute("interests", "list"),
        Attribute("last_order_at", "date"),
        Attribute("seen_at", "instant"),
        Attribute("orders", "number"),
    )
)
CLOCK = FixedClock(datetime(2027, 3, 2, 9, tzinfo=UTC))
HTML_FOOTER = '<a href="{{ unsubscribe_url }}">Unsubscribe</a> {{ postal_address }}'
TEXT_FOOTER = "{{ unsubscribe_url }}\n{{ postal_address }}\n"
URLS = MessageUrls(
    click=lambda message, position, _: f"https://t.example/c/{message}.{position}?a=1&b=2",
    pixel=lambda message: f"https://t.example/o/{message}.gif",
    unsubscribe=lambda message: f"https://t.example/u/{message}",
)


def sources(
    html: str = "<p>Hello</p>", text: str = "Hello", subject: str = "News", preheader: str = ""
) -> dict[str, bytes]:
    """Return the two files of a message in English, footers added."""
    page = f'<!doctype html><html lang="en"><body>{html}{HTML_FOOTER}</body></html>'
    head = f"Subject: {subject}\n" + (f"Preheader: {preheader}\n" if preheader else "")
    return {"email.en.html": page.encode(), "email.en.txt": f"{head}\n{text}\n{TEXT_FOOTER}".encode()}


def compiled(files: dict[str, bytes] | None = None, **more: Any) -> CompiledEmail:
    """Compile a message with sensible defaults."""
    settings: dict[str, Any] = {
        "folder": "templates/spring",
        "locale": "en",
        "fallback_locale": "en",
        "texts": {},
        "attributes": VOCABULARY,
        "sender": "Nordic Garden <hello@nordicgarden.example>",
        "postal_address": "Storgatan 1, Stockholm",
        "salt": "r1",
        "clock": CLOCK,
    }
    return compile_email(sources() if files is None else files, **settings | more)


def recipient(message_id: int = 7, *, address: str = "anna@example.com", **variables: Any) -> Recipient:
    """Return a recipient with some variables."""
    return Recipient(message_id, "C-1", address, "en", variables)


def parsed(content: bytes) -> EmailMessage:
    """Read a message back with the standard library's parser, which must find no defect."""
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects, part.defects
    for name in message:
        assert not message[name].defects, (name, message[name].defects)
    return message


def bodies(content: bytes) -> tuple[str, str]:
    """Return text and HTML of a message."""
    message = parsed(content)
    text, page = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert page is not None
    return text.get_content(), page.get_content()


# A message with a value in every kind of place.
RICH = sources(
    html='<h1>Dear {{ full_name or "friend" }}</h1><img src="https://img.example/a.png" alt="{{ full_name or "" }}">'
    '<a href="https://shop.example/?q=1&amp;name={{ full_name or "" }}" title="{{ full_name or "" }}">Go</a>'
    "{% for one in interests %}<li>{{ one }}</li>{% endfor %}",
    text='Dear {{ full_name or "friend" }}: https://shop.example/?q=1&name={{ full_name or "" }} {{ interests | join(", ") or "-" }}',
    subject='{{ full_name or "friend" }}, spring is here',
    preheader='Only for {{ full_name or "you" }}',
)
EXACT_HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Unsubscribe",
    "Reply-To",
    "List-Id",
    "List-Unsubscribe-Post",
    "MIME-Version",
    "Content-Type",
]


def rich(**more: Any) -> CompiledEmail:
    """Compile the message with a value in every kind of place."""
    return compiled(
        RICH, reply_to="service@nordicgarden.example", list_id="marketing.nordicgarden.example", **more
    )
