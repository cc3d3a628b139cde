"""Which channels were drawn by lot: arms whose messages all went by one channel, against those who got none.

Which channel reaches somebody hangs on what they left us and on what they answer to, so whoever a channel reached differs
from the others anyway. Only where an arm as a whole was written to by one channel, and its holdout by none, does the
difference tell what the channel did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from tidings.definitions.workspace import Definitions
from tidings.measurement.beside.drawn import Drawn
from tidings.measurement.beside.increments import Comparison
from tidings.measurement.beside.spending import PAID
from tidings.measurement.metrics import TREATED
from tidings.store.tables import sending

_messages, _enrolments = sending.messages, sending.enrolments

# Messages by kind of channel, of each campaign, run and variant ("" for none).
Arms = dict[tuple[str, int, str], dict[str, int]]


def channels_of_arms(connection: sa.Connection, definitions: Definitions, drawn: Mapping[str, Drawn]) -> Arms:
    """Return how many messages each treated arm got, by kind of channel."""
    campaign_of = {run.id: name for name, one in drawn.items() for run in one.runs}
    groups = (_messages.c.run_id, _enrolments.c.variant, _messages.c.channel)
    rows = connection.execute(
        sa.select(*groups, sa.func.count())
        .select_from(_messages.join(_enrolments, _enrolments.c.id == _messages.c.enrolment_id))
        .where(
            _messages.c.run_id.in_(list(campaign_of)),
            _messages.c.state.in_(PAID),
            _enrolments.c.arm == TREATED,
        )
        .group_by(*groups)
    )
    found: Arms = defaultdict(dict)
    for run, variant, channel, messages in rows:
        known = definitions.channels.get(channel)
        kind = known.kind if known is not None else channel
        arm = found[campaign_of[run], run, variant or ""]
        arm[kind] = arm.get(kind, 0) + messages
    return dict(found)


@dataclass(frozen=True, slots=True)
class Lot:
    """What a channel was drawn by lot in: comparisons by campaign, and its messages outside them by campaign."""

    comparisons: tuple[Comparison, ...]
    outside: dict[str, int]

    @property
    def whole(self) -> list[Comparison]:
        """Return the comparisons of campaigns all of whose messages by the channel are in one."""
        return [one for one in self.comparisons if not self.outside.get(one.drawn.campaign)]


def one_channel(name: str, arms: Arms, drawn: Mapping[str, Drawn]) -> Lot:
    """Return the comparisons that tell what a channel did, and how many of its messages went out in other arms."""
    comparisons: list[Comparison] = []
    outside: dict[str, int] = {}
    for campaign, one in drawn.items():
        for run in one.runs:
            mine = {
                variant: found
                for (_, number, variant), found in arms.items()
                if number == run.id and name in found
            }
            alone = [] if run.reason else [variant for variant, found in mine.items() if set(found) == {name}]
            alone = [variant for variant in alone if run.treated.get(variant, 0) > 1]
            rest = sum(found[name] for variant, found in mine.items() if variant not in alone)
            if rest:
                outside[campaign] = outside.get(campaign, 0) + rest
            if alone and set(alone) == set(run.treated):
                comparisons.append(Comparison(one, run.id))
            else:
                comparisons += [Comparison(one, run.id, variant) for variant in sorted(alone)]
    return Lot(tuple(comparisons), outside)
