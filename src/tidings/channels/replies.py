"""What an SMTP reply means for one message: the outcome by phase, code and enhanced code, as one table.

RFC 5321 gives the codes, RFC 3463 the enhanced ones (class.subject.detail): subject 1 is the address, 2 the mailbox,
3 the mail system, 4 the network, 5 the protocol, 6 the content, 7 policy.
"""

from __future__ import annotations

import re

from tidings.channels.protocol import Kind, Outcome, Scope
from tidings.channels.statuses import status_in, verdict

GREYLIST_SECONDS = 300.0
THROTTLE_SECONDS = 60.0

_QUEUED = re.compile(r"(?:queued as|queued mail for delivery id|id=|id:)\s*([\w.@-]{1,100})", re.IGNORECASE)
_RATE = re.compile(
    r"\brate\b|too (?:many|fast|much)|throttl|slow down|deferred due to|limit(?:s|ed)? exceeded",
    re.IGNORECASE,
)
_GREY = re.compile(r"gr[ea]y-?list", re.IGNORECASE)
_SPACE = re.compile(r"\s+")

# Sender authentication and reputation of the sending system: 5.7.1 at the end of DATA may also mean spam.
_AMBIGUOUS_POLICY = ("5.7.0", "5.7.1")
_SENDER_ADDRESS = ("5.1.7", "5.1.8")


def say(phase: str, code: int, text: str, recipient: str = "") -> str:
    """Return a reply as one line, `RCPT 550 5.1.1 no such user`, without the recipient's address."""
    line = _SPACE.sub(" ", f"{phase.upper()} {code} {text}").strip()
    if recipient:
        line = re.sub(re.escape(recipient), "(recipient)", line, flags=re.IGNORECASE)
    return "".join(sign if sign.isprintable() else "?" for sign in line)[:300]


def reference(text: str) -> str:
    """Return the other side's name for an accepted message, as far as its reply gives one."""
    found = _QUEUED.search(text)
    return found[1].rstrip(".") if found else " ".join(text.split())[:100]


def outcome_of(phase: str, code: int, text: str, recipient: str = "") -> Outcome:
    """Return the outcome of a refusing reply.

    `phase` is mail, rcpt, data (the reply to the DATA command) or body (the reply after the final dot). A code
    outside 400-599 where one was due is in doubt after the body and transient before it.
    """
    detail = say(phase, code, text, recipient)
    if 400 <= code < 500:
        return _not_now(phase, code, text, detail)
    if 500 <= code < 600:
        kind, scope = _never(phase, code, text)
        enhanced = status_in(text)
        gone = kind is Kind.REJECTED and scope is Scope.RECIPIENT and verdict(enhanced, text)[1]
        return Outcome(kind, scope, detail, permanent=gone, code=enhanced)
    return Outcome(Kind.IN_DOUBT if phase == "body" else Kind.TRANSIENT, detail=detail)


def _not_now(phase: str, code: int, text: str, detail: str) -> Outcome:
    enhanced = status_in(text)
    if _GREY.search(text):
        return Outcome(Kind.TRANSIENT, Scope.RECIPIENT, detail, retry_after=GREYLIST_SECONDS)
    if _RATE.search(text) or enhanced in ("4.5.3", "4.7.28"):
        return Outcome(Kind.THROTTLED, detail=detail, retry_after=THROTTLE_SECONDS)
    if phase == "rcpt" and code in (450, 451, 452) and enhanced[:4] not in ("4.3.", "4.7."):
        # A mailbox that is full or busy says nothing about the next recipient.
        return Outcome(Kind.TRANSIENT, Scope.RECIPIENT, detail)
    return Outcome(Kind.TRANSIENT, detail=detail)


def _never(phase: str, code: int, text: str) -> tuple[Kind, Scope | None]:
    enhanced = status_in(text)
    if code in (530, 534, 535, 538) or enhanced in _SENDER_ADDRESS:
        return Kind.REJECTED, Scope.CONFIG
    if enhanced == "5.2.2" and phase in ("rcpt", "body"):
        # A full mailbox empties again, whatever the first digit claims.
        return Kind.TRANSIENT, Scope.RECIPIENT
    if enhanced in {"5.2.3", "5.3.4"} or enhanced.startswith("5.6."):
        return Kind.REJECTED, Scope.CONTENT
    if enhanced.startswith("5.7."):
        spam = phase == "body" and code == 554 and enhanced in _AMBIGUOUS_POLICY
        return Kind.REJECTED, Scope.CONTENT if spam else Scope.CONFIG
    if enhanced.startswith(("5.1.", "5.2.", "5.4.")) and phase in ("rcpt", "data", "body"):
        return Kind.REJECTED, Scope.RECIPIENT
    if enhanced.startswith(("5.3.", "5.5.")):
        return Kind.REJECTED, Scope.CONFIG
    return Kind.REJECTED, _by_code(phase, code)


def _by_code(phase: str, code: int) -> Scope:
    if phase == "mail":
        return Scope.CONTENT if code == 552 else Scope.CONFIG
    if phase == "rcpt":
        return Scope.CONFIG if code in (500, 502, 503, 504) else Scope.RECIPIENT
    if phase == "body":
        return Scope.CONFIG if code in (500, 502, 503, 504) else Scope.CONTENT
    return Scope.CONTENT if code in (552, 554) else Scope.CONFIG
