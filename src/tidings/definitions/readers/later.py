"""Keys that are read and checked and that this version does not act on: said at each, and kept for `run` to refuse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tidings.definitions.context import Context
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.nodes import Mapping as MappingNode
from tidings.definitions.references import segment_references

# Keys without which other people would get something, or get it at another time or as something else.
_DECIDING = frozenset(
    "every from until on_holidays again clock late send_between weekdays pilot sample test guard issues "
    "codes at_most stop_when audience rank expires".split()
)
_OF_CAMPAIGN = (
    "serves", "priority", "late", "every", "from", "until", "on_holidays", "again", "send_between", "weekdays",
    "pilot", "sample", "test", "guard", "issues", "archive",
)  # fmt: skip
_OF_OFFER = ("codes", "at_most", "stop_when")
_OF_SEGMENT = ("rank", "examples", "consent", "expires")


def deciding(acts_later: Iterable[str]) -> tuple[str, ...]:
    """Return those of the keys that decide who gets what or when: a campaign with one of them must not run."""
    return tuple(key for key in acts_later if key.rpartition(": ")[2] in _DECIDING)


def of_campaign(values: Mapping[str, Any], node: MappingNode, context: Context) -> tuple[str, ...]:
    """Return the keys of a campaign that nothing acts on yet, after warning at each of them."""
    found = [key for key in _OF_CAMPAIGN if key in values]
    if values.get("clock") == "recipient":
        found.append("clock")
    if values.get("audience") == "fixed when planned":
        found.append("audience")
    for key in found:
        hint = "there is no config/goals.yaml yet" if key == "serves" and not context.vocabulary.goals else ""
        _warn(node, key, context, hint)
    if "offer" in values:
        found.append("offer")
        _warn(node, "offer", context, "write in the message what it gives, its code and its end")
        inner = node.entries["offer"].value
        for key in _OF_OFFER:
            if isinstance(inner, MappingNode) and key in inner.entries:
                found.append(key)
    holdout = node.entries["holdout"].value if "holdout" in node.entries else None
    if isinstance(holdout, MappingNode) and "lasts" in holdout.entries:
        found.append("lasts")
        _warn(holdout, "lasts", context)
    return tuple(found)


def of_segment(values: Mapping[str, Any], node: MappingNode, context: Context) -> tuple[str, ...]:
    """Return the keys of a segment that nothing acts on yet, after warning at each of them."""
    found = tuple(key for key in _OF_SEGMENT if key in values)
    for key in found:
        hint = ""
        if key == "rank" and values["rank"].by not in context.vocabulary.attributes:
            hint = f'no score "{values["rank"].by}" has values; everybody whom the conditions fit is a member'
        elif key == "consent":
            hint = "write it under `consent:` of the mapping that the list is imported by"
        elif key == "rank":
            hint = "everybody whom the conditions fit is a member"
        _warn(node, key, context, hint)
    return found


def with_segments(campaigns: dict[str, Campaign], segments: dict[str, Segment]) -> dict[str, Campaign]:
    """Return the campaigns, each knowing also what nothing acts on in the segments that it is made of."""
    found = {}
    for name, campaign in campaigns.items():
        waiting = [*campaign.to.segments, *campaign.to.except_, *campaign.copies_to]
        waiting += [one.segment for one in segment_references(campaign.to.where)]
        needed: dict[str, Segment] = {}
        while waiting:
            segment = segments.get(waiting.pop())
            if segment is not None and segment.id not in needed:
                needed[segment.id] = segment
                waiting += [one.segment for one in segment_references((*segment.where, *segment.except_))]
        keys = tuple(f"{one.path}: {key}" for _, one in sorted(needed.items()) for key in one.acts_later)
        found[name] = replace(campaign, acts_later=(*campaign.acts_later, *keys)) if keys else campaign
    return found


def _warn(node: MappingNode, key: str, context: Context, hint: str = "") -> None:
    entry = node.entries[key]
    sentence = f"`{key}` is read and checked; this version does not act on it yet"
    context.warn("KEY08", entry.key, sentence, hint)
