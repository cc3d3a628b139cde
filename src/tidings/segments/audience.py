"""Who a campaign is for: anyone in any of its segments, or passing its own conditions, once, without its exceptions."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.definitions.conditions import AllOfThese, AnyOfThese, Condition, SegmentCondition
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.workspace import Definitions
from tidings.segments.compile import compile_conditions
from tidings.segments.references import find_segment, referenced
from tidings.segments.scope import Scope


def audience_segments(campaign: Campaign) -> tuple[str, ...]:
    """Return every segment the audience reads, to be refreshed before it is selected, each once."""
    names = [
        *campaign.to.segments,
        *(one.segment for one in referenced(campaign.to.where)),
        *campaign.to.except_,
    ]
    return tuple(dict.fromkeys(names))


def audience_select(campaign: Campaign, definitions: Definitions, scope: Scope) -> sa.Select[tuple[int]]:
    """Return one select of `customers.id` for a campaign, without customers who were erased.

    Segments are read from stored membership unless the scope has them inline. Raises UsageError for a segment
    that does not exist.
    """
    for name in audience_segments(campaign):
        find_segment(definitions, name)
    anyone: list[Condition] = [SegmentCondition(name) for name in campaign.to.segments]
    if campaign.to.where:
        anyone.append(AllOfThese(campaign.to.where))
    return compile_conditions(
        (AnyOfThese(tuple(anyone)),),
        scope=scope.with_currency(definitions.workspace.currency),
        except_=tuple(SegmentCondition(name) for name in campaign.to.except_),
    )
