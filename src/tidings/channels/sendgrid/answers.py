"""What an answer of the service means for the messages of one call, as one table.

The service says one status for the whole call and takes all of it or nothing. Only 202 says that it has taken it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tidings.channels.protocol import Kind, Outcome, Scope
from tidings.clock import SystemClock

THROTTLE_SECONDS = 60.0
_LONGEST = 3600.0

# The status that a whole call gets, and what it says about every message in it.
_BY_STATUS: dict[int, tuple[Kind, Scope | None]] = {
    202: (Kind.ACCEPTED, None),
    400: (Kind.REJECTED, Scope.CONTENT),
    401: (Kind.REJECTED, Scope.CONFIG),
    403: (Kind.REJECTED, Scope.CONFIG),
    404: (Kind.REJECTED, Scope.CONFIG),
    405: (Kind.REJECTED, Scope.CONFIG),
    406: (Kind.REJECTED, Scope.CONFIG),
    413: (Kind.REJECTED, Scope.CONTENT),
    415: (Kind.REJECTED, Scope.CONFIG),
    429: (Kind.THROTTLED, None),
}
_OURS = re.compile(r"(?:from|reply_to|reply_to_list|ip_pool_name|asm|tracking_settings|mail_settings)\b")
_ONE = re.compile(r"personalizations(?:\.|\[)(\d+)")
_ADDRESS = re.compile(r"[^\s<>\"'()]+@[^\s<>\"'()]+")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Refused:
    """Where a refusal lies: `one` is the position of a recipient that it names, `field` the path, empty when unnamed."""

    field: str = ""
    one: int | None = None


def outcome_of(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Return what a status, with header names in lower case, says about every message of the call.

    503 with Retry-After is the service itself declining; any other 5xx may come from something between us and it,
    after the call was taken.
    """
    if status == 202:
        return Outcome(Kind.ACCEPTED, provider_ref=headers.get("x-message-id") or None)
    detail = _said(status, body)
    if status == 429:
        return Outcome(Kind.THROTTLED, detail=detail, retry_after=_wait(headers))
    if status == 503 and "retry-after" in headers:
        return Outcome(Kind.TRANSIENT, detail=detail, retry_after=_wait(headers))
    if status in _BY_STATUS:
        kind, scope = _BY_STATUS[status]
        if status == 400:
            where = refused(body)
            if _OURS.match(where.field):
                scope = Scope.CONFIG
            elif where.one is not None and where.field.endswith((".email", "]email", ".to")):
                scope = Scope.RECIPIENT
        return Outcome(kind, scope, detail, permanent=scope is Scope.RECIPIENT)
    if 300 <= status < 500:
        return Outcome(Kind.REJECTED, Scope.CONFIG, detail)
    return Outcome(Kind.IN_DOUBT, detail=detail)


def refused(body: bytes) -> Refused:
    """Return what the first error of an answer points at."""
    for error in _errors(body):
        field = error.get("field")
        if isinstance(field, str) and field:
            one = _ONE.match(field)
            return Refused(field, int(one[1]) if one else None)
    return Refused()


def _errors(body: bytes) -> list[dict[str, object]]:
    try:
        errors = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []


def _said(status: int, body: bytes) -> str:
    """Return the answer as one line without addresses."""
    said = [
        f"{one.get('message', '')} ({one['field']})" if one.get("field") else str(one.get("message", ""))
        for one in _errors(body)
    ]
    text = "; ".join(said) if said else body.decode("utf-8", "replace")
    line = _SPACE.sub(" ", _ADDRESS.sub("(address)", f"{status} {text}"[:2000])).strip()
    return "".join(sign if sign.isprintable() else "?" for sign in line)[:300]


def _wait(headers: Mapping[str, str]) -> float:
    """Return seconds until the service wants to hear from us again.

    X-RateLimit-Reset is an instant in seconds since 1970; it is compared with the service's own clock where it says it.
    """
    reset = headers.get("x-ratelimit-reset", "").strip()
    if re.fullmatch(r"\d{1,12}", reset):
        seconds = float(reset)
        if seconds > 1e9:
            seconds -= _its_now(headers).timestamp()
        return min(max(seconds, 1.0), _LONGEST)
    after = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", after):
        return min(max(float(after), 1.0), _LONGEST)
    return THROTTLE_SECONDS


def _its_now(headers: Mapping[str, str]) -> datetime:
    try:
        said = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return SystemClock().now()
    return said if said.tzinfo else said.replace(tzinfo=UTC)
