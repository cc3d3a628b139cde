"""The demo's fax channel: true calls where the library that plays the machines is there, files where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidings.channels.t30.adapter import T30Adapter
from tidings.errors import TidingsError

if TYPE_CHECKING:
    from tidings.channels.protocol import Connection, Outcome, Outgoing
    from tidings.config.settings import Settings

SENT = "sent"


@dataclass(frozen=True, slots=True)
class Arrived:
    """Fax machines: what arrived, its pages, and how many of them equal what was sent, dot by dot.

    `names` are our references, or (where faxes became files) `mID`; `state` is what the ledger says of such a fax.
    """

    names: tuple[str, ...]
    pages: int
    equal: int
    words: str = "faxes on paper"
    state: str = "delivered"


def why_no_calls() -> str:
    """Return one sentence that says why faxes become files here; empty where calls can be made."""
    from tidings.channels.t30.library import library

    try:
        library()
    except TidingsError as error:
        return f"{error.message}, so faxes become files ({error.what_to_do})"
    return ""


class KeepingT30(T30Adapter):
    """The adapter t30, which also keeps what it sends, so that the two ends of a call can be compared."""

    def connect(self) -> Connection:  # type: ignore[override]
        """Connect; see T30Adapter."""
        connection = super().connect()
        (self.folder / SENT).mkdir(exist_ok=True)
        return _Keeping(connection, self.folder / SENT)


class _Keeping:
    def __init__(self, inner: Connection, folder: Path) -> None:
        self._inner, self._folder = inner, folder

    def submit(self, outgoing: Outgoing) -> Outcome:
        (self._folder / f"{outgoing.reference}.tif").write_bytes(outgoing.payload)
        return self._inner.submit(outgoing)

    def close(self) -> None:
        self._inner.close()


def keeping_adapter(settings: Settings) -> KeepingT30:
    """Return the adapter of the channel fax."""
    channel = settings.definitions.channels["fax"]
    return KeepingT30(channel, dict(channel.options))


def arrived(folder: Path) -> Arrived:
    """Look at every fax received, page by page, beside what was sent."""
    from tidings.templates.fax.tiff import pages_ink

    names, pages, equal = [], 0, 0
    for path in sorted(folder.glob("*.tif")):
        names.append(path.stem)
        got = pages_ink(path.read_bytes())
        sent = pages_ink((folder / SENT / path.name).read_bytes())
        pages += len(got)
        if len(got) == len(sent):
            equal += sum(a.shape == b.shape and bool((a == b).all()) for a, b in zip(got, sent, strict=True))
    return Arrived(tuple(names), pages, equal)


def filed(folder: Path) -> Arrived:
    """Look at the faxes that became files."""
    names = tuple(path.stem for path in sorted(folder.glob("*.tif")))
    return Arrived(names, 0, 0, "faxes as files", "accepted")
