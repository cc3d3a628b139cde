"""Writing messages: compiled skeletons against the plain way (EmailMessage per recipient), same words, same run.

The plain way renders the same two templates with Jinja2's own sandbox, replaces links by a regular expression and lets
the standard library build the message. Both sign no DKIM. CPU time of this process, best of three rounds. The exit code
is 1 where ours is not at least 15 times as fast.
"""

from __future__ import annotations

import hmac
import json
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from jinja2.sandbox import ImmutableSandboxedEnvironment

from tidings.clock import FixedClock
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.templates.compile import compile_email
from tidings.templates.email import CompiledEmail, MessageUrls, Recipient

QUICK = "--quick" in sys.argv
TARGET = 15
CLOCK = FixedClock(datetime(2027, 3, 2, 9, tzinfo=UTC))
KEY = b"0123456789abcdef0123456789abcdef"
PARAGRAPH = (
    "<p>Spring is here and the beds are waking up; what you liked last year is back on our shelves.</p>\n"
)
LINKS = "\n".join(f'<a href="https://shop.example/item/{n}?from=mail">item {n}</a>' for n in range(8))
HTML = (
    '<!doctype html><html lang="en"><body><h1>Dear {{ full_name or "friend" }}</h1>\n'
    + PARAGRAPH * 60
    + "{% for one in interests %}<li>{{ one }}</li>{% endfor %}\n"
    + LINKS
    + '\n<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
)
TEXT = (
    'Dear {{ full_name or "friend" }},\n\n'
    + "Spring is here and the beds are waking up.\n" * 20
    + "https://shop.example/item/0?from=mail\n\n{{ postal_address }}\n{{ unsubscribe_url }}\n"
)
ADDRESS = "Storgatan 1, Stockholm"


def mint(purpose: str, message_id: int, target: str) -> str:
    """Stand for a signed token of the usual length."""
    return hmac.digest(KEY, f"{purpose}{message_id}{target}".encode(), "sha256").hex()


URLS = MessageUrls(
    click=lambda message, _, url: f"https://t.example/c/{mint('c', message, url)}",
    pixel=lambda message: f"https://t.example/o/{mint('o', message, '')}.gif",
    unsubscribe=lambda message: f"https://t.example/u/{mint('u', message, '')}",
)


def email() -> CompiledEmail:
    """Return the two templates compiled."""
    return compile_email(
        {
            "email.html": HTML.encode(),
            "email.txt": f"Subject: Spring for {{{{ full_name or 'you' }}}}\n\n{TEXT}".encode(),
        },
        folder="templates/bench",
        locale="en",
        fallback_locale="en",
        texts={},
        attributes=Attributes((Attribute("full_name", "text"), Attribute("interests", "list"))),
        sender="Nordic Garden <hello@nordicgarden.example>",
        postal_address=ADDRESS,
        salt="bench",
        clock=CLOCK,
    )


def ours() -> Callable[[int], bytes]:
    """Return what writes message number n the compiled way."""
    compiled = email()

    def write(number: int) -> bytes:
        values = {"full_name": f"Anna {number}", "interests": ["garden", "tools"]}
        return compiled.fill(Recipient(number, "k", f"c{number}@example.com", "en", values), URLS)

    return write


def plain() -> Callable[[int], bytes]:
    """Return what writes message number n the plain way."""
    build = plain_message()
    return lambda number: build(number).as_bytes()


def plain_message() -> Callable[[int], EmailMessage]:
    """Return what builds message number n the plain way."""
    env = ImmutableSandboxedEnvironment(autoescape=True)
    page = env.from_string(HTML)
    text = ImmutableSandboxedEnvironment().from_string(TEXT)
    link = re.compile(r'href="(https://shop\.example/[^"]*)"')

    def build(number: int) -> EmailMessage:
        values = {
            "full_name": f"Anna {number}",
            "interests": ["garden", "tools"],
            "postal_address": ADDRESS,
            "unsubscribe_url": URLS.unsubscribe(number),
        }
        html = link.sub(lambda found: f'href="{URLS.click(number, 0, found[1])}"', page.render(values))
        message = EmailMessage()
        message["From"] = "Nordic Garden <hello@nordicgarden.example>"
        message["To"] = f"c{number}@example.com"
        message["Subject"] = f"Spring for Anna {number}"
        message["Date"] = format_datetime(CLOCK.now())
        message["Message-ID"] = f"<m{number}.bench@nordicgarden.example>"
        message["List-Unsubscribe"] = f"<{values['unsubscribe_url']}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(text.render(values))
        pixel = f'<img src="{URLS.pixel(number)}" width="1" height="1" alt=""></body>'
        message.add_alternative(html.replace("</body>", pixel), subtype="html")
        return message

    return build


def microseconds(write: Callable[[int], bytes], count: int) -> float:
    """Return the CPU time of one message, best of three rounds."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        for number in range(count):
            write(number)
        best = min(best, (time.process_time() - began) / count)
    return best * 1e6


def main() -> int:
    """Measure both and print the ratio."""
    fast, slow = ours(), plain()
    figures = {
        "bytes": len(fast(1)),
        "compiled_us": round(microseconds(fast, 400 if QUICK else 3000), 1),
        "plain_us": round(microseconds(slow, 30 if QUICK else 150), 1),
    }
    figures["messages_per_cpu_second"] = round(1e6 / figures["compiled_us"])
    figures["ratio"] = round(figures["plain_us"] / figures["compiled_us"], 1)
    missed = figures["ratio"] < TARGET
    if "--json" in sys.argv:
        print(json.dumps(figures))
        return int(missed)
    print(f"message of {figures['bytes']:,} bytes, CPU time a message")
    print(
        f"  compiled once, filled   {figures['compiled_us']:>9,.1f} us   {figures['messages_per_cpu_second']:,} a CPU-second"
    )
    print(f"  EmailMessage each time  {figures['plain_us']:>9,.1f} us")
    print(f"  ratio {figures['ratio']} (target: at least {TARGET})")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
