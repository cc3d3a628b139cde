"""Writes the e-mails of a run: compiled once per variant and locale, filled per recipient in the connections."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tidings.channels.protocol import Outgoing
from tidings.clock import Clock
from tidings.customers.permission import refusal
from tidings.definitions.kinds.channel import Channel
from tidings.delivery import variables
from tidings.delivery.claiming import PENDING
from tidings.delivery.recorded import Recorded
from tidings.delivery.work import Claimed, Refusal
from tidings.errors import TidingsError
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending
from tidings.templates.campaign import campaign_email
from tidings.templates.email import CompiledEmail, MessageUrls, Recipient
from tidings.templates.mime import name_and_address
from tidings.templates.values import RenderError
from tidings.tokens.keyring import KeyRing
from tidings.tokens.links import Minter, UnusableTarget

# The purpose that tracking of opens and clicks needs, where config/policies.yaml names it.
TRACKING = "tracking"


class Writer:
    """Renders the messages of one run on one channel. Threads may share it."""

    def __init__(self, store: Store, run: Recorded, channel: Channel, ring: KeyRing, clock: Clock) -> None:
        self._run = run
        self._channel = channel
        self._clock = clock
        self._sender = name_and_address(channel.sender)[1]
        self._fallback = run.definitions.workspace.locale
        self._tracking = run.definitions.policies.purpose(TRACKING)
        self._untracked: set[int] = set()
        # Everything is compiled before the first claim: a template that cannot work claims nothing.
        self._first = frozenset(_locales(store, run.run_id) | {self._fallback})
        self._emails = {
            (variant, locale): self._compiled(variant, locale)
            for variant in _variants(run)
            for locale in self._first
        }
        self._unusable: dict[tuple[str | None, str], str] = {}
        self._names = self._needed()
        base, minter = run.definitions.workspace.public_url.rstrip("/"), Minter(ring)
        self._tracked_urls = MessageUrls(
            click=lambda message_id, _, url: f"{base}/c/{minter.mint('click', message_id, url)}",
            pixel=lambda message_id: f"{base}/o/{minter.mint('open', message_id)}.gif",
            unsubscribe=lambda message_id: f"{base}/u/{minter.mint('unsubscribe', message_id)}",
        )
        self._plain_urls = MessageUrls(
            click=lambda _, __, url: url,
            pixel=lambda _: "",
            unsubscribe=self._tracked_urls.unsubscribe,
        )

    def record_links(self, store: Store) -> None:
        """Write down where the links of each wording lead: the tracker's rules compare clicks with their number."""
        with store.durable("links") as connection:
            self._record_links(connection, self._first)

    def load(self, connection: sa.Connection, customer_ids: Sequence[int]) -> Mapping[int, Mapping[str, Any]]:
        """Load what a batch needs: its wordings, the values that they name, and who may not be tracked."""
        self._add_locales(connection, customer_ids)
        if self._tracking is not None:
            customers = people.customers
            self._untracked |= set(
                connection.execute(
                    sa.select(customers.c.id).where(
                        customers.c.id.in_(customer_ids),
                        refusal(self._channel.kind, self._tracking).is_not(None),
                    )
                ).scalars()
            )
        return variables.load(connection, self._run.definitions.attributes, customer_ids, self._names)

    def render(self, message: Claimed) -> Outgoing | Refusal:
        """Return the finished message, or why this one customer's cannot be written."""
        locale = message.locale or self._fallback
        unusable = self._unusable.get((message.variant, locale))
        if unusable is not None:
            return Refusal("render_error", unusable)
        email = self._emails.get((message.variant, locale)) or self._emails.get(
            (message.variant, self._fallback)
        )
        if email is None:
            return Refusal("render_error", f"variant: the run recorded no words for {message.variant!r}")
        urls = self._plain_urls if message.customer_id in self._untracked else self._tracked_urls
        recipient = Recipient(message.message_id, message.key, message.address, locale, message.variables)
        try:
            payload = email.fill(recipient, urls)
        except RenderError as error:
            return Refusal("render_error", f"{error.field}: {error.reason}")
        except UnusableTarget as error:
            return Refusal("render_error", f"link: {error}")
        return Outgoing(message.message_id, self._sender, message.address, payload)

    def _add_locales(self, connection: sa.Connection, customer_ids: Sequence[int]) -> None:
        """Compile the wordings of locales that customers of a batch were given since the run was taken up."""
        customers = people.customers
        found = connection.execute(
            sa.select(customers.c.locale).where(customers.c.id.in_(customer_ids)).distinct()
        ).scalars()
        late = frozenset(filter(None, found)) - self._first
        if not late:
            return
        for variant in _variants(self._run):
            for locale in late:
                if (variant, locale) in self._emails or (variant, locale) in self._unusable:
                    continue
                try:
                    self._emails[variant, locale] = self._compiled(variant, locale)
                except TidingsError as error:
                    # The others can still be written to.
                    self._unusable[variant, locale] = error.message
        self._names = self._needed()
        # Each time, for the claim that this is part of may be rolled back.
        self._record_links(connection, late)

    def _needed(self) -> list[str]:
        """Return the names of all values that the wordings name."""
        return sorted(frozenset[str]().union(*(one.variables for one in self._emails.values())))

    def _record_links(self, connection: sa.Connection, locales: Collection[str]) -> None:
        rows = [
            (self._run.run_id, variant or "", locale, position, url)
            for (variant, locale), email in self._emails.items()
            if locale in locales
            for position, url in enumerate(email.links)
        ]
        insert_rows(
            connection,
            answers.links,
            rows,
            ["run_id", "variant", "locale", "position", "url"],
            ignore_conflicts=True,
        )

    def _compiled(self, variant: str | None, locale: str) -> CompiledEmail:
        run = self._run
        return campaign_email(
            run.definitions,
            run.campaign,
            sources=run.templates,
            locale=locale,
            salt=f"r{run.run_id}.{run.definition_hash[:8]}",
            clock=self._clock,
            variant=variant,
            channel=self._channel,
        )


def _variants(run: Recorded) -> list[str | None]:
    variants = run.definitions.campaigns[run.campaign].variants
    return [one.name for one in variants] or [None]


def _locales(store: Store, run_id: int) -> set[str]:
    """Return the locales of the customers that a run still has to write to."""
    messages, customers = sending.messages, people.customers
    with store.read() as connection:
        return set(
            connection.execute(
                sa.select(customers.c.locale)
                .select_from(messages.join(customers, customers.c.id == messages.c.customer_id))
                .where(
                    messages.c.run_id == run_id,
                    messages.c.state.in_(PENDING),
                    customers.c.locale.is_not(None),
                )
                .distinct()
            ).scalars()
        ) - {""}
