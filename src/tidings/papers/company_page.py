"""The page of the whole company for a manager: how customers moved, credit against effect, what campaigns caused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tidings.clock import local_day
from tidings.errors import TidingsError
from tidings.papers.campaigns_section import campaigns_section
from tidings.papers.credit_section import credit_section
from tidings.papers.goals_section import goals_section
from tidings.papers.movement_section import movement_blocks
from tidings.papers.paper import Block, KeyFigure, KeyFigures, Paper, Section, Words

if TYPE_CHECKING:
    from tidings.definitions.workspace import Definitions
    from tidings.store.database import Store

# So many days are looked back on.
DAYS = 90
_Part = Callable[["Company"], tuple[Sequence[Block], Sequence[KeyFigure]]]


@dataclass(frozen=True, slots=True)
class Company:
    """What the page is made from: the store as of `now`, and the days from `first` through `last`."""

    store: Store
    definitions: Definitions
    now: datetime
    first: date
    last: date

    @classmethod
    def lately(cls, store: Store, definitions: Definitions, now: datetime) -> Company:
        """Return the last ninety days through today, on the workspace clock."""
        today = local_day(now, ZoneInfo(definitions.workspace.zone))
        return cls(store, definitions, now, today - timedelta(days=DAYS - 1), today)

    @property
    def zone(self) -> ZoneInfo:
        """Return the workspace clock."""
        return ZoneInfo(self.definitions.workspace.zone)


def company_page(of: Company) -> Paper:
    """Return the page. A part that cannot be told says why in a sentence, and keeps no other from its place.

    Touches and conversions are read as they are stored; `up_to_date` brings them there.
    """
    parts: tuple[tuple[str, _Part], ...] = (
        ("Goals", goals_section),
        ("How customers moved", movement_blocks),
        ("Credit against effect", credit_section),
        ("What campaigns caused", campaigns_section),
    )
    sections: list[Section] = []
    figures: list[KeyFigure] = []
    for title, part in parts:
        try:
            blocks, first = part(of)
        except TidingsError as error:
            blocks, first = (Words(_sentence(error)),), ()
        figures += first
        sections.append(Section(title, tuple(blocks)))
    top = [Section("", (KeyFigures(tuple(figures[:4])),))] if figures else []
    workspace, local = of.definitions.workspace, of.now.astimezone(of.zone)
    return Paper(
        title=workspace.title,
        above="Customers, credit and effect",
        facts=(
            ("Days", f"{of.first} through {of.last}"),
            ("Made", f"{local:%Y-%m-%d %H:%M}, clock of {of.zone.key}"),
        ),
        sections=(*top, *(section for section in sections if section.blocks)),
        foot=f"{workspace.title} | {of.first} through {of.last}",
        made_at=of.now,
        locale=workspace.locale,
    )


def up_to_date(of: Company) -> None:
    """Bring redemptions, touches and conversions up to date with what happened; it may be repeated without harm."""
    from tidings.measurement import conversions, redemptions, touches

    if any(event.code for event in of.definitions.events.events):
        redemptions.refresh(of.store, of.definitions, now=of.now)
    for part in (touches, conversions):
        part.refresh(of.store, of.definitions, now=of.now)


def _sentence(error: TidingsError) -> str:
    message = error.message[:1].upper() + error.message[1:].rstrip(".")
    return f"{message}." + (f" ({error.what_to_do})" if error.what_to_do else "")
