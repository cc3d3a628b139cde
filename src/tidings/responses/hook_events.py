"""Events of providers as records of the spool, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from tidings.clock import from_micros, to_micros
from tidings.delivery.receipt_rows import bounded, clean, short_id
from tidings.responses.spool import Record, encode

if TYPE_CHECKING:
    from tidings.channels.protocol import ChannelEvent

HOOK = "hook"
_WISHES = ("unsubscribed", "resubscribed", "complained")
# Events in one record, and its size: well below what a record may have.
_MOST_EVENTS = 200
_MOST_BYTES = 100_000
_LONGEST_TEXT = 20_000


def lines_of(
    events: Sequence[ChannelEvent], *, channel: str, provider: str, kind: str, at: int
) -> list[bytes]:
    """Return the spool lines that hold these events, in their order."""
    head = {"k": HOOK, "at": at, "ch": channel, "p": provider, "kind": kind}
    return [encode(head | {"ev": part}) for part in _parts(events)]


def read_event(record: Record, told: Record) -> ChannelEvent | Exception:
    """Return one event of a record, or why it cannot be read. An event without an instant is of the one it came at."""
    try:
        return _event({"at": record["at"]} | told)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, OSError) as error:
        return error


def bears_on_consent(record: Record) -> bool:
    """Tell whether a record holds an answer of a person, or a wish that a provider passes on."""
    return any("from" in one or one.get("kind") in _WISHES for one in record["ev"])


def _parts(events: Sequence[ChannelEvent]) -> Iterator[list[Record]]:
    part: list[Record] = []
    size = 0
    for event in events:
        one = _plain(event)
        length = len(json.dumps(one))
        if part and (len(part) >= _MOST_EVENTS or size + length > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(one)
        size += length
    if part:
        yield part


def _plain(event: ChannelEvent) -> Record:
    from tidings.channels.protocol import Inbound

    told: dict[str, Any] = {"id": short_id(event.event_id), "raw": bounded(event.raw)}
    # An instant without a zone is none.
    if event.at is not None and event.at.tzinfo is not None:
        told["at"] = to_micros(event.at)
    if isinstance(event, Inbound):
        told |= {
            "from": clean(event.sender, 400),
            "to": clean(event.recipient, 400),
            "text": clean(event.text, _LONGEST_TEXT),
            "word": event.keyword,
        }
        return told
    told["kind"] = str(event.kind)
    texts = {
        "ref": event.reference,
        "pref": event.provider_ref,
        "addr": event.address,
        "code": event.code,
        "detail": event.detail,
        "url": event.url,
        "cur": event.currency,
    }
    told |= {name: clean(text, 2_048) for name, text in texts.items() if text}
    if event.scope is not None:
        told["scope"] = str(event.scope)
    if event.permanent:
        told["perm"] = True
    if event.machine:
        told["machine"] = True
    if event.cost is not None:
        told["cost"] = str(event.cost)
    if event.units is not None:
        told["units"] = event.units
    return told


def _event(told: Record) -> ChannelEvent:
    from tidings.channels.protocol import Inbound, Receipt, ReceiptKind, Scope

    at = from_micros(told["at"]) if "at" in told else None
    raw = told["raw"] if isinstance(told["raw"], dict) else {}
    if "from" in told:
        return Inbound(told["id"], told["from"], told["to"], told["text"], at, told["word"], raw)
    return Receipt(
        told["id"],
        ReceiptKind(told["kind"]),
        at,
        told.get("ref", ""),
        told.get("pref", ""),
        told.get("addr", ""),
        Scope(told["scope"]) if "scope" in told else None,
        bool(told.get("perm")),
        told.get("code", ""),
        told.get("detail", ""),
        bool(told.get("machine")),
        told.get("url", ""),
        _cost(told.get("cost")),
        told.get("cur", ""),
        told.get("units"),
        raw,
    )


def _cost(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None
