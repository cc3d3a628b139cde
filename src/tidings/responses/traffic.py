"""Seeded traffic of people and machines on one campaign, each hit with who made it: what rules can be judged by.

A mix says who the recipients are, a setting says how people and machines behave there: networks, programs, delays. The
same mix gives the same traffic. Records are those of the tracker's spool, in the order of their instants.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tidings.responses.traffic_person import SECOND, Mix, Person, Range, Setting, network_of, within
from tidings.responses.traffic_profiles import AT_FIRMS, PROFILES

__all__ = ["PROFILES", "Made", "Mix", "Range", "Sent", "Setting", "Traffic", "traffic"]


@dataclass(frozen=True, slots=True)
class Sent:
    """One message: its place, its profile, when it was accepted, and delivered where the provider tells (microseconds)."""

    place: int
    profile: str
    accepted_at: int
    delivered_at: int | None


@dataclass(frozen=True, slots=True)
class Made:
    """One record of the spool and who made it; `record["m"]` is the place of its message."""

    record: dict[str, Any]
    profile: str
    human: bool


@dataclass(slots=True)
class Traffic:
    """Messages in their order, and what came of them in the order of time."""

    sent: list[Sent] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)


def traffic(mix: Mix, began: int, url: Callable[[int], str], customer: Callable[[int], str]) -> Traffic:
    """Return the traffic of a mix on messages sent from `began` (microseconds) on.

    `url` gives the address of a link by its position, `customer` the key of a recipient by its place.
    """
    chance = random.Random(f"{mix.name} {mix.seed}")
    names, weights = list(mix.shares), list(mix.shares.values())
    found = Traffic()
    firm, left = "", 0
    for place in range(mix.recipients):
        # People of one firm stand in a row of the list, as they do in a list that is sorted by address.
        if left == 0:
            profile, left = chance.choices(names, weights)[0], 1
            if profile in AT_FIRMS:
                left = chance.randint(*mix.firm)
                firm = network_of(chance, [mix.setting.offices])
        left -= 1
        accepted = began + int(mix.sent_within * SECOND * place / mix.recipients) + chance.randrange(SECOND)
        told = mix.setting.told_after
        delivered = None if told is None else accepted + within(chance, told)
        found.sent.append(Sent(place, profile, accepted, delivered))
        person = Person(chance, mix, place, accepted if delivered is None else delivered, url, customer, firm)
        found.made += [Made(record, profile, human) for record, human in PROFILES[profile](person)]
    found.made.sort(key=lambda one: one.record["at"])
    return found
