"""The events that a shop's server sends: checked against config/events.yaml before anything is kept.

    {"event": "order_placed", "customer": "C-1001", "at": "2027-03-02T10:15:00+01:00", "id": "order-77",
     "properties": {"category": "garden", "items": 3}, "amount": "129.50", "currency": "EUR"}

One such object, or an array of at most 1,000. `id` makes sending again harmless; without it each arrival counts.
`visitor` is what the web site calls somebody: instead of `customer` for people who are not known yet, or beside it, which tells
who the visitor is. An event without both is taken where a property says who it may be: a code, an e-mail address, a telephone
number or a landing page.
`amount` is net, in major units, and only for events that declare `revenue`. `lines` are those of the order (`event_lines`); without
`amount` it is what they come to.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tidings.customers.orders import amount_of
from tidings.customers.unnamed import PROPERTIES
from tidings.definitions.kinds.rules import Event, EventProperty, Events
from tidings.responses.event_lines import read_lines, to_spool
from tidings.responses.spool import encode
from tidings.responses.told_values import (
    MOST_MONEY,
    Refused,
    Wrong,
    no_number,
    read_currency,
    read_instant,
    read_money,
    read_number,
    read_text,
    short,
    storable,
)

MOST_EVENTS = 1_000
MOST_BYTES = 1024 * 1024
_KEYS = frozenset(("event", "customer", "visitor", "at", "id", "properties", "amount", "currency", "lines"))
_LONGEST_TEXT = 2_000


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
        currency = read_currency(one, self.currency)
        properties = _properties(one.get("properties", {}), event, currency)
        if "amount" in one:
            if event.revenue is None:
                raise Wrong(
                    f'`amount` needs a revenue property, and "{name}" declares none in config/events.yaml.'
                )
            amount = read_money(one["amount"], currency, "amount")
            if properties.setdefault(event.revenue, amount) != amount:
                raise Wrong(f"`amount` and the property `{event.revenue}` differ; send one of them.")
        lines = self._lines(one, event, currency, properties)
        if lines:
            record["lines"] = lines
        if event.revenue is not None and event.revenue in properties:
            record["amount"], record["currency"] = properties[event.revenue], currency
        elif lines or any(one.type == "money" and one.name in properties for one in event.properties):
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

    def _lines(
        self, one: dict[str, Any], event: Event, currency: str, properties: dict[str, Any]
    ) -> list[list[Any]]:
        """Return the lines of an event for its record; where it names no amount, they say what it came to."""
        returned = any(other.returns == event.name for other in self.events.events)
        lines = read_lines(one["lines"], currency, returned=returned) if one.get("lines") is not None else []
        if lines and event.revenue is not None and event.revenue not in properties:
            amount = amount_of(lines, currency)
            if abs(amount) > MOST_MONEY:
                raise Wrong("`lines` come to too much money for one event.")
            properties[event.revenue] = amount
        return to_spool(lines)


def encoded(records: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return records as lines of the spool; raises Refused where one of them is too large for it."""
    lines = []
    for place, record in enumerate(records, start=1):
        try:
            lines.append(encode(record))
        except ValueError:
            where = f"Event {place} of {len(records)}" if len(records) > 1 else "The event"
            raise Refused(
                413,
                f"{where} is larger than 256 KiB: send fewer lines or shorter texts. Nothing was accepted.",
            ) from None
    return lines


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
        number = read_number(value, name)
        return int(number) if number == number.to_integral_value() else float(number)
    if declared.type == "flag":
        if not isinstance(value, bool):
            raise Wrong(f"`{name}` must be true or false.")
        return value
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not storable(value):
        raise Wrong(f"`{name}` must be a text of at most {_LONGEST_TEXT} signs.")
    if declared.type == "date":
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise Wrong(f"`{name}` must be a date such as 2027-03-02.") from None
    return value
