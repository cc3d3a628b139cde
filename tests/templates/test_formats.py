"""Numbers, money and dates as the Unicode CLDR says people of a locale write them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from support.messages import URLS, bodies, compiled, recipient, sources
from tidings.templates.formats import date_text, money_text, number_text

DAY = date(2027, 3, 2)
S = "\u00a0"


@pytest.mark.parametrize(
    ("locale", "number", "euro", "long", "day", "short"),
    [
        ("en", "1,234,567.50", "€1,234.50", "2 March 2027", "2 March", "2 Mar 2027"),
        ("en-US", "1,234,567.50", "€1,234.50", "March 2, 2027", "March 2", "Mar 2, 2027"),
        ("zh-TW", "1,234,567.50", "€1,234.50", "2027年3月2日", "3月2日", "2027年3月2日"),
        ("zh-CN", "1,234,567.50", "€1,234.50", "2027年3月2日", "3月2日", "2027年3月2日"),
        ("ru", f"1{S}234{S}567,50", f"1{S}234,50{S}€", f"2 марта 2027{S}г.", "2 марта", f"2 мар. 2027{S}г."),
        ("de", "1.234.567,50", f"1.234,50{S}€", "2. März 2027", "2. März", "02.03.2027"),
        ("sv", f"1{S}234{S}567,50", f"1{S}234,50{S}€", "2 mars 2027", "2 mars", "2 mars 2027"),
    ],
)
def test_a_locale_writes_it_like_this(
    locale: str, number: str, euro: str, long: str, day: str, short: str
) -> None:
    assert number_text(Decimal("1234567.5"), 2, locale) == number
    assert money_text(Decimal("1234.5"), "EUR", locale) == euro
    assert [date_text(DAY, style, locale) for style in ("long", "day", "short")] == [long, day, short]


@pytest.mark.parametrize(
    ("locale", "currency", "shown"),
    [
        ("zh-TW", "TWD", "NT$1,234.50"),
        ("zh-CN", "CNY", "¥1,234.50"),
        ("zh-CN", "TWD", "NT$1,234.50"),
        ("zh-TW", "JPY", "¥1,234"),
        ("ru", "RUB", f"1{S}234,50{S}₽"),
        ("de", "USD", f"1.234,50{S}$"),
        ("en", "USD", "US$1,234.50"),
        ("en-US", "USD", "$1,234.50"),
        ("sv", "SEK", f"1{S}234,50{S}kr"),
        ("en", "KWD", "KWD1,234.500"),
        ("en", "GBP", "£1,234.50"),
    ],
)
def test_each_currency_has_its_sign_and_its_places(locale: str, currency: str, shown: str) -> None:
    assert money_text(Decimal("1234.5"), currency, locale).replace(f"KWD{S}", "KWD") == shown


def test_amounts_are_rounded_half_to_even_and_may_be_negative() -> None:
    assert money_text(Decimal("-0.125"), "EUR", "en") == "-€0.12"
    assert money_text(Decimal("0.135"), "EUR", "de") == f"0,14{S}€"
    assert number_text(Decimal("2.5"), 0, "en") == "2"
    assert number_text(Decimal(0), 0, "ru") == "0"
    assert number_text(Decimal(1234567890123456789), 3, "en") == "1,234,567,890,123,456,789.000"


def test_an_unknown_locale_reads_as_english_and_its_language_counts_without_the_region() -> None:
    assert date_text(DAY, "long", "xx-YY") == "2 March 2027"
    assert date_text(DAY, "long", "ru-KZ") == f"2 марта 2027{S}г."
    assert date_text(DAY, "long", "de-ZZ") == "2. März 2027"


def test_an_instant_shows_its_day() -> None:
    assert date_text(datetime(2027, 3, 2, 9, tzinfo=UTC), "long", "en") == "2 March 2027"
    with pytest.raises(ValueError, match="long"):
        date_text(DAY, "full", "en")


@pytest.mark.parametrize(
    ("locale", "shown"), [("en", "2 March 2027"), ("en-US", "March 2, 2027"), ("sv-SE", "2 March 2027")]
)
def test_a_customers_own_region_counts_where_the_files_are_in_that_language(locale: str, shown: str) -> None:
    message = compiled(sources(text="{{ last_order_at }}"), locale=locale)
    assert bodies(message.fill(recipient(last_order_at="2027-03-02"), URLS))[0].startswith(shown)
