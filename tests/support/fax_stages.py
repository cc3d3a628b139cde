"""The stages of the conformance kit for fax: a scripted HylaFAX server, and calls within this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from support.fax_pages import FAX, small_tiff
from support.hylafax import FakeHfaxd
from support.smtp_servers import free_port
from tidings.channels.conformance import Behaviour, Stage
from tidings.channels.hylafax import HylafaxAdapter
from tidings.channels.protocol import Adapter, ChannelEvent, Outgoing, Outstanding
from tidings.channels.t30 import T30Adapter

_ANSWERS = {
    Behaviour.ACCEPTS: {},
    Behaviour.REJECTS_RECIPIENT: {"JPARM DIALSTRING": "504 Bad dial string +46812345678."},
    Behaviour.REJECTS_CONTENT: {"JPARM DOCUMENT": "550 /tmp/doc1.ps: No such file or directory."},
    Behaviour.REJECTS_CONFIG: {"JNEW": "530 Permission denied: not an administrator."},
    Behaviour.THROTTLES: {"STOT": "452 Insufficient storage space in the system."},
    Behaviour.FAILS_FOR_NOW: {"JSUBM": "460 Failed to submit job 1: No response from scheduler."},
    Behaviour.TELLS: {},
    Behaviour.TELLS_TWICE: {},
}
_CUT = {
    Behaviour.CUTS_BEFORE_BODY: "STOT",
    Behaviour.CUTS_IN_BODY: "body",
    Behaviour.CUTS_AFTER_BODY: "JSUBM",
    Behaviour.CLOSES_WHEN_IDLE: "idle",
}
_SILENT = {
    Behaviour.SILENT_BEFORE_BODY: "STOT",
    Behaviour.SILENT_AFTER_BODY: "JSUBM",
    Behaviour.HANGS: "start",
}


class _FaxStage:
    kind = "fax"

    def outgoing(self, number: int, recipient: str, payload: bytes | None) -> Outgoing:
        tiff = small_tiff()
        content = tiff if payload is None else tiff[:4] + payload
        return Outgoing(number, "+46850001000", recipient, content, reference=f"abc123-{number}")


class HylafaxStage(_FaxStage):
    """A server that answers as hfaxd does, and breaks off where it is told to."""

    behaviours = frozenset({*_ANSWERS, *_CUT, *_SILENT, Behaviour.DOWN})

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._server: FakeHfaxd | None = None

    def adapter(self, behaviour: Behaviour) -> Adapter:
        self._server = None
        port = free_port()
        if behaviour != Behaviour.DOWN:
            self._server = self._stack.enter_context(
                FakeHfaxd(
                    answers=_ANSWERS.get(behaviour),
                    cut=_CUT.get(behaviour, ""),
                    silent=_SILENT.get(behaviour, ""),
                )
            )
            port = self._server.port
        return HylafaxAdapter(FAX, {"port": port, "timeout": 0.5})

    def received(self) -> list[bytes]:
        return [] if self._server is None else [job.document for job in self._server.jobs]

    def told(self, behaviour: Behaviour) -> Sequence[ChannelEvent]:
        adapter = self.adapter(behaviour)
        assert isinstance(adapter, HylafaxAdapter)
        assert self._server is not None
        sent = self.outgoing(1, "+46812345678", None)
        connection = adapter.connect()
        outcome = connection.submit(sent)
        connection.close()
        asked = [Outstanding(1, sent.reference, outcome.provider_ref or "")]
        events = adapter.poll(asked)
        job = self._server.jobs[0]
        job.state, job.pages, job.dials = "D", 1, 1
        events += adapter.poll(asked)
        if behaviour == Behaviour.TELLS_TWICE:
            events = [*adapter.poll(asked), *events]
        return events


class T30Stage(_FaxStage):
    """Calls between two machines; a line that is noisy or that nobody answers is the only one that fails."""

    behaviours = frozenset(
        {Behaviour.ACCEPTS, Behaviour.FAILS_FOR_NOW, Behaviour.DOWN, Behaviour.TELLS, Behaviour.TELLS_TWICE}
    )

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def adapter(self, behaviour: Behaviour) -> Adapter:
        self._count += 1
        folder = self._folder / str(self._count)
        if behaviour == Behaviour.DOWN:
            folder.write_text("a file where the folder should be")
        silent = "78" if behaviour == Behaviour.FAILS_FOR_NOW else ""
        return T30Adapter(FAX, {"received": str(folder), "no_answer": silent})

    def received(self) -> list[bytes]:
        return [one.read_bytes() for one in sorted((self._folder / str(self._count)).glob("*.tif"))]

    def same(self, sent: Outgoing, got: bytes) -> bool:
        from tidings.templates.fax.tiff import pages_ink

        pairs = zip(pages_ink(sent.payload), pages_ink(got), strict=True)
        return all(one.shape == other.shape and bool((one == other).all()) for one, other in pairs)

    def told(self, behaviour: Behaviour) -> Sequence[ChannelEvent]:
        adapter = self.adapter(behaviour)
        assert isinstance(adapter, T30Adapter)
        sent = self.outgoing(1, "+46812345678", None)
        connection = adapter.connect()
        outcome = connection.submit(sent)
        connection.close()
        assert json.loads((adapter.folder / f"{sent.reference}.json").read_text())["pages"] == 1
        asked = [Outstanding(1, sent.reference, outcome.provider_ref or "")]
        events = adapter.poll(asked)
        return events if behaviour == Behaviour.TELLS else [*events, *adapter.poll(asked)]


@contextmanager
def _hylafax(_: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield HylafaxStage(stack)


@contextmanager
def _t30(folder: Path) -> Iterator[Stage]:
    yield T30Stage(folder)


FAX_STAGES: dict[str, Callable[[Path], AbstractContextManager[Stage]]] = {"hylafax": _hylafax, "t30": _t30}
FAX_BEHAVIOURS = {"hylafax": HylafaxStage.behaviours, "t30": T30Stage.behaviours}
