"""One wording of a campaign for one kind of channel: compiled once, written for each recipient in the form an adapter wants."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tidings.channels.protocol import EmailParts, Form
from tidings.clock import Clock
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.holes import Message

if TYPE_CHECKING:
    from tidings.templates.parts import Parts
    from tidings.templates.worker import BatchRenderer, RenderFailure

# The longest that a message may take to be rendered where its template has a loop in a loop.
RENDER_SECONDS = 5.0
# In which forms a message of each kind can be handed over.
FORMS: Mapping[str, tuple[Form, ...]] = {
    "email": (Form.MIME, Form.PARTS),
    "sms": (Form.TEXT,),
    "fax": (Form.PAGES,),
}
# Links of a run stand in one table for all kinds: each kind counts its positions from here.
FIRST_POSITION = {"email": 0, "sms": 10_000, "fax": 20_000}
_NUMBER = re.compile(r"<\s*([^<>]+?)\s*>\s*\Z")


@dataclass(frozen=True, slots=True)
class Written:
    """A finished message: its payload, the fields where the adapter wants fields, the segments of an SMS."""

    payload: bytes
    parts: EmailParts | None = None
    segments: tuple[str, ...] = ()


class Compiled(Message, Protocol):
    """What every compiled message tells of itself."""

    @property
    def links(self) -> tuple[str, ...]:
        """The URLs by position."""
        ...

    @property
    def variables(self) -> frozenset[str]:
        """The names of the values that it reads."""
        ...

    @property
    def product_fields(self) -> frozenset[str] | None:
        """What it reads of each product recommended; None for a message that recommends nothing."""
        ...

    @property
    def group_variables(self) -> frozenset[str] | None:
        """The names of the values that it reads of every member of the account; None for a message without `group`."""
        ...


class Wording(Protocol):
    """One variant in one locale for one kind of channel. Threads may share it.

    `watched`: a message of it may take long, so `write_many` has them rendered in a process that can be stopped.
    """

    watched: bool

    @property
    def compiled(self) -> Compiled:
        """The compiled message."""
        ...

    def write(self, recipient: Recipient, urls: MessageUrls) -> Written:
        """Return the finished message; raises RenderError when this recipient's cannot be written."""
        ...

    def write_many(self, rows: Sequence[tuple[Recipient, MessageUrls]]) -> Sequence[Written | RenderFailure]:
        """Return the finished messages, or why one cannot be written, in order; TidingsError when none can be.

        Only where it is `watched`.
        """
        ...

    def close(self) -> None:
        """End the process that it may have started; it can be used again."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """What a wording is compiled from: the campaign of a run with the files that it recorded."""

    definitions: Definitions
    campaign: str
    sources: Mapping[str, bytes]
    salt: str
    clock: Clock


def check_form(channel: Channel, adapter: str, kind: str, form: Form) -> None:
    """Raise UsageError when an adapter cannot carry what the channel is for."""
    if kind != channel.kind or form not in FORMS.get(channel.kind, ()):
        raise UsageError(
            f'the channel "{channel.id}" is of kind {channel.kind}, and its adapter {adapter} carries {kind} as {form}',
            what_to_do=f"name an adapter for {channel.kind} in {channel.path}, or correct `kind:` there",
        )


def compile_wording(task: Task, channel: Channel, form: Form, variant: str | None, locale: str) -> Wording:
    """Return the wording of a variant in a locale for a channel; TemplateErrors with all problems of its files."""
    if channel.kind == "sms":
        return _SmsWording(task, channel, variant, locale)
    if channel.kind == "fax":
        return _FaxWording(task, channel, variant, locale)
    return _EmailWording(task, channel, form, variant, locale)


def bare_sender(channel: Channel) -> str:
    """Return the address or number of a channel's sender without the name before it."""
    if channel.kind == "email":
        from tidings.templates.mime import name_and_address

        return name_and_address(channel.sender)[1]
    found = _NUMBER.search(channel.sender)
    return found[1] if found else channel.sender.strip()


class _EmailWording:
    def __init__(self, task: Task, channel: Channel, form: Form, variant: str | None, locale: str) -> None:
        from tidings.templates.campaign import campaign_spec

        self._as_fields = form == Form.PARTS
        self._spec = campaign_spec(
            task.definitions,
            task.campaign,
            sources=task.sources,
            locale=locale,
            salt=task.salt,
            variant=variant,
            channel=channel,
        )
        self.compiled = self._spec.compile(task.clock)
        self.watched = self.compiled.nested
        self._renderer: BatchRenderer | None = None

    def write(self, recipient: Recipient, urls: MessageUrls) -> Written:
        if self._as_fields:
            return _fields(self.compiled.fill_parts(recipient, urls))
        return Written(self.compiled.fill(recipient, urls))

    def write_many(self, rows: Sequence[tuple[Recipient, MessageUrls]]) -> Sequence[Written | RenderFailure]:
        from tidings.templates.parts import Parts
        from tidings.templates.worker import BatchRenderer

        if self._renderer is None:
            self._renderer = BatchRenderer(self._spec, self.compiled, seconds=RENDER_SECONDS)
        if self._as_fields:
            made = self._renderer.render_parts(rows)
            return [_fields(one) if isinstance(one, Parts) else one for one in made]
        whole = self._renderer.render_many(rows)
        return [Written(one) if isinstance(one, bytes) else one for one in whole]

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()


def _fields(made: Parts) -> Written:
    parts = EmailParts(made.sender, made.subject, made.text, made.html, made.reply_to, made.headers)
    return Written(made.text.encode(), parts)


class _AtOnce(ABC):
    """A wording whose template cannot take long, for it has no loop in a loop."""

    watched = False

    @abstractmethod
    def write(self, recipient: Recipient, urls: MessageUrls) -> Written:
        """Return the finished message."""

    def write_many(self, rows: Sequence[tuple[Recipient, MessageUrls]]) -> Sequence[Written | RenderFailure]:
        return [self.write(*row) for row in rows]

    def close(self) -> None:
        return


class _SmsWording(_AtOnce):
    def __init__(self, task: Task, channel: Channel, variant: str | None, locale: str) -> None:
        from tidings.templates.sms.campaign import campaign_sms

        self.compiled = campaign_sms(
            task.definitions,
            task.campaign,
            sources=task.sources,
            locale=locale,
            salt=task.salt,
            clock=task.clock,
            variant=variant,
            channel=channel,
        )

    def write(self, recipient: Recipient, urls: MessageUrls) -> Written:
        filled = self.compiled.fill(recipient, urls)
        return Written(filled.text.encode(), segments=filled.segmented.parts)


class _FaxWording(_AtOnce):
    def __init__(self, task: Task, channel: Channel, variant: str | None, locale: str) -> None:
        from tidings.templates.fax import campaign_fax

        self.compiled = campaign_fax(
            task.definitions,
            task.campaign,
            sources=task.sources,
            locale=locale,
            salt=task.salt,
            clock=task.clock,
            variant=variant,
            channel=channel,
        )

    def write(self, recipient: Recipient, urls: MessageUrls) -> Written:
        return Written(self.compiled.fill(recipient, urls).tiff)
