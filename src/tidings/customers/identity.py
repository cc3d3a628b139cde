"""Who a customer is: the number that draws arms, normalised addresses and their keyed hashes.

Nothing here touches a store. `u` is drawn once a customer from the workspace salt and the customer's key, so that the
same customer gets the same number in every new store of the workspace.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

from tidings.customers.phones import normalise_phone

__all__ = [
    "ADDRESS_COLUMNS",
    "AddressHasher",
    "Drawer",
    "address_hash",
    "customer_u",
    "normalise_email",
    "normalise_phone",
]

# The modulus of the assignment hash: a prime (2^31 - 1), see the campaigns package.
MODULUS = 2_147_483_647

# Channel kind: the column of `customers` that holds its address. The hash stands in `<column>_hash`.
ADDRESS_COLUMNS = {"email": "email", "sms": "phone", "fax": "fax"}

# Possessive where the next sign decides: quicker, and never slow on what is no address.
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++)*+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"(?=.{{3,254}}\Z)({_LOCAL})@((?:{_LABEL}\.)+{_LABEL})\Z")


class Drawer:
    """Draws `u` for many customers of one workspace: the keyed state of the hash is made once."""

    def __init__(self, salt: str) -> None:
        self._start = blake2b(key=_key(salt), digest_size=8, person=b"customer-u")

    def u(self, key: str) -> int:
        """Return the customer's number, 0 up to 2^31 - 2, evenly spread."""
        state = self._start.copy()
        state.update(key.encode())
        return int.from_bytes(state.digest(), "big") % MODULUS

    def account_u(self, account: str) -> int:
        """Return the number of an account, so that arms may be drawn by company: that of the key `account:NAME`."""
        return self.u(f"account:{account}")


class AddressHasher:
    """Hashes many normalised addresses of one channel kind with the workspace salt."""

    def __init__(self, salt: str, kind: str) -> None:
        if kind not in ADDRESS_COLUMNS:
            raise ValueError(f"{kind!r} is no channel kind; it is email, sms or fax")
        self.kind = kind
        self._start = blake2b(key=_key(salt), digest_size=16, person=f"address-{kind}".encode())

    def of(self, normalised: str) -> str:
        """Return the hash as 32 hexadecimal characters."""
        state = self._start.copy()
        state.update(normalised.encode())
        return state.hexdigest()


def customer_u(salt: str, key: str) -> int:
    """Return the number (0 up to 2^31 - 2) that draws a customer into arms: keyed BLAKE2b of the key."""
    return Drawer(salt).u(key)


def address_hash(salt: str, kind: str, normalised: str) -> str:
    """Return the keyed hash under which a normalised address is suppressed.

    `kind` is the channel kind: email, sms or fax. The same number hashes differently for sms and fax.
    """
    return AddressHasher(salt, kind).of(normalised)


def normalise_email(raw: str) -> str:
    """Return an e-mail address in the one spelling under which it is stored and compared.

    Blanks around it go, everything is lower-case, a domain in another script becomes its ASCII form (IDNA). Raises
    ValueError in words when it is no address. Dots and plus signs of the local part stay: they are the owner's.
    """
    text = raw.strip()
    if not text.isascii():
        text = _with_ascii_domain(text)
    if _EMAIL.match(text) is None or text.find("@") > 64:
        raise ValueError(f'"{_short(raw)}" is not an e-mail address')
    return text.lower()


def _with_ascii_domain(text: str) -> str:
    local, at, domain = text.rpartition("@")
    if not at or not local.isascii():
        raise ValueError(f'"{_short(text)}" has signs before the @ that mail servers do not carry')
    return f"{local}@{_ascii_domain(domain)}"


@lru_cache(maxsize=4096)
def _ascii_domain(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(f'"{_short(domain)}" is not a domain name') from error


def _key(salt: str) -> bytes:
    # BLAKE2b takes a key of at most 64 bytes; a longer salt is hashed down to that.
    raw = salt.encode()
    return raw if 0 < len(raw) <= 64 else blake2b(raw, digest_size=64).digest()


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
