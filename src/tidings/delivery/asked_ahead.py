"""What the rules of countries ask of a message before a run: for a look at it, and for a test of it.

Each pack of `rules` is asked of the words as they would be written, with links as they would be sent; beside it stand the
registered sender and the blocked countries. Whom nothing is known of could be anywhere: then every pack asks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tidings.customers.countries import country_of
from tidings.customers.house import BLOCKED, RULES, house_of
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.rule_packs import AD_LABEL, FOOTER, LINKS, SENDER, SIGNATURE, UNSUBSCRIBE, Pack
from tidings.definitions.workspace import Definitions
from tidings.delivery.demands import Demands
from tidings.delivery.rule_counts import words_shown

_WANTS = {
    SENDER: "a registered sender",
    LINKS: "registered links",
    FOOTER: "the postal address in every part",
    UNSUBSCRIBE: "a way to leave in every part",
    AD_LABEL: "a label at the start of the subject",
    SIGNATURE: "the sender's name at the start",
    BLOCKED: "nothing at all",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that a rule asks of a message: the code of the refusal, what is wanted, what is lacking (empty: nothing)."""

    rule: str
    code: str
    wants: str
    lack: str

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {**asdict(self), "lack": self.lack or None}


@dataclass(frozen=True, slots=True)
class Somewhere:
    """Where the reader of a message is: by the attribute `country`, else by a number. Without a reader: anywhere."""

    country: str | None = None
    number: str | None = None
    anywhere: bool = False

    def within(self, home: str | None) -> str | None:
        """Return the country whose rules hold, None where it could be any."""
        return None if self.anywhere else country_of(self.country, self.number, home)


def asked_ahead(
    definitions: Definitions,
    campaign: Campaign,
    channel: Channel,
    message: Any,
    values: Mapping[str, Any],
    reader: Somewhere,
) -> tuple[Asked, ...]:
    """Return what the policies ask of a compiled message by a channel, written with these values for this reader.

    What cannot be written says nothing about words. Of a fax only its country is asked.
    """
    policies = definitions.policies
    purpose = policies.purpose(campaign.purpose)
    if purpose is None or not (policies.rules or policies.blocked_countries):
        return ()
    demands = Demands(definitions, campaign.id, channel, purpose.message_class)
    country = reader.within(demands.home)
    packs = demands.packs_of(country)
    house = house_of(definitions, purpose, channel.kind, [channel])
    found: list[Asked] = []
    if house is not None and country is not None and country in house.blocked:
        found.append(
            Asked(RULES[BLOCKED], BLOCKED, _WANTS[BLOCKED], f"the policies send nothing to {country}")
        )
    for pack in packs:
        if any(one.code == SENDER for one in pack.of(channel.kind, purpose.message_class)):
            missing = _unregistered(pack, country, house.unregistered if house is not None else ())
            found.append(Asked(pack.title, SENDER, _WANTS[SENDER], missing))
    words = words_shown(message, values, definitions.workspace.public_url) if demands.any and packs else None
    if words is not None:
        found += [
            Asked(pack.title, code, _WANTS[code], lack)
            for pack in packs
            for code, lack in demands.asked_of(words, pack)
        ]
    return tuple(found)


def _unregistered(pack: Pack, country: str | None, unregistered: Iterable[str]) -> str:
    wanted = pack.countries if country is None else (country,)
    missing = [one for one in wanted if one in set(unregistered)]
    return (
        f"sender: not registered in {', '.join(missing)} (`registered_in` of the channel)" if missing else ""
    )


def lack_lines(asked: Iterable[Asked]) -> list[str]:
    """Return for people what a real send would refuse, one line for each thing that is lacking, with all rules that want it."""
    rules: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in asked:
        if one.lack:
            rules[one.code, one.lack].append(one.rule)
    return [
        f"would be refused ({code}, {' and '.join(those)}): {lack}" for (code, lack), those in rules.items()
    ]


def kept_line(asked: Iterable[Asked]) -> str:
    """Return for people what rules want and the message has, empty for nothing."""
    wants: dict[str, list[str]] = defaultdict(list)
    for one in asked:
        if not one.lack:
            wants[one.rule].append(one.wants)
    return "; ".join(f"{rule} has {', '.join(those)}" for rule, those in wants.items())
