"""Codes that can be read aloud, typed and not guessed: 31 signs that nobody mistakes for each other, the last one a check.

The check is a pure system in the manner of ISO 7064 with modulus 31 and radix 3. The modulus is prime and 3 generates all
its residues, so that no two of thirty places weigh the same: every single wrong sign is found, and every swap of two signs.
"""

from __future__ import annotations

import secrets

# Without I, L, O, 0 and 1.
SIGNS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
SHORTEST, LONGEST = 6, 30
_MODULUS, _RADIX = 31, 3
_PLACES = {sign: place for place, sign in enumerate(SIGNS)}


def new_code(length: int) -> str:
    """Return a random code of so many signs, the last of them its check; `length` is from SHORTEST to LONGEST."""
    if not SHORTEST <= length <= LONGEST:
        raise ValueError(f"a code has {SHORTEST} to {LONGEST} signs, not {length}")
    body = "".join(secrets.choice(SIGNS) for _ in range(length - 1))
    return body + _check_sign(body)


def checks_out(code: str) -> bool:
    """Tell whether the last sign is the check of those before it."""
    return len(code) > 1 and all(sign in _PLACES for sign in code) and _check_sign(code[:-1]) == code[-1]


def as_typed(text: str) -> tuple[str, ...]:
    """Return the spellings under which a code that somebody typed may be stored, the likeliest first."""
    exact = text.strip()
    upper = exact.upper()
    return (exact, upper) if upper != exact else (exact,)


def _check_sign(body: str) -> str:
    # Horner's scheme: the remainder of the weighted sum, each sign weighing three times the one after it.
    rest = 0
    for sign in body:
        rest = (rest + _PLACES[sign]) * _RADIX % _MODULUS
    return SIGNS[-rest % _MODULUS]
