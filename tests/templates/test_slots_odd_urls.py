"""URLs that are put in piece by piece are those that are put in as text, whatever signs they have."""

from __future__ import annotations

import pytest

from tidings.templates.slots import Filling, Slots
from tidings.templates.values import MARK

STANDING = f'<a href="{MARK}0{MARK}">Roses</a> <a href="{MARK}1{MARK}">Tulips</a>\r\n'
ODD = [
    "https://a.example/?a=1&b=2",
    'https://a.example/"><b>',
    "https://a.example/'x'",
    "https://a.example/<",
    "https://a.example/>",
    "https://a.example/\t&x",
    "https://a.example/\x01&\x7f",
]


def _filled(url: str) -> tuple[Slots, Filling]:
    slots = Slots([(0, "https://a.example/0"), (1, "https://a.example/1")], [STANDING])
    return slots, Filling(1, lambda _, position, plain: url if position else plain, lambda _: "")


@pytest.mark.parametrize("html", [True, False])
@pytest.mark.parametrize("url", [*ODD, "https://a.example/plain"])
def test_both_ways_write_the_same(url: str, *, html: bool) -> None:
    slots, filling = _filled(url)
    text = slots.as_text(STANDING, filling, html=html)
    assert slots.as_ascii([STANDING], filling, html=html) == text.encode()
    assert (url in text) == (not html or url.endswith("plain"))


@pytest.mark.parametrize("sign", ["\n", "\r", "\r\n", "\0", "\u2028", "ж"])
def test_a_url_with_a_sign_that_may_not_travel_as_it_is_is_left_to_the_slow_way(sign: str) -> None:
    slots, filling = _filled(f"https://a.example/{sign}x")
    assert slots.as_ascii([STANDING], filling, html=True) is None
