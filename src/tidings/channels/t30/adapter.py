"""A fax channel without a telephone line: each message is a true T.30 call, the received pages stay in a folder.

For demonstrations and tests: line time, rates and failures are those of real machines, but nobody gets paper. Which
numbers are busy, do not answer or stand at a bad line is said in the channel.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
import threading
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from tidings.channels.fax_numbers import e164
from tidings.channels.fax_results import BUSY, LINE_TIME, PAGE_OPTIONS, failed, t30_result
from tidings.channels.protocol import (
    Capabilities,
    ChannelEvent,
    ChannelUnavailable,
    Form,
    Kind,
    Option,
    Outcome,
    Outgoing,
    Outstanding,
    Receipt,
    ReceiptKind,
    Scope,
)
from tidings.channels.t30.call import CallResult, Line, call
from tidings.channels.t30.library import library
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.money import price_of

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TIFF = (b"II*\x00", b"MM\x00*")
_ENDINGS = "endings of numbers, separated by commas, such as 0001,0002"


class T30Adapter:
    """Calls a second machine in this process. What was received, and how, is read back from the folder by `poll`."""

    name: ClassVar[str] = "t30"
    options: ClassVar[tuple[Option, ...]] = (
        Option("received", "text", "the folder of received pages", default=".tidings/fax"),
        Option("noise", "whole", "noise on every line, of 32,768 steps; above 300 calls fail", 0, lowest=0, highest=5000),
        Option("ecm", "flag", "error correction, as nearly all machines have it", True),
        Option("line_minutes", "whole", "longest call", 10, lowest=1, highest=60),
        Option("busy", "text", f"numbers that are busy: {_ENDINGS}", ""),
        Option("no_answer", "text", f"numbers where no machine answers: {_ENDINGS}", ""),
        Option("noisy", "text", f"numbers at a line that no fax survives: {_ENDINGS}", ""),
        Option("seed", "whole", "makes the noise the same again", 1, lowest=0),
        *PAGE_OPTIONS,
    )  # fmt: skip

    def __init__(self, channel: Channel, values: Mapping[str, Any]) -> None:
        given = {option.name: option.default for option in self.options} | dict(values)
        self.channel, self.given = channel, given
        self.folder = Path(str(given["received"]))
        self.capabilities = Capabilities(
            kind="fax",
            # One call keeps one core busy.
            connections=min(channel.connections, 2),
            idempotent_submit=True,
            receipts="poll",
            form=Form.PAGES,
            max_bytes=20_000_000,
            delivers=False,
        )
        self._endings = {
            name: tuple(one.strip() for one in str(given[name]).split(",") if one.strip())
            for name in ("busy", "no_answer", "noisy")
        }
        self._dice = random.Random(int(given["seed"]))
        self._lock = threading.Lock()

    def connect(self) -> T30Connection:
        """Find the library and make the folder; raises ChannelUnavailable."""
        library()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ChannelUnavailable(
                f"the folder {self.folder} cannot be made: {error.strerror}",
                what_to_do="make it writable, or name another one under `received`",
            ) from error
        return T30Connection(self)

    def line(self, number: str) -> Line | None:
        """Return the line to a number; None when it is busy."""
        ends = {name: number.endswith(endings) for name, endings in self._endings.items() if endings}
        if ends.get("busy"):
            return None
        with self._lock:
            seed = self._dice.getrandbits(32)
        return Line(
            # At 3,000 steps the machines lose each other within seconds.
            noise=3000 if ends.get("noisy") else int(self.given["noise"]),
            answered=not ends.get("no_answer"),
            seconds=int(self.given["line_minutes"]) * 60.0,
            seed=seed,
        )

    def poll(self, outstanding: Sequence[Outstanding]) -> list[ChannelEvent]:
        """Return a receipt for each message whose pages lie in the folder."""
        found: list[ChannelEvent] = []
        for one in outstanding:
            name = _name(one.reference, one.message_id)
            told = self.known(name) if name else None
            if told is not None:
                found.append(self._receipt(str(name), one, told))
        return found

    def known(self, name: str) -> dict[str, Any] | None:
        """Return what is written about a fax that arrived, None where none did."""
        try:
            told = json.loads((self.folder / f"{name}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) else None

    def _receipt(self, name: str, one: Outstanding, told: Mapping[str, Any]) -> Receipt:
        pages = int(told.get("pages", 0))
        cost: Decimal | None = None
        price = self.channel.cost
        if price is not None:
            each = price_of(price.millionths, price.currency)
            cost = each * pages if self.channel.cost_unit == "page" else each
        return Receipt(
            f"{name}/delivered",
            ReceiptKind.DELIVERED,
            reference=one.reference,
            provider_ref=name,
            code=str(told.get("code", "0")),
            detail=str(told.get("detail", "")),
            units=pages,
            cost=cost,
            currency=price.currency if price is not None else "",
            raw=dict(told),
        )


class T30Connection:
    """Places one call after the other."""

    def __init__(self, adapter: T30Adapter) -> None:
        self._adapter = adapter

    def submit(self, outgoing: Outgoing) -> Outcome:
        """Call the number, send the pages and say how it went; never raises.

        A call that fails after some pages is tried again as a whole: machines number their pages, people do not.
        """
        if e164(outgoing.recipient) is None:
            return Outcome(
                Kind.REJECTED, Scope.RECIPIENT, "the number is no fax number in the form +4681234567"
            )
        if not outgoing.payload.startswith(_TIFF):
            return Outcome(Kind.REJECTED, Scope.CONTENT, "the pages are no TIFF")
        most = self._adapter.capabilities.max_bytes
        if len(outgoing.payload) > most:
            sentence = f"the pages have {len(outgoing.payload):,} bytes; {most:,} is the most"
            return Outcome(Kind.REJECTED, Scope.CONTENT, sentence)
        name = _name(outgoing.reference, outgoing.message_id)
        if name is None:
            return Outcome(Kind.REJECTED, Scope.CONFIG, "the reference cannot name a file")
        try:
            if self._adapter.known(name) is not None:
                return Outcome(Kind.ACCEPTED, detail="this fax has arrived already", provider_ref=name)
            return self._call(outgoing, name)
        except ChannelUnavailable as error:
            return Outcome(Kind.TRANSIENT, detail=error.message)
        except (OSError, MemoryError) as error:
            return Outcome(Kind.TRANSIENT, detail=f"{self._adapter.folder}: {error}"[:200])

    def close(self) -> None:
        """Nothing is kept open."""

    def _call(self, outgoing: Outgoing, name: str) -> Outcome:
        line = self._adapter.line(outgoing.recipient)
        if line is None:
            return failed(BUSY, BUSY.words)
        with tempfile.TemporaryDirectory(prefix=".call-", dir=self._adapter.folder) as room:
            sent, got = Path(room) / "sent.tif", Path(room) / "received.tif"
            sent.write_bytes(outgoing.payload)
            result = call(
                str(sent),
                str(got),
                sender=outgoing.sender if e164(outgoing.sender) else "",
                recipient=outgoing.recipient,
                line=line,
                ecm=bool(self._adapter.given["ecm"]),
            )
            if result.code is None:
                return failed(LINE_TIME, f"{LINE_TIME.words}, {_told(result)}")
            if result.code != 0:
                meaning = t30_result(result.code)
                return failed(meaning, f"{meaning.words} (T.30 result {result.code}), {_told(result)}")
            try:
                self._keep(name, got, result)
            except OSError as error:
                # The pages went through: to call again would give the recipient a second fax.
                kept = f"{_told(result)}, and the folder does not keep it: {error}"
                return Outcome(Kind.IN_DOUBT, detail=kept[:300], provider_ref=name)
        return Outcome(Kind.ACCEPTED, detail=_told(result), provider_ref=name)

    def _keep(self, name: str, got: Path, result: CallResult) -> None:
        """Put the received pages in place, and then the words about them, which make the fax one that has arrived."""
        folder = self._adapter.folder
        got.replace(folder / f"{name}.tif")
        told = {
            "code": "0",
            "pages": result.pages,
            "rate": result.rate,
            "ecm": result.ecm,
            "seconds": result.seconds,
            "detail": _told(result),
        }
        part = got.with_name("words.json")
        part.write_text(json.dumps(told, sort_keys=True) + "\n", "utf-8")
        part.replace(folder / f"{name}.json")


def _name(reference: str, message_id: int) -> str | None:
    name = reference or f"m{message_id}"
    return name if _REFERENCE.fullmatch(name) else None


def _told(result: CallResult) -> str:
    pages = f"{result.pages} page{'' if result.pages == 1 else 's'}"
    rate = f" at {result.rate:,} bit/s{' with error correction' if result.ecm else ''}" if result.rate else ""
    return f"{pages} in {result.seconds:g} s{rate}"
