import random

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from tidings.customers import phones


def careful(text: str, region: str | None) -> str | None:
    try:
        return phones._careful(text, region)
    except ValueError:
        return None


def spellings(region: str, draw: random.Random) -> list[str]:
    """Numbers of a country in its own spellings, whole and damaged, and numbers made up of digits."""
    found = []
    code = phonenumbers.country_code_for_region(region)
    for kind in (
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
    ):
        number = phonenumbers.example_number_for_type(region, kind)
        if number is None:
            continue
        for style in (PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.E164):
            text = phonenumbers.format_number(number, style)
            found.append(text)
            for _ in range(6):
                place = draw.randrange(len(text))
                found.append(text[:place] + draw.choice("0123456789") + text[place + 1 :])
                found.append(text[:place] + text[place + 1 :])
                found.append(text[:place] + draw.choice("0123456789") + text[place:])
    for _ in range(40):
        digits = "".join(draw.choice("0123456789") for _ in range(draw.randrange(4, 13)))
        found += [
            digits,
            "0" + digits,
            f"+{code}{digits}",
            f"+{code} 0{digits}",
            f"00{code}{digits}",
            f"+{code}8{digits}",
        ]
    return found


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_the_quick_way_says_nothing_that_the_careful_one_does_not(region: str) -> None:
    draw = random.Random(region)
    for text in spellings(region, draw):
        quick = phones._quick(text.translate(phones._SIGNS), region) if phones._PLAIN.match(text) else None
        if quick is not None:
            assert quick == careful(text, region), text


@pytest.mark.parametrize("region", ["SE", "TW", "CN", "DE", "GB", "FR", "US", "RU", "IT", "JP"])
def test_the_quick_way_takes_what_is_common(region: str) -> None:
    number = phonenumbers.example_number_for_type(region, PhoneNumberType.FIXED_LINE)
    assert number is not None
    text = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    assert phones._quick(text, None) == text
