"""Messages as files: for development and for looking before sending. Nothing leaves the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tidings.channels.envelope import envelope_address
from tidings.channels.protocol import (
    Capabilities,
    ChannelUnavailable,
    Form,
    Kind,
    Option,
    Outcome,
    Outgoing,
    Scope,
)
from tidings.definitions.kinds.channel import Channel

# How a finished message of each kind comes, and the ending of its file.
_FORMS = {
    "email": (Form.MIME, "eml"),
    "sms": (Form.TEXT, "txt"),
    "fax": (Form.PAGES, "tif"),
}


class OutboxAdapter:
    """Writes each message to `FOLDER/mID.eml` (SMS .txt, fax .tif); a repeat of the same one becomes `mID.again-1.eml`."""

    name: ClassVar[str] = "outbox"
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "folder",
            "text",
            "where the files go: .eml, .txt for SMS, .tif for fax",
            default=".tidings/outbox",
        ),
        Option("max_bytes", "whole", "the largest message", 10_000_000, lowest=1000),
    )

    def __init__(self, channel: Channel, values: Mapping[str, Any]) -> None:
        given = {option.name: option.default for option in self.options} | dict(values)
        self.folder = Path(str(given["folder"]))
        self.capabilities = Capabilities(
            kind=channel.kind,
            form=_FORMS.get(channel.kind, _FORMS["email"])[0],
            connections=channel.connections,
            max_bytes=int(given["max_bytes"]),
            delivers=False,
        )

    def connect(self) -> OutboxConnection:
        """Make the folder; raises ChannelUnavailable where that is impossible."""
        try:
            # Whole messages lie here, with the links by which their readers leave.
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ChannelUnavailable(
                f"the outbox {self.folder} cannot be made: {error.strerror}",
                what_to_do="make the folder writable, or name another one",
            ) from error
        ending = _FORMS.get(self.capabilities.kind, _FORMS["email"])[1]
        return OutboxConnection(self.folder, self.capabilities.max_bytes, ending)


class OutboxConnection:
    """Writes into one folder."""

    def __init__(self, folder: Path, most: int, ending: str = "eml") -> None:
        self._folder = folder
        self._most = most
        self._ending = ending

    def submit(self, outgoing: Outgoing) -> Outcome:
        """Write one message whole or not at all; never raises."""
        # The same doors as a mail server's, so that what fails in production fails here.
        is_mail = self._ending == "eml"
        if is_mail and envelope_address(outgoing.sender) is None:
            return Outcome(Kind.REJECTED, Scope.CONFIG, "the sender's address cannot stand in an envelope")
        if is_mail and envelope_address(outgoing.recipient) is None:
            return Outcome(Kind.REJECTED, Scope.RECIPIENT, "5.1.3 the address cannot stand in an envelope")
        if len(outgoing.payload) > self._most:
            sentence = f"the message has {len(outgoing.payload):,} bytes; {self._most:,} is the most"
            return Outcome(Kind.REJECTED, Scope.CONTENT, sentence)
        try:
            return Outcome(Kind.ACCEPTED, provider_ref=self._write(outgoing))
        except OSError as error:
            return Outcome(Kind.TRANSIENT, detail=f"{self._folder}: {error.strerror or error}")

    def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, outgoing: Outgoing) -> str:
        """Write beside, then link under the final name, which fails instead of replacing an earlier copy."""
        part = self._folder / f".m{outgoing.message_id}.{os.getpid()}.part"
        try:
            part.write_bytes(outgoing.payload)
            again = 0
            while True:
                repeat = f".again-{again}" if again else ""
                name = f"m{outgoing.message_id}{repeat}.{self._ending}"
                try:
                    os.link(part, self._folder / name)
                    return name
                except FileExistsError:
                    again += 1
        finally:
            part.unlink(missing_ok=True)
