"""The stages of the conformance kit, one for each adapter: who plays the other side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from support import smpp_centre
from support.fax_stages import FAX_BEHAVIOURS, FAX_STAGES
from support.sendgrid_stage import SendGridStage
from support.smtp_servers import RawServer, Scripted, aiosmtpd_server, free_port
from support.twilio_stage import TwilioStage
from tidings.channels.conformance import Behaviour, Stage
from tidings.channels.outbox import OutboxAdapter
from tidings.channels.protocol import Adapter, ChannelEvent, Outgoing
from tidings.channels.smtp import SmtpAdapter
from tidings.definitions.kinds.channel import Channel

EMAIL = Channel("email", "E-mail", "channels/email.yaml", "smtp", sender="Shop <shop@example.com>")

AIO = {
    Behaviour.ACCEPTS: {},
    Behaviour.REJECTS_RECIPIENT: {"rcpt": {"*": "550 5.1.1 no such user here"}},
    Behaviour.REJECTS_CONTENT: {"body": {"*": "554 5.6.0 the text is not wanted"}},
    Behaviour.REJECTS_CONFIG: {"body": {"*": "550 5.7.26 unauthenticated sender"}},
    Behaviour.THROTTLES: {"rcpt": {"*": "451 4.7.28 too many messages, slow down"}},
    Behaviour.FAILS_FOR_NOW: {"body": {"*": "451 4.3.0 try again later"}},
}
RAW = {
    Behaviour.CUTS_BEFORE_BODY: "cut at rcpt",
    Behaviour.CUTS_IN_BODY: "cut in body",
    Behaviour.CUTS_AFTER_BODY: "cut after body",
    Behaviour.SILENT_BEFORE_BODY: "silent at rcpt",
    Behaviour.SILENT_AFTER_BODY: "silent after body",
    Behaviour.CLOSES_WHEN_IDLE: "close when idle",
    Behaviour.HANGS: "silent at start",
}


class SmtpStage:
    """SMTP servers on loopback: aiosmtpd where it answers, raw sockets where it misbehaves."""

    behaviours = frozenset(Behaviour) - {Behaviour.TELLS, Behaviour.TELLS_TWICE, Behaviour.FORGES}

    def __init__(self, stack: ExitStack, *, pipelining: bool) -> None:
        self._stack = stack
        self._pipelining = pipelining
        self._raw: RawServer | None = None
        self._handler: Scripted | None = None

    def adapter(self, behaviour: Behaviour) -> Adapter:
        self._raw = self._handler = None
        if behaviour in AIO:
            self._handler = Scripted(**AIO[behaviour], pipelining=self._pipelining)
            port = self._stack.enter_context(aiosmtpd_server(self._handler, enable_SMTPUTF8=False))
        elif behaviour in RAW:
            self._raw = self._stack.enter_context(RawServer(RAW[behaviour], pipelining=self._pipelining))
            port = self._raw.port
        else:
            port = free_port()
        values = {"host": "127.0.0.1", "port": port, "tls": "none"}
        values |= {"connect_timeout": 0.5, "command_timeout": 0.5, "data_timeout": 0.5}
        return SmtpAdapter(EMAIL, values)

    def received(self) -> list[bytes]:
        if self._handler is not None:
            return [content for _, _, content in self._handler.envelopes]
        return [] if self._raw is None else self._raw.messages


class OutboxStage:
    """A fresh folder each time; a folder neither hangs nor cuts."""

    behaviours = frozenset({Behaviour.ACCEPTS, Behaviour.DOWN})

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def adapter(self, behaviour: Behaviour) -> Adapter:
        self._count += 1
        folder = self._folder / str(self._count)
        if behaviour == Behaviour.DOWN:
            folder.write_text("a file where the folder should be")
        return OutboxAdapter(EMAIL, {"folder": str(folder)})

    def received(self) -> list[bytes]:
        return [one.read_bytes() for one in sorted((self._folder / str(self._count)).glob("*.eml"))]


class SmppStage:
    """The npm SMS centre where it answers, raw sockets where it misbehaves."""

    kind = "sms"
    # A message is one unit: there is nothing before its body and nothing within. Nobody else speaks in a bound session.
    behaviours = frozenset(Behaviour) - {
        Behaviour.CUTS_BEFORE_BODY,
        Behaviour.SILENT_BEFORE_BODY,
        Behaviour.CUTS_IN_BODY,
        Behaviour.FORGES,
    }
    _ENDINGS = {
        Behaviour.REJECTS_RECIPIENT: "11",
        Behaviour.REJECTS_CONTENT: "01",
        Behaviour.REJECTS_CONFIG: "10",
        Behaviour.THROTTLES: "58",
        Behaviour.FAILS_FOR_NOW: "08",
    }
    _RAW = {
        Behaviour.CUTS_AFTER_BODY: "cut at submit",
        Behaviour.SILENT_AFTER_BODY: "silent at submit",
        Behaviour.HANGS: "silent at bind",
    }

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._centre: smpp_centre.Centre | None = None
        self._raw: smpp_centre.RawCentre | None = None
        self._behaviour = Behaviour.ACCEPTS

    def adapter(self, behaviour: Behaviour) -> Adapter:
        self._centre = self._raw = None
        self._behaviour = behaviour
        if behaviour in self._RAW:
            self._raw = self._stack.enter_context(smpp_centre.raw_centre(self._RAW[behaviour]))
            return smpp_centre.adapter(self._raw.port, timeout=0.5, enquire_link=0.2)
        if behaviour == Behaviour.DOWN:
            return smpp_centre.adapter(free_port(), timeout=0.5)
        self._centre = self._stack.enter_context(smpp_centre.npm_centre())
        if behaviour == Behaviour.CLOSES_WHEN_IDLE:
            self._centre.tell(do="drop after each")
        return smpp_centre.adapter(self._centre.port, timeout=2.0)

    def outgoing(self, number: int, recipient: str, payload: bytes | None) -> Outgoing:
        to = (
            recipient[:-2] + self._ENDINGS.get(self._behaviour, recipient[-2:])
            if len(recipient) > 2
            else recipient
        )
        text = payload if payload is not None else b"Spring is here: 25% off until the 16th."
        return Outgoing(number, "NordicGardn", to, text, reference=f"abc123-{number}")

    def received(self) -> list[bytes]:
        if self._centre is None:
            return []
        self._centre.settle(0.2)
        return [
            one["text"].encode()
            for one in self._centre.events
            if one["event"] == "submitted" and not one["status"]
        ]

    def told(self, behaviour: Behaviour) -> Sequence[ChannelEvent]:
        adapter = smpp_centre.adapter(self._stack.enter_context(smpp_centre.npm_centre()).port)
        connection = adapter.connect()
        to = "+46701112245" if behaviour == Behaviour.TELLS_TWICE else "+46701112233"
        connection.submit(Outgoing(1, "NordicGardn", to, b"Hello"))
        # Told twice and out of order: two states, each of them twice.
        wanted, end = (2 if behaviour == Behaviour.TELLS_TWICE else 1), time.monotonic() + 5
        events: list[ChannelEvent] = []
        while len(events) < wanted and time.monotonic() < end:
            events += adapter.take_events()
            time.sleep(0.02)
        time.sleep(0.2)
        connection.close()
        return [*events, *adapter.take_events()]


@contextmanager
def _smtp(*, pipelining: bool) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield SmtpStage(stack, pipelining=pipelining)


@contextmanager
def _outbox(folder: Path) -> Iterator[Stage]:
    yield OutboxStage(folder)


@contextmanager
def _over(stage: Callable[[ExitStack], Stage]) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield stage(stack)


Open = Callable[[Path], AbstractContextManager[Stage]]

STAGES: dict[str, Open] = {
    "outbox": _outbox,
    "smtp": lambda _: _smtp(pipelining=False),
    "smtp, pipelined": lambda _: _smtp(pipelining=True),
    "sendgrid": lambda _: _over(SendGridStage),
    "twilio": lambda _: _over(TwilioStage),
    "smpp": lambda _: _over(SmppStage),
    **FAX_STAGES,
}
"""What plays the other side of each adapter, opened with an empty folder."""

# Which behaviours each stage can show, known without starting it.
BEHAVIOURS: dict[str, frozenset[Behaviour]] = {
    "outbox": OutboxStage.behaviours,
    "smtp": SmtpStage.behaviours,
    "smtp, pipelined": SmtpStage.behaviours,
    "sendgrid": SendGridStage.behaviours,
    "twilio": TwilioStage.behaviours,
    "smpp": SmppStage.behaviours,
    **FAX_BEHAVIOURS,
}
