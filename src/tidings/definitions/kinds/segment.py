"""A segment: who is selected."""

from __future__ import annotations

from dataclasses import dataclass

from tidings.definitions.conditions import Condition


@dataclass(frozen=True, slots=True)
class Segment:
    """Customers for whom everything under `where` holds and nothing under `except` does.

    `members` is `rules` (computed) or `listed` (filled by `tidings import … --into`).
    """

    id: str
    title: str
    path: str
    where: tuple[Condition, ...] = ()
    except_: tuple[Condition, ...] = ()
    why: str = ""
    owner: str = ""
    members: str = "rules"
