"""Mails that the demo's mail server writes about ours, as real ones do: bounces (RFC 3464) and complaints (RFC 5965)."""

from __future__ import annotations

import itertools
from email.utils import format_datetime
from pathlib import Path

from tidings.clock import SystemClock

_WORDS = {
    "gone": ("5.1.1", "550 5.1.1 no such mailbox here"),
    "full": ("5.2.2", "552 5.2.2 mailbox full"),
}
_BOUNCE = """\
From: Mail Delivery System <mailer-daemon@mailboxes.example>
To: {sender}
Subject: Undelivered mail returned to sender
Date: {date}
Message-ID: <bounce.{number}@mailboxes.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

Your message could not be delivered: {said}

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mailboxes.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: {status}
Diagnostic-Code: smtp; {said}

--b
Content-Type: text/rfc822-headers

Message-ID: {message_id}
From: {sender}
To: {recipient}

--b--
"""
_COMPLAINT = """\
From: Feedback <feedback@mailboxes.example>
To: {sender}
Subject: Complaint about a message
Date: {date}
Message-ID: <complaint.{number}@mailboxes.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: text/plain

One of your messages was marked as spam.

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: mailboxes/1.0
Version: 1
Original-Rcpt-To: {recipient}

--b
Content-Type: text/rfc822-headers

Message-ID: {message_id}
From: {sender}
To: {recipient}

--b--
"""


class ReturnedMail:
    """Puts reports into the Maildir of the sender."""

    def __init__(self, maildir: Path) -> None:
        self._maildir = maildir
        self._numbers = itertools.count(1)

    def report(self, fate: str, recipient: str, message_id: str, sender: str) -> None:
        """Report a message: `fate` is gone, full or complains. A mail is in `new` only when it is whole."""
        number = next(self._numbers)
        status, said = _WORDS.get(fate, ("", ""))
        mail = (_COMPLAINT if fate == "complains" else _BOUNCE).format(
            sender=sender,
            recipient=recipient,
            message_id=message_id,
            number=number,
            date=format_datetime(SystemClock().now()),
            status=status,
            said=said,
        )
        part = self._maildir / "tmp" / f"{number:06d}.mailboxes"
        part.write_text(mail, encoding="utf-8")
        part.rename(self._maildir / "new" / part.name)


def make_maildir(path: Path) -> Path:
    """Make the three folders of a Maildir and return it."""
    for name in ("tmp", "new", "cur"):
        (path / name).mkdir(parents=True, exist_ok=True)
    return path
