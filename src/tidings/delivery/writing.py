"""Writes the messages of a run on one channel: compiled once per variant and locale, filled per recipient.

The same front for every kind; what differs between an e-mail, an SMS and a fax stands in `wordings`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tidings.channels.protocol import Form, Outgoing
from tidings.clock import Clock, to_micros
from tidings.customers.addresses import deliverable
from tidings.customers.permission import refusal
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.given import split_names
from tidings.definitions.kinds.recommending import RECOMMENDED
from tidings.delivery import variables
from tidings.delivery.given_values import of_messages
from tidings.delivery.keeping_rules import COUNTRY, RuleKeeper
from tidings.delivery.products_ahead import ProductsAhead, products_of
from tidings.delivery.recorded import Recorded
from tidings.delivery.reference import referrer_of
from tidings.delivery.wordings import FIRST_POSITION, Task, Wording, Written, bare_sender, compile_wording
from tidings.delivery.wordings_due import locales_due, variants_of
from tidings.delivery.work import Claimed, LookAhead, Refusal, Wanted
from tidings.errors import TidingsError
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import answers, people
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.values import RenderError
from tidings.tokens.keyring import KeyRing
from tidings.tokens.links import Minter, UnusableTarget
from tidings.tokens.short import UNSUBSCRIBE, ShortMinter

# The purpose that tracking of opens and clicks needs, where config/policies.yaml names it.
TRACKING = "tracking"
_Wording = tuple[str | None, str]
# Returns the wording of a variant and a locale, made before or by the function given.
Compiled = Callable[[str | None, str, Callable[[], Wording]], Wording]


class Writer:
    """Renders the messages of one run on one channel, in the form that its adapter wants. Threads may share it.

    Of a flow these are the messages of one step in the words of one version (`Recorded.of_step`). `compiled` may keep
    wordings for the next writer of the same.
    """

    def __init__(
        self,
        store: Store,
        run: Recorded,
        channel: Channel,
        ring: KeyRing,
        clock: Clock,
        form: Form = Form.MIME,
        compiled: Compiled | None = None,
    ) -> None:
        self._known = compiled
        self._run = run
        self._channel = channel
        self._clock = clock
        self._form = form
        self._task = Task(
            run.definitions,
            run.campaign,
            run.templates,
            f"r{run.run_id}.{run.definition_hash[:8]}",
            clock,
        )
        self._sender = bare_sender(channel)
        workspace = run.definitions.workspace
        self._reference = referrer_of(store, workspace.salt)
        self._fallback = workspace.locale
        self._tracking = run.definitions.policies.purpose(TRACKING)
        self._group = run.campaign_of().group
        self._given, self._offer = run.campaign_of().given, run.campaign_of().offer
        self._untracked: set[int] = set()
        self._rules = RuleKeeper.of(run, channel)
        # Everything is compiled before the first claim: a template that cannot work claims nothing.
        self._first = frozenset(locales_due(store, run, channel.id) | {self._fallback})
        self._wordings = {
            (variant, locale): self._compiled(variant, locale)
            for variant in variants_of(run)
            for locale in self._first
        }
        self._unusable: dict[_Wording, str] = {}
        self._names = self._needed()
        self._store = store
        self._products: ProductsAhead | None = None
        self._recommend()
        self._base = workspace.public_url.rstrip("/")
        self._minter, self._short = Minter(ring), ShortMinter(ring)
        self._link_ids: dict[tuple[str | None, str, int], int] = {}
        self._urls: dict[tuple[_Wording, bool], MessageUrls] = {}

    def record_links(self, store: Store) -> None:
        """Write down where the links of each wording lead: short links and the tracker's rules look there.

        What messages recommend is learnt where nobody did for long: the first campaign after an import has it, too.
        """
        if self._products is not None:
            self._products.learn()
        with store.durable("links") as connection:
            self._record_links(connection, self._first)

    def load(self, connection: sa.Connection, wanted: Sequence[Wanted]) -> Mapping[int, Mapping[str, Any]]:
        """Load what a batch needs: its wordings, the values that they name (by message), and who may not be tracked."""
        values = self._load(connection, wanted)
        if self._rules is None:
            return values
        countries = self._rules.countries(connection, [one.customer_id for one in wanted])
        return {one.id: {**values[one.id], COUNTRY: countries.get(one.customer_id)} for one in wanted}

    def _load(self, connection: sa.Connection, wanted: Sequence[Wanted]) -> Mapping[int, Mapping[str, Any]]:
        customer_ids = [one.customer_id for one in wanted]
        self._add_locales(connection, customer_ids)
        if self._tracking is not None:
            customers, now = people.customers, to_micros(self._clock.now())
            self._untracked |= set(
                connection.execute(
                    sa.select(customers.c.id).where(
                        customers.c.id.in_(customer_ids),
                        refusal(self._channel.kind, self._tracking, now=now).is_not(None),
                    )
                ).scalars()
            )
        attributes = self._run.definitions.attributes
        own, of_event = split_names(self._names, self._given, self._offer)
        values = variables.load(connection, attributes, customer_ids, own)
        if self._group == "account":
            groups = variables.load_groups(
                connection, attributes, self._run.run_id, customer_ids, self._group_names()
            )
            for customer_id, members in groups.items():
                values[customer_id] = {**values.get(customer_id, {}), "group": members}
        if self._products is not None:
            for customer_id, those in self._products.load(connection, customer_ids).items():
                values[customer_id] = {**values.get(customer_id, {}), RECOMMENDED: those}
        by_message: dict[int, Mapping[str, Any]] = {one.id: values.get(one.customer_id, {}) for one in wanted}
        if self._given is not None and of_event:
            found = of_messages(connection, self._given, of_event, list(by_message))
            by_message = {one: {**own_values, **found.get(one, {})} for one, own_values in by_message.items()}
        if self._group == "party":
            subjects = variables.load_subjects(connection, attributes, list(by_message), self._group_names())
            return {one: {**own, "group": subjects.get(one, [])} for one, own in by_message.items()}
        return by_message

    @property
    def ahead(self) -> LookAhead | None:
        """Return what prepares the products of messages that are about to be claimed; None where nothing is recommended."""
        return None if self._products is None else self._products.ahead

    @property
    def watched(self) -> bool:
        """Tell whether a message may take long, so that they are better made by `render_many` in a thread of its own."""
        return any(wording.watched for wording in self._wordings.values())

    def close(self) -> None:
        """End the processes that render, where there are any."""
        for wording in self._wordings.values():
            wording.close()

    def render(self, message: Claimed) -> Outgoing | Refusal:
        """Return the finished message, or why this one customer's cannot be written."""
        return self.render_many([message])[0]

    def render_many(self, messages: Sequence[Claimed]) -> list[Outgoing | Refusal]:
        """Return each finished message, or why this customer's cannot be written, in order.

        Raises TidingsError where no process that renders can be started.
        """
        done: list[Outgoing | Refusal] = []
        watched: dict[_Wording, list[int]] = {}
        rows: dict[int, tuple[Recipient, MessageUrls]] = {}
        for place, message in enumerate(messages):
            found = self._found(message)
            if isinstance(found, Refusal):
                done.append(found)
                continue
            wanted, wording = found
            urls = self._urls_of(wanted, wording, plain=message.customer_id in self._untracked)
            locale = message.locale or self._fallback
            recipient = Recipient(
                message.message_id,
                message.key,
                message.address,
                locale,
                message.variables,
                self._reference.of(message.message_id),
                self._reference.seal(message.message_id),
            )
            if wording.watched:
                watched.setdefault(wanted, []).append(place)
                rows[place] = (recipient, urls)
                done.append(Refusal("render_error", "message: was not made"))
            else:
                done.append(self._written(message, wanted, wording, recipient, urls))
        for wanted, places in watched.items():
            made = self._wordings[wanted].write_many([rows[place] for place in places])
            for place, one in zip(places, made, strict=True):
                done[place] = (
                    self._outgoing(messages[place], wanted, one, rows[place][1])
                    if isinstance(one, Written)
                    else self._refused(messages[place], one.field, one.reason)
                )
        return done

    def _found(self, message: Claimed) -> tuple[_Wording, Wording] | Refusal:
        """Return the wording of a message, or why there is none."""
        # Whoever writes a letter looks at its address as well: asking twice would cost every message.
        if self._channel.kind != "email" and not deliverable(self._channel.kind, message.address):
            return self._refused(message, "number", "is none")
        locale = message.locale or self._fallback
        wanted = (message.variant, locale)
        unusable = self._unusable.get(wanted)
        if unusable is not None:
            return Refusal("locale_missing", unusable)
        wording = self._wordings.get(wanted)
        if wording is None:
            wanted = (message.variant, self._fallback)
            wording = self._wordings.get(wanted)
        if wording is None:
            return Refusal("render_error", f"variant: the run recorded no words for {message.variant!r}")
        return wanted, wording

    def _written(
        self,
        message: Claimed,
        wanted: _Wording,
        wording: Wording,
        recipient: Recipient,
        urls: MessageUrls,
    ) -> Outgoing | Refusal:
        try:
            written = wording.write(recipient, urls)
        except RenderError as error:
            return self._refused(message, error.field, error.reason)
        except UnusableTarget as error:
            return Refusal("render_error", f"link: {error}")
        return self._outgoing(message, wanted, written, urls)

    def _refused(self, message: Claimed, field: str, reason: str) -> Refusal:
        kind = self._channel.kind
        if deliverable(kind, message.address):
            return Refusal("render_error", f"{field}: {reason}")
        return Refusal("invalid_address", f"{field}: {reason}", f"address/{kind}")

    def _outgoing(
        self, message: Claimed, wanted: _Wording, written: Written, urls: MessageUrls
    ) -> Outgoing | Refusal:
        if self._rules is not None:
            compiled, leave = self._wordings[wanted].compiled, urls.unsubscribe(message.message_id)
            lack = self._rules.lack(message, wanted, compiled, written, leave)
            if lack is not None:
                return Refusal(lack.code, lack.detail, lack.rule)
        return Outgoing(
            message.message_id,
            self._sender,
            message.address,
            written.payload,
            written.parts,
            self._reference.of(message.message_id),
            written.segments,
        )

    def _urls_of(self, wanted: _Wording, wording: Wording, *, plain: bool) -> MessageUrls:
        """Return where links lead: long tokens in e-mails; short ones in texts and on pages, where signs cost."""
        made = self._urls.get((wanted, plain))
        if made is None:
            base, short = self._base, self._channel.kind != "email"
            click: Callable[[int, int, str], str] = _as_written
            pixel: Callable[[int], str] = _no_pixel
            if short and not plain:
                click = self._short_click(wanted, wording)
            elif not plain:
                click = lambda message_id, _, url: f"{base}/c/{self._minter.mint('click', message_id, url)}"  # noqa: E731
                pixel = lambda message_id: f"{base}/o/{self._minter.mint('open', message_id)}.gif"  # noqa: E731
            made = MessageUrls(click, pixel, self._short_unsubscribe if short else self._unsubscribe)
            self._urls[wanted, plain] = made
        return made

    def _unsubscribe(self, message_id: int) -> str:
        return f"{self._base}/u/{self._minter.mint('unsubscribe', message_id)}"

    def _short_unsubscribe(self, message_id: int) -> str:
        return f"{self._base}/s/{self._short.mint(UNSUBSCRIBE, message_id)}"

    def _short_click(self, wanted: _Wording, wording: Wording) -> Callable[[int, int, str], str]:
        links = wording.compiled.links

        def click(message_id: int, position: int, url: str) -> str:
            # A link with a value in it leads elsewhere for everybody: no row of the table stands for it.
            if position >= len(links) or links[position] != url:
                return url
            link_id = self._link_ids.get((*wanted, position))
            if link_id is None:
                raise RenderError("link", f"number {position + 1} was not recorded")
            return f"{self._base}/s/{self._short.mint(link_id, message_id)}"

        return click

    def _add_locales(self, connection: sa.Connection, customer_ids: Sequence[int]) -> None:
        """Compile the wordings of locales that customers of a batch were given since the run was taken up."""
        customers = people.customers
        found = connection.execute(
            sa.select(customers.c.locale).where(customers.c.id.in_(customer_ids)).distinct()
        ).scalars()
        late = frozenset(filter(None, found)) - self._first
        if not late:
            return
        for variant in variants_of(self._run):
            for locale in late:
                if (variant, locale) in self._wordings or (variant, locale) in self._unusable:
                    continue
                try:
                    self._wordings[variant, locale] = self._compiled(variant, locale)
                except TidingsError as error:
                    # The others can still be written to.
                    self._unusable[variant, locale] = error.message
        self._names = self._needed()
        self._recommend()
        # Each time, for the claim that this is part of may be rolled back.
        self._record_links(connection, late)

    def _needed(self) -> list[str]:
        """Return the names of all values that the wordings name."""
        named = frozenset[str]().union(*(one.compiled.variables for one in self._wordings.values()))
        return sorted(named)

    def _recommend(self) -> None:
        """Keep what chooses the products that wordings recommend; another one only when a wording of late shows more of them."""
        made = products_of(
            self._store, self._run, self._clock, [one.compiled for one in self._wordings.values()]
        )
        if made is not None and (self._products is None or made.fields != self._products.fields):
            self._products = made

    def _group_names(self) -> list[str]:
        """Return the names of the values that wordings name of the members of an account."""
        found = [one.compiled.group_variables for one in self._wordings.values()]
        return sorted(frozenset[str]().union(*(names for names in found if names is not None)))

    def _record_links(self, connection: sa.Connection, locales: Collection[str]) -> None:
        first = FIRST_POSITION[self._channel.kind]
        run_id, step, version, links = self._run.run_id, self._run.step, self._run.version, answers.links
        rows = [
            (run_id, step, version, variant or "", locale, first + position, url)
            for (variant, locale), wording in self._wordings.items()
            if locale in locales
            for position, url in enumerate(wording.compiled.links)
        ]
        columns = ["run_id", "step", "version", "variant", "locale", "position", "url"]
        insert_rows(connection, links, rows, columns, ignore_conflicts=True)
        if self._channel.kind == "email" or not rows:
            return
        found = connection.execute(
            sa.select(links.c.id, links.c.variant, links.c.locale, links.c.position).where(
                links.c.run_id == run_id,
                links.c.step == step,
                links.c.version == version,
                links.c.locale.in_(sorted(locales)),
                links.c.position.between(first, first + 9_999),
            )
        )
        for row in found:
            self._link_ids[row.variant or None, row.locale, row.position - first] = row.id

    def _compiled(self, variant: str | None, locale: str) -> Wording:
        def make() -> Wording:
            return compile_wording(self._task, self._channel, self._form, variant, locale)

        return make() if self._known is None else self._known(variant, locale, make)


def _as_written(message_id: int, position: int, url: str) -> str:
    return url


def _no_pixel(message_id: int) -> str:
    return ""
