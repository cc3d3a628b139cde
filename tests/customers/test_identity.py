from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.customers.identity import (
    AddressHasher,
    address_hash,
    customer_u,
    normalise_email,
    normalise_phone,
)


def test_the_number_of_a_customer_never_changes() -> None:
    # Written down once: a change would draw every customer of every workspace into other arms.
    assert [customer_u("nordic-garden-2027", key) for key in ("1", "C0000001", "会员")] == [
        485_268_272,
        1_458_472_506,
        1_511_624_266,
    ]


def test_the_number_depends_on_salt_and_key() -> None:
    assert customer_u("a", "1") != customer_u("b", "1") != customer_u("b", "2")


@given(st.text(max_size=300), st.text(max_size=50))
def test_the_number_is_in_range_for_any_salt_and_key(salt: str, key: str) -> None:
    assert 0 <= customer_u(salt, key) < 2**31 - 1


def test_numbers_of_sequential_keys_are_evenly_spread() -> None:
    counts = Counter(customer_u("salt", str(number)) * 20 // (2**31 - 1) for number in range(20_000))
    # Chi-square with 19 degrees of freedom; 43.8 is exceeded once in a thousand draws.
    assert sum((counts[cell] - 1000) ** 2 / 1000 for cell in range(20)) < 43.8


def test_an_address_hash_depends_on_salt_kind_and_address() -> None:
    seen = {
        address_hash(salt, kind, one)
        for salt in ("a", "b")
        for kind in ("email", "sms", "fax")
        for one in ("x", "y")
    }
    assert len(seen) == 12
    assert all(len(one) == 32 for one in seen)
    assert AddressHasher("a", "sms").of("x") == address_hash("a", "sms", "x")


def test_an_unknown_kind_has_no_hash() -> None:
    with pytest.raises(ValueError, match="email, sms or fax"):
        address_hash("a", "pigeon", "x")


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("  Anna.Berg+news@Example.COM ", "anna.berg+news@example.com"),
        ("info@müller.de", "info@xn--mller-kva.de"),
        ("o'neil@mail.example.co.uk", "o'neil@mail.example.co.uk"),
    ],
)
def test_an_email_has_one_spelling(raw: str, normal: str) -> None:
    assert normalise_email(raw) == normal
    assert normalise_email(normal) == normal


@pytest.mark.parametrize(
    "raw",
    ["", "anna", "anna@", "@example.com", "a b@example.com", "a@b", "a..b@example.com", "a@-x.com", "a@x..com",
     "Anna <a@b.com>", "a@b.com, c@d.com", "ä@example.com", "x" * 65 + "@example.com", "a@b.com\nBcc: c@d.com",
     "a@" + "b" * 64 + ".com", "a@" + ".".join(["bb"] * 90) + ".com"],
)  # fmt: skip
def test_what_is_no_email_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="."):
        normalise_email(raw)


@pytest.mark.parametrize(
    ("raw", "country", "normal"),
    [
        ("070-174 06 05", "SE", "+46701740605"),
        ("+46 70 174 06 05", None, "+46701740605"),
        ("0046701740605", "SE", "+46701740605"),
        ("8 (912) 345-67-89", "RU", "+79123456789"),
        ("0912 345 678", "TW", "+886912345678"),
        ("06 1234 5678", "IT", "+390612345678"),
    ],
)
def test_a_phone_number_becomes_e164(raw: str, country: str | None, normal: str) -> None:
    assert normalise_phone(raw, country) == normal
    assert normalise_phone(normal, "US") == normal


@pytest.mark.parametrize(
    "raw", ["", "12", "070-174 06 05 ext. 12", "call me", "+999123456", "0" * 500, "070174060512345"]
)
def test_what_is_no_phone_number_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="."):
        normalise_phone(raw, "SE")


def test_a_number_without_country_asks_for_one() -> None:
    with pytest.raises(ValueError, match="country"):
        normalise_phone("0701740605", None)
