"""The conformance kit over every adapter, and the kit itself over an adapter that breaks the rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.smtp_servers import RawServer, Scripted, aiosmtpd_server, free_port
from tidings.channels.conformance import CHECKS, Behaviour, NotConforming, checks
from tidings.channels.outbox import OutboxAdapter
from tidings.channels.protocol import Adapter, Capabilities, Kind, Outcome, Outgoing
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

    behaviours = frozenset(Behaviour)

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


@pytest.fixture(params=[False, True], ids=["one by one", "pipelined"])
def smtp_stage(request: pytest.FixtureRequest) -> Iterator[SmtpStage]:
    with ExitStack() as stack:
        yield SmtpStage(stack, pipelining=request.param)


@pytest.mark.parametrize("name", checks(SmtpStage.behaviours))
def test_smtp_conforms(name: str, smtp_stage: SmtpStage) -> None:
    CHECKS[name][1](smtp_stage)


@pytest.mark.parametrize("name", checks(OutboxStage.behaviours))
def test_outbox_conforms(name: str, tmp_path: Path) -> None:
    CHECKS[name][1](OutboxStage(tmp_path))


def test_the_kit_covers_every_behaviour_of_the_other_side() -> None:
    assert {behaviour for behaviour, _ in CHECKS.values()} == set(Behaviour)


class _Yes:
    """Says accepted to everything and sends nothing: the worst adapter there can be."""

    name = "yes"
    options = ()
    capabilities = Capabilities("email")

    def __init__(self, *_: object) -> None: ...

    def connect(self) -> _Yes:
        return self

    def submit(self, outgoing: Outgoing) -> Outcome:
        return Outcome(Kind.ACCEPTED, provider_ref="yes")

    def close(self) -> None: ...


class _YesStage:
    behaviours = frozenset(Behaviour)

    def adapter(self, behaviour: Behaviour) -> Adapter:
        return _Yes()

    def received(self) -> list[bytes]:
        return []


@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"closes_twice"}))
def test_the_kit_finds_an_adapter_that_only_says_yes(name: str) -> None:
    with pytest.raises(NotConforming):
        CHECKS[name][1](_YesStage())
