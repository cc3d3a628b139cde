"""The events that a shop's server sends: checked against config/events.yaml before anything is kept.

    {"event": "order_placed", "customer": "C-1001", "at": "2027-03-02T10:15:00+01:00", "id": "order-77",
     "properties": {"category": "garden", "items": 3}, "amount": "129.50", "currency": "EUR"}

One such object, or an array of at most 1,000. `id` makes sending again harmless; without it each arrival counts.
`visitor` is what the web site calls somebody: instead of `customer` for people who are not known yet, or beside it, which tells
who the visitor is. An event without both is taken where a property says who it may be: a code, an e-mail address, a telephone
number or a landing page.
`amount` is net, in major units, and only for events that declare `revenue`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from tidings.clock import from_micros, to_micros
from tidings.customers.unnamed import PROPERTIES
from tidings.definitions.kinds.rules import Event, EventProperty, Events
from tidings.definitions.money import from_minor, to_minor

MOST_EVENTS = 1_000
MOST_BYTES = 1024 * 1024
_KEYS = frozenset(("event", "customer", "visitor", "at", "id", "properties", "amount", "currency"))
_LONGEST = 200
_LONGEST_TEXT = 2_000
_MOST_MONEY = 10**15
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


@dataclass(frozen=True, slots=True)
class EventReader:
    """Reads bodies of POST /v1/events; `currency` is the workspace's, taken where an amount names none."""

    events: Events
    currency: str

    def read(self, body: bytes, *, source: str, now: int) -> list[dict[str, Any]]:
        """Return spool records of every event of a body, or raise Refused: all of them are accepted or none.

        `now` is the time of arrival in microseconds; an event without `at` happened then.
        """
        try:
            found = json.loads(body, parse_float=Decimal, parse_constant=no_number)
        except (ValueError, RecursionError):
            raise Refused(
                400, "The body is not JSON: send one event as an object, or an array of them."
            ) from None
        several = found if isinstance(found, list) else [found]
        if not several:
            raise Refused(400, "The array is empty: send at least one event.")
        if len(several) > MOST_EVENTS:
            raise Refused(
                413, f"{len(several)} events are too many for one request; send at most {MOST_EVENTS}."
            )
        records = []
        for place, one in enumerate(several, start=1):
            try:
                records.append(self._event(one, source, now))
            except Wrong as wrong:
                where = f"Event {place} of {len(several)}: " if isinstance(found, list) else ""
                raise Refused(400, f"{where}{wrong} Nothing was accepted.") from None
        return records

    def _event(self, one: Any, source: str, now: int) -> dict[str, Any]:
        if not isinstance(one, dict):
            raise Wrong("it must be an object with at least `event`, and `customer` or `visitor`.")
        unknown = sorted(set(one) - _KEYS)
        if unknown:
            raise Wrong(
                f'"{short(unknown[0])}" is not a key of an event; the keys are {", ".join(sorted(_KEYS))}.'
            )
        name = read_text(one, "event")
        event = self.events.get(name)
        if event is None:
            raise Wrong(f'"{short(name)}" is not an event of config/events.yaml.')
        record: dict[str, Any] = {
            "k": "event",
            "at": now,
            "event": name,
            "occurred": read_instant(one.get("at"), now),
            "source": source,
        }
        if one.get("customer") is not None:
            record["customer"] = read_text(one, "customer")
        if one.get("visitor") is not None:
            record["visitor"] = read_text(one, "visitor")
            # So begin the marks of those who are known by something else.
            if record["visitor"].startswith("="):
                raise Wrong('`visitor` must not begin with "=".')
        if "id" in one:
            record["id"] = read_text(one, "id")
        currency = one.get("currency", self.currency)
        if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
            raise Wrong("`currency` must be a code of three capital letters, such as EUR.")
        properties = _properties(one.get("properties", {}), event, currency)
        if "amount" in one:
            if event.revenue is None:
                raise Wrong(
                    f'`amount` needs a revenue property, and "{name}" declares none in config/events.yaml.'
                )
            amount = read_money(one["amount"], currency, "amount")
            if properties.setdefault(event.revenue, amount) != amount:
                raise Wrong(f"`amount` and the property `{event.revenue}` differ; send one of them.")
        if event.revenue is not None and event.revenue in properties:
            record["amount"], record["currency"] = properties[event.revenue], currency
        elif any(declared.type == "money" and declared.name in properties for declared in event.properties):
            # Conditions compare amounts within one currency: that of a basket must be known as well.
            record["currency"] = currency
        elif "currency" in one:
            raise Wrong("`currency` without an amount of money says nothing.")
        record["properties"] = properties
        if "customer" not in record and "visitor" not in record and not _hints(properties):
            raise Wrong(
                "it says nothing of who it was: send `customer`, or `visitor` for people not known yet."
            )
        return record


def _hints(properties: dict[str, Any]) -> bool:
    """Tell whether a property may say who it was."""
    names = (name for those in PROPERTIES.values() for name in those)
    return any(isinstance(properties.get(name), str) and properties[name].strip() for name in names)


def _properties(given: Any, event: Event, currency: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Wrong("`properties` must be an object of names and values.")
    kept = {}
    for name, value in given.items():
        declared = event.property(name)
        if declared is None:
            known = ", ".join(one.name for one in event.properties) or "none"
            raise Wrong(f'"{short(name)}" is not a property of {event.name}; declared are: {known}.')
        if value is not None:
            kept[name] = _value(value, declared, currency)
    return kept


def _value(value: Any, declared: EventProperty, currency: str) -> Any:
    """Return a value as the store keeps it: money in minor units, dates and instants as ISO text."""
    name = declared.name
    if declared.type == "money":
        return read_money(value, currency, name)
    if declared.type == "number":
        number = _decimal(value, name)
        return int(number) if number == number.to_integral_value() else float(number)
    if declared.type == "flag":
        if not isinstance(value, bool):
            raise Wrong(f"`{name}` must be true or false.")
        return value
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not _storable(value):
        raise Wrong(f"`{name}` must be a text of at most {_LONGEST_TEXT} signs.")
    if declared.type == "date":
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise Wrong(f"`{name}` must be a date such as 2027-03-02.") from None
    return value


def read_text(one: dict[str, Any], name: str) -> str:
    """Return a text of an object, trimmed; raises Wrong for none."""
    value = one.get(name)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= _LONGEST or not _storable(value):
        raise Wrong(f"`{name}` must be a text of 1 to {_LONGEST} signs.")
    if _CONTROL.search(value.strip()):
        raise Wrong(f"`{name}` holds an invisible sign; names and numbers have none.")
    return value.strip()


def _storable(value: str) -> bool:
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
    amount = _decimal(value, name)
    minor = to_minor(amount, currency)
    if from_minor(minor, currency) != amount:
        raise Wrong(f"`{name}` has more decimal places than {currency} has.")
    if abs(minor) > _MOST_MONEY:
        raise Wrong(f"`{name}` is too large.")
    return minor


def _decimal(value: Any, name: str) -> Decimal:
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
    """Return the beginning of what a caller wrote, fit for an answer: no control signs, no half surrogate pairs."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:60])


def no_number(name: str) -> Any:
    """Refuse what JSON has no number for."""
    raise ValueError(f"{name} is no number")
