"""What the rules of countries ask of a customer beyond consent, as far as one look at their row can tell.

`blocked_countries` and `rules` of the policies are read once for a kind of channel; a workspace with neither asks nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from tidings.customers.countries import country_of, lives_in
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.rules import Purpose
from tidings.definitions.rule_packs import CONSENT, DOMESTIC, SENDER, UNSUBSCRIBE, Pack, packs_named
from tidings.definitions.workspace import Definitions

BLOCKED = "country_blocked"
# The rule that is stored beside each code of this kind.
RULES = {
    BLOCKED: "blocked_countries",
    SENDER: "rules/registered_sender",
    UNSUBSCRIBE: "rules/domestic_numbers",
    "dnc_listed": "do_not_call",
}
# The rule beside a refusal for want of consent, where the purpose itself asks for none.
CONSENT_RULE = "rules/consent"
_SENDERS_NUMBER = re.compile(r"\+[0-9 ().-]{6,}")


@dataclass(frozen=True, slots=True)
class House:
    """The countries to which nothing goes, and those whose carriers want a registered sender and do not know this one.

    `consented` are those where consent is needed although the purpose asks for none, `strange` those that want numbers of
    their own to leave by, and are given others.

    `home` is the workspace's country, that of customers of whom neither a country nor a number is known; where it is not
    said either, every pack could apply to them (`strict`).
    """

    blocked: tuple[str, ...] = ()
    unregistered: tuple[str, ...] = ()
    consented: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()
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
        if self.strange:
            there = lives_in(self.strange, kind, self.home, unknown=True)
            asked.append((there, sa.literal_column("'missing_unsubscribe'", sa.Text)))
        return sa.case(*asked) if asked else None

    def needs_consent(self, kind: str) -> sa.ColumnElement[bool] | None:
        """Return the condition that the customer of a row must have agreed; None where nobody must by these rules."""
        return lives_in(self.consented, kind, self.home, unknown=True) if self.consented else None


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
    packs = packs_named(policies.rules)

    def asking(code: str) -> list[Pack]:
        return [
            pack for pack in packs if any(one.code == code for one in pack.of(kind, purpose.message_class))
        ]

    bound = [definitions.channels.get(one) if isinstance(one, str) else one for one in channels]
    used = [one for one in bound if one is not None and one.kind == kind]
    known = {country for one in used for country in one.registered_in}
    missing = tuple(country for pack in asking(SENDER) for country in pack.countries if country not in known)
    asks_none = purpose.consent != "required"
    consented = tuple(country for pack in asking(CONSENT) if asks_none for country in pack.countries)
    strange = tuple(
        country
        for pack in asking(UNSUBSCRIBE)
        if any(DOMESTIC in one.words for one in pack.of(kind, purpose.message_class))
        and not any(_leaves_within(one, pack) for one in used)
        for country in pack.countries
    )
    if not (blocked or missing or consented or strange):
        return None
    return House(blocked, missing, consented, strange, definitions.workspace.country)


def _leaves_within(channel: Channel, pack: Pack) -> bool:
    """Tell whether both numbers of the notice of a fax channel are of the countries of a pack."""
    found = _SENDERS_NUMBER.search(channel.sender)
    options, own = dict(channel.options), re.sub(r"[^+0-9]", "", found[0]) if found else ""
    numbers = [str(options.get(name) or own) for name in ("opt_out_phone", "opt_out_fax")]
    return all(number and country_of(None, number, None) in pack.countries for number in numbers)
