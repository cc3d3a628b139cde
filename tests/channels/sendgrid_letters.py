"""Messages as the templates would write them, for the tests of the SendGrid adapter."""

from __future__ import annotations

from typing import Any

from tidings.channels.protocol import EmailParts, Outgoing

SENDER = "Nordic Garden <hello@shop.example>"
PARAGRAPH = '<p style="margin:0">Spring is here &amp; the beds are waking up.</p>\n' * 40


def personal(number: int, name: str = "", **more: Any) -> Outgoing:
    """Return message `number`: a name, two links and an unsubscribe link of its own in text and HTML."""
    name = name or f"Customer {number} " + "von " * (number % 3) + "Bloom"
    links = [f"https://t.shop.example/c/{number:05d}{place}abcdefgh" for place in range(2)]
    leave = f"https://t.shop.example/u/{number:05d}zzz"
    text = f"Dear {name},\n\nthe beds are waking up.\n{links[0]}\n{links[1]}\n\nLeave: {leave}\n"
    html = (
        f'<html><body><h1 class="x">Dear {name}</h1>\n{PARAGRAPH}'
        + "".join(f'<a style="color:#123456" href="{link}">Look</a>\n' for link in links)
        + f'<a href="{leave}">Leave</a></body></html>'
    )
    headers = (("List-Unsubscribe", f"<{leave}>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    given: dict[str, Any] = {"subject": f"Spring for {name}", "text": text, "html": html, "headers": headers}
    given |= {
        key: value for key, value in more.items() if key in ("subject", "text", "html", "headers", "reply_to")
    }
    parts = EmailParts(more.get("sender", SENDER), **given)
    recipient = more.get("recipient", f"c{number}@example.com")
    return Outgoing(
        number,
        "hello@shop.example",
        recipient,
        parts.text.encode("utf-8", "surrogatepass"),
        parts,
        f"ab12cd-{number}",
    )
