"""Addresses as providers and people write them, in the one spelling under which the store keeps them."""

from __future__ import annotations

import re
from contextlib import suppress
from email.utils import parseaddr

from tidings.customers.identity import AddressHasher, normalise_email, normalise_phone

# ITU-T E.164: at most 15 digits with the code of the country.
_E164 = re.compile(r"\+[1-9][0-9]{5,14}")


def normalised(kind: str, raw: str, country: str | None = None) -> str | None:
    """Return an address of a channel kind as it is stored, or None when it is none.

    Mail addresses may stand behind a name; numbers may lack the plus sign, as they do in SMPP. `country` reads numbers
    that are written as inside it.
    """
    text = raw.strip()
    if not text or len(text) > 400:
        return None
    try:
        if kind == "email":
            return normalise_email(parseaddr(text)[1] or text)
        return next(iter(_numbers(text, country)), None)
    except ValueError:
        return None


def readings(kind: str, raw: str, country: str | None = None) -> tuple[str, ...]:
    """Return all that an address may mean, as stored: a number without a plus sign may be one inside the country, too."""
    if kind == "email" or len(raw.strip()) > 400:
        found = normalised(kind, raw, country)
        return () if found is None else (found,)
    return tuple(_numbers(raw.strip(), country))


def _numbers(text: str, country: str | None) -> list[str]:
    """Return the numbers that a text may mean: inside the country first, then with the code of any."""
    number = text.removeprefix("tel:")
    if number.startswith("00"):
        # The prefix of calls abroad in nearly all countries; no country's own numbers begin so.
        number = f"+{number[2:]}"
    ways: list[tuple[str, str | None]] = [(number, country)]
    if number[:1].isdigit():
        ways.append((f"+{number}", None))
    found: list[str] = []
    for written, inside in ways:
        with suppress(ValueError):
            found.append(normalise_phone(written, inside))
    return list(dict.fromkeys(found))


def deliverable(kind: str, address: str) -> bool:
    """Tell whether an address as it is stored is one that something can be delivered to.

    Imports keep no other. Rows of an older version, or written by somebody else, may have what a provider would only reject.
    """
    if kind != "email":
        return _E164.fullmatch(address) is not None
    try:
        normalise_email(address)
    except ValueError:
        return False
    return True


class AddressReader:
    """Hashes the addresses of one channel kind, however they are written."""

    def __init__(self, salt: str, kind: str, country: str | None = None) -> None:
        self._hasher = AddressHasher(salt, kind)
        self._kind = kind
        self._country = country

    def read(self, raw: str) -> str | None:
        """Return the address as it is stored, None when it is none."""
        return normalised(self._kind, raw, self._country)

    def readings(self, raw: str) -> tuple[tuple[str, str], ...]:
        """Return all that an address may mean, each as it is stored and with its keyed hash."""
        return tuple((one, self._hasher.of(one)) for one in readings(self._kind, raw, self._country))

    def hash(self, raw: str) -> str | None:
        """Return the keyed hash of an address, None when it is none."""
        address = self.read(raw)
        return None if address is None else self._hasher.of(address)
