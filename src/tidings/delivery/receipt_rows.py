"""Receipts as rows of the inbox: cleaned, cut to size, money in minor units, addresses as hashes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tidings.clock import to_micros
from tidings.customers.addresses import AddressReader
from tidings.definitions.money import to_minor
from tidings.delivery.matching import Sought

if TYPE_CHECKING:
    from tidings.channels.protocol import Receipt

COLUMNS = (
    "id",
    "provider",
    "event_id",
    "kind",
    "message_id",
    "address_hash",
    "at",
    "received_at",
    "raw",
    "channel",
    "state",
    "reference",
    "provider_ref",
    "scope",
    "permanent",
    "code",
    "detail",
    "cost",
    "currency",
    "units",
)
_LONGEST_ID = 200
_LONGEST_REF = 300
_LONGEST_RAW = 16_000
_LARGEST = 2**63 - 1
_MOST_UNITS = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """A receipt ready to be stored, and what finds its message."""

    event_id: str
    values: dict[str, Any]
    sought: Sought


def inbox_name(provider: str, channel: str) -> str:
    """Return the name under which event ids are unique.

    Both belong to it: two SMS centres number their messages from 1 each, and a channel may change its provider.
    """
    return f"{provider}/{channel}"


def row_of(event: Receipt, channel: str, provider: str, reader: AddressReader, *, kind: str, now: int) -> Row:
    """Return the row of a receipt. An instant after `now` (a clock that is ahead) counts as now."""
    reference, provider_ref = clean(event.reference, _LONGEST_REF), clean(event.provider_ref, _LONGEST_REF)
    hashed = reader.hash(event.address) if event.address else None
    currency = event.currency.upper() if event.cost is not None else ""
    kept: dict[str, Any] = {"said": bounded(event.raw)}
    if event.url:
        kept["url"] = clean(event.url, 2048)
    if event.machine:
        kept["machine"] = True
    if event.cost is not None:
        # Single messages cost fractions of a cent: the exact amount is kept beside the rounded one.
        kept["cost"] = str(event.cost)
    event_id = short_id(event.event_id)
    return Row(
        event_id,
        {
            "provider": inbox_name(provider, channel),
            "event_id": event_id,
            "kind": str(event.kind),
            "address_hash": hashed,
            "at": instant(event.at, now),
            "received_at": now,
            "raw": kept,
            "channel": channel,
            "reference": reference or None,
            "provider_ref": provider_ref or None,
            "scope": None if event.scope is None else str(event.scope),
            "permanent": event.permanent,
            "code": clean(event.code, 100) or None,
            "detail": clean(event.detail, 1000) or None,
            "cost": _minor(event.cost, currency),
            "currency": currency[:3] or None,
            "units": _units(event.units),
        },
        sought_of(channel, kind, reference, provider_ref, hashed, event.raw),
    )


def sought_of(
    channel: str,
    kind: str,
    reference: str,
    provider_ref: str,
    address_hash: str | None,
    said: Mapping[str, Any],
) -> Sought:
    """Return what finds the message of a receipt; what was read out of a mail says so in its raw words."""
    by_mail = "ledger_id" in said or "message_id_header" in said
    return Sought(
        channel,
        kind,
        reference,
        provider_ref,
        address_hash,
        _number(said.get("ledger_id")),
        proved=not by_mail,
        seal=str(said.get("seal", "")),
    )


def short_id(event_id: str) -> str:
    """Return an event id as it is stored; a very long one as its hash, for an index does not take it."""
    cleaned = clean(event_id, _LONGEST_ID + 1)
    if 0 < len(cleaned) <= _LONGEST_ID and len(event_id) <= _LONGEST_ID:
        return cleaned
    return "b2:" + blake2b(event_id.encode("utf-8", "replace"), digest_size=16).hexdigest()


def instant(at: datetime | None, now: int) -> int:
    """Return the provider's instant in microseconds, the receipt's where it named none."""
    return now if at is None or at.tzinfo is None else max(0, min(to_micros(at), now))


def clean(text: str, longest: int) -> str:
    """Return a text without what no database takes (NUL, half surrogate pairs), and no longer than it may be."""
    return text[:longest].replace("\x00", "").encode("utf-8", "replace").decode()


def bounded(raw: Mapping[str, Any]) -> Any:
    """Return what the provider said as plain JSON; of what is very long, its beginning."""
    text = json.dumps(dict(raw), ensure_ascii=False, default=str).replace("\\u0000", "")
    text = clean(text, 50 * _LONGEST_RAW)
    return json.loads(text) if len(text) <= _LONGEST_RAW else {"cut": text[:_LONGEST_RAW]}


def tuples(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Return rows in the order of COLUMNS."""
    return [tuple(row[name] for name in COLUMNS) for row in rows]


def _minor(cost: Decimal | None, currency: str) -> int | None:
    if cost is None or not cost.is_finite():
        return None
    minor = to_minor(abs(cost), currency)
    return minor if minor <= _LARGEST else None


def _units(units: int | None) -> int | None:
    """Return segments or pages; what no message has is none of them."""
    return units if units is not None and 0 <= units <= _MOST_UNITS else None


def _number(value: object) -> int | None:
    """Return a message id, None for anything else."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) <= 18):
        return None
    return int(text)
