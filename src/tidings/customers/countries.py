"""In which country somebody is, for the rules of countries: the attribute, else the number, else the workspace's country.

A number belongs to the country whose code it begins with. Where countries share one (+1, +7, +44) the three digits after it
decide as far as the telephone plans tell them apart. The same answer in SQL and in Python, from the same lists.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

import sqlalchemy as sa

from tidings.store.tables import people

_DIGITS = 3
# Endings that make a whole number of its beginning, to ask whose it is.
_ENDINGS = ("5550123000000", "2345678901234", "0000000000000")
# Which number tells the country of a customer, by the kind of channel that is asked about.
_NUMBERS = {"fax": ("fax", "phone")}
_USUAL = ("phone", "fax")


@lru_cache(maxsize=256)
def beginnings(country: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return with what the numbers of a country begin, such as `+886`; and which of those are another country's.

    `(("+1",), ("+1204", …))` for the United States, `(("+1204", …), ())` for Canada; nothing for no country.
    """
    import phonenumbers

    code = phonenumbers.country_code_for_region(country)
    if not code:
        return (), ()
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
    others = _others(code) if len(regions) > 1 else {}
    if regions[0] == country:
        return (f"+{code}",), tuple(f"+{code}{digits}" for digits in others)
    return tuple(f"+{code}{digits}" for digits, region in others.items() if region == country), ()


@lru_cache(maxsize=16)
def _others(code: int) -> dict[str, str]:
    """Return the three digits after a shared code that do not belong to its first country, each with whose they are."""
    import phonenumbers

    first, *rest = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
    example = phonenumbers.example_number_for_type(first, phonenumbers.PhoneNumberType.MOBILE)
    length = len(str(example.national_number)) if example else 10
    found: dict[str, str] = {}
    for value in range(100, 10**_DIGITS):
        tried = [
            phonenumbers.PhoneNumber(country_code=code, national_number=int(f"{value}{ending}"[:length]))
            for ending in _ENDINGS
        ]
        if any(phonenumbers.is_valid_number_for_region(number, first) for number in tried):
            continue
        region = next(
            (one for number in tried for one in rest if phonenumbers.is_valid_number_for_region(number, one)),
            None,
        )
        if region is not None:
            found[str(value)] = region
    return found


def country_of(country: str | None, number: str | None, home: str | None) -> str | None:
    """Return the country of somebody with this attribute and number (E.164) in a workspace of `home`; None: unknown."""
    if country:
        return country.upper()
    if number:
        return _of_number(number[: _DIGITS + 4])
    return home


@lru_cache(maxsize=8192)
def _of_number(start: str) -> str | None:
    import phonenumbers

    for length in (1, 2, 3):
        code = start[1 : 1 + length]
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code)) if code.isdecimal() else None
        if regions:
            if len(regions) == 1:
                return str(regions[0])
            return _others(int(code)).get(start[1 + length : 1 + length + _DIGITS], str(regions[0]))
    return ""


def telling_number(kind: str, phone: str | None, fax: str | None) -> str | None:
    """Return the number that tells the country of a customer: for a fax the fax number before the telephone's."""
    given = {"phone": phone, "fax": fax}
    return next((given[name] for name in _NUMBERS.get(kind, _USUAL) if given[name]), None)


def number_column(kind: str) -> sa.ColumnElement[str]:
    """Return the number that tells the country of a customer: for a fax the fax number before the telephone's."""
    customers = people.customers
    return sa.func.coalesce(*(customers.c[name] for name in _NUMBERS.get(kind, _USUAL)), type_=sa.Text)


def lives_in(
    countries: Collection[str], kind: str, home: str | None, *, unknown: bool
) -> sa.ColumnElement[bool]:
    """Return the condition on a row of customers that they are in one of some countries.

    `unknown` is the answer for those of whom nothing is known, neither a country nor a number, in a workspace without one.
    """
    customers, number = people.customers, number_column(kind)
    by_number: list[sa.ColumnElement[bool]] = []
    plain: defaultdict[int, list[str]] = defaultdict(list)
    for country in sorted(countries):
        starts, elsewhere = beginnings(country)
        if elsewhere:
            by_number.append(sa.and_(_begins(number, starts), ~_begins(number, elsewhere)))
        for start in () if elsewhere else starts:
            plain[len(start)].append(start)
    by_number += [_begins(number, starts) for _, starts in sorted(plain.items())]
    written = sa.func.coalesce(customers.c.country, sa.literal_column("''", sa.Text))
    at_home = unknown if home is None else home in countries
    return sa.case(
        (
            written != sa.literal_column("''", sa.Text),
            sa.func.upper(written).in_(_literals(sorted(countries))),
        ),
        (number.is_not(None), sa.or_(*by_number) if by_number else sa.false()),
        else_=sa.true() if at_home else sa.false(),
    )


def _begins(number: sa.ColumnElement[str], starts: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a number begins with one of some texts of the same length."""
    return sa.func.substr(number, 1, len(starts[0]), type_=sa.Text).in_(_literals(starts))


def _literals(texts: Iterable[str]) -> list[sa.ColumnElement[str]]:
    # Codes of countries and digits: written out, so that claims need no parameters for them.
    return [sa.literal_column(f"'{text}'", sa.Text) for text in texts]
