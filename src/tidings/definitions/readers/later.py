"""Keys that are read and checked and that this version does not act on: said at each, and kept for `run` to refuse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tidings.definitions.context import Context
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.flow import Flow
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.nodes import Mapping as MappingNode
from tidings.definitions.references import flow_segments, segment_references

# Keys without which other people would get something, or get it at another time or as something else.
_DECIDING = frozenset("pilot test guard issues expires".split())
_OF_CAMPAIGN = ("pilot", "test", "guard", "issues", "archive")
_OF_SEGMENT = ("examples", "consent", "expires")


def deciding(acts_later: Iterable[str]) -> tuple[str, ...]:
    """Return those of the keys that decide who gets what or when: a campaign with one of them must not run."""
    return tuple(key for key in acts_later if key.rpartition(": ")[2] in _DECIDING)


def of_campaign(values: Mapping[str, Any], node: MappingNode, context: Context) -> tuple[str, ...]:
    """Return the keys of a campaign that nothing acts on yet, after warning at each of them."""
    found = [key for key in _OF_CAMPAIGN if key in values]
    for key in found:
        _warn(node, key, context)
    return tuple(found)


def of_segment(values: Mapping[str, Any], node: MappingNode, context: Context) -> tuple[str, ...]:
    """Return the keys of a segment that nothing acts on yet, after warning at each of them."""
    found = tuple(key for key in _OF_SEGMENT if key in values)
    for key in found:
        hint = ""
        if key == "consent":
            hint = "write it under `consent:` of the mapping that the list is imported by"
        _warn(node, key, context, hint)
    return found


def with_segments(campaigns: dict[str, Campaign], segments: dict[str, Segment]) -> dict[str, Campaign]:
    """Return the campaigns, each knowing also what nothing acts on in the segments that it is made of."""
    found = {}
    for name, campaign in campaigns.items():
        names = [*campaign.to.segments, *campaign.to.except_, *campaign.copies_to]
        keys = _of_segments(
            [*names, *(one.segment for one in segment_references(campaign.to.where))], segments
        )
        found[name] = replace(campaign, acts_later=(*campaign.acts_later, *keys)) if keys else campaign
    return found


def flows_with_segments(flows: dict[str, Flow], segments: dict[str, Segment]) -> dict[str, Flow]:
    """Return the flows, each knowing also what nothing acts on in the segments that decide in it."""
    found = {}
    for name, flow in flows.items():
        keys = _of_segments(flow_segments(flow), segments)
        found[name] = replace(flow, acts_later=(*flow.acts_later, *keys)) if keys else flow
    return found


def _of_segments(names: Iterable[str], segments: dict[str, Segment]) -> tuple[str, ...]:
    waiting = list(names)
    needed: dict[str, Segment] = {}
    while waiting:
        segment = segments.get(waiting.pop())
        if segment is not None and segment.id not in needed:
            needed[segment.id] = segment
            waiting += [one.segment for one in segment_references((*segment.where, *segment.except_))]
    return tuple(f"{one.path}: {key}" for _, one in sorted(needed.items()) for key in one.acts_later)


def _warn(node: MappingNode, key: str, context: Context, hint: str = "") -> None:
    entry = node.entries[key]
    sentence = f"`{key}` is read and checked; this version does not act on it yet"
    context.warn("KEY08", entry.key, sentence, hint)
