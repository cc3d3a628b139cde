"""What the rules of countries ask of a customer beyond consent, as far as one look at their row can tell.

`blocked_countries` and `rules` of the policies are read once for a kind of channel; a workspace with neither asks nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from tidings.customers.countries import lives_in
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.rules import Purpose
from tidings.definitions.rule_packs import SENDER, packs_named
from tidings.definitions.workspace import Definitions

BLOCKED = "country_blocked"
# The rule that is stored beside each code of this kind.
RULES = {BLOCKED: "blocked_countries", SENDER: "rules/registered_sender", "dnc_listed": "do_not_call"}


@dataclass(frozen=True, slots=True)
class House:
    """The countries to which nothing goes, and those whose carriers want a registered sender and do not know this one.

    `home` is the workspace's country, that of customers of whom neither a country nor a number is known; where it is not
    said either, every pack could apply to them (`strict`).
    """

    blocked: tuple[str, ...] = ()
    unregistered: tuple[str, ...] = ()
    home: str | None = None

    def refusal(self, kind: str) -> sa.ColumnElement[str | None] | None:
        """Return the code against the customer of a row, NULL for none; None where there is nothing to ask."""
        asked: list[tuple[sa.ColumnElement[bool], sa.ColumnElement[str]]] = []
        if self.blocked:
            there = lives_in(self.blocked, kind, self.home, unknown=False)
            asked.append((there, sa.literal_column("'country_blocked'", sa.Text)))
        if self.unregistered:
            there = lives_in(self.unregistered, kind, self.home, unknown=True)
            asked.append((there, sa.literal_column("'sender_unverified'", sa.Text)))
        return sa.case(*asked) if asked else None


def house_of(
    definitions: Definitions, purpose: Purpose, kind: str, channels: Iterable[Channel | str]
) -> House | None:
    """Return what the policies ask of messages of a purpose by channels of a kind; None where they ask nothing.

    `channels` are those that may be used: a country is left out only where none of them is registered. Transactional
    messages pass `blocked_countries`: who ordered is owed the receipt; carriers make no such difference.
    """
    policies = definitions.policies
    if not policies.rules and not policies.blocked_countries:
        return None
    blocked = policies.blocked_countries if purpose.message_class != "transactional" else ()
    wanted = [
        country
        for pack in packs_named(policies.rules)
        if any(one.code == SENDER for one in pack.of(kind, purpose.message_class))
        for country in pack.countries
    ]
    bound = [definitions.channels.get(one) if isinstance(one, str) else one for one in channels]
    known = {
        country for one in bound if one is not None and one.kind == kind for country in one.registered_in
    }
    missing = tuple(country for country in wanted if country not in known)
    return House(blocked, missing, definitions.workspace.country) if blocked or missing else None
