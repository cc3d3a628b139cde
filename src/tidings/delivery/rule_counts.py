"""How many people of a plan would be refused for what the rules of countries ask of the words: a count for each code.

Each wording is written once for a made-up customer of whom everything is known, and asked as the sender will ask it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.customers.countries import country_of, number_column
from tidings.customers.refusals import they
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.given import nameable
from tidings.definitions.kinds.rules import Attributes
from tidings.definitions.workspace import Definitions
from tidings.delivery.demands import Demands, Lack, Words
from tidings.store.tables import people, sending
from tidings.templates import group
from tidings.templates.compiler import sample
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.values import RenderError

# As much of a number as tells its country: the sign, the code, and the digits by which countries that share one differ.
_START = 7
# Returns the compiled message of a channel in a variant for a locale ("": none known).
Compiled = Callable[[str, str | None, str], Any]


@dataclass(frozen=True, slots=True)
class Lacking:
    """People by one channel whose message lacks what a rule asks for."""

    lack: Lack
    channel: str
    customers: int

    def sentence(self) -> str:
        """Return it as a line for people."""
        whom = f"{self.customers:,} {'person' if self.customers == 1 else 'people'} by {self.channel}"
        words = they(self.lack.code)
        return (
            f"{whom} {words}, and would be refused ({self.lack.code}, {self.lack.rule}): {self.lack.detail}"
        )

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "code": self.lack.code,
            "rule": self.lack.rule,
            "channel": self.channel,
            "customers": self.customers,
            "detail": self.lack.detail,
            "sentence": self.sentence(),
        }


def lacking_of_plan(
    connection: sa.Connection,
    definitions: Definitions,
    campaign: Campaign,
    plan_hash: str,
    compiled: Compiled,
) -> tuple[Lacking, ...]:
    """Return who of a plan would be refused for the words, by their first message; most people first."""
    purpose = definitions.policies.purpose(campaign.purpose)
    if purpose is None or not definitions.policies.rules:
        return ()
    attributes = nameable(definitions.attributes, campaign.given, campaign.offer)
    counts: Counter[tuple[Lack, str]] = Counter()
    for name in campaign.via:
        channel = definitions.channels.get(name)
        if channel is None:
            continue
        asked = Demands(definitions, campaign.id, channel, purpose.message_class)
        if not asked.any:
            continue
        words: dict[tuple[str | None, str], Words | None] = {}
        for row in _members(connection, plan_hash, name, channel.kind):
            packs = asked.packs_of(country_of(row.country, row.start, asked.home))
            if not packs:
                continue
            wanted = (row.variant, row.locale)
            if wanted not in words:
                message = compiled(name, row.variant, row.locale)
                words[wanted] = _sample_words(message, attributes, definitions.workspace.public_url)
            said = words[wanted]
            lack = asked.lacking(said, packs) if said is not None else None
            if lack is not None:
                counts[lack, name] += row.customers
    found = [Lacking(lack, channel, count) for (lack, channel), count in counts.items()]
    return tuple(sorted(found, key=lambda one: (-one.customers, one.channel, one.lack.code, one.lack.rule)))


def _members(connection: sa.Connection, plan_hash: str, channel: str, kind: str) -> list[Any]:
    """Return variant, locale, country and start of the number of those whom a plan writes to, each with how many."""
    members, plans, customers = sending.plan_members, sending.plans, people.customers
    inner = (
        sa.select(
            members.c.variant,
            sa.func.coalesce(customers.c.locale, "").label("locale"),
            customers.c.country,
            sa.func.substr(number_column(kind), 1, _START, type_=sa.Text).label("start"),
        )
        .select_from(members.join(customers, customers.c.id == members.c.customer_id))
        .where(
            members.c.plan_id == sa.select(plans.c.id).where(plans.c.hash == plan_hash).scalar_subquery(),
            members.c.arm == "treated",
            members.c.channel == channel,
        )
        .subquery()
    )
    counted = sa.select(*inner.c, sa.func.count().label("customers")).group_by(*inner.c)
    return list(connection.execute(counted))


def words_shown(message: Any, values: Mapping[str, Any], public_url: str) -> Words | None:
    """Return what a compiled message says with values, links as they are sent; None where it cannot be written."""
    base = public_url.rstrip("/")
    leave = f"{base}/u/sample"
    urls = MessageUrls(
        click=lambda _, __, ___: f"{base}/s/sample", pixel=lambda _: "", unsubscribe=lambda _: leave
    )
    try:
        shown = message.show(Recipient(1, "sample", "sample@example.com", message.locale, values), urls)
    except RenderError:
        return None
    bodies = (shown.text, *([shown.html] if getattr(shown, "html", None) else ()))
    return Words(getattr(shown, "subject", ""), bodies, leave)


def _sample_words(message: Any, attributes: Attributes, public_url: str) -> Words | None:
    """Return what a wording says to a made-up customer; None where that cannot be written, which is told elsewhere."""
    values: dict[str, Any] = {one.name: sample(one.type, one.values) for one in attributes.attributes}
    if message.group_variables is not None:
        values[group.NAME] = group.samples(message.group_variables, values)
    return words_shown(message, values, public_url)
