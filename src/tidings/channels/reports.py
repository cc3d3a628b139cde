"""Reports about a message that came by mail: delivery status (RFC 3464, RFC 6533), complaints (RFC 5965), and bounces that keep no form.

Anybody can write such a mail. It is believed about one message only, the one whose Message-ID or reference it returns, and
whoever applies it compares the recipient and the seal that both of them carry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_string
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from hashlib import blake2b
from typing import Any

from tidings.channels.protocol import Receipt, ReceiptKind, Scope
from tidings.channels.statuses import POLICY, UNKNOWN, judged_by_words, status_in, verdict

# What the templates write: <m(message).(salt).(seal)@(domain)>.
_OURS = re.compile(r"<m([1-9]\d{0,17})\.([A-Za-z0-9._-]{1,64})@([A-Za-z0-9.-]{1,253})>")
_REFERENCE = re.compile(r"([0-9a-f]{6}-[1-9]\d{0,17})(?:-([0-9a-f]{16}))?", re.ASCII)
_SEAL = re.compile(r"\.([0-9a-f]{16})\Z")
_ADDRESS = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;:]+")
_ACTIONS = {
    "failed": ReceiptKind.BOUNCED,
    "delayed": ReceiptKind.DEFERRED,
    "delivered": ReceiptKind.DELIVERED,
    "relayed": ReceiptKind.SENT,
    "expanded": ReceiptKind.SENT,
}
_CLASSES = {"5": ReceiptKind.BOUNCED, "4": ReceiptKind.DEFERRED, "2": ReceiptKind.DELIVERED}
_FEEDBACK = {
    "abuse": ReceiptKind.COMPLAINED,
    "fraud": ReceiptKind.COMPLAINED,
    "virus": ReceiptKind.COMPLAINED,
    "other": ReceiptKind.COMPLAINED,
    "opt-out": ReceiptKind.UNSUBSCRIBED,
    "opt-out-list": ReceiptKind.UNSUBSCRIBED,
}
_MOST_TEXT = 200_000
# Each of our mails has one recipient: a report of thousands was made to fill the inbox.
_MOST_BLOCKS = 100
_STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")
_MAILERS = re.compile(r"mailer-daemon|postmaster|mail delivery|mail administrator|mdaemon", re.IGNORECASE)


def receipts_in(message: Message) -> list[Receipt]:
    """Return what a mail reports about one of our messages; nothing for other mail, automatic answers included."""
    parts = {part.get_content_type(): part for part in message.walk()}
    returned = _returned(message)
    if returned is None:
        return []
    for kind in _STATUS_PARTS:
        if kind in parts:
            blocks = _blocks(parts[kind])[:_MOST_BLOCKS]
            return [one for block in blocks for one in _status(message, block, returned)]
    if "message/feedback-report" in parts:
        return _feedback(message, parts["message/feedback-report"], returned)
    return _informal(message, returned)


def _status(message: Message, block: Message, returned: dict[str, Any]) -> Iterator[Receipt]:
    final = _typed(block, "Final-Recipient")
    action = _text(block, "Action").lower().split("(")[0].strip()
    status = status_in(_text(block, "Status"))
    if not final and not action and not status:
        return
    said = _text(block, "Diagnostic-Code")
    kind = _ACTIONS.get(action) or _CLASSES.get(status[:1])
    if kind is None:
        return
    address = _typed(block, "Original-Recipient") or returned["to"] or final
    scope, permanent, code = _judged(status, said)
    yield _receipt(
        message,
        returned,
        kind,
        f"{final} {action} {status}",
        at=_instant(_text(block, "Last-Attempt-Date")) or _instant(_text(message, "Date")),
        address=address,
        scope=scope if kind in (ReceiptKind.BOUNCED, ReceiptKind.DEFERRED) else None,
        permanent=permanent and kind is ReceiptKind.BOUNCED,
        code=code,
        detail=said,
    )


def _feedback(message: Message, part: Message, returned: dict[str, Any]) -> list[Receipt]:
    fields = _nested(part)
    if fields is None:
        return []
    named = _text(fields, "Feedback-Type").lower()
    address = _address_in(_text(fields, "Original-Rcpt-To")) or returned["to"]
    receipt = _receipt(
        message,
        returned,
        _FEEDBACK.get(named, ReceiptKind.OTHER),
        f"feedback {named}",
        at=_instant(_text(fields, "Arrival-Date")) or _instant(_text(message, "Date")),
        address=address,
        code=named[:60],
        detail=_text(fields, "User-Agent"),
    )
    return [receipt]


def _informal(message: Message, returned: dict[str, Any]) -> list[Receipt]:
    """Read what keeps no form with the rules of a mailing-list manager, and only from mail systems."""
    from flufl.bounce import all_failures

    automatic = _text(message, "Auto-Submitted").lower().startswith("auto-replied")
    if automatic and "X-Failed-Recipients" not in message:
        return []
    empty_path = _text(message, "Return-Path") == "<>"
    if not empty_path and not _MAILERS.search(_text(message, "From")):
        return []
    text = _body_text(message)
    if len(text) >= _MOST_TEXT:
        return []  # a bounce is short; hours could go into guessing at the rest
    temporary, permanent = all_failures(message)
    found = []
    for addresses, kind in ((permanent, ReceiptKind.BOUNCED), (temporary, ReceiptKind.DEFERRED)):
        for raw in sorted(addresses):
            address = raw.decode("utf-8", "replace")
            scope, final, code = _judged("", text)
            found.append(
                _receipt(
                    message,
                    returned,
                    kind,
                    f"{address} informal",
                    at=_instant(_text(message, "Date")),
                    address=returned["to"] or address,
                    scope=scope or Scope.RECIPIENT,
                    permanent=final and kind is ReceiptKind.BOUNCED,
                    code=code,
                    detail=_reason(text),
                )
            )
    return found


def _judged(status: str, said: str) -> tuple[Scope | None, bool, str]:
    """Return whom a report concerns, whether for good, and the status that says so."""
    if not status or status.endswith(".0.0"):
        status = status_in(said) or status
    scope, permanent = verdict(status, said)
    if scope is None and (not status or status == "5.0.0"):
        by_words = judged_by_words(said)
        if by_words[0] is not None:
            return (*by_words, status)
    return scope, permanent, status


def _receipt(
    message: Message, returned: dict[str, Any], kind: ReceiptKind, words: str, **more: Any
) -> Receipt:
    """Make a receipt; the same report read again, or delivered twice, has the same event id."""
    told = f"{_text(message, 'Message-ID')}\0{returned['id']}\0{kind}\0{words}"
    detail = _ADDRESS.sub("(address)", " ".join(more.pop("detail", "").split()))
    shown = "".join(sign if sign.isprintable() else "?" for sign in detail)[:300]
    raw: dict[str, Any] = {"message_id_header": returned["id"]}
    if returned["ledger_id"] is not None:
        raw["ledger_id"] = returned["ledger_id"]
    if returned["seal"]:
        raw["seal"] = returned["seal"]
    return Receipt(
        event_id="mail:" + blake2b(told.encode("utf-8", "replace"), digest_size=16).hexdigest(),
        kind=kind,
        reference=returned["reference"],
        detail=shown,
        raw=raw,
        **more,
    )


def _returned(message: Message) -> dict[str, Any] | None:
    """Return what a report gives back of our message: its id, our reference, its recipient; None when nothing is ours."""
    for part in message.walk():
        kind = part.get_content_type()
        headers: Message | None = None
        if kind in ("message/rfc822", "message/global"):
            headers = _nested(part)
        elif kind in ("text/rfc822-headers", "message/global-headers"):
            headers = _nested(part) or message_from_string(_part_text(part))
        if headers is not None:
            found = _OURS.search(_text(headers, "Message-ID"))
            reference = _REFERENCE.fullmatch(_text(headers, "X-Tidings-Reference"))
            if found or reference:
                return _named(found, reference, _address_in(_text(headers, "To")))
    # Without the returned headers: what answers ours, or quotes it. The last one is the innermost.
    for text in (_text(message, "In-Reply-To"), _text(message, "References"), _body_text(message)):
        all_found = list(_OURS.finditer(text))
        if all_found:
            return _named(all_found[-1], None, "")
    return None


def _named(found: re.Match[str] | None, reference: re.Match[str] | None, to: str) -> dict[str, Any]:
    sealed = _SEAL.search(found[2]) if found else None
    return {
        "id": found[0] if found else "",
        "ledger_id": int(found[1]) if found else None,
        "reference": reference[1] if reference else "",
        # Some relays put a Message-ID of their own in the place of ours.
        "seal": sealed[1] if sealed else (reference[2] or "") if reference else "",
        "to": to,
    }


def _blocks(part: Message) -> list[Message]:
    """Return the blocks of a delivery status after the first, which is about the report itself.

    Some systems forget the empty line between the two; then there is one block, which has both.
    """
    payload = part.get_payload()
    if part.get_content_type() == "message/delivery-status" and isinstance(payload, list):
        blocks = [one for one in payload if isinstance(one, Message)]
    else:
        nested = _nested(part)
        text = "" if nested is None else nested.as_string()
        blocks = [
            message_from_string(one)
            for one in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n"))
            if one.strip()
        ]
    return [
        one for one in blocks if "Final-Recipient" in one or "Original-Recipient" in one or "Action" in one
    ]


def _nested(part: Message) -> Message | None:
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        return payload[0]
    return None


def _typed(block: Message, name: str) -> str:
    """Return the address of a field like `rfc822; anna@example.com`, with or without the type before it."""
    written = _text(block, name)
    return _address_in(written.partition(";")[2] or written)


def _address_in(written: str) -> str:
    address = parseaddr(written.strip())[1]
    return address if _ADDRESS.fullmatch(address) else ""


def _text(message: Message, name: str) -> str:
    """Return a header as one line of text, whatever bytes it was written in."""
    value = message.get(name)
    if value is None:
        return ""
    line = " ".join(str(value).split())
    return line.encode("utf-8", "replace").decode("utf-8").replace("\0", "")[:2000]


def _part_text(part: Message) -> str:
    raw = part.get_payload(decode=True)
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""


def _body_text(message: Message) -> str:
    """Return all that can be read as text, at most 200,000 signs."""
    texts = [_part_text(part) for part in message.walk() if part.get_content_maintype() == "text"]
    return "\n".join(texts)[:_MOST_TEXT].replace("\0", "")


def _reason(text: str) -> str:
    """Return the line of an informal bounce that says why: the first with a code, or with words that we know."""
    for line in text.splitlines():
        if status_in(line) or re.search(r"\b[45]\d\d\b", line) or UNKNOWN.search(line) or POLICY.search(line):
            return line[:1000]
    return ""


def _instant(written: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(written)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
