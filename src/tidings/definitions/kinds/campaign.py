"""A campaign: one promotion with its audience, message, variants, holdout and goal."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidings.definitions.conditions import Condition
from tidings.definitions.kinds.given import Given
from tidings.definitions.kinds.offer import Guard, Offer
from tidings.definitions.kinds.timing import Again, Pilot, Recurrence, SendBetween, WinnerTest
from tidings.definitions.values import Duration, LocalTime, Money, Share, Test
from tidings.errors import Position


@dataclass(frozen=True, slots=True)
class Holdout:
    """How many are held out for comparison: `auto` (share None), a share, or `none` (share 0).

    `lasts`: `whole campaign` keeps the same people out of every run, `each run` draws anew.
    """

    share: Share | None = None
    lasts: str = "whole campaign"

    @property
    def auto(self) -> bool:
        """Tell whether the plan decides."""
        return self.share is None


# Texts by name: a plain string for everybody, or one per locale.
Texts = tuple[tuple[str, str | tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """One wording: `share` of the treated (None: an equal part of what is left) and texts for `say`.

    The texts that the campaign says for all its variants are in `say` too, unless the variant says them otherwise.
    """

    name: str
    share: Share | None = None
    say: Texts = ()


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
class Expects:
    """What is expected of a campaign: of those written to, within the window of the goal, but for `profit`.

    `response` is a share of them, `margin` after discounts, `profit` what is earned beyond the holdout less all costs.
    """

    response: Share | None = None
    orders: int | None = None
    redemptions: int | None = None
    revenue: Money | None = None
    margin: Money | None = None
    profit: Money | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    """Anyone in any of the segments (or passing the inline conditions), once, without those in `except_`."""

    segments: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    except_: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Campaign:
    """One file of campaigns/. `send` names a folder in templates/, `via` the channels in order.

    `topic` is one of those of its purpose, or empty. `preferred` in `via` stands for the customer's own choice (the attribute `preferred_channel`). `patience` is how long
    a channel with receipts may leave an accepted message unconfirmed before the next one is tried.
    `one_each`: address (who shares an address gets one message together) or customer. `unit`: what arms are drawn by,
    customer or account. `group`: account where one message a company goes out, with its customers as a table.
    `copies_to` names segments of staff who get the real message and are never counted. `costs` are fixed, by name.
    `say` are texts for every variant; the message of a campaign without variants shows them.
    `misfire` is what happens to an occurrence more than 12 hours late: skip, catch_up or reschedule ("": by the class).
    `given` is what the event that starts a flow gives to a message of one of its steps.
    `acts_later` names keys that are read and checked, and that this version does not act on; one of a segment is
    written `segments/NAME.yaml: KEY`. Everything from `audience` on is among them where it is written.
    """

    id: str
    title: str
    path: str
    to: Audience
    send: str
    via: tuple[str, ...]
    purpose: str = "marketing"
    topic: str = ""
    at: LocalTime | None = None
    holdout: Holdout = Holdout()
    variants: tuple[Variant, ...] = ()
    goal: Goal | None = None
    also: tuple[Goal, ...] = ()
    budget: Money | None = None
    expires: Duration | None = None
    why: str = ""
    owner: str = ""
    patience: Duration | None = None
    one_each: str = "address"
    unit: str = "customer"
    group: str = ""
    copies_to: tuple[str, ...] = ()
    costs: tuple[tuple[str, Money], ...] = ()
    say: Texts = ()
    why_no_holdout: str = ""
    acts_later: tuple[str, ...] = ()
    audience: str = "fresh at send"
    clock: str = "workspace"
    late: str = ""
    priority: str = "normal"
    recurrence: Recurrence | None = None
    misfire: str = ""
    again: Again | None = None
    send_between: SendBetween | None = None
    weekdays: tuple[int, ...] = ()
    sample: Share | None = None
    test: WinnerTest | None = None
    pilot: Pilot | None = None
    offer: Offer | None = None
    guard: tuple[Guard, ...] = ()
    serves: str = ""
    issues: str = ""
    archive: str = ""
    expects: Expects | None = None
    # Of the event, which is part of every hash by itself.
    given: Given | None = field(default=None, compare=False)
