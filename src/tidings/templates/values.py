"""Values of one customer as plain data for a template; an unknown value falls back or refuses, it never prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from tidings.clock import from_micros
from tidings.definitions.kinds.rules import Attribute
from tidings.definitions.money import from_minor
from tidings.errors import TidingsError

MAX_LIST = 200

# Marks that the compiler puts around link slots; a value may not contain them.
MARK, MARK_URL = "\ufdd0", "\ufdd1"

_LINE_BREAKS = re.compile("\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")
# C0 and C1 controls, surrogates and noncharacters; bidi controls (they reorder our words), zero-width signs.
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = "\u200b\u2060-\u2064\ufeff\u00ad\u180e"
_NEVER = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f"
_UNWANTED = re.compile(f"[{_NEVER}{_BIDI}{_INVISIBLE}]")
_SUSPECT = re.compile(f"[{_NEVER}{_BIDI}{_INVISIBLE}\r\n\x0b\x0c\x85\u2028\u2029]")
_IN_HEADER = re.compile(f"[{_NEVER}{_BIDI}{_INVISIBLE}\t\r\n\x0b\x0c\x85\u2028\u2029]")


class RenderError(TidingsError):
    """One customer's message cannot be written: `field` names the value or header, `reason` says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}", code="render-error")
        self.field = field
        self.reason = reason


class Missing:
    """An unknown value: false, empty, equal to nothing, no comparison holds; printing it refuses the message."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, item: object) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    def __lt__(self, other: object) -> bool:
        return False

    __le__ = __gt__ = __ge__ = __lt__

    __hash__ = object.__hash__

    def __str__(self) -> str:
        raise RenderError(self.name, 'is unknown, and the template gives no other words (… or "friend")')


def clean(text: str) -> str:
    """Return text that may stand in a body: line breaks as CRLF, controls and invisible signs dropped."""
    # None of the signs looked for is printable, and to ask that is cheaper than to look for them.
    if text.isprintable() or _SUSPECT.search(text) is None:
        return text
    return _LINE_BREAKS.sub("\r\n", _UNWANTED.sub("", text))


def forbidden_in_header(text: str) -> str | None:
    """Return the first sign that may not stand in a header as `U+000A`, or None when there is none."""
    if text.isprintable():
        return None
    found = _IN_HEADER.search(text)
    return None if found is None else f"U+{ord(found.group()):04X}"


# By type alone: `isinstance` would ask the value itself what it is.
_PLAIN = (str, int, float, Decimal, date)


def _text(value: Any) -> str:
    if issubclass(type(value), str):
        return clean(value)
    if issubclass(type(value), _PLAIN):
        return clean(str(value))
    raise TypeError("is no plain value")


def _plain(value: Any) -> None:
    if not issubclass(type(value), (*_PLAIN, list, tuple)):
        raise TypeError("is no plain value")


def _number(value: Any) -> int | float | Decimal:
    number = Decimal(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float | Decimal):
        raise TypeError("is not a number")
    return int(number) if number == int(number) else number


def _date(value: Any) -> date:
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(value)


def _flag(value: Any) -> bool:
    if value in (0, 1, True, False):
        return bool(value)
    raise TypeError("is neither yes nor no")


def _list(value: Any) -> list[str]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise TypeError("is not a list")
    items = [item if type(item) is str and item.isprintable() else _text(item) for item in value]
    if len(items) > MAX_LIST:
        raise ValueError(f"has {len(items)} entries; a message takes {MAX_LIST}")
    return items


def reader(attribute: Attribute, zone: ZoneInfo) -> Callable[[Any], Any]:
    """Return what turns a stored value of an attribute into template data.

    money: minor units become a Decimal of major units; date: `date` or ISO text; instant: microseconds or
    an aware datetime becomes a wall time in `zone`; list: texts, at most 200. A value of another
    form raises RenderError naming the attribute.
    """
    currency = attribute.currency or ""

    def _instant(value: Any) -> datetime:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return (moment if isinstance(moment, datetime) else from_micros(int(moment))).astimezone(zone)

    def _money(value: Any) -> Decimal:
        return from_minor(int(value), currency)

    convert: Callable[[Any], Any] = {
        "number": _number,
        "money": _money,
        "date": _date,
        "instant": _instant,
        "flag": _flag,
        "list": _list,
    }.get(attribute.type, _text)
    if convert is _text:

        def read_text(value: Any) -> str:
            if type(value) is str and value.isprintable():
                return value
            try:
                return _text(value)
            except TypeError as error:
                raise RenderError(attribute.name, str(error)) from error

        return read_text

    def read(value: Any) -> Any:
        try:
            _plain(value)
            return convert(value)
        except (TypeError, ValueError, ArithmeticError, InvalidOperation) as error:
            raise RenderError(
                attribute.name, f"is not a {attribute.type} that can be shown: {error}"
            ) from error

    return read
