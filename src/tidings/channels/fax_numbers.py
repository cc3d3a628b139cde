"""Fax numbers as they are dialled: E.164 through a plan of prefixes, nothing that a modem or server would take as a command."""

from __future__ import annotations

import re

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_PREFIX = re.compile(r"[0-9*#,]{0,12}")


def e164(number: str) -> str | None:
    """Return an E.164 number as it is, or None for anything else."""
    return number if _E164.fullmatch(number) else None


def dial_string(number: str, *, prefix: str = "+", country: str = "", national: str = "0") -> str | None:
    """Return what is dialled for an E.164 number, or None where it is none.

    `prefix` goes before the digits (`00`, or `9,00` to get a line); `+` keeps the plus. Numbers of `country` (its
    digits) are dialled with `national` in its place.
    """
    if e164(number) is None:
        return None
    digits = number[1:]
    line, comma, access = prefix.rpartition(",")
    if country and digits.startswith(country):
        return f"{line}{comma}{national}{digits.removeprefix(country)}"
    return f"{line}{comma}{access}{digits}"


def known_prefix(prefix: str) -> bool:
    """Tell whether a prefix may stand before a number: digits, `*`, `#` and pauses, or a plus."""
    return prefix == "+" or _PREFIX.fullmatch(prefix) is not None
