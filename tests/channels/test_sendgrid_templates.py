"""From a template to a recipient: what the templates write is what each recipient gets, through shared calls."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from support.sendgrid_stage import CHANNEL, values
from tidings.channels.protocol import EmailParts, Kind, Outgoing
from tidings.channels.sandbox.sendgrid import SendGridSandbox
from tidings.channels.sendgrid import SendGridAdapter
from tidings.clock import FixedClock
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.templates.compile import compile_email
from tidings.templates.email import MessageUrls, Recipient

URLS = MessageUrls(
    click=lambda message, place, _: f"https://t.shop.example/c/{message}-{place}-abcdefghijklmnop",
    pixel=lambda message: f"https://t.shop.example/o/{message}.gif",
    unsubscribe=lambda message: f"https://t.shop.example/u/{message}-abcdefghijklmnop",
)
HTML = (
    '<!doctype html><html lang="en"><body><h1>Dear {{ full_name or "friend" }}</h1>\n'
    + "<p>The beds are waking up.</p>\n" * 30
    + "{% for one in interests %}<li>{{ one }}</li>{% endfor %}\n"
    + '<a href="https://shop.example/a">Look</a><a href="https://shop.example/b">Buy</a>'
    + '\n<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
)
TEXT = (
    'Dear {{ full_name or "friend" }},\n\nthe beds are waking up.\nhttps://shop.example/a\n\n'
    "{{ postal_address }}\n{{ unsubscribe_url }}\n"
)
NAMES = ["Anna", "Анна Каренина", "安娜", 'Bo "the <b>" O\'Neil & Sons', "-t1x0-", "", "Zoë {{ x }}", "Anna"]


@pytest.fixture
def written() -> list[Outgoing]:
    email = compile_email(
        {
            "email.html": HTML.encode(),
            "email.txt": f"Subject: Spring for {{{{ full_name or 'you' }}}}\n\n{TEXT}".encode(),
        },
        folder="templates/spring",
        locale="en",
        fallback_locale="en",
        texts={},
        attributes=Attributes((Attribute("full_name", "text"), Attribute("interests", "list"))),
        sender="Nordic Garden <hello@shop.example>",
        postal_address="Storgatan 1, Stockholm",
        salt="f00dbabe",
        clock=FixedClock(datetime(2027, 3, 2, 9, tzinfo=UTC)),
    )
    made = []
    for number, name in enumerate(NAMES, 1):
        stored = {"full_name": name, "interests": ["garden", "tools"][: number % 3]}
        recipient = Recipient(number, f"k{number}", f"c{number}@example.com", "en", stored)
        one = email.fill_parts(recipient, URLS)
        parts = EmailParts(one.sender, one.subject, one.text, one.html, one.reply_to, one.headers)
        reference = f"ab12cd-{number}"
        made.append(
            Outgoing(number, "hello@shop.example", recipient.address, one.text.encode(), parts, reference)
        )
    return made


def test_everybody_gets_what_the_templates_wrote(written: list[Outgoing]) -> None:
    with SendGridSandbox() as sandbox:
        outcomes = SendGridAdapter(CHANNEL, values(sandbox.url)).connect().submit_many(written)
        assert [(one.kind, one.detail) for one in outcomes] == [(Kind.ACCEPTED, "")] * len(written)
        got = {one.recipient: one for one in sandbox.received}
    for outgoing in written:
        parts, one = outgoing.parts, got[outgoing.recipient]
        assert parts is not None
        assert (one.subject, one.text, one.html) == (parts.subject, parts.text, parts.html)
        assert one.headers == dict(parts.headers)
        assert "List-Unsubscribe" in one.headers
    # The lists of interests have three lengths: three calls for eight people.
    assert len(sandbox.requests) == 3


def test_a_check_of_the_channel_does_not_load_the_client() -> None:
    script = (
        "import sys\nfrom tidings.channels.registry import adapter_class\nadapter_class('sendgrid')\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('sendgrid', 'python_http_client', 'cryptography')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
