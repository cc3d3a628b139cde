"""A message put together piece by piece is the same, to the byte, as one that was rendered as text first."""

from __future__ import annotations

from typing import Any

import pytest

from support.messages import URLS, compiled, recipient, rich, sources
from tidings.templates.email import CompiledEmail, MessageUrls

UNTRACKED = MessageUrls(click=lambda _, __, url: url, pixel=lambda _: "", unsubscribe=URLS.unsubscribe)
ODD = MessageUrls(
    click=lambda *_: "https://t.example/ä\r\n.", pixel=lambda _: "p\0", unsubscribe=URLS.unsubscribe
)


def _both(email: CompiledEmail, urls: MessageUrls, **variables: Any) -> tuple[bytes, bytes]:
    to = recipient(**variables)
    rendered = email.render(to, email.unsubscribe_of(to, urls))
    return email.fill(to, urls), email.finish(to, rendered, urls)


@pytest.mark.parametrize("urls", [URLS, UNTRACKED, ODD], ids=["tracked", "untracked", "odd"])
@pytest.mark.parametrize("tracked", [True, False])
@pytest.mark.parametrize(
    "name",
    ["Anna", "Åsa", "a\tb", "two\nlines", "From me", "<b>&\"'", "x" * 2_000, ".", "\r\nFrom me", "a" * 990],
)
def test_piece_by_piece_is_the_same_as_text(name: str, urls: MessageUrls, tracked: bool) -> None:
    email = compiled(
        sources(
            html='<p>{{ full_name or "you" }}</p>\n<a href="https://shop.example/a?b=1&amp;c=2">A</a>\n'
            '<a href="https://shop.example/{{ full_name or "" }}">B</a>{% for one in interests %}<i>{{ one }}</i>{% endfor %}',
            text='{{ full_name or "you" }}\n{{ full_name or "you" }} https://shop.example/a?b=1&c=2\n',
        ),
        tracked=tracked,
    )
    piecewise, as_text = _both(email, urls, full_name=name, interests=["garden", name])
    assert piecewise == as_text


def test_the_usual_message_is_put_together_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    email = compiled(sources(html='<p>{{ full_name }}</p><a href="https://shop.example/a">A</a>'))
    monkeypatch.setattr(type(email._slots), "as_text", None)
    assert b"Anna" in email.fill(recipient(full_name="Anna"), URLS)


def test_a_value_that_looks_like_standing_text_changes_nothing() -> None:
    for text in ("</p>", '<img src="', "Hello"):
        piecewise, as_text = _both(rich(), URLS, full_name=text, interests=[text])
        assert piecewise == as_text


@pytest.mark.parametrize(
    "text",
    [
        "Hello {{ full_name }}\nFrom the shop",
        "Hello {{ full_name }}\nFrom the shop to {{ full_name }}",
        "Hello\nFr{{ full_name }}",
        "Hello\n{{ full_name }}rom the shop",
        "From {{ full_name }}",
        "{{ full_name }}om the shop",
        "Hello {{ full_name }} From the shop\nand from others",
    ],
)
@pytest.mark.parametrize("name", ["om me", "F", "Fr", "From ", "Anna"])
def test_a_line_that_an_mbox_takes_for_a_message_is_found_wherever_it_is_put_together(
    text: str, name: str
) -> None:
    piecewise, as_text = _both(compiled(sources(text=text)), URLS, full_name=name)
    assert piecewise == as_text
    assert b"\nFrom " not in piecewise


def test_a_link_in_both_parts_is_asked_for_once_even_where_one_is_looked_at_as_a_whole() -> None:
    email = compiled(
        sources(
            html='<p>{{ full_name }}</p><a href="https://shop.example/a">A</a>',
            text="https://shop.example/a\n{{ full_name }}\n",
        )
    )
    for name in ("Anna", "\u00c5sa"):
        asked: list[str] = []
        urls = MessageUrls(lambda _, __, url: asked.append(url) or url, URLS.pixel, URLS.unsubscribe)
        email.fill(recipient(full_name=name), urls)
        assert asked == ["https://shop.example/a"]


@pytest.mark.parametrize("urls", [URLS, UNTRACKED], ids=["tracked", "untracked"])
def test_who_may_not_be_tracked_gets_no_picture_piece_by_piece_either(
    monkeypatch: pytest.MonkeyPatch, urls: MessageUrls
) -> None:
    email = compiled(sources(html='<p>{{ full_name }}</p><a href="https://shop.example/a">A</a>'))
    piecewise, as_text = _both(email, urls, full_name="Anna")
    assert piecewise == as_text
    assert (b"<img" in piecewise) == (urls is URLS)
    monkeypatch.setattr(type(email._slots), "as_text", None)
    assert email.fill(recipient(full_name="Anna"), urls) == piecewise
