"""Short tokens carry two numbers and a seal in 22 signs at most; whatever was changed in one is no token."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.tokens.keyring import KeyRing
from tidings.tokens.links import InvalidToken, Minter
from tidings.tokens.short import LONGEST, ShortMinter, ShortToken, ShortVerifier

OLD = "old:" + "11" * 32
NEW = "new:" + "22" * 32
RING = KeyRing.from_text(NEW)
MINTER, VERIFIER = ShortMinter(RING), ShortVerifier(RING)
LINKS = st.one_of(st.integers(0, 5), st.integers(0, 2**28 - 1))
MESSAGES = st.one_of(st.integers(0, 5), st.integers(0, 2**40 - 1))


@given(LINKS, MESSAGES)
def test_a_token_says_again_what_it_was_made_for(link: int, message: int) -> None:
    token = MINTER.mint(link, message)
    assert token.isascii() and token.isalnum() and len(token) <= LONGEST
    assert VERIFIER.read(token) == ShortToken(link, message)


@given(LINKS, MESSAGES, st.data())
def test_no_token_is_read_after_a_sign_was_changed_dropped_or_added(
    link: int, message: int, data: st.DataObject
) -> None:
    token = MINTER.mint(link, message)
    place = data.draw(st.integers(0, len(token) - 1))
    sign = data.draw(st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
    for other in (
        token[:place] + sign + token[place + 1 :],
        token[:place] + token[place + 1 :],
        token[:place] + sign + token[place:],
    ):
        if other != token:
            with pytest.raises(InvalidToken):
                VERIFIER.read(other)


def test_a_usual_token_takes_eighteen_signs_at_most() -> None:
    assert len(MINTER.mint(20_000, 5_000_000)) <= 18


@pytest.mark.parametrize("token", ["", "0", "a", "é" * 10, "z" * 22, "z" * 23, "A-B", " abc", "0" + "a" * 15])
def test_what_was_never_a_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        VERIFIER.read(token)


def test_a_long_token_is_no_short_one() -> None:
    with pytest.raises(InvalidToken):
        VERIFIER.read(Minter(RING).mint("open", 1)[:22])


def test_tokens_of_an_older_key_are_read_while_it_is_kept_and_not_after() -> None:
    token = ShortMinter(KeyRing.from_text(OLD)).mint(7, 8)
    assert ShortVerifier(KeyRing.from_text(f"{NEW},{OLD}")).read(token) == ShortToken(7, 8)
    with pytest.raises(InvalidToken):
        VERIFIER.read(token)


def test_keys_whose_names_share_a_tag_are_all_tried() -> None:
    names = {}
    for number in range(2000):
        name = f"k{number}"
        tag = ShortMinter(KeyRing.from_text(f"{name}:{'33' * 32}"))._tag
        if tag in names:
            break
        names[tag] = name
    first, second = f"{names[tag]}:{'44' * 32}", f"{name}:{'55' * 32}"
    verifier = ShortVerifier(KeyRing.from_text(f"{first},{second}"))
    for key in (first, second):
        assert verifier.read(ShortMinter(KeyRing.from_text(key)).mint(1, 2)) == ShortToken(1, 2)


def test_ids_that_do_not_fit_are_said_and_not_cut() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        MINTER.mint(2**40, 2**40)
    with pytest.raises(ValueError, match="does not fit"):
        MINTER.mint(-1, 1)


def test_of_many_random_texts_none_is_a_token() -> None:
    draw = random.Random(2027)
    read = 0
    for _ in range(20_000):
        token = "".join(draw.choices("ABCDEFGHIJabcdefghij0123456789", k=draw.randrange(8, 23)))
        try:
            VERIFIER.read(token)
        except InvalidToken:
            continue
        read += 1
    assert read == 0
