"""A campaign: one promotion with its audience, message, variants, holdout and goal."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidings.definitions.conditions import Condition
from tidings.definitions.values import Duration, LocalTime, Money, Share, Test
from tidings.errors import Position


@dataclass(frozen=True, slots=True)
class Holdout:
    """How many are held out for comparison: `auto` (share None), a share, or `none` (share 0)."""

    share: Share | None = None

    @property
    def auto(self) -> bool:
        """Tell whether the plan decides."""
        return self.share is None


@dataclass(frozen=True, slots=True)
class Variant:
    """One wording: `share` of the treated (None: an equal part of what is left) and texts for `say`.

    A text is a plain string for everybody or one per locale.
    """

    name: str
    share: Share | None = None
    say: tuple[tuple[str, str | tuple[tuple[str, str], ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Goal:
    """What success is: an event that every arm can have, within a window after the anchor.

    `worth` is a money property of the event (or `revenue` as declared in config/events.yaml);
    `counts` is `first` or `every`.
    """

    did: str
    within: Duration
    with_: tuple[tuple[str, Test], ...] = ()
    worth: str | None = None
    counts: str = "first"
    at: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Audience:
    """Anyone in any of the segments (or passing the inline conditions), once, without those in `except_`."""

    segments: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    except_: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Campaign:
    """One file of campaigns/. `send` names a folder in templates/, `via` the channels in order."""

    id: str
    title: str
    path: str
    to: Audience
    send: str
    via: tuple[str, ...]
    purpose: str = "marketing"
    at: LocalTime | None = None
    holdout: Holdout = Holdout()
    variants: tuple[Variant, ...] = ()
    goal: Goal | None = None
    also: tuple[Goal, ...] = ()
    budget: Money | None = None
    expires: Duration | None = None
    why: str = ""
    owner: str = ""
