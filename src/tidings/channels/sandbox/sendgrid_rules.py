"""What the real mail/send call refuses, written out; and what becomes of an accepted message, by its recipient.

A request that this module takes is one that the published contract takes, with the documented limits beside it.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

MAX_REQUEST = 30_000_000
RESERVED = {
    *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
    *("to", "from", "subject", "reply-to", "cc", "bcc"),
}
_EMAIL = re.compile(r"[^\s@<>,;\"]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


class Fate(StrEnum):
    """What becomes of a message that was taken, told in events afterwards."""

    DELIVER = "deliver"
    BOUNCE = "bounce"
    FULL = "full"
    BLOCK = "block"
    DROP = "drop"
    DROP_UNSUBSCRIBED = "drop-unsubscribed"
    DEFER = "defer"
    SPAMREPORT = "spamreport"
    UNSUBSCRIBE = "unsubscribe"
    OPEN = "open"
    MACHINE_OPEN = "machine-open"
    CLICK = "click"
    SILENCE = "silence"


class Answer(StrEnum):
    """How the call itself goes, whatever is in it."""

    TAKE = "take"
    REJECT_RECIPIENT = "reject-recipient"
    REJECT_CONTENT = "reject-content"
    REJECT_SENDER = "reject-sender"
    REJECT_KEY = "reject-key"
    TOO_LARGE = "too-large"
    THROTTLE = "throttle"
    UNAVAILABLE = "unavailable"
    FAIL = "fail"
    CUT_IN_BODY = "cut-in-body"
    CUT_AFTER_BODY = "cut-after-body"
    SILENT_BEFORE_BODY = "silent-before-body"
    SILENT_AFTER_BODY = "silent-after-body"
    TAKE_AND_CUT = "take-and-cut"
    SILENT = "silent"


def errors_in(body: Any, size: int) -> list[dict[str, str | None]]:
    """Return what is wrong with a request, as the service lists it: message and field."""
    return [{"message": message, "field": field, "help": None} for field, message in _wrong(body, size)]


def _wrong(body: Any, size: int) -> Iterator[tuple[str | None, str]]:
    if not isinstance(body, dict):
        yield None, "the body is no JSON object"
        return
    if size > MAX_REQUEST:
        yield None, "the request is over 30 MB"
    yield from _address(body.get("from"), "from", required=True)
    if "reply_to" in body:
        yield from _address(body["reply_to"], "reply_to", required=True)
    persons = body.get("personalizations")
    if not isinstance(persons, list) or not 1 <= len(persons) <= 1000:
        yield "personalizations", "1 to 1000 personalizations are needed"
        return
    yield from _recipients(persons, body)
    content = body.get("content")
    if not isinstance(content, list) or not content:
        yield "content", "a message needs content"
        return
    for number, part in enumerate(content):
        for name in ("type", "value"):
            if not isinstance(part, dict) or not isinstance(part.get(name), str) or not part[name]:
                yield f"content.{number}.{name}", "a text of at least one sign is needed"
                return
    types = [part["type"] for part in content]
    if "text/plain" in types[1:] or ("text/html" in types[2:]):
        yield "content", "text/plain comes first, then text/html"
    yield from _attachments(body.get("attachments", []))
    categories = body.get("categories", [])
    if (
        not isinstance(categories, list)
        or len(categories) > 10
        or len(set(map(str, categories))) < len(categories)
    ):
        yield "categories", "at most 10 different categories"
    pool = body.get("ip_pool_name", "pool")
    if not isinstance(pool, str) or not 2 <= len(pool) <= 64:
        yield "ip_pool_name", "has 2 to 64 signs"


def _attachments(given: Any) -> Iterator[tuple[str | None, str]]:
    if not isinstance(given, list):
        yield "attachments", "is a list"
        return
    for number, one in enumerate(given):
        at = f"attachments.{number}"
        if not isinstance(one, dict):
            yield at, "is an object"
            continue
        try:
            whole = b64decode(one.get("content", ""), validate=True)
        except (ValueError, TypeError):
            whole = b""
        if not whole:
            yield f"{at}.content", "is a text in Base64 of at least one byte"
        name, kind = one.get("filename"), one.get("type", "text/plain")
        if not isinstance(name, str) or not name or re.search(r"[\r\n]", name):
            yield f"{at}.filename", "is a text of one line"
        if not isinstance(kind, str) or not kind or re.search(r"[;\r\n]", kind):
            yield f"{at}.type", "is a type without a semicolon"
        if one.get("disposition", "attachment") not in ("attachment", "inline"):
            yield f"{at}.disposition", "is attachment or inline"
        named = one.get("content_id", "id")
        if not isinstance(named, str) or not named or re.search(r"[\r\n]", named):
            yield f"{at}.content_id", "is a text of one line"


def _recipients(persons: Sequence[Any], body: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    seen: set[str] = set()
    for number, person in enumerate(persons):
        at = f"personalizations.{number}"
        if not isinstance(person, dict) or not isinstance(person.get("to"), list) or not person["to"]:
            yield f"{at}.to", "at least one recipient is needed"
            continue
        for kind in ("to", "cc", "bcc"):
            for place, one in enumerate(person.get(kind, [])):
                wrong = list(_address(one, f"{at}.{kind}.{place}", required=True))
                yield from wrong
                address = "" if wrong else one["email"].lower()
                if address and address in seen:
                    yield f"{at}.{kind}", "each address may occur once in a request"
                seen.add(address)
        subject = person.get("subject", body.get("subject"))
        if not isinstance(subject, str) or not subject:
            yield (f"{at}.subject" if "subject" in person else "subject"), "a subject is needed"
        yield from _words(person, "substitutions", at)
        yield from _words(person, "custom_args", at)
        yield from _words(person, "headers", at)
        for name, value in _mapping(person, "headers").items():
            if name.lower() in RESERVED or not str(value).isascii() or re.search(r"[\r\n]", f"{name}{value}"):
                yield f"{at}.headers", f"the header {name} may not be given"
    if len(seen) > 1000:
        yield "personalizations", "at most 1000 recipients in all"


def _words(person: Mapping[str, Any], name: str, at: str) -> Iterator[tuple[str | None, str]]:
    given = person.get(name, {})
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        yield f"{at}.{name}", "is an object of texts"
    elif name != "headers" and len(json.dumps(given, ensure_ascii=False).encode()) > 10_000 + 6 * len(given):
        yield f"{at}.{name}", "has at most 10000 bytes"


def _mapping(person: Mapping[str, Any], name: str) -> dict[str, Any]:
    given = person.get(name, {})
    return given if isinstance(given, dict) else {}


def _address(value: Any, at: str, *, required: bool) -> Iterator[tuple[str | None, str]]:
    if value is None and not required:
        return
    if not isinstance(value, dict) or not isinstance(value.get("email"), str):
        yield f"{at}.email" if isinstance(value, dict) else at, "an address is needed"
    elif _EMAIL.fullmatch(value["email"]) is None:
        yield f"{at}.email", "does not contain a valid address"
    elif not isinstance(value.get("name", ""), str):
        yield f"{at}.name", "is a text"


def fate_of(address: str, rules: Sequence[tuple[str, Fate]]) -> Fate:
    """Return the fate of the first rule whose pattern the address matches.

    Without one, an address whose local part begins with the name of a fate (`bounce-17@shop.example`) gets it.
    """
    lower = address.lower()
    for pattern, fate in rules:
        if fnmatchcase(lower, pattern.lower()):
            return fate
    local = lower.partition("@")[0]
    named = [fate for fate in Fate if re.match(rf"{fate.value}(?![a-z])", local)]
    return max(named, key=lambda fate: len(fate.value)) if named else Fate.DELIVER


def substituted(text: str, substitutions: Mapping[str, str]) -> str:
    """Return a text with the recipient's values in place of the tags."""
    for tag, value in substitutions.items():
        text = text.replace(tag, value)
    return text
