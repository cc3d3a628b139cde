"""What an enhanced status code (RFC 3463: class.subject.detail) says about the next message to the same address."""

from __future__ import annotations

import re

from tidings.channels.protocol import Scope

_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_FULL = re.compile(r"mailbox (?:is )?full|over ?quota|quota exceeded|exceeded .{0,20}quota", re.IGNORECASE)
# Words that say that there is no such mailbox, and words that say that it is a matter of policy.
UNKNOWN = re.compile(
    r"(?:unknown|no such|invalid|nonexistent|non-existent) (?:local )?(?:user|mailbox|recipient|address)"
    r"|(?:user|mailbox|recipient|address|account)[^.]{0,60}(?:unknown|not found|does(?: not|n't) exist|disabled)"
    r"|no mailbox here by that name|not a valid (?:user|mailbox|recipient)",
    re.IGNORECASE,
)
POLICY = re.compile(
    r"spam|block(?:ed|list)|blacklist|reputation|policy|spf|dkim|dmarc|not authori[sz]ed", re.IGNORECASE
)
# The sender's address or a policy that the sender meets is told as an address problem, too.
_SENDER = {"1.7", "1.8"}
_MAILBOX = {"1.1", "1.2", "1.3", "1.6", "1.10", "2.1"}


def status_in(text: str) -> str:
    """Return the first enhanced status in a text, empty where there is none."""
    found = _STATUS.search(text)
    return found[0] if found else ""


def verdict(status: str, text: str = "") -> tuple[Scope | None, bool]:
    """Return whom a final refusal concerns, and whether the next message would meet the same.

    Permanent for a recipient only where the address does not exist or the mailbox is closed: 5.1.1, 5.1.2, 5.1.3, 5.1.6,
    5.1.10 and 5.2.1. A full mailbox empties again; 5.7 is policy, which says nothing about the address. `text` is what
    the server said, for the cases where the status alone says nothing.
    """
    found = _STATUS.fullmatch(status.strip())
    if found is None:
        return (Scope.RECIPIENT, False) if _FULL.search(text) else (None, False)
    kind, subject = found[1], int(found[2])
    rest = f"{subject}.{int(found[3])}"
    if kind != "5":
        return (Scope.RECIPIENT if subject in (1, 2) else None), False
    if rest == "2.2" or _FULL.search(text):
        return Scope.RECIPIENT, False
    if rest in _SENDER or subject in (5, 7):
        return Scope.CONFIG, False
    if rest in _MAILBOX:
        return Scope.RECIPIENT, True
    if subject in (1, 2):
        return (Scope.CONTENT if rest == "2.3" else Scope.RECIPIENT), False
    if subject == 6 or rest == "3.4":
        return Scope.CONTENT, False
    return None, False


def judged_by_words(said: str) -> tuple[Scope | None, bool]:
    """Return the verdict on a refusal that has nothing but words; (None, False) where they say neither."""
    # A policy often quotes the address, so it is looked for first.
    if POLICY.search(said):
        return Scope.CONFIG, False
    return (Scope.RECIPIENT, True) if UNKNOWN.search(said) else (None, False)
