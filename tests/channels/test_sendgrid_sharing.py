"""Many rendered messages in one call: each recipient gets exactly what was rendered for them, whatever stands in it."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from channels.sendgrid_letters import personal
from tidings.channels.sandbox.sendgrid_rules import substituted
from tidings.channels.sendgrid.letters import Letter, letter_of
from tidings.channels.sendgrid.request import request_of
from tidings.channels.sendgrid.sharing import MAX_SUBSTITUTIONS, Bundle, _nonce, bundles


def letter(number: int, text: str, html: str | None = None, subject: str = "S") -> Letter:
    return Letter(
        "Shop", "a@shop.example", f"c{number}@example.com", "", "", subject, text, html, (), str(number)
    )


def bodies(made: list[Bundle]) -> dict[str, tuple[str, str | None]]:
    """Return what each recipient would get, the tags replaced one after the other in any order."""
    got = {}
    for bundle in made:
        for one, own in zip(bundle.letters, bundle.substitutions, strict=True):
            backwards = dict(reversed(own.items()))
            text = substituted(bundle.text, own)
            assert text == substituted(bundle.text, backwards)
            html = None if bundle.html is None else substituted(bundle.html, backwards)
            got[one.recipient] = (text, html)
    return got


def checked(*numbers: int) -> list[Letter]:
    letters = [letter_of(personal(number), 1_000_000) for number in numbers]
    assert all(isinstance(one, Letter) for one in letters)
    return letters  # type: ignore[return-value]


def test_a_hundred_personal_messages_are_one_call() -> None:
    letters = checked(*range(100))
    made = bundles(letters, 1000)
    assert len(made) == 1
    assert bodies(made) == {one.recipient: (one.text, one.html) for one in letters}


def test_the_shared_request_is_much_smaller_than_the_messages() -> None:
    letters = checked(*range(100))
    [bundle] = bundles(letters, 1000)
    assert len(json.dumps(request_of(bundle))) * 4 < sum(one.size for one in letters)


def test_a_value_that_occurs_in_text_and_html_has_one_tag() -> None:
    [bundle] = bundles(checked(*range(10)), 1000)
    # A name (once as in text, once as in HTML), two links and the way out.
    assert len(bundle.substitutions[0]) <= 5


def test_messages_of_two_variants_are_two_calls_and_none_is_alone() -> None:
    long = "Quite another text, with its own way of saying things.\n" * 200
    first = [letter(n, f"Dear {n}\n" + "A\n" * 200) for n in range(10)]
    second = [letter(n, f"Dear {n}\n" + long) for n in range(10, 20)]
    made = bundles([one for pair in zip(first, second, strict=True) for one in pair], 1000)
    assert sorted(len(one.letters) for one in made) == [10, 10]


def test_another_number_of_lines_is_another_call() -> None:
    made = bundles([letter(1, "a\nb"), letter(2, "a\nc"), letter(3, "a\nb\nc")], 1000)
    assert sorted(len(one.letters) for one in made) == [1, 2]


def test_no_call_holds_an_address_twice_whatever_its_case() -> None:
    twice = [letter(1, "a"), letter(1, "b"), letter(2, "c")]
    upper = Letter("Shop", "a@shop.example", "C1@EXAMPLE.COM", "", "", "S", "d", None, (), "x")
    for bundle in bundles([*twice, upper], 1000):
        addresses = [one.recipient.lower() for one in bundle.letters]
        assert len(addresses) == len(set(addresses))


def test_no_call_holds_more_than_asked() -> None:
    made = bundles(checked(*range(25)), 10)
    assert sorted(len(one.letters) for one in made) == [5, 10, 10]


def test_who_differs_by_too_much_goes_alone_with_the_whole_text() -> None:
    letters = [letter(n, f"{n}" + "x" * 3000 + "\n" + f"{n}" + "y" * 3000) for n in range(3)]
    odd = letter(9, "ж" * 3900 + "\n" + "щ" * 3900)
    made = bundles([*letters, odd], 1000)
    [alone] = [one for one in made if one.letters == (odd,)]
    assert alone.text == odd.text
    assert alone.substitutions == ({},)
    for bundle in made:
        for own in bundle.substitutions:
            assert sum(len(tag) + len(value.encode()) for tag, value in own.items()) <= MAX_SUBSTITUTIONS


def test_content_that_looks_like_a_tag_stays_content() -> None:
    [plain] = bundles([letter(1, "a 1 b"), letter(2, "a 2 b")], 1000)
    tag = next(iter(plain.substitutions[0]))
    tricky = [letter(1, f"a {tag}{tag} b"), letter(2, f"a 2 {tag[:-1]} b")]
    assert bodies(bundles(tricky, 1000)) == {one.recipient: (one.text, one.html) for one in tricky}


def test_a_tag_never_has_the_name_of_something_in_the_content() -> None:
    # The name of a tag follows from recipient and length; here the content holds the one that would come first.
    texts = ["a 1 tXXXXXXXX b", "a 2 tXXXXXXXX b"]
    first = _nonce([letter(number, text) for number, text in enumerate(texts)])
    tricky = [letter(number, text.replace("tXXXXXXXX", first)) for number, text in enumerate(texts)]
    [bundle] = bundles(tricky, 1000)
    assert all(first not in tag for tag in bundle.substitutions[0])
    assert bodies([bundle]) == {one.recipient: (one.text, one.html) for one in tricky}


def test_senders_and_reply_addresses_never_share_a_call() -> None:
    one = letter(1, "a")
    other = Letter("Other", "a@shop.example", "c2@example.com", "", "", "S", "a", None, (), "2")
    reply = Letter(
        "Shop", "a@shop.example", "c3@example.com", "", "help@shop.example", "S", "a", None, (), "3"
    )
    assert [len(bundle.letters) for bundle in bundles([one, other, reply], 1000)] == [1, 1, 1]


words = st.text(alphabet='ab -t01x<>"\n&я🌷', max_size=30)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(words, st.none() | words), min_size=1, max_size=8))
def test_every_message_comes_out_letter_for_letter(pairs: list[tuple[str, str | None]]) -> None:
    letters = [letter(number, text, html) for number, (text, html) in enumerate(pairs)]
    made = bundles(letters, 5)
    assert sum(len(one.letters) for one in made) == len(letters)
    got = bodies(made)
    for one in letters:
        assert got[one.recipient] == (one.text, one.html or (None if one.html is None else ""))
