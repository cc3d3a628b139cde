"""What an explanation is made of: facts with their rule, in chapters, told on the workspace's clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.clock import from_micros, iso
from tidings.definitions.workspace import Definitions

# What a rule said: it let the message through, it spoke against it, or it was not asked (or is no rule).
PASSED, AGAINST, PLAIN = "passed", "against", ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: `what` is the stable name of the rule or thing, `text` a sentence or the main part of one.

    `verdict` is what a rule said; `at` the instant that the fact is about, in microseconds. `data` are the values behind
    it, for programs.
    """

    what: str
    text: str
    verdict: str = PLAIN
    at: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "what": self.what,
            "verdict": self.verdict or None,
            "at": None if self.at is None else iso(from_micros(self.at)),
            "text": self.text,
            **({"data": dict(self.data)} if self.data else {}),
        }


@dataclass(frozen=True, slots=True)
class Chapter:
    """Facts under one title."""

    title: str
    facts: tuple[Fact, ...]

    @classmethod
    def of(cls, title: str, facts: Iterable[Fact]) -> Chapter:
        """Return a chapter of facts."""
        return cls(title, tuple(facts))


@dataclass(frozen=True, slots=True)
class Person:
    """A customer as stored: `addresses` and `hashes` by channel kind, `area` as zones are looked up by."""

    id: int
    key: str
    u: int
    account: str | None
    account_u: int | None
    addresses: Mapping[str, str | None]
    hashes: Mapping[str, str | None]
    locale: str | None
    zone: str | None
    country: str | None
    created_at: int
    tombstoned_at: int | None
    area: str
    # Of one who was found to be another: the key of that one, and since when.
    merged_into: str | None = None
    merged_at: int | None = None

    @property
    def unit_u(self) -> int:
        """The number that accounts are drawn by: that of the account, or the customer's own."""
        return self.u if self.account_u is None else self.account_u


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What every question of an explanation needs: an open connection, whom it is about, and when it is asked.

    `definitions` are those that decided (what the run recorded, where there is a run), `today` the files as they are now.
    """

    connection: sa.Connection
    person: Person
    definitions: Definitions
    today: Definitions
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the workspace."""
        return ZoneInfo(self.today.workspace.zone)

    def when(self, micros: int | None) -> str:
        """Return an instant on the workspace's clock, as `2027-03-02 10:00`."""
        return "never" if micros is None else f"{from_micros(micros).astimezone(self.zone):%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer: `headline` says it in one sentence, `chapters` why. `kind` is campaign, flow or everything."""

    person: Person
    about: str
    kind: str
    title: str
    headline: str
    chapters: tuple[Chapter, ...]
    as_of: datetime
    zone: str

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys; instants as ISO text in UTC."""
        return {
            "customer": self.person.key,
            "about": self.about or None,
            "kind": self.kind,
            "title": self.title,
            "as_of": iso(self.as_of),
            "clock": self.zone,
            "headline": self.headline,
            "chapters": [
                {"title": one.title, "facts": [fact.as_json() for fact in one.facts]} for one in self.chapters
            ],
        }
