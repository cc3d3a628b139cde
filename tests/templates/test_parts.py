"""The same message as fields: for providers that build it themselves, with the words, links and headers of the MIME."""

from __future__ import annotations

from email.header import decode_header, make_header

import pytest

from support.messages import URLS, bodies, compiled, parsed, recipient, rich, sources
from tidings.templates.email import RenderError
from tidings.templates.parts import Parts


@pytest.mark.parametrize("values", [{}, {"full_name": "Анна <b>", "interests": ["сад", "a&b"]}])
def test_fields_and_mime_say_the_same(values: dict[str, object]) -> None:
    message = rich(
        unsubscribe_mailto="leave@nordicgarden.example",
        feedback_id="a:b:c",
        sender="Зелёный сад <hello@nordicgarden.example>",
    )
    parts = message.fill_parts(recipient(**values), URLS)
    content = message.fill(recipient(**values), URLS)
    whole = parsed(content)
    assert (parts.text, parts.html) == bodies(content)
    assert parts.subject == str(make_header(decode_header(str(whole["Subject"]))))
    assert parts.sender == "Зелёный сад <hello@nordicgarden.example>"
    assert parts.reply_to == "service@nordicgarden.example" == whole["Reply-To"]
    assert [name for name, _ in parts.headers] == [
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "List-Id",
        "Feedback-ID",
    ]
    for name, value in parts.headers:
        assert value == whole[name]
        assert value.isascii() and "\r" not in value and "\n" not in value


def test_a_service_message_needs_no_header() -> None:
    message = compiled(
        {"email.en.txt": b"Subject: Your order\n\nIt is on its way.\n"}, message_class="service"
    )
    assert message.fill_parts(recipient(), URLS) == Parts(
        "Nordic Garden <hello@nordicgarden.example>", "Your order", "It is on its way.\r\n"
    )


@pytest.mark.parametrize(
    ("person", "field"),
    [
        (recipient(full_name="A\r\nBcc: x@y.example"), "full_name"),
        (recipient(address="no address"), "email"),
        (recipient(full_name="x" * 600), "subject"),
        (recipient(interests="a"), "interests"),
    ],
)
def test_what_refuses_the_mime_refuses_the_fields(person: object, field: str) -> None:
    message = compiled(sources(subject="Hi {{ full_name or '' }}", text="{{ interests | join or '' }}"))
    for write in (message.fill, message.fill_parts):
        with pytest.raises(RenderError) as raised:
            write(person, URLS)  # type: ignore[arg-type]
        assert raised.value.field == field


def test_rendering_and_finishing_apart_make_the_same_bytes() -> None:
    message, person = rich(), recipient(full_name="Anna", interests=["a"])
    rendered = message.render(person, message.unsubscribe_of(person, URLS))
    assert message.finish(person, rendered, URLS) == message.fill(person, URLS)
    assert message.finish_parts(person, rendered, URLS) == message.fill_parts(person, URLS)
    assert "https://t.example/c/" not in rendered.text
