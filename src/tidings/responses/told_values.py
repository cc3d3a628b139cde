"""Values of a JSON body that a shop's server sends: each is read strictly, and what is wrong is said in a sentence."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from tidings.clock import from_micros, to_micros
from tidings.definitions.money import from_minor, to_minor

_LONGEST = 200
MOST_MONEY = 10**15
_AHEAD = timedelta(minutes=5)
_OLDEST = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_CURRENCY = re.compile(r"[A-Z]{3}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?")


class Refused(Exception):
    """The request cannot be accepted; `status` is the HTTP status, the text one sentence for its author."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Wrong(Exception):
    """One event is wrong; the text says what."""


def read_text(one: dict[str, Any], name: str, *, at: str = "", longest: int = _LONGEST) -> str:
    """Return a text of an object, trimmed; raises Wrong for none, which names it by `at`, else by its key."""
    value = one.get(name)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= longest or not storable(value):
        raise Wrong(f"`{at or name}` must be a text of 1 to {longest} signs.")
    if _CONTROL.search(value.strip()):
        raise Wrong(f"`{at or name}` holds an invisible sign; names and numbers have none.")
    return value.strip()


def read_currency(one: dict[str, Any], otherwise: str) -> str:
    """Return the code of the currency that an object names, `otherwise` where it names none; raises Wrong for no code."""
    currency = one.get("currency", otherwise)
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise Wrong("`currency` must be a code of three capital letters, such as EUR.")
    return currency


def storable(value: str) -> bool:
    """Tell whether a text can be kept everywhere: PostgreSQL takes no zero byte, UTF-8 no half of a pair."""
    return "\x00" not in value and not any("\ud800" <= sign <= "\udfff" for sign in value)


def read_instant(given: Any, now: int) -> int:
    """Return an instant with a zone in microseconds, `now` for none; raises Wrong for what is none, and for one to come."""
    if given is None:
        return now
    try:
        instant = datetime.fromisoformat(given)
    except (TypeError, ValueError):
        raise Wrong("`at` must be an instant such as 2027-03-02T10:15:00+01:00.") from None
    if instant.tzinfo is None:
        raise Wrong("`at` needs a zone: end it in Z or an offset such as +01:00.")
    try:
        micros = to_micros(instant)
    except OverflowError:
        raise Wrong("`at` is outside the calendar.") from None
    if instant < _OLDEST:
        raise Wrong("`at` is before 1970.")
    if instant > from_micros(now) + _AHEAD:
        raise Wrong("`at` is in the future.")
    return micros


def read_money(value: Any, currency: str, name: str) -> int:
    """Return an amount in minor units; raises Wrong for what is none, or has more decimal places than its currency."""
    amount = read_number(value, name)
    minor = to_minor(amount, currency)
    if from_minor(minor, currency) != amount:
        raise Wrong(f"`{name}` has more decimal places than {currency} has.")
    if abs(minor) > MOST_MONEY:
        raise Wrong(f"`{name}` is too large.")
    return minor


def read_number(value: Any, name: str) -> Decimal:
    """Return a number exactly, given as one or as a text; raises Wrong for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise Wrong(f"`{name}` must be a number.")
    try:
        written = (
            format(value, "f") if isinstance(value, Decimal) and abs(value.adjusted()) < 30 else str(value)
        )
    except ValueError:
        written = ""
    if not _NUMBER.fullmatch(written):
        raise Wrong(f"`{name}` must be a number with at most 15 digits and 9 decimal places.")
    try:
        return Decimal(written)
    except InvalidOperation:
        raise Wrong(f"`{name}` must be a number.") from None


def short(text: str) -> str:
    """Return the beginning of what somebody sent as it can be shown to them."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:60])


def no_number(name: str) -> Any:
    """Refuse what JSON has no number for."""
    raise ValueError(f"{name} is no number")
