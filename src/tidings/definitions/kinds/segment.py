"""A segment: who is selected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from tidings.definitions.conditions import Condition
from tidings.definitions.values import Duration, Scalar, Share


@dataclass(frozen=True, slots=True)
class Rank:
    """Of those left after `where` and `except`, the part (or the number) with the highest `by`: a score or an attribute."""

    by: str
    keep: Share | int


@dataclass(frozen=True, slots=True)
class ExampleEvent:
    """Something that the customer of an example did, so long ago."""

    event: str
    ago: Duration | None
    properties: tuple[tuple[str, Scalar], ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A made-up customer and whether the segment should have them; a date may be a length of time ago."""

    member: bool
    why: str = ""
    customer: tuple[tuple[str, Scalar | tuple[Scalar, ...] | Duration], ...] = ()
    did: tuple[ExampleEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class ListConsent:
    """What the members of a list agreed to, and how; kept as proof."""

    purpose: str
    basis: str


@dataclass(frozen=True, slots=True)
class Segment:
    """Customers for whom everything under `where` holds and nothing under `except` does.

    `members` is `rules` (computed) or `listed` (filled by `tidings import … --into`). `acts_later` names keys that are
    read and checked, and that this version does not act on.
    Of a listed one, `source` says where its members come from, `consent` what they agreed to, `expires` its last day.
    """

    id: str
    title: str
    path: str
    where: tuple[Condition, ...] = ()
    except_: tuple[Condition, ...] = ()
    why: str = ""
    owner: str = ""
    members: str = "rules"
    rank: Rank | None = None
    examples: tuple[Example, ...] = ()
    acts_later: tuple[str, ...] = ()
    source: str = ""
    consent: ListConsent | None = None
    expires: date | datetime | None = None
