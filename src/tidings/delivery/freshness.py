"""Feeds: what a campaign or flow chooses by must not be older than its import says (`fresh: 26 hours`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.campaigns.staging import approximate
from tidings.clock import from_micros, iso
from tidings.definitions.conditions import (
    AttributeCondition,
    DidCondition,
    SegmentCondition,
    StartPropertyCondition,
)
from tidings.definitions.kinds.campaign import Audience, Campaign, Goal
from tidings.definitions.kinds.flow import DayOffset, Flow, Start, Step, WaitFor
from tidings.definitions.kinds.importing import CustomersImport, EventsImport
from tidings.store.tables import people

if TYPE_CHECKING:
    from tidings.definitions.workspace import Definitions
    from tidings.store.database import Store


@dataclass(frozen=True, slots=True)
class Feed:
    """An import that something depends on, and how old its last finished one may be."""

    mapping: str
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Stale:
    """A feed that is too old: `last` is when its last import was finished, None where there was none."""

    feed: Feed
    last: datetime | None

    def sentence(self) -> str:
        """Return it as a line for people."""
        since = f"was last brought in at {iso(self.last)}" if self.last else "was never brought in"
        hours = self.feed.longest / timedelta(hours=1)
        return f"{self.feed.mapping} {since} and must not be older than {hours:g} hours: messages wait for it"


def feeds_of(
    today: Definitions, what: Campaign | Flow, recorded: Definitions | None = None
) -> tuple[Feed, ...]:
    """Return the feeds of a campaign or flow: mappings with `fresh` that bring an event or attribute that it chooses by.

    Mappings are those of `today`, segments those of `recorded`: what a run was approved with (`today` when left out).
    What is measured afterwards (`goal`) chooses nobody.
    """
    found = []
    used: frozenset[str] | None = None
    for mapping in today.imports.values():
        fresh = getattr(mapping, "fresh", None)
        if fresh is None:
            continue
        if used is None:
            used = used_by(recorded or today, what)
        if brought_by(mapping) & used:
            found.append(Feed(mapping.id, approximate(fresh)))
    return tuple(sorted(found, key=lambda one: one.mapping))


def brought_by(mapping: object) -> frozenset[str]:
    """Return the names of the events, attributes and fixed columns that a mapping brings."""
    if isinstance(mapping, CustomersImport):
        return frozenset(name for name, _ in mapping.fields)
    if isinstance(mapping, EventsImport):
        return frozenset({mapping.event, *({mapping.returns.event} if mapping.returns else ())})
    return frozenset()


def used_by(definitions: Definitions, what: Campaign | Flow) -> frozenset[str]:
    """Return the names of the events and attributes by which a campaign or flow, with its segments, chooses whom and when."""
    found: set[str] = set()
    waiting: list[object] = [what]
    seen: set[str] = set()
    while waiting:
        for name, is_segment in _named(waiting.pop()):
            if not is_segment:
                found.add(name)
            elif name not in seen and name in definitions.segments:
                seen.add(name)
                waiting.append(definitions.segments[name])
    return frozenset(found)


def stale(connection: sa.Connection, feeds: Sequence[Feed], now: datetime) -> list[Stale]:
    """Return those of the feeds that are too old now."""
    if not feeds:
        return []
    imports = people.imports
    rows = connection.execute(
        sa.select(imports.c.mapping, sa.func.max(imports.c.updated_at))
        .where(imports.c.mapping.in_([one.mapping for one in feeds]), imports.c.state == "finished")
        .group_by(imports.c.mapping)
    )
    last = {mapping: from_micros(at) for mapping, at in rows}
    found = [Stale(one, last.get(one.mapping)) for one in feeds]
    return [one for one in found if one.last is None or now - one.last > one.feed.longest]


def waiting_feeds(store: Store, definitions: Definitions, what: Campaign | Flow, now: datetime) -> list[str]:
    """Return a line for people for each feed that what a campaign or flow sends would wait for now."""
    feeds = feeds_of(definitions, what)
    if not feeds:
        return []
    with store.read() as connection:
        return [one.sentence() for one in stale(connection, feeds, now)]


def _named(tree: object) -> Iterator[tuple[str, bool]]:
    """Give every name in a tree of definitions, and whether it is that of a segment."""
    if isinstance(tree, tuple):
        for part in tree:
            yield from _named(part)
        return
    if isinstance(tree, Goal) or not is_dataclass(tree):
        return
    names: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    match tree:
        case AttributeCondition():
            names = (tree.attribute,)
        case DidCondition() | StartPropertyCondition() | WaitFor():
            names = (tree.event,)
        case DayOffset():
            names = (tree.date,)
        case Start():
            names, segments = (tree.event,), (tree.segment,)
        case Step():
            names = (tree.to,)
        case SegmentCondition():
            segments = (tree.segment,)
        case Audience():
            segments = (*tree.segments, *tree.except_)
        case _:
            if hasattr(tree, "by") and isinstance(tree.by, str):
                # Of a segment with a rank.
                names = (tree.by,)
    yield from ((name, False) for name in names if name)
    yield from ((name, True) for name in segments if name)
    for one in fields(tree):
        yield from _named(getattr(tree, one.name))
