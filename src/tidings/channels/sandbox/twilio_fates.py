"""What the Twilio sandbox does with a message: by the last digits of the number, or for every message alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

LONGEST = 1600

STOP_WORDS = frozenset("STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT".split())
START_WORDS = frozenset("START YES UNSTOP".split())
HELP_WORDS = frozenset("HELP INFO".split())

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_SENDER = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}|[A-Za-z0-9 &_-]{1,11}")
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")


class Manner(StrEnum):
    """How a call ends, beside its answer."""

    ANSWER = "answers"
    SILENT_AT_ONCE = "takes the connection and says nothing"
    SILENT_AFTER = "reads the call, keeps nothing and says nothing"
    CUT_AFTER = "reads the call, keeps nothing and cuts the connection"
    TAKE_AND_SILENT = "keeps the message and says nothing"
    TAKE_AND_CUT = "keeps the message and cuts the connection"
    TAKE_AND_FAIL = "keeps the message and answers 500"
    TAKE_AND_CLOSE = "keeps the message, answers and closes the connection"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a message: refused with a code, or kept and brought to a last status."""

    manner: Manner = Manner.ANSWER
    status: int = 201
    code: int = 0
    message: str = ""
    last: str = "delivered"
    error: int | None = None


TAKE = Fate()
# The first five are what the provider's own test numbers do.
FATES: dict[str, Fate] = {
    "0001": Fate(status=400, code=21211, message="The 'To' number {to} is not a valid phone number."),
    "0002": Fate(status=400, code=21612, message="The 'To' number {to} cannot be reached from this sender."),
    "0003": Fate(status=400, code=21408, message="Permission to send to the region of {to} is not enabled."),
    "0004": Fate(status=400, code=21610, message="Attempt to send to unsubscribed recipient {to}"),
    "0009": Fate(status=400, code=21614, message="'To' number {to} is not a valid mobile number"),
    "0034": Fate(status=400, code=30034, message="Message from an unregistered number"),
    "0017": Fate(status=400, code=30017, message="Carrier network congestion"),
    "0029": Fate(status=429, code=20429, message="Too Many Requests"),
    "3003": Fate(last="undelivered", error=30003),
    "3005": Fate(last="undelivered", error=30005),
    "3006": Fate(last="undelivered", error=30006),
    "3007": Fate(last="undelivered", error=30007),
    "3008": Fate(last="undelivered", error=30008),
    "3010": Fate(last="failed", error=21610),
    "5000": Fate(Manner.TAKE_AND_FAIL),
    "5001": Fate(Manner.TAKE_AND_CUT),
    "5002": Fate(Manner.TAKE_AND_SILENT),
    "5003": Fate(Manner.CUT_AFTER),
    "5004": Fate(Manner.SILENT_AFTER),
}


def fate_of(number: str, fates: Mapping[str, Fate]) -> Fate:
    """Return the fate of a number by its last four digits."""
    return fates.get(number[-4:], TAKE)


def wrong_in(fields: Mapping[str, str]) -> Fate | None:
    """Return the refusal that the fields of a call deserve; None where they are in order."""
    to, body = fields.get("To", ""), fields.get("Body", "")
    service, sender = fields.get("MessagingServiceSid", ""), fields.get("From", "")
    if not to:
        return _bad(21604, "A 'To' phone number is required.")
    if not _NUMBER.fullmatch(to):
        return _bad(21211, f"The 'To' number {to} is not a valid phone number.")
    if not service and not sender:
        return _bad(21603, "A 'From' phone number is required.")
    if service and not _SERVICE.fullmatch(service):
        return Fate(status=404, code=21701, message="The Messaging Service does not exist")
    if sender and not _SENDER.fullmatch(sender):
        return _bad(21212, f"The 'From' number {sender} is not a valid phone number")
    if not body:
        return _bad(21602, "Message body is required.")
    if len(body) > LONGEST:
        return _bad(21617, f"The concatenated message body exceeds the {LONGEST} character limit")
    if fields.get("StatusCallback", "https://").split("://")[0] not in ("http", "https"):
        return _bad(21609, "The 'StatusCallback' URL is not a valid URL.")
    period = fields.get("ValidityPeriod", "36000")
    if not period.isdigit() or not 1 <= int(period) <= 36000:
        return _bad(20001, "Invalid ValidityPeriod")
    return None


def keyword_of(text: str) -> str:
    """Return the kind of word that a whole answer is: STOP, START, HELP, or nothing."""
    word = text.strip().upper()
    for kind, words in (("STOP", STOP_WORDS), ("START", START_WORDS), ("HELP", HELP_WORDS)):
        if word in words:
            return kind
    return ""


def _bad(code: int, message: str) -> Fate:
    return Fate(status=400, code=code, message=message)
