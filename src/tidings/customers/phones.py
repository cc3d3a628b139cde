"""Telephone numbers in the one spelling under which they are stored: E.164, `+46701234567`.

What is a number is decided by phonenumbers and its metadata alone. For the common spellings its patterns are joined to one
per country, which is about nine times faster than its careful way through each of them; whatever does not pass there goes
through `phonenumbers.parse`, so that the quick way can only say what the careful one says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat

# Longer is no number in any plan, whatever signs stand between its digits.
_LONGEST = 60
_PLAIN = re.compile(r"\+?[\d ()./-]+\Z", re.ASCII)
_SIGNS = str.maketrans("", "", " ()./-")
# The kinds of number that make a number valid, as phonenumbers goes through them.
_KINDS = (
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
    "fixed_line",
    "mobile",
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A country's plan: what its numbers look like, without and with the prefix of calls inside the country."""

    code: str
    valid: re.Pattern[str]
    trunk: str | None
    not_abroad: re.Pattern[str] | None


def normalise_phone(raw: str, country: str | None) -> str:
    """Return a telephone number as E.164.

    `country` (ISO 3166, such as SE) reads numbers written without a country code. Raises ValueError in words when the
    number is not one of its country's plan, has an extension, or needs a country that is not given.
    """
    text = raw.strip()
    if len(text) <= _LONGEST and _PLAIN.match(text):
        quick = _quick(text.translate(_SIGNS), country)
        if quick is not None:
            return quick
    return _careful(text, country)


def _quick(digits: str, country: str | None) -> str | None:
    if digits.startswith("+"):
        for length in (1, 2, 3):
            plan = _plan_of_code(digits[1 : 1 + length])
            if plan is not None:
                rest = digits[1 + length :]
                prefixed = plan.not_abroad is not None and plan.not_abroad.match(rest)
                return digits if not prefixed and plan.valid.match(rest) else None
        return None
    plan = _plan(country) if country else None
    # A zero and another digit: no code of a country begins so, and no prefix of calls abroad.
    if plan is None or plan.trunk != "0" or digits[:1] != "0" or digits[1:2] == "0":
        return None
    return f"+{plan.code}{digits[1:]}" if plan.valid.match(digits[1:]) else None


@lru_cache(maxsize=1024)
def _plan_of_code(code: str) -> _Plan | None:
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code)) if code[:1] > "0" else None
    # 001 stands for numbers of no country, such as +800.
    return _plan(regions[0]) if regions and regions[0] != "001" else None


@lru_cache(maxsize=512)
def _plan(region: str) -> _Plan | None:
    metadata = PhoneMetadata.metadata_for_region(region.upper())
    if metadata is None or metadata.country_code is None or metadata.general_desc is None:
        return None
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[metadata.country_code]
    # Countries that share a code are told apart by rules of their own; the first one comes first there too.
    if regions[0] != metadata.id:
        return None
    alternatives = []
    for kind in _KINDS:
        numbers = getattr(metadata, kind)
        if numbers is not None and numbers.national_number_pattern:
            lengths = "|".join(rf"\d{{{length}}}" for length in numbers.possible_length if length > 0)
            looked = rf"(?=(?:{lengths})\Z)" if lengths else ""
            alternatives.append(rf"{looked}(?:{numbers.national_number_pattern})\Z")
    general = rf"(?=(?:{metadata.general_desc.national_number_pattern})\Z)"
    leading = f"(?={metadata.leading_digits})" if metadata.leading_digits else ""
    prefix = metadata.national_prefix_for_parsing
    return _Plan(
        str(metadata.country_code),
        re.compile(rf"{general}{leading}(?:{'|'.join(alternatives)})", re.ASCII),
        "0" if prefix == "0" and metadata.national_prefix_transform_rule is None else None,
        re.compile(prefix, re.ASCII) if prefix else None,
    )


def _careful(text: str, country: str | None) -> str:
    shown = text if len(text) <= 30 else text[:29] + "…"
    if len(text) > _LONGEST:
        raise ValueError(f'"{shown}" is not a telephone number')
    try:
        number = phonenumbers.parse(text, country)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and country is None:
            raise ValueError(
                f'"{shown}" has no country code; write it with + or set `country` in the mapping'
            ) from error
        raise ValueError(f'"{shown}" is not a telephone number') from error
    if number.extension:
        raise ValueError(f'"{shown}" has an extension, which cannot be reached directly')
    if not phonenumbers.is_valid_number(number):
        region = phonenumbers.region_code_for_country_code(number.country_code or 0)
        raise ValueError(f'"{shown}" is not a number of the telephone plan of {region}')
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)
