"""Which segments a definition refers to, the order to compute them in, and the fingerprint of what they say."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from tidings.definitions.conditions import (
    AllOfThese,
    AnyOfThese,
    Condition,
    NoneOfThese,
    SegmentCondition,
)
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.segments.scope import refused


def referenced(conditions: Iterable[Condition]) -> Iterator[SegmentCondition]:
    """Yield every reference to a segment in conditions, in the order written."""
    for condition in conditions:
        match condition:
            case SegmentCondition():
                yield condition
            case AllOfThese(parts) | AnyOfThese(parts) | NoneOfThese(parts):
                yield from referenced(parts)
            case _:
                pass


def find_segment(definitions: Definitions, name: str) -> Segment:
    """Return a segment by its id; for an unknown one the UsageError names the nearest."""
    if name in definitions.segments:
        return definitions.segments[name]
    near = get_close_matches(name, definitions.segments, n=1, cutoff=0.5)
    known = ", ".join(sorted(definitions.segments)) or "none yet"
    raise UsageError(
        f'there is no segment "{name}"',
        what_to_do=f'did you mean "{near[0]}"?' if near else f"segments/ has {known}",
    )


def ordered(definitions: Definitions, names: Iterable[str]) -> list[Segment]:
    """Return the segments and all they refer to, each after those it needs.

    Raises UsageError for an unknown name and DefinitionErrors for segments that refer to each other in a circle.
    """
    done: dict[str, Segment] = {}
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        segment = find_segment(definitions, name)
        path.append(name)
        for reference in referenced((*segment.where, *segment.except_)):
            if reference.segment in path:
                circle = " → ".join([*path[path.index(reference.segment) :], reference.segment])
                raise refused(f"these segments refer to each other in a circle: {circle}", reference.at)
            visit(reference.segment)
        path.pop()
        done[name] = segment

    for name in names:
        visit(name)
    return list(done.values())


def fingerprint(definitions: Definitions, segment: Segment) -> str:
    """Return the SHA-256 of what decides membership.

    That is the conditions and the rank of the segment and of all it refers to, the vocabulary, the workspace's clock and
    currency; titles and places in files do not count.
    """
    said: list[object] = [
        (one.id, one.members, _plain(one.where), _plain(one.except_), _plain(one.rank))
        for one in ordered(definitions, [segment.id])
    ]
    said += [(one.name, one.type, one.currency) for one in definitions.attributes.attributes]
    said += [(one.name, one.revenue, _plain(one.properties)) for one in definitions.events.events]
    said += [definitions.workspace.zone, definitions.workspace.currency]
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _plain(value: object) -> object:
    """Return a dataclass tree as tuples without the places in files."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [
            _plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.name != "at"
        ]
        return (type(value).__name__, *parts)
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    return str(value) if isinstance(value, str) else value
