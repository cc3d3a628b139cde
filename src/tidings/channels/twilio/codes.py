"""What Twilio's error codes mean for one message: the same table for answers to a call and for later receipts.

After the provider's error dictionary. A number that cannot exist or take texts is the recipient's matter for good; a handset
that is off is not. What concerns our account, our sender or our registration stops the channel, never the recipient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidings.channels.protocol import Kind, Outcome, Scope

OPTED_OUT = 21610
THROTTLE_SECONDS = 5.0
_DAY_IS_FULL = 3600.0

_NUMBERS = re.compile(r"\+?\d[\d ().-]{5,}\d")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a code says: the outcome of a call, whom it concerns, and whether the next message meets the same."""

    kind: Kind
    scope: Scope | None = None
    permanent: bool = False
    retry_after: float | None = None


_GONE = Verdict(Kind.REJECTED, Scope.RECIPIENT, permanent=True)
_REFUSES = Verdict(Kind.REJECTED, Scope.RECIPIENT)
_OFF = Verdict(Kind.TRANSIENT, Scope.RECIPIENT)
_SETUP = Verdict(Kind.REJECTED, Scope.CONFIG)
_TEXT = Verdict(Kind.REJECTED, Scope.CONTENT)
_SLOWER = Verdict(Kind.THROTTLED, retry_after=THROTTLE_SECONDS)
_TOMORROW = Verdict(Kind.THROTTLED, retry_after=_DAY_IS_FULL)
_BUSY = Verdict(Kind.TRANSIENT)

VERDICTS: dict[int, Verdict] = {
    # Not a number, not one that takes texts, not known to its network; and one that asked not to be written to.
    **dict.fromkeys((21211, 21214, 21217, 21614, 21635, 30005, 30006, OPTED_OUT), _GONE),
    # No way there from this sender, a region that is not enabled, too dear a destination, or blocked on the way: the next
    # number may be fine, and this one another day.
    **dict.fromkeys((21408, 21612, 30004, 30010), _REFUSES),
    **dict.fromkeys((30003, 30036), _OFF),
    # Account, sender, registration, callback.
    **dict.fromkeys(
        (10001, 20003, 20005, 20008, 21212, 21603, 21606, 21607, 21608, 21609, 21659, 21660, 21661), _SETUP
    ),
    **dict.fromkeys((21701, 21703, 21705, 21712, 30002, 30024, 30032, 30034, 30035), _SETUP),
    **dict.fromkeys((21602, 21605, 21617, 21619, 21623, 30007, 30019), _TEXT),
    **dict.fromkeys((14107, 20429, 21611, 30001, 30022), _SLOWER),
    **dict.fromkeys((30023, 30027), _TOMORROW),
    **dict.fromkeys((30008, 30009, 30017), _BUSY),
}  # fmt: skip


def outcome_of(status: int, code: int | None, message: str, retry_after: float | None = None) -> Outcome:
    """Return the outcome of a call that was answered with an error.

    A status over 499 came after the whole request had gone out, so the message may have been taken. An unknown code
    with 400 is about this message: it stops neither the channel nor, for good, the recipient.
    """
    detail = say(status, code, message)
    known = VERDICTS.get(code or 0)
    if known is not None:
        wait = (retry_after or known.retry_after) if known.kind == Kind.THROTTLED else None
        return Outcome(known.kind, known.scope, detail, None, wait, known.permanent, str(code))
    if status == 429:
        return Outcome(Kind.THROTTLED, detail=detail, retry_after=retry_after or THROTTLE_SECONDS)
    if status >= 500 or status == 408:
        return Outcome(Kind.IN_DOUBT, detail=detail)
    if status in (400, 422):
        return Outcome(Kind.REJECTED, Scope.CONTENT, detail)
    return Outcome(Kind.REJECTED, Scope.CONFIG, detail)


def fate_of(code: int | None) -> tuple[Scope | None, bool]:
    """Return whom a message that will not arrive concerns, and whether for good."""
    known = VERDICTS.get(code or 0)
    return (None, False) if known is None else (known.scope, known.permanent)


def say(status: int, code: int | None, message: str) -> str:
    """Return an answer as one line without telephone numbers."""
    words = _NUMBERS.sub("(number)", _BLANKS.sub(" ", message).strip())
    line = " ".join(str(one) for one in (status or "", code or "", words) if one)
    return "".join(sign if sign.isprintable() else "?" for sign in line)[:300]
