"""Bounces and complaints in the ways in which mail systems write them, made up for these tests.

Each entry: the mail, and what it says: kind, scope, permanent, status. None: it says nothing about a message of ours.
"""

from __future__ import annotations

from tidings.channels.protocol import ReceiptKind, Scope

B, D = ReceiptKind.BOUNCED, ReceiptKind.DEFERRED
Told = tuple[ReceiptKind, Scope | None, bool, str] | None

OURS = """\
From: Nordic Garden <hello@shop.example>
To: anna@example.com
Subject: =?utf-8?b?0J/RgNC40LLQtdGC?=
Message-ID: <m4711.f00dbabe@shop.example>
X-Tidings-Reference: ab12cd-4711
"""

BEGIN = "Reporting-MTA: dns; mx.example.net\nArrival-Date: Tue, 2 Mar 2027 09:00:00 +0000\n"


def report(
    fields: str,
    *,
    head: str = "",
    kind: str = "delivery-status",
    part: str = "",
    returned: str = OURS,
    returned_type: str = "text/rfc822-headers",
    text: str = "Your message could not be delivered.",
    main: str = "",
) -> bytes:
    """Return a multipart report of three parts."""
    body = (
        "Return-Path: <>\nFrom: Mail Delivery System <MAILER-DAEMON@mx.example.net>\nTo: bounce@shop.example\n"
        f"Subject: Undelivered\nDate: Tue, 2 Mar 2027 09:05:00 +0000\nMessage-ID: <r1@mx.example.net>\n{head}"
        f"MIME-Version: 1.0\n{main or f'Content-Type: multipart/report; report-type={kind}; boundary=b'}\n\n"
        f"--b\nContent-Type: text/plain; charset=utf-8\n\n{text}\n\n--b\nContent-Type: {part or f'message/{kind}'}\n\n"
        f"{fields}\n--b\nContent-Type: {returned_type}\n\n{returned}\n--b--\n"
    )
    return body.encode()


def recipient(
    action: str, status: str, diagnostic: str = "", *, final: str = "rfc822; anna@example.com"
) -> str:
    """Return a block about one recipient."""
    lines = [f"Final-Recipient: {final}", f"Action: {action}", f"Status: {status}"]
    return "\n".join(lines + ([f"Diagnostic-Code: {diagnostic}"] if diagnostic else [])) + "\n"


def plain(text: str, head: str) -> bytes:
    """Return a mail of one text."""
    return (
        f"{head}To: bounce@shop.example\nMessage-ID: <p1@mx.example.net>\nMIME-Version: 1.0\n"
        f"Date: Tue, 2 Mar 2027 09:05:00 +0000\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
    ).encode()


DAEMON = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n"
QMAIL = f"""\
Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<anna@example.com>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

{OURS}
Dear Anna
"""
EXIM = f"""\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  anna@example.com
    SMTP error from remote mail server after RCPT TO:<anna@example.com>:
    550 relay refused by our policy, see our blocklist page

------ This is a copy of the message, including all the headers. ------

{OURS}
Dear Anna
"""

CORPUS: dict[str, tuple[bytes, Told]] = {
    "postfix, no such user": (
        report(
            BEGIN
            + "\n"
            + "Original-Recipient: rfc822;anna@example.com\n"
            + recipient("failed", "5.1.1", "smtp; 550 5.1.1 <anna@example.com>: user unknown")
        ),
        (B, Scope.RECIPIENT, True, "5.1.1"),
    ),
    "postfix, still trying": (
        report(BEGIN + "\n" + recipient("delayed", "4.4.1", "x-postfix; connect to mx: timed out")),
        (D, None, False, "4.4.1"),
    ),
    "still trying, whatever the last answer was": (
        report(BEGIN + "\n" + recipient("delayed", "5.1.1", "smtp; 550 5.1.1 no such user")),
        (D, Scope.RECIPIENT, False, "5.1.1"),
    ),
    "a report about an answer in a longer exchange": (
        report(
            BEGIN + "\n" + recipient("failed", "5.1.1"),
            head="References: <m12.f00dbabe@shop.example> <m4711.f00dbabe@shop.example>\n",
            returned="",
        ),
        (B, Scope.RECIPIENT, True, "5.1.1"),
    ),
    "expired after days of trying": (
        report(BEGIN + "\n" + recipient("failed", "4.4.7", "smtp; 451 4.4.7 message expired")),
        (B, None, False, "4.4.7"),
    ),
    "exchange, mailbox full": (
        report(BEGIN + "\n" + recipient("failed", "5.2.2", "smtp;554 5.2.2 mailbox full; STOREDRV.Deliver")),
        (B, Scope.RECIPIENT, False, "5.2.2"),
    ),
    "full, whatever the status says": (
        report(BEGIN + "\n" + recipient("failed", "5.1.1", "smtp; 552 recipient is over quota")),
        (B, Scope.RECIPIENT, False, "5.1.1"),
    ),
    "mailbox closed": (
        report(BEGIN + "\n" + recipient("failed", "5.2.1", "smtp; 550 5.2.1 account disabled")),
        (B, Scope.RECIPIENT, True, "5.2.1"),
    ),
    "policy, which is no fault of the address": (
        report(BEGIN + "\n" + recipient("failed", "5.7.26", "smtp; 550-5.7.26 unauthenticated email")),
        (B, Scope.CONFIG, False, "5.7.26"),
    ),
    "the status says nothing, the diagnostic does": (
        report(BEGIN + "\n" + recipient("failed", "5.0.0", "smtp; 550 5.1.1 no such user")),
        (B, Scope.RECIPIENT, True, "5.1.1"),
    ),
    "only words": (
        report(BEGIN + "\n" + recipient("failed", "5.0.0", "smtp; 550 user unknown here")),
        (B, Scope.RECIPIENT, True, "5.0.0"),
    ),
    "only words, of a policy": (
        report(BEGIN + "\n" + recipient("failed", "5.0.0", "smtp; 550 invalid recipient: blocked as spam")),
        (B, Scope.CONFIG, False, "5.0.0"),
    ),
    "no words at all": (
        report(BEGIN + "\n" + recipient("failed", "5.0.0")),
        (B, None, False, "5.0.0"),
    ),
    "delivered": (
        report(BEGIN + "\n" + recipient("delivered", "2.0.0")),
        (ReceiptKind.DELIVERED, None, False, "2.0.0"),
    ),
    "relayed to who knows": (
        report(BEGIN + "\n" + recipient("relayed", "2.0.0")),
        (ReceiptKind.SENT, None, False, "2.0.0"),
    ),
    "broken: no empty line between the blocks": (
        report(BEGIN + recipient("failed", "5.1.1", "smtp; 550 5.1.1 no")),
        (B, Scope.RECIPIENT, True, "5.1.1"),
    ),
    "broken: no type before the address, comments, odd case": (
        report(
            BEGIN
            + "\n"
            + "final-recipient: anna@example.com\nACTION: Failed (bounced)\nstatus: 5.1.1 (bad)\n"
        ),
        (B, Scope.RECIPIENT, True, "5.1.1"),
    ),
    "broken: no action": (
        report(BEGIN + "\n" + "Final-Recipient: rfc822; anna@example.com\nStatus: 5.1.1\n"),
        (B, Scope.RECIPIENT, True, "5.1.1"),
    ),
    "broken: not called a report": (
        report(BEGIN + "\n" + recipient("failed", "5.1.1"), main="Content-Type: multipart/mixed; boundary=b"),
        (B, Scope.RECIPIENT, True, "5.1.1"),
    ),
    "broken: the returned message has no headers, the report answers ours": (
        report(
            BEGIN + "\n" + recipient("failed", "5.1.1"),
            head="In-Reply-To: <m4711.f00dbabe@shop.example>\n",
            returned="",
        ),
        (B, Scope.RECIPIENT, True, "5.1.1"),
    ),
    "the whole message came back": (
        report(
            BEGIN + "\n" + recipient("failed", "5.1.1"),
            returned=OURS + "MIME-Version: 1.0\nContent-Type: text/plain\n\nDear Anna\n",
            returned_type="message/rfc822",
        ),
        (B, Scope.RECIPIENT, True, "5.1.1"),
    ),
    "internationalised (RFC 6533)": (
        report(
            BEGIN
            + "\n"
            + recipient(
                "failed",
                "5.1.1",
                "smtp; 550 5.1.1 Postfach unbekannt: büro",
                final="utf-8; anna@bücher.example",
            ),
            kind="global-delivery-status",
            returned_type="message/global-headers",
        ),
        (B, Scope.RECIPIENT, True, "5.1.1"),
    ),
    "words in another language": (
        report(
            BEGIN + "\n" + recipient("failed", "5.1.1", "smtp; 550 5.1.1 Пользователь не найден"),
            text="Ваше письмо не доставлено. 您的郵件無法送達。",
        ),
        (B, Scope.RECIPIENT, True, "5.1.1"),
    ),
    "qmail, in its own form": (plain(QMAIL, DAEMON), (B, Scope.RECIPIENT, True, "5.1.1")),
    "exim, in its own form": (
        plain(EXIM, DAEMON + "X-Failed-Recipients: anna@example.com\nAuto-Submitted: auto-replied\n"),
        (B, Scope.CONFIG, False, ""),
    ),
    "a complaint": (
        report(
            "Feedback-Type: abuse\nUser-Agent: FBL/1.0\nVersion: 1\nOriginal-Rcpt-To: anna@example.com\n",
            kind="feedback-report",
            returned_type="message/rfc822",
        ),
        (ReceiptKind.COMPLAINED, None, False, "abuse"),
    ),
    "a complaint without an address": (
        report("Feedback-Type: abuse\nUser-Agent: FBL/1.0\nVersion: 1\n", kind="feedback-report"),
        (ReceiptKind.COMPLAINED, None, False, "abuse"),
    ),
    "an opt-out through the mailbox provider": (
        report("Feedback-Type: opt-out\nUser-Agent: FBL/1.0\nVersion: 1\n", kind="feedback-report"),
        (ReceiptKind.UNSUBSCRIBED, None, False, "opt-out"),
    ),
    "a person says that it was no spam": (
        report("Feedback-Type: not-spam\nUser-Agent: FBL/1.0\nVersion: 1\n", kind="feedback-report"),
        (ReceiptKind.OTHER, None, False, "not-spam"),
    ),
    "an authentication report": (
        report(
            "Feedback-Type: auth-failure\nUser-Agent: x\nVersion: 1\nAuth-Failure: dkim\n",
            kind="feedback-report",
        ),
        (ReceiptKind.OTHER, None, False, "auth-failure"),
    ),
    "an absent person": (
        plain(
            f"I am away until Monday. User unknown, 550 5.1.1.\n\n> Message-ID: <m4711.f00dbabe@shop.example>\n{OURS}",
            "Return-Path: <>\nFrom: anna@example.com\nSubject: Out of office\nAuto-Submitted: auto-replied (vacation)\n"
            "In-Reply-To: <m4711.f00dbabe@shop.example>\n",
        ),
        None,
    ),
    "an absent person who quotes a bounce": (
        plain(
            QMAIL, "Return-Path: <>\nFrom: anna@example.com\nSubject: Away\nAuto-Submitted: auto-replied\n"
        ),
        None,
    ),
    "a person who quotes a bounce": (
        plain(
            QMAIL,
            "Return-Path: <anna@example.com>\nFrom: Anna <anna@example.com>\nSubject: Re: failure notice\n",
        ),
        None,
    ),
    "a bounce of somebody else's mail": (
        report(
            BEGIN + "\n" + recipient("failed", "5.1.1"),
            returned="From: x@y.example\nTo: z@y.example\nMessage-ID: <123@y.example>\n",
        ),
        None,
    ),
    "a forged id that is none of ours": (
        report(
            BEGIN + "\n" + recipient("failed", "5.1.1"),
            returned="Message-ID: <m0.x@shop.example>\nX-Tidings-Reference: zz-1\nTo: anna@example.com\n",
        ),
        None,
    ),
    "a report that was cut off": (report(BEGIN + "\n" + recipient("failed", "5.1.1"))[:420], None),
    "an empty file": (b"", None),
    "no mail at all": (bytes(range(256)) * 40, None),
    "parts within parts without end": (
        b"Content-Type: multipart/mixed; boundary=b\n\n"
        + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n" * 3000,
        None,
    ),
}
