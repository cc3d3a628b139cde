"""The adapter: submits SMS in windows, cuts long ones by UDH, and keeps receipts until the store has them."""

from __future__ import annotations

import re
import secrets
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tidings import gsm
from tidings.channels.protocol import (
    Capabilities,
    ChannelEvent,
    ChannelUnavailable,
    Form,
    Kind,
    NotLetIn,
    Option,
    Outcome,
    Outgoing,
    Scope,
)
from tidings.channels.smpp import statuses
from tidings.channels.smpp.inbox import Inbox
from tidings.channels.smpp.receiving import READ_ID, event_of
from tidings.channels.smpp.session import (
    BIND,
    DELIVER,
    HEADER,
    Pending,
    Session,
    SessionLost,
    connect,
    text_field,
    unit,
)
from tidings.definitions.kinds.channel import Channel

_NUMBER = re.compile(r"\+?[0-9]{5,15}")
_SENDER = re.compile(r"\+?[0-9]{3,20}|[A-Za-z0-9 .&_-]{1,11}")
_VERSION = 0x34
_UCS2, _UDH, _FINAL_RECEIPT = 0x08, 0x40, 0x01
_MOST_PARTS = 255
# Octets of one unit, alone and as a part: 160 and 153 septets, 70 and 67 signs of UTF-16 (TS 23.038, TS 23.040).
_MOST_OCTETS = {True: (160, 153), False: (140, 134)}
# A centre that throttles for longer than this many pauses will not take the rest.
_THROTTLED_TRIES = 10


class SmppAdapter:
    """A channel of kind sms over SMPP 3.4."""

    name: ClassVar[str] = "smpp"
    options: ClassVar[tuple[Option, ...]] = (
        Option("host", "text", "where the SMS centre or gateway listens", required=True),
        Option("port", "whole", "its port", 2775, lowest=1, highest=65535),
        Option("tls", "flag", "encrypt the connection", default=False),
        Option("system_id", "text", "the name that the provider gave you", required=True),
        Option("password", "text", "the password that the provider gave you", secret=True, required=True),
        Option("system_type", "text", "only where the provider asks for one", ""),
        Option("bind", "choice", "transceiver, or transmitter where receipts come otherwise", "transceiver", choices=("transceiver", "transmitter")),
        Option("window", "whole", "messages on their way at once; the provider says how many", 10, lowest=1, highest=100),
        Option("timeout", "number", "seconds for an answer", 30.0, lowest=0.1, highest=600),
        Option("enquire_link", "number", "seconds of silence before the other side is asked whether it lives", 30.0, lowest=0.1, highest=600),
        Option("max_segments", "whole", "the longest message, in parts", 10, lowest=1, highest=_MOST_PARTS),
        Option("source_ton", "whole", "type of the sender's number, where the provider wants another than usual", lowest=0, highest=6),
        Option("source_npi", "whole", "plan of the sender's number, where the provider wants another than usual", lowest=0, highest=18),
        Option("signature", "text", "the name in 【】 that texts for China begin with", ""),
        Option("receipt_id", "choice", "how receipts write the id of a message", "same", choices=tuple(READ_ID)),
    )  # fmt: skip

    def __init__(self, channel: Channel, values: Mapping[str, Any]) -> None:
        given = {option.name: option.default for option in self.options} | dict(values)
        self.given = given
        self.window = int(given["window"])
        self.timeout = float(given["timeout"])
        self.capabilities = Capabilities(
            kind=channel.kind,
            window=self.window,
            connections=min(channel.connections, 4),
            receipts="in_band" if given["bind"] == "transceiver" else "none",
            form=Form.TEXT,
            by_provider_ref=True,
            inbound=given["bind"] == "transceiver",
            max_bytes=int(given["max_segments"]) * 4 * 70,
        )
        self._read_id = READ_ID[str(given["receipt_id"])]
        self._guard = threading.Lock()
        self._inbox = Inbox(lambda session, sequence: session.answer(DELIVER, sequence, b"\0"))
        self._sessions: list[Session] = []
        self._unique = secrets.token_hex(6)
        self._heard = 0

    def connect(self) -> SmppConnection:
        """Bind a session; raises ChannelUnavailable with one sentence."""
        return SmppConnection(self, self.open())

    def take_events(self) -> list[ChannelEvent]:
        """Return receipts and answers that came since the last call; binds a session to listen where none is bound."""
        if self.capabilities.receipts == "in_band" and not self._live():
            self.open()
        return self._inbox.take()

    def events_stored(self, count: int) -> None:
        """Acknowledge the first `count` of the events taken; what is not, the SMS centre delivers again."""
        self._inbox.stored(count)

    def close(self) -> None:
        """End the session that listens."""
        for session in self._live():
            session.close()

    def _live(self) -> list[Session]:
        with self._guard:
            self._sessions = [session for session in self._sessions if session.alive]
            return list(self._sessions)

    def open(self) -> Session:
        """Bind a session; raises ChannelUnavailable."""
        given = self.given
        where = f"{given['host']}:{given['port']}"
        try:
            opened = connect(
                str(given["host"]), int(given["port"]), timeout=self.timeout, tls=bool(given["tls"])
            )
        except OSError as error:
            raise ChannelUnavailable(
                f"the SMS centre {where} cannot be reached: {error.strerror or error}",
                what_to_do="look at host, port and tls of the channel, and at the network",
            ) from error
        session = Session(
            opened, timeout=self.timeout, idle=float(given["enquire_link"]), on_deliver=self._delivered
        )
        sequence = session.sequence()
        body = b"".join(
            (
                text_field(str(given["system_id"])),
                text_field(str(given["password"])),
                text_field(str(given["system_type"] or "")),
                bytes((_VERSION, 0, 0)),
                text_field(""),
            )
        )
        status = None
        try:
            pending = session.request(unit(BIND[str(given["bind"])], sequence, body), sequence)
            status = session.wait(pending, time.monotonic() + self.timeout)
        except SessionLost:
            pass
        if status != statuses.OK:
            why = session.ended or f"no answer within {self.timeout:g} s"
            session.close()
            if status is not None:
                why = statuses.say(status)
            credentials = status in statuses.CREDENTIALS
            raise (NotLetIn if credentials else ChannelUnavailable)(
                f"the SMS centre {where} does not let us in: {why}",
                what_to_do="look at system_id, password and system_type of the channel"
                if credentials
                else "ask the provider whether the account is open and how many connections it may have",
            )
        with self._guard:
            self._sessions.append(session)
        return session

    def _delivered(self, session: Session, sequence: int, whole: bytes) -> None:
        from smpp34 import DeliverSm, SmppError, decode

        with self._guard:
            self._heard += 1
            fresh = f"{self._unique}/{self._heard}"
        try:
            told = decode(whole)
        except SmppError:
            told = None
        if not isinstance(told, DeliverSm):
            # Nobody could ever read it: kept unanswered it would come for ever.
            session.answer(DELIVER, sequence, b"\0")
            return
        # The same unit told again has another sequence number and nothing else.
        content = whole[HEADER.size :]
        event = event_of(told, self._read_id, unique=self._inbox.name_of(content, session, fresh))
        self._inbox.put(event, content, session, sequence)


@dataclass(slots=True)
class Part:
    """One submit_sm: `result` is ok, status, unsent, lost, or empty while it was not tried."""

    data: bytes
    sequence: int
    result: str = ""
    why: str = ""
    status: int = statuses.OK
    written: float = 0.0

    @property
    def failed(self) -> bool:
        """Tell whether it was tried in vain."""
        return self.result not in ("", "ok")


class SmppConnection:
    """One bound session, used by one thread at a time."""

    def __init__(self, adapter: SmppAdapter, session: Session) -> None:
        self._adapter = adapter
        self._session = session
        self._reference = secrets.randbelow(256)

    def submit(self, outgoing: Outgoing) -> Outcome:
        """Hand over one message; never raises."""
        return self.submit_many([outgoing])[0]

    def submit_many(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Hand over messages, at most `window` parts on their way at once; one outcome each; never raises."""
        refused = {position: self._refused(outgoing) for position, outgoing in enumerate(batch)}
        sendable = [position for position, why in refused.items() if why is None]
        if sendable and not self._session.alive:
            try:
                self._session = self._adapter.open()
            except ChannelUnavailable as error:
                away = Outcome(Kind.TRANSIENT, detail=error.message)
                return [refused[position] or away for position in range(len(batch))]
        sent = self._send(batch, sendable)
        return [refused[position] or _outcome(sent[position]) for position in range(len(batch))]

    def close(self) -> None:
        """Unbind; closing twice is allowed."""
        self._session.close()

    def _refused(self, outgoing: Outgoing) -> Outcome | None:
        """Return why a message cannot be written at all, or None."""
        if not _NUMBER.fullmatch(outgoing.recipient):
            return Outcome(Kind.REJECTED, Scope.RECIPIENT, "the number is not one that can be dialled")
        if not _SENDER.fullmatch(outgoing.sender):
            return Outcome(
                Kind.REJECTED, Scope.CONFIG, "the sender is neither a number nor a name of up to 11 letters"
            )
        count, most = len(_cut(outgoing)), int(self._adapter.given["max_segments"])
        if len(outgoing.payload) > self._adapter.capabilities.max_bytes or count > most:
            return Outcome(Kind.REJECTED, Scope.CONTENT, f"the message has {count} parts; {most} is the most")
        cheap, contents = _contents(_cut(outgoing))
        if max(map(len, contents)) > _MOST_OCTETS[cheap][count > 1]:
            return Outcome(Kind.REJECTED, Scope.CONTENT, "a part is longer than a short message")
        return None

    def _send(self, batch: Sequence[Outgoing], positions: Sequence[int]) -> dict[int, list[Part]]:
        """Write all messages, the parts of each in order, and return what became of every part."""
        parts = {position: [Part(*made) for made in self._units(batch[position])] for position in positions}
        flying: list[tuple[Part, Pending]] = []
        lost = False
        for position in positions:
            for part in parts[position]:
                if len(flying) >= self._adapter.window:
                    lost = self._land(*flying.pop(0)) or lost
                if any(one.failed for one in parts[position]):
                    break
                if lost:
                    part.result, part.why = "unsent", "a message before it had no answer"
                else:
                    self._write(part, flying)
        while flying:
            self._land(*flying.pop(0))
        for position in () if lost else positions:
            self._complete(parts[position])
        return parts

    def _write(self, part: Part, flying: list[tuple[Part, Pending]]) -> None:
        part.written = time.monotonic()
        try:
            flying.append((part, self._session.request(part.data, part.sequence)))
        except SessionLost as error:
            part.result, part.why = "unsent", str(error)

    def _land(self, part: Part, pending: Pending) -> bool:
        """Wait for the answer to one part, at most the timeout after it was written; return whether none came."""
        status = self._session.wait(pending, part.written + self._adapter.timeout)
        if status is None:
            part.result, part.why = "lost", self._session.ended or "no answer to submit_sm in time"
        elif status == statuses.OK:
            name = pending.body.split(b"\0", 1)[0].decode("latin-1").replace(",", "")
            part.result, part.why = "ok", name or f"seq-{part.sequence}"
        else:
            part.result, part.status = "status", status
        return part.result == "lost"

    def _complete(self, parts: Sequence[Part]) -> None:
        """Finish a message of which some parts are taken and others were throttled: left so, it would be in doubt."""
        for _ in range(_THROTTLED_TRIES):
            left = [part for part in parts if part.result in ("", "status")]
            throttled = all(part.result == "" or part.status in statuses.LATER for part in left)
            if not left or not throttled or not any(part.result == "ok" for part in parts):
                return
            time.sleep(max((statuses.LATER.get(part.status, 0.0) for part in left), default=0.0))
            for part in left:
                flying: list[tuple[Part, Pending]] = []
                part.result, part.status = "", statuses.OK
                self._write(part, flying)
                if flying:
                    self._land(*flying[0])
                if part.failed:
                    break

    def _units(self, outgoing: Outgoing) -> list[tuple[bytes, int]]:
        """Return the submit_sm units of one message with their sequence numbers."""
        from smpp34 import SubmitSm

        cheap, contents = _contents(_cut(outgoing))
        self._reference = (self._reference + 1) % 256
        ton, npi = self._source_type(outgoing.sender)
        made = []
        for number, content in enumerate(contents, 1):
            if len(contents) > 1:
                # TS 23.040, 9.2.3.24.1: concatenated short messages with an 8-bit reference.
                content = struct.pack("6B", 5, 0, 3, self._reference, len(contents), number) + content
            sequence = self._session.sequence()
            submit = SubmitSm(
                outgoing.sender.lstrip("+"),
                outgoing.recipient.lstrip("+"),
                content,
                source_addr_ton=ton,
                source_addr_npi=npi,
                dest_addr_ton=1,
                dest_addr_npi=1,
                esm_class=_UDH if len(contents) > 1 else 0,
                registered_delivery=_FINAL_RECEIPT if self._adapter.capabilities.receipts == "in_band" else 0,
                data_coding=0 if cheap else _UCS2,
                sequence_number=sequence,
            )
            made.append((submit.encode(), sequence))
        return made

    def _source_type(self, sender: str) -> tuple[int, int]:
        """Return type and plan of the sender's number: a name, a short code, or an international number."""
        digits = sender.lstrip("+")
        usual = (5, 0) if not digits.isdigit() else (3, 0) if len(digits) < 7 else (1, 1)
        ton, npi = self._adapter.given["source_ton"], self._adapter.given["source_npi"]
        return usual[0] if ton is None else int(ton), usual[1] if npi is None else int(npi)


def _contents(texts: Sequence[str]) -> tuple[bool, list[bytes]]:
    """Return whether all texts are in the GSM alphabet, and their octets: septets unpacked, otherwise UTF-16."""
    if all(gsm.fits(text) for text in texts):
        return True, [gsm.encode(text) for text in texts]
    return False, [text.encode("utf-16-be", "replace") for text in texts]


def _cut(outgoing: Outgoing) -> tuple[str, ...]:
    return outgoing.segments or (outgoing.payload.decode("utf-8", "replace"),)


def _outcome(parts: Sequence[Part]) -> Outcome:
    """Return what became of a message from what became of its parts."""
    taken = ",".join(part.why for part in parts if part.result == "ok") or None
    bad = [part for part in parts if part.failed]
    if not bad:
        return Outcome(Kind.ACCEPTED, provider_ref=taken)
    lost = next((part for part in bad if part.result == "lost"), None)
    if lost is not None:
        return Outcome(Kind.IN_DOUBT, detail=f"submit_sm: {lost.why}", provider_ref=taken)
    why = statuses.outcome_of(bad[0].status)
    if bad[0].result == "unsent":
        why = Outcome(Kind.TRANSIENT, detail=f"submit_sm was not written: {bad[0].why}")
    if taken:
        # Some of its parts are on their way: sent again, they would arrive twice.
        return Outcome(Kind.IN_DOUBT, detail=f"a part was taken, then: {why.detail}", provider_ref=taken)
    return why
