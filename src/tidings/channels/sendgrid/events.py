"""The signed event webhook: verified over the raw bytes first, then each event put into our words."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tidings.channels.protocol import ChannelEvent, Forged, HookRequest, Receipt, ReceiptKind, Scope
from tidings.channels.statuses import judged_by_words, status_in, verdict

WINDOW = timedelta(minutes=5)
MAX_BODY = 2_000_000
MAX_EVENTS = 10_000

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_KINDS = {
    "processed": ReceiptKind.QUEUED,
    "deferred": ReceiptKind.DEFERRED,
    "delivered": ReceiptKind.DELIVERED,
    "bounce": ReceiptKind.BOUNCED,
    "dropped": ReceiptKind.BOUNCED,
    "open": ReceiptKind.OPENED,
    "click": ReceiptKind.CLICKED,
    "spamreport": ReceiptKind.COMPLAINED,
    "unsubscribe": ReceiptKind.UNSUBSCRIBED,
    "group_unsubscribe": ReceiptKind.UNSUBSCRIBED,
    "group_resubscribe": ReceiptKind.RESUBSCRIBED,
}
# Why the provider did not even try: the beginning of its reason, in lower case.
_DROPPED: tuple[tuple[str, Scope, bool, str], ...] = (
    ("invalid smtpapi", Scope.CONFIG, False, "smtpapi"),
    ("invalid", Scope.RECIPIENT, True, "invalid"),
    ("bounced address", Scope.RECIPIENT, True, "bounced"),
    ("unsubscribed address", Scope.RECIPIENT, True, "unsubscribed"),
    ("spam reporting address", Scope.RECIPIENT, True, "complained"),
    ("spam content", Scope.CONTENT, False, "spam"),
    ("recipient list over package quota", Scope.CONFIG, False, "quota"),
)
_CLASSES: dict[str, tuple[Scope | None, bool]] = {
    "invalid address": (Scope.RECIPIENT, True),
    "mailbox unavailable": (Scope.RECIPIENT, False),
    "content": (Scope.CONTENT, False),
    "reputation": (Scope.CONFIG, False),
    "frequency or volume too high": (Scope.CONFIG, False),
    "technical failure": (None, False),
}
# Says nothing beyond "failed": the classification and the type tell more.
_EMPTY_STATUS = re.compile(r"[245]\.0\.0")
# The part that X-Message-Id gave when the message was taken; behind it stand the machines it went through.
_TAKEN_AS = re.compile(r"(.+?)\.(?:filter|recvd)")


class Hook:
    """Reads calls of the event webhook; `keys` are one or more public keys as the provider shows them."""

    def __init__(self, keys: str) -> None:
        self._verifiers = _verifiers(keys)

    def parse(self, request: HookRequest, now: datetime) -> list[ChannelEvent]:
        """Return the events of one call in their order; raises Forged for anything that does not verify."""
        if not self._verifiers:
            raise Forged("there is no webhook_key", what_to_do="name its variable under `secrets:`")
        if len(request.body) > MAX_BODY:
            raise Forged(f"the call has {len(request.body):,} bytes; {MAX_BODY:,} is the most")
        self._verify(request, now)
        try:
            events = json.loads(request.body, parse_constant=str)
        except (ValueError, RecursionError) as error:
            raise Forged("the call is signed and no JSON") from error
        if not isinstance(events, list):
            raise Forged("the call is signed and holds no list of events")
        if len(events) > MAX_EVENTS:
            raise Forged(f"the call holds {len(events):,} events; {MAX_EVENTS:,} is the most")
        return [receipt_of(one if isinstance(one, dict) else {"event": one}) for one in events]

    def _verify(self, request: HookRequest, now: datetime) -> None:
        stamp = request.headers.get(_TIMESTAMP, "")
        signature = request.headers.get(_SIGNATURE, "")
        # The official verifier raises on some forgeries instead of saying no, and takes any age.
        try:
            if re.fullmatch(r"[0-9]{1,12}", stamp) is None:
                raise Forged("the call says no time")
            if abs(now - datetime.fromtimestamp(int(stamp), UTC)) > WINDOW:
                raise Forged("the call was signed more than five minutes from now")
            text = request.body.decode("utf-8")
            good = any(one.verify_signature(text, signature, stamp) for one in self._verifiers)
        except Forged:
            raise
        except Exception as error:
            raise Forged("the call's signature cannot be read") from error
        if not good:
            raise Forged("the call is not signed by the provider")


def _verifiers(keys: str) -> list[Any]:
    from sendgrid.helpers.eventwebhook import EventWebhook

    found = []
    for key in keys.split(","):
        bare = re.sub(r"-----(?:BEGIN|END) PUBLIC KEY-----|\\n|\s", "", key)
        if not bare:
            continue
        try:
            found.append(EventWebhook(bare))
        except Exception as error:
            raise Forged(
                "webhook_key is not a public key as SendGrid shows it",
                what_to_do="copy the verification key from the settings of the event webhook",
            ) from error
    return found


def receipt_of(event: Mapping[Any, Any]) -> Receipt:
    """Return one event in our words; a kind that we do not know becomes OTHER and keeps its name as code."""
    name = _text(event, "event", 60)
    kind = _KINDS.get(name, ReceiptKind.OTHER)
    address = _text(event, "email", 320)
    said = _text(event, "reason", 1000) or _text(event, "response", 1000)
    scope, permanent, code = _why(name, event, said)
    detail = re.sub(re.escape(address), "(recipient)", said, flags=re.IGNORECASE) if address else said
    return Receipt(
        event_id=_event_id(event),
        kind=kind,
        at=_instant(event.get("timestamp")),
        reference=_text(event, "mid", 100),
        provider_ref=_taken_as(_text(event, "sg_message_id", 200)),
        address=address,
        scope=scope,
        permanent=permanent,
        code=code,
        detail=" ".join(detail.split())[:300],
        machine=event.get("sg_machine_open") is True,
        url=_text(event, "url", 4000) if kind is ReceiptKind.CLICKED else "",
        raw=_kept(event),
    )


def _why(name: str, event: Mapping[Any, Any], said: str) -> tuple[Scope | None, bool, str]:
    if name == "dropped":
        found = [why[1:] for why in _DROPPED if said.lower().startswith(why[0])]
        return found[0] if found else (None, False, "dropped")
    if name not in ("bounce", "deferred"):
        return None, False, name if name not in _KINDS else ""
    status = _text(event, "status", 20)
    if not status_in(status) or _EMPTY_STATUS.fullmatch(status):
        status = status_in(said) or status
    # Deferred is not the end, and blocked is about the message or about us: neither condemns an address.
    final = name == "bounce" and _text(event, "type", 20) != "blocked"
    if status_in(status) and not _EMPTY_STATUS.fullmatch(status):
        scope, permanent = verdict(status, said)
    elif verdict("", said)[0] is not None:
        scope, permanent = verdict("", said)
    elif (classed := _CLASSES.get(_text(event, "bounce_classification", 60).lower())) is not None:
        scope, permanent = classed
    else:
        by_words = judged_by_words(said)
        # A bounce without a word about the address is no proof that the next message would meet the same.
        scope, permanent = by_words if by_words[0] is not None or not final else (Scope.RECIPIENT, False)
    return scope, permanent and final, status


def _event_id(event: Mapping[Any, Any]) -> str:
    given = _text(event, "sg_event_id", 201)
    if given and len(given) <= 200:
        return given
    # Told twice, it has the same words; that is all there is to know it by.
    words = json.dumps(event, sort_keys=True, default=str, ensure_ascii=True)
    return "sha256:" + hashlib.sha256(words.encode()).hexdigest()


def _taken_as(long_id: str) -> str:
    found = _TAKEN_AS.match(long_id)
    return found[1] if found else long_id


def _instant(value: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(value), UTC) if isinstance(value, int | str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _text(event: Mapping[Any, Any], name: str, most: int) -> str:
    value = event.get(name)
    return _clean(value)[:most] if isinstance(value, str) else ""


def _clean(text: str) -> str:
    """Return text that every database takes: no NUL, no half surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _kept(event: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the event for the record: without the address, which is kept as a hash only, and not without limits."""
    kept: dict[str, Any] = {}
    for name, value in list(event.items())[:60]:
        if name == "email":
            continue
        if isinstance(value, str):
            kept[_clean(str(name))[:100]] = _clean(value)[:2000]
        elif value is None or isinstance(value, bool | int | float):
            kept[_clean(str(name))[:100]] = value
        else:
            # Categories may be a list; whatever else is nested is kept as text.
            kept[_clean(str(name))[:100]] = _clean(json.dumps(value, ensure_ascii=True, default=str))[:2000]
    return kept
