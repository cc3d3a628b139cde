"""What an SMS centre delivers to us: receipts, and messages that people wrote."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidings import gsm
from tidings.channels.protocol import ChannelEvent, Inbound, Receipt, ReceiptKind, Scope

if TYPE_CHECKING:
    from smpp34 import DeliverSm

# SMPP 3.4, 5.2.12 (esm_class), 5.3.2.35 (message_state) and appendix B (the usual text of a receipt).
_RECEIPT_TYPES = (0x04, 0x20)
_USER_DATA_HEADER = 0x40
_STATES = {1: "ENROUTE", 2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 6: "ACCEPTD", 7: "UNKNOWN", 8: "REJECTD"}  # fmt: skip
_FIELD = re.compile(r"\b(id|sub|dlvrd|submit date|done date|stat|err):\s*([^\s]*)", re.IGNORECASE)
_FINAL_BAD = {"UNDELIV", "REJECTD", "DELETED", "EXPIRED"}
_UCS2, _LATIN1, _ASCII = 0x08, 0x03, 0x01

ReadId = Callable[[str], str]


def same_id(text: str) -> str:
    """Return a message id of a receipt as it stands."""
    return text


def hex_to_decimal(text: str) -> str:
    """Return a hexadecimal id as the decimal one that the answer to the submit held."""
    try:
        return str(int(text, 16))
    except ValueError:
        return text


def decimal_to_hex(text: str) -> str:
    """Return a decimal id as the hexadecimal one that the answer to the submit held."""
    return f"{int(text):X}" if text.isascii() and text.isdigit() else text


READ_ID: dict[str, ReadId] = {
    "same": same_id,
    "hex_to_decimal": hex_to_decimal,
    "decimal_to_hex": decimal_to_hex,
}


def event_of(told: DeliverSm, read_id: ReadId, *, unique: str) -> ChannelEvent:
    """Return what a deliver_sm says; `unique` names the unit, for a message that somebody wrote has no id."""
    optional = {one.tag: one for one in told.tlvs}
    # 0x001E receipted_message_id, 0x0427 message_state, 0x0424 message_payload, 0x0423 network_error_code.
    content = optional[0x0424].value if 0x0424 in optional and not told.short_message else told.short_message
    text = _text(content, told.data_coding, header=bool(told.esm_class & _USER_DATA_HEADER))
    if told.esm_class & 0x3C not in _RECEIPT_TYPES:
        return Inbound(unique, _number(told.source_addr, told.source_addr_ton), told.destination_addr, text)
    said = {name.lower(): value for name, value in _FIELD.findall(text)}
    given = optional[0x001E].as_string() if 0x001E in optional else None
    number = read_id((given or said.get("id", "")).strip("\0 "))
    state = optional[0x0427].as_int() if 0x0427 in optional else None
    stat = _STATES.get(state or 0) or said.get("stat", "UNKNOWN").upper()
    return Receipt(
        # The same state told twice is one event; a later state, or the same of a message that got its number anew, another.
        event_id="/".join(filter(None, (number, stat, said.get("done date", "")))),
        kind=_kind(stat),
        at=_done(said.get("done date", "")),
        provider_ref=number,
        address=_number(told.source_addr, told.source_addr_ton),
        # Which of its reasons was the recipient's, an SMS centre says in codes of its own: no number is given up for it.
        scope=Scope.RECIPIENT if stat in _FINAL_BAD else None,
        permanent=False,
        code=stat,
        detail=f"{stat} err {said['err']}" if said.get("err") else stat,
        raw={"stat": stat, "err": said.get("err", "")},
    )


def _kind(stat: str) -> ReceiptKind:
    if stat == "DELIVRD":
        return ReceiptKind.DELIVERED
    if stat in _FINAL_BAD:
        return ReceiptKind.BOUNCED
    return ReceiptKind.SENT if stat in ("ACCEPTD", "ENROUTE") else ReceiptKind.OTHER


def _number(address: str, ton: int) -> str:
    """Return a number in E.164 where the centre says that it is international (type of number 1)."""
    return f"+{address}" if ton == 1 and address.isdigit() else address


def _text(octets: bytes, coding: int, *, header: bool) -> str:
    if header and octets:
        octets = octets[octets[0] + 1 :]
    if coding == _UCS2:
        return octets.decode("utf-16-be", "replace")
    if coding == _LATIN1:
        return octets.decode("latin-1")
    if coding == _ASCII:
        return octets.decode("ascii", "replace")
    return gsm.decode(octets)


def _done(text: str) -> datetime | None:
    """Return the instant of a receipt: YYMMDDhhmm with or without seconds, which is read as UTC."""
    for pattern in ("%y%m%d%H%M%S", "%y%m%d%H%M"):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
