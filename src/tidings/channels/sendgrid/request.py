"""The JSON of one call, written out here: the client's own builder reverses the order of recipients."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from tidings.channels.protocol import Attachment
from tidings.channels.sendgrid.letters import Letter
from tidings.channels.sendgrid.sharing import Bundle

# The service refuses what is larger, bodies and attachments together.
MAX_REQUEST = 30_000_000
MAX_RECIPIENTS = 1000


def request_of(bundle: Bundle, *, ip_pool: str = "", tracking: bool = False) -> dict[str, Any]:
    """Return the body of `POST /v3/mail/send` for a bundle.

    Each recipient has a personalization of its own, in the bundle's order, with nothing of ours in `custom_args` but the
    opaque reference: the service keeps those for ever. Its own tracking is switched off unless asked for,
    because it would rewrite our links.
    """
    first = bundle.letters[0]
    subjects = {letter.subject for letter in bundle.letters}
    content = []
    if bundle.text:
        content.append({"type": "text/plain", "value": bundle.text})
    if bundle.html:
        content.append({"type": "text/html", "value": bundle.html})
    body: dict[str, Any] = {
        "personalizations": [
            _personalization(letter, own, own_subject=len(subjects) > 1)
            for letter, own in zip(bundle.letters, bundle.substitutions, strict=True)
        ],
        "from": _address(first.sender, first.sender_name),
        "subject": first.subject,
        "content": content,
        "tracking_settings": {
            "click_tracking": {"enable": tracking, "enable_text": tracking},
            "open_tracking": {"enable": tracking},
            "subscription_tracking": {"enable": False},
            "ganalytics": {"enable": False},
        },
    }
    if first.attachments:
        body["attachments"] = [_attached(one) for one in first.attachments]
    if first.reply_to:
        body["reply_to"] = _address(first.reply_to, first.reply_name)
    if ip_pool:
        body["ip_pool_name"] = ip_pool
    return body


def fits(body: dict[str, Any]) -> bool:
    """Tell whether the service would take a request of this size."""
    return len(json.dumps(body)) <= MAX_REQUEST


def _personalization(letter: Letter, own: dict[str, str], *, own_subject: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"to": [{"email": letter.recipient}]}
    if own_subject:
        made["subject"] = letter.subject
    if letter.headers:
        made["headers"] = dict(letter.headers)
    if own:
        made["substitutions"] = own
    if letter.reference:
        made["custom_args"] = {"mid": letter.reference}
    return made


def _attached(one: Attachment) -> dict[str, str]:
    made = {
        "content": b64encode(one.content).decode("ascii"),
        "type": one.type,
        "filename": one.name,
        "disposition": "inline" if one.content_id else "attachment",
    }
    return made | {"content_id": one.content_id} if one.content_id else made


def _address(address: str, name: str) -> dict[str, str]:
    return {"email": address, "name": name} if name else {"email": address}
