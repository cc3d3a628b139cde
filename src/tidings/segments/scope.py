"""What a definition is compiled against: the vocabulary, the moment, the clock and currency of the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.clock import local_day
from tidings.definitions.kinds.rules import Attributes, Events
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.workspace import Definitions
from tidings.errors import DefinitionErrors, Position, Problem


@dataclass(frozen=True, slots=True)
class Journey:
    """What the conditions of a flow may ask for beside the customer: columns of the statement that they stand in.

    `event` is the start event as an alias of `events` (None: the flow has none). Without a window of its own, `did` counts
    events from the instant `since` on (None: ever). Under `again: for each X`, `each` is X and `subject` its value as
    text: events that have such a property count only with this value. `tables` are those that the columns belong to.
    """

    event: sa.FromClause | None = None
    since: sa.ColumnElement[int] | None = None
    each: str = ""
    subject: sa.ColumnElement[str] | None = None
    tables: tuple[sa.FromClause, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """The vocabulary, `now` (aware) and the workspace's zone and currency (ISO 4217, for amounts without one).

    References to other segments read stored membership. With `inline` they become part of the
    statement instead, so that looking at a segment neither writes nor depends on when it was stored last.
    `journey` is set for conditions of a flow.
    """

    attributes: Attributes
    events: Events
    now: datetime
    zone: ZoneInfo
    currency: str | None = None
    inline: Mapping[str, Segment] | None = None
    journey: Journey | None = None

    @classmethod
    def of(cls, definitions: Definitions, now: datetime, *, looking: bool = False) -> Scope:
        """Return the scope of a workspace at an instant; `looking` puts references inside the statement."""
        return cls(
            attributes=definitions.attributes,
            events=definitions.events,
            now=now,
            zone=ZoneInfo(definitions.workspace.zone),
            currency=definitions.workspace.currency,
            inline=definitions.segments if looking else None,
        )

    @property
    def today(self) -> date:
        """The calendar day on the workspace clock."""
        return local_day(self.now, self.zone)

    def with_currency(self, currency: str) -> Scope:
        """Return the scope with this currency for amounts without one, unless it has one already."""
        return self if self.currency else replace(self, currency=currency)


def refused(message: str, at: Position | None = None, hint: str = "") -> DefinitionErrors:
    """Return the error that says why a condition cannot be compiled, at its place in the file."""
    return DefinitionErrors([Problem("segment-cannot-compile", message, at or Position("segments"), hint)])
