"""What may go into a request: every field of a message checked before anything is sent.

The service refuses a whole call for one bad field, and some mistakes only after it has taken the call; so each message is
judged here, alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidings.channels.envelope import envelope_address
from tidings.channels.protocol import Attachment, Kind, Outcome, Outgoing, Scope

# The service writes these itself and refuses a request that names one.
RESERVED_HEADERS = frozenset(
    {
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
        *("to", "from", "subject", "reply-to", "cc", "bcc"),
    }
)
_LONGEST_REFERENCE = 100

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,76}")
_HEADER_VALUE = re.compile(r"[\t -~]{1,8000}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]")
# The service takes no semicolon in a type, and none of these signs where a header of a part would be made of them.
_TYPE = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9][\w!#$&^.+-]{0,126}", re.ASCII)
_CONTENT_ID = re.compile(r"[A-Za-z0-9@._+-]{1,200}")
_MAILBOX = re.compile(r"(.*?)\s*<([^<>]*)>")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message, checked: addresses are bare and in ASCII, `headers` a mapping, `reference` may be empty."""

    sender_name: str
    sender: str
    recipient: str
    reply_name: str
    reply_to: str
    subject: str
    text: str
    html: str | None
    headers: tuple[tuple[str, str], ...]
    reference: str
    attachments: tuple[Attachment, ...] = ()

    @property
    def size(self) -> int:
        """Return the bytes of subject and bodies in UTF-8; files count with the whole request alone."""
        return sum(len(one.encode()) for one in (self.subject, self.text, self.html or ""))


def mailbox(written: str) -> tuple[str, str]:
    """Return name and address of `Name <address>`, `"Name" <address>` or `address`; the address may be unfit."""
    found = _MAILBOX.fullmatch(written.strip())
    if found is None:
        return "", written.strip()
    name = found[1].strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return name, found[2].strip()


def letter_of(outgoing: Outgoing, most: int) -> Letter | Outcome:
    """Return a message ready for a request of at most `most` bytes, or the rejection that says what is wrong."""
    parts = outgoing.parts
    if envelope_address(outgoing.sender) is None:
        return _config("the sender's address cannot stand in an e-mail")
    recipient = envelope_address(outgoing.recipient)
    if recipient is None:
        return Outcome(Kind.REJECTED, Scope.RECIPIENT, "5.1.3 the address cannot stand in an e-mail")
    if parts is None:
        # The plain size first: a message that is too large is that, in whatever form it came.
        if len(outgoing.payload) > most:
            return _too_large(len(outgoing.payload), most)
        return _config("the message came as one piece; this channel needs its parts")
    name, address = mailbox(parts.sender)
    sender = envelope_address(address)
    reply_name, reply_address = mailbox(parts.reply_to)
    reply_to = envelope_address(reply_address) if reply_address else ""
    if sender is None or _CONTROL.search(name):
        return _config("the sender cannot stand in a header")
    if reply_to is None or _CONTROL.search(reply_name):
        return _config("reply_to cannot stand in a header")
    letter = Letter(
        name,
        sender,
        recipient,
        reply_name,
        reply_to,
        parts.subject,
        parts.text,
        parts.html,
        parts.headers,
        outgoing.reference,
        parts.attachments,
    )
    return _wrong(letter, most) or letter


def _wrong(letter: Letter, most: int) -> Outcome | None:
    if not letter.subject.strip() or _CONTROL.search(letter.subject):
        return _content("the subject is empty, or holds a sign that may not stand in a header")
    if not letter.text and not letter.html:
        return _content("the message has neither text nor HTML")
    for part in (letter.subject, letter.text, letter.html or "", letter.sender_name, letter.reply_name):
        if "\0" in part or any("\ud800" <= sign <= "\udfff" for sign in _rare(part)):
            return _content("the message holds a NUL or half a surrogate pair")
    seen = set()
    for name, value in letter.headers:
        if _HEADER_NAME.fullmatch(name) is None or _HEADER_VALUE.fullmatch(value) is None:
            return _content("a header holds a sign that may not stand there")
        if name.lower() in RESERVED_HEADERS:
            return _config(f"the header {name} is written by the service itself")
        if name.lower() in seen:
            return _config(f"the header {name} is given twice")
        seen.add(name.lower())
    for one in letter.attachments:
        if (
            not one.content
            or not one.name.strip()
            or _CONTROL.search(one.name)
            or not _TYPE.fullmatch(one.type)
        ):
            return _content("a file that goes with it is empty, or its name or type cannot stand in a header")
        if one.content_id and not _CONTENT_ID.fullmatch(one.content_id):
            return _content("a picture inside it has a name that cannot stand in a header")
    if len(letter.reference) > _LONGEST_REFERENCE or not letter.reference.isprintable():
        return _config("our reference of the message is not a short text of one line")
    return _too_large(letter.size, most) if letter.size > most else None


def _rare(text: str) -> str:
    """Return the text only where it may hold surrogates: nearly never, and looking at each sign is slow."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text
    return ""


def _too_large(size: int, most: int) -> Outcome:
    return _content(f"the message has {size:,} bytes; {most:,} is the most")


def _content(detail: str) -> Outcome:
    return Outcome(Kind.REJECTED, Scope.CONTENT, detail)


def _config(detail: str) -> Outcome:
    return Outcome(Kind.REJECTED, Scope.CONFIG, detail)
