"""Webhooks: verified over the public URL and the whole body first, then put into our words.

The provider signs no time, so an old call verifies for ever: what protects is that the same event has the same id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tidings.channels.protocol import ChannelEvent, Forged, HookRequest, Inbound, Receipt, ReceiptKind
from tidings.channels.twilio.codes import OPTED_OUT, fate_of

MAX_BODY = 65_536
MAX_FIELDS = 200
FAILED = ("failed", "undelivered", "canceled")

_KINDS = {
    **dict.fromkeys(("accepted", "scheduled", "queued", "sending"), ReceiptKind.QUEUED),
    "sent": ReceiptKind.SENT,
    **dict.fromkeys(("delivered", "read"), ReceiptKind.DELIVERED),
    **dict.fromkeys(FAILED, ReceiptKind.BOUNCED),
}
_KEYWORDS = {"STOP": "stop", "START": "start", "HELP": "help"}
_SID = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}")


class _Fields(dict[str, list[str]]):
    """Form fields as the official validator reads those that may stand several times."""

    def getall(self, name: str) -> list[str]:
        return self[name]


class Hook:
    """Reads webhooks of one account, signed with its token."""

    def __init__(self, account: str, token: str) -> None:
        from twilio.request_validator import RequestValidator

        self._account = account
        self._validator = RequestValidator(token) if token else None

    def parse(self, request: HookRequest) -> list[ChannelEvent]:
        """Return the events of one call; raises Forged for anything that does not verify or cannot be read."""
        if self._validator is None:
            raise Forged("there is no auth_token", what_to_do="name its variable under `secrets:`")
        if len(request.body) > MAX_BODY:
            raise Forged(f"the call has {len(request.body):,} bytes; {MAX_BODY:,} is the most")
        try:
            fields = self._verified(request)
        except Forged:
            raise
        except Exception as error:
            # Whatever a hostile call provokes in a library, it is a call that does not verify.
            raise Forged(f"the call cannot be read: {type(error).__name__}") from error
        if fields.get("AccountSid") != self._account:
            raise Forged("the call is about another account")
        sid = fields.get("MessageSid") or fields.get("SmsSid") or ""
        if not _SID.fullmatch(sid):
            raise Forged("the call names no message")
        fields["MessageSid"] = sid
        if _is_inbound(fields):
            return [_inbound(fields)]
        reference = parse_qs(urlsplit(request.url).query).get("r", [""])[0]
        return list(events_of(fields, reference))

    def _verified(self, request: HookRequest) -> dict[str, str]:
        """Return the fields of a call whose signature holds."""
        assert self._validator is not None
        signature = request.headers.get("x-twilio-signature", "")
        if not signature:
            raise Forged("the call is not signed")
        text = request.body.decode("utf-8")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            # Only with the hash of the body in the signed URL does the signature cover it.
            if len(parse_qs(urlsplit(request.url).query).get("bodySHA256", [])) != 1:
                raise Forged("the signature does not cover the body")
            signed: _Fields | str = text
        else:
            form = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
            signed = _Fields()
            for name, value in form:
                signed.setdefault(name, []).append(value)
        if not self._validator.validate(request.url, signed, signature):
            raise Forged("the signature does not fit the call")
        if isinstance(signed, str):
            said = json.loads(signed)
            if not isinstance(said, dict):
                raise Forged("the call holds no fields")
            return {str(name): str(value) for name, value in said.items() if value is not None}
        return {name: values[0] for name, values in signed.items()}


def events_of(fields: Mapping[str, str], reference: str) -> list[Receipt]:
    """Return what a status says; a number that opted out with the provider is told as leaving, too."""
    told = [receipt_of(fields, reference)]
    if told[0].code == str(OPTED_OUT):
        sid = fields["MessageSid"]
        told.append(
            Receipt(
                f"{sid}:opted-out",
                ReceiptKind.UNSUBSCRIBED,
                reference=reference,
                provider_ref=sid,
                address=fields.get("To", ""),
                code=str(OPTED_OUT),
                detail="the number told the provider to stop",
                raw=dict(fields),
            )
        )
    return told


def receipt_of(fields: Mapping[str, str], reference: str, at: datetime | None = None) -> Receipt:
    """Return the fields of a status, in the provider's names, as a receipt."""
    sid = fields["MessageSid"]
    status = (fields.get("MessageStatus") or fields.get("SmsStatus") or "").lower()
    kind = _KINDS.get(status, ReceiptKind.OTHER)
    code = _code(fields.get("ErrorCode", ""))
    scope, permanent = fate_of(code) if kind == ReceiptKind.BOUNCED else (None, False)
    cost = _cost(fields.get("Price", ""))
    # The price comes later than the status that it belongs to, and is then news of its own.
    event_id = f"{sid}:{status}" if cost is None else f"{sid}:{status}:price"
    segments = fields.get("NumSegments", "")
    return Receipt(
        event_id,
        kind,
        at=at,
        reference=reference,
        provider_ref=sid,
        address=fields.get("To", ""),
        scope=scope,
        permanent=permanent,
        code=str(code or ""),
        detail=f"{status} {code or ''}".strip(),
        cost=cost,
        currency=fields.get("PriceUnit", "").upper() if cost is not None else "",
        units=int(segments) if segments.isascii() and segments.isdigit() else None,
        raw=dict(fields),
    )


def _is_inbound(fields: Mapping[str, str]) -> bool:
    return "MessageStatus" not in fields and fields.get("SmsStatus", "received").lower() == "received"


def _inbound(fields: Mapping[str, str]) -> Inbound:
    return Inbound(
        fields["MessageSid"],
        sender=fields.get("From", ""),
        recipient=fields.get("To", ""),
        text=fields.get("Body", ""),
        keyword=_KEYWORDS.get(fields.get("OptOutType", "").upper(), ""),
        raw=dict(fields),
    )


def _code(written: str) -> int | None:
    return int(written) if written.isascii() and written.isdigit() and int(written) else None


def _cost(written: str) -> Decimal | None:
    """Return what the provider took for a message; it writes a charge as a negative number."""
    try:
        return abs(Decimal(written)) if written else None
    except InvalidOperation:
        return None
