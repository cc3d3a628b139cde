"""In which country a customer is by the rules, and what the policies say of it."""

from __future__ import annotations

from collections.abc import Iterable

from tidings.customers.countries import country_of, telling_number
from tidings.customers.house import house_of
from tidings.definitions.kinds.rules import Purpose
from tidings.definitions.rule_packs import packs_named
from tidings.flows.explaining.facts import AGAINST, PASSED, Fact, Inquiry
from tidings.flows.explaining.words import by_kind


def country_facts(ask: Inquiry, purpose: Purpose, kind: str, channels: Iterable[str]) -> list[Fact]:
    """Say the country, how it is known, and whether `blocked_countries` or a pack of `rules` is against it."""
    policies, home = ask.definitions.policies, ask.definitions.workspace.country
    if not policies.rules and not policies.blocked_countries:
        return []
    person = ask.person
    number = telling_number(kind, person.addresses.get("sms"), person.addresses.get("fax"))
    country = country_of(person.country, number, home)
    how = (
        "by the attribute"
        if person.country
        else "by the number"
        if number
        else "the workspace's, for want of another"
    )
    where = f"{country} ({how})" if country else "nobody knows where the customer is"
    packs = [one for one in packs_named(policies.rules) if country is None or country in one.countries]
    kept = f"rules kept: {', '.join(one.name for one in packs)}" if packs else "no pack of rules is about it"
    house = house_of(ask.definitions, purpose, kind, channels)
    text, against = f"{where}, {kept}", False
    if house is not None and country in house.blocked:
        text, against = f"{where}, which `blocked_countries` of the policies names", True
    elif house is not None and (country in house.unregistered or (country is None and house.unregistered)):
        text, against = f"{where}; the sender {by_kind(kind)} is not registered there (`registered_in`)", True
    elif house is not None and (country in house.strange or (country is None and house.strange)):
        text, against = (
            f"{where}; the numbers {by_kind(kind)} to leave by are of another country (`opt_out_phone`, `opt_out_fax`)",
            True,
        )
    elif house is not None and (country in house.consented or (country is None and house.consented)):
        text = f"{text}; {by_kind(kind)} only with consent there"
    data = {"country": country, "packs": [one.name for one in packs]}
    return [Fact("country", text, AGAINST if against else PASSED, data=data)]
