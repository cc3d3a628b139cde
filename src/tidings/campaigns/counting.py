"""The sums of a plan, counted from the staged audience with its arms drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.legs import legs_of
from tidings.campaigns.plan import LegCount
from tidings.campaigns.snapshot import COPY, checksum
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.workspace import Definitions


@dataclass(frozen=True, slots=True)
class Sums:
    """Who is where: `units` are what is drawn (accounts, or customers), by arm; `covered` are enrolled without a message.

    `messages` go to customers by channel, `copies` are staff by channel.
    """

    arms: dict[tuple[str, str | None], int]
    units: dict[str, int]
    refusals: dict[str, int]
    messages: dict[str, int]
    covered: dict[str, int]
    copies: dict[str, int]
    legs: tuple[LegCount, ...]


def count_members(connection: sa.Connection, drawn: sa.Subquery) -> Sequence[Any]:
    """Return how many are in each arm, variant, channel, place of `via`, refusal and zone, with a checksum of who they are."""
    kinds = (drawn.c.arm, drawn.c.variant, drawn.c.channel, drawn.c.leg, drawn.c.code, drawn.c.zones)
    return connection.execute(
        sa.select(*kinds, sa.func.count().label("people"), checksum(drawn).label("checksum")).group_by(*kinds)
    ).all()


def count_later(
    connection: sa.Connection, drawn: sa.Subquery, campaign: Campaign, definitions: Definitions
) -> dict[tuple[int, str], int]:
    """Return, by place of `via` and channel, how many who are written to by an earlier place this one could reach."""
    legs = legs_of(campaign, definitions)
    if len(legs) < 2:
        return {}
    # A place that a choice fills is first or fills nobody's need later: only the channels named are counted.
    named = [leg for leg in legs if not leg.chosen]
    row = connection.execute(
        sa.select(
            *(
                sa.func.count(
                    sa.case(
                        (
                            sa.and_(
                                drawn.c.leg < leg.position,
                                drawn.c.reaches.bitwise_and(1 << leg.position) != 0,
                            ),
                            1,
                        )
                    )
                )
                for leg in named
            )
        ).where(drawn.c.arm == "treated")
    ).one()
    return {(leg.position, leg.channel): int(count) for leg, count in zip(named, row, strict=True)}


def sum_up(counts: Sequence[Any], later: dict[tuple[int, str], int]) -> Sums:
    """Return the sums of what `count_members` and `count_later` counted."""
    arms: dict[tuple[str, str | None], int] = defaultdict(int)
    units: dict[str, int] = defaultdict(int)
    refusals: dict[str, int] = defaultdict(int)
    messages: dict[str, int] = defaultdict(int)
    covered: dict[str, int] = defaultdict(int)
    copies: dict[str, int] = defaultdict(int)
    first: dict[tuple[int, str], int] = dict.fromkeys(later, 0)
    for row in counts:
        if row.code is not None:
            refusals[row.code] += row.people
            continue
        if row.arm == COPY:
            copies[row.channel] += row.people
            continue
        arms[row.arm, row.variant] += row.people
        if row.channel is None:
            covered[row.arm] += row.people
            continue
        units[row.arm] += row.people
        if row.arm == "treated":
            messages[row.channel] += row.people
            first[row.leg, row.channel] = first.get((row.leg, row.channel), 0) + row.people
    legs = tuple(
        LegCount(leg, channel, count, later.get((leg, channel), 0))
        for (leg, channel), count in sorted(first.items())
    )
    return Sums(dict(arms), dict(units), dict(refusals), dict(messages), dict(covered), dict(copies), legs)
