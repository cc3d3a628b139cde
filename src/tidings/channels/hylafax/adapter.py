"""A HylaFAX server as a channel: pages in, jobs with our reference as their tag, results by asking the queues.

A job is dialled, repeated and given up by the server (three calls, five minutes apart, unless the channel says
otherwise). A reference that stands in one of the queues is never submitted again, so that no doubt costs a copy.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tidings.channels.fax_numbers import dial_string, known_prefix
from tidings.channels.fax_results import PAGE_OPTIONS, RETRY_SECONDS, TRIES
from tidings.channels.hylafax.dialogue import Dialogue, Lost, Refused
from tidings.channels.hylafax.queue import receipts
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
    Outstanding,
    Scope,
)
from tidings.definitions.kinds.channel import Channel

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# What the queues held is trusted for this long; a doubt is never settled sooner.
_FRESH_SECONDS = 5.0
_FULL_SECONDS = 120.0
_TIFF = (b"II*\x00", b"MM\x00*")


class HylafaxAdapter:
    """Submits faxes to hfaxd; there is no TLS in its protocol, so the server stands on this machine or behind a tunnel."""

    name: ClassVar[str] = "hylafax"
    options: ClassVar[tuple[Option, ...]] = (
        Option("host", "text", "the host of hfaxd", "127.0.0.1"),
        Option("port", "whole", "its port", 4559, lowest=1, highest=65535),
        Option("user", "text", "the user to log in as", "tidings"),
        Option("password", "text", "the user's password, where hfaxd asks for one", secret=True),
        Option("timeout", "number", "seconds to wait for each answer", 30, lowest=0.1, highest=600),
        Option("dial_prefix", "text", "before the number: 00, or 9,00 to get a line; + leaves it as it is", "+"),
        Option("country", "text", "country code of the server's own numbers, such as 46", ""),
        Option("national_prefix", "text", "what is dialled in place of the own country code", "0"),
        Option("tries", "whole", "calls to one number", TRIES, lowest=1, highest=12),
        Option("retry_minutes", "whole", "minutes between two calls", int(RETRY_SECONDS // 60), lowest=5, highest=1440),
        Option("hours", "whole", "hours after which the server gives up", 4, lowest=1, highest=48),
        Option("most_waiting", "whole", "jobs in the queue above which nothing is added", 500, lowest=1),
        *PAGE_OPTIONS,
    )  # fmt: skip

    def __init__(self, channel: Channel, values: Mapping[str, Any]) -> None:
        self.channel = channel
        self.given = {option.name: option.default for option in self.options} | dict(values)
        self.capabilities = Capabilities(
            kind="fax",
            connections=min(channel.connections, 4),
            idempotent_submit=True,
            receipts="poll",
            form=Form.PAGES,
            max_bytes=20_000_000,
        )

    def connect(self) -> HylafaxConnection:
        """Log in and look at the queues; raises ChannelUnavailable."""
        return HylafaxConnection(self)

    def dialogue(self) -> Dialogue:
        """Return an open session; raises ChannelUnavailable with one sentence."""
        given = self.given
        where = f"{given['host']}:{given['port']}"
        if not known_prefix(str(given["dial_prefix"])) or not known_prefix(str(given["national_prefix"])):
            raise ChannelUnavailable(
                "the prefixes of the dial plan may hold digits, * and # and commas",
                what_to_do="mend dial_prefix and national_prefix in the channel",
            )
        made = Dialogue(str(given["host"]), int(given["port"]), float(given["timeout"]))
        try:
            made.open(str(given["user"]), str(given["password"] or ""))
        except Lost as lost:
            made.close()
            raise ChannelUnavailable(
                f"the fax server {where} cannot be reached: {lost}",
                what_to_do="start hfaxd, or mend host and port",
            ) from lost
        except Refused as refused:
            made.close()
            raise NotLetIn(
                f"the fax server {where} does not let us in: {refused.reply}",
                what_to_do="add the user to etc/hosts.hfaxd of the server, and its password under secrets:",
            ) from refused
        return made

    def poll(self, outstanding: Sequence[Outstanding]) -> list[ChannelEvent]:
        """Return what the queues say about messages; raises ChannelUnavailable."""
        dialogue = self.dialogue()
        try:
            jobs = dialogue.jobs()
        except (Lost, Refused) as error:
            raise ChannelUnavailable(
                f"the fax server does not show its queues: {error}", what_to_do="look at its log"
            ) from error
        finally:
            dialogue.close()
        return receipts(jobs, outstanding, self.channel)

    def cancel(self, provider_ref: str) -> bool:
        """Take a job out of the queue; False where it is not there any more. Raises ChannelUnavailable."""
        if not provider_ref.isdecimal():
            return False
        dialogue = self.dialogue()
        try:
            dialogue.command(f"JKILL {provider_ref}")
        except Refused:
            return False
        except Lost as lost:
            raise ChannelUnavailable(
                f"the fax server fell silent: {lost}", what_to_do="look at its log"
            ) from lost
        finally:
            dialogue.close()
        return True


class HylafaxConnection:
    """One session; it is opened again where the server closed it between two messages."""

    def __init__(self, adapter: HylafaxAdapter) -> None:
        self._adapter = adapter
        self._dialogue: Dialogue | None = adapter.dialogue()
        self._tags: dict[str, str] = {}
        self._waiting = 0
        self._looked = -_FRESH_SECONDS

    def submit(self, outgoing: Outgoing) -> Outcome:
        """Hand over one fax and say what became of it; never raises."""
        given = self._adapter.given
        number = dial_string(
            outgoing.recipient,
            prefix=str(given["dial_prefix"]),
            country=str(given["country"]),
            national=str(given["national_prefix"]),
        )
        if number is None:
            return Outcome(
                Kind.REJECTED, Scope.RECIPIENT, "the number is no fax number in the form +4681234567"
            )
        if not outgoing.payload.startswith(_TIFF):
            return Outcome(Kind.REJECTED, Scope.CONTENT, "the pages are no TIFF")
        most = self._adapter.capabilities.max_bytes
        if len(outgoing.payload) > most:
            sentence = f"the pages have {len(outgoing.payload):,} bytes; {most:,} is the most"
            return Outcome(Kind.REJECTED, Scope.CONTENT, sentence)
        tag = outgoing.reference or f"m{outgoing.message_id}"
        if not _REFERENCE.fullmatch(tag):
            return Outcome(Kind.REJECTED, Scope.CONFIG, "the reference cannot stand in a job")
        try:
            return self._submit(outgoing, number, tag)
        except Lost as lost:
            self.close()
            self._looked = -_FRESH_SECONDS
            return Outcome(Kind.IN_DOUBT if lost.submitted else Kind.TRANSIENT, detail=str(lost))
        except Refused as refused:
            return self._refused(refused, outgoing.recipient, number)
        except ChannelUnavailable as error:
            return Outcome(Kind.TRANSIENT, detail=error.message)

    def close(self) -> None:
        """End the session."""
        if self._dialogue is not None:
            self._dialogue.close()
            self._dialogue = None

    def _submit(self, outgoing: Outgoing, number: str, tag: str) -> Outcome:
        dialogue = self._open()
        if time.monotonic() - self._looked > _FRESH_SECONDS:
            jobs = dialogue.jobs()
            self._tags = {job.tag: job.number for job in jobs if job.tag}
            self._waiting = sum(not job.done for job in jobs)
            self._looked = time.monotonic()
        if tag in self._tags:
            return Outcome(
                Kind.ACCEPTED, detail="the server has this fax already", provider_ref=self._tags[tag]
            )
        if self._waiting >= int(self._adapter.given["most_waiting"]):
            self._looked = -_FRESH_SECONDS
            sentence = f"{self._waiting} faxes wait at the server"
            return Outcome(Kind.THROTTLED, detail=sentence, retry_after=_FULL_SECONDS)
        document = dialogue.store(outgoing.payload)
        found = re.search(r"jobid: (\d+)", dialogue.command("JNEW"))
        if found is None:
            raise Refused("JNEW", "500 the server named no job")
        given = self._adapter.given
        for name, value in self._parameters(number, tag):
            dialogue.parameter(name, value)
        for name, value in (
            ("MAXDIALS", str(given["tries"])),
            ("MAXTRIES", str(given["tries"])),
            ("LASTTIME", _days(int(given["hours"]))),
            ("RETRYTIME", f"{int(given['retry_minutes']):02d}00"),
            ("VRES", "98" if given["resolution"] == "standard" else "196"),
            ("PAGEWIDTH", "215"),
            ("PAGELENGTH", "279" if given["paper"] == "letter" else "297"),
            ("USETAGLINE", "no"),
            ("DOCUMENT", document),
        ):
            dialogue.parameter(name, value, quoted=False)
        dialogue.command("JSUBM", submits=True)
        self._tags[tag] = found[1]
        self._waiting += 1
        return Outcome(Kind.ACCEPTED, provider_ref=found[1])

    def _parameters(self, number: str, tag: str) -> tuple[tuple[str, str], ...]:
        return (
            ("FROMUSER", str(self._adapter.given["user"])),
            ("DIALSTRING", number),
            ("EXTERNAL", number),
            ("JOBINFO", tag),
            # Our pages bring their own head line; results are asked for, nobody is written to.
            ("TAGLINE", ""),
            ("NOTIFY", "none"),
            ("PAGECHOP", "none"),
        )

    def _open(self) -> Dialogue:
        if self._dialogue is not None:
            try:
                self._dialogue.command("NOOP")
                return self._dialogue
            except (Lost, Refused):
                self.close()
        self._looked = -_FRESH_SECONDS
        self._dialogue = self._adapter.dialogue()
        return self._dialogue

    def _refused(self, refused: Refused, recipient: str, number: str) -> Outcome:
        """Return what a refusal means by the command that was refused and the kind of its code (RFC 959)."""
        detail = f"{refused.command}: {refused.reply}".replace(recipient, "…").replace(number, "…")
        # The unfinished job must not be what the next message's parameters are set on.
        self.close()
        if refused.reply[:3] in ("421", "452", "552"):
            return Outcome(Kind.THROTTLED, detail=detail, retry_after=_FULL_SECONDS)
        if refused.reply.startswith("4"):
            return Outcome(Kind.TRANSIENT, detail=detail)
        if refused.command in ("DIALSTRING", "EXTERNAL"):
            return Outcome(Kind.REJECTED, Scope.RECIPIENT, detail)
        if refused.command in ("DOCUMENT", "STOT"):
            return Outcome(Kind.REJECTED, Scope.CONTENT, detail)
        return Outcome(Kind.REJECTED, Scope.CONFIG, detail)


def _days(hours: int) -> str:
    """Return a time span as HylaFAX writes it: days, hours and minutes, two digits each."""
    return f"{hours // 24:02d}{hours % 24:02d}00"
