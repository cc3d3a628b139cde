"""What is measured beyond one campaign: attribution, goals of the company, the ladder of customers, scores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tidings.definitions.conditions import Condition
from tidings.definitions.values import Duration, Share

# In the order in which they are shown. `markov` is of the order that config/attribution.yaml says, 1 when it says none.
MODELS = ("first", "last", "linear", "time_decay", "position", "markov", "shapley")
# Kinds of touches: what comes of our own messages, and what files of ads and of meetings bring.
MESSAGE_TOUCHES = ("sent", "opened", "clicked", "replied", "redeemed")
BROUGHT_TOUCHES = ("seen", "visited", "met")
TOUCHES = (*MESSAGE_TOUCHES, *BROUGHT_TOUCHES)


@dataclass(frozen=True, slots=True)
class LookBack:
    """How long before a conversion a touch still counts: of one channel, or of one kind of touch on it.

    `channel` is a kind of channel or the medium of an ad, "" for every one; `kind` is one of TOUCHES, "" for every one. The
    most special that fits holds: channel and kind, then the channel alone, then the kind alone.
    """

    channel: str
    kind: str
    within: Duration


@dataclass(frozen=True, slots=True)
class Attribution:
    """`config/attribution.yaml`: which events are conversions, by which model credit is shown, how far back touches count.

    `conversions` are names of events, each with its worth in config/events.yaml. `model` is the one that is shown where
    nobody asks for another. `within` is how far back a touch counts where no window says otherwise (None: 30 days, 7 for
    what was only seen, sent or opened). `half_life` is that of time decay (None: 7 days), `position` the shares of the first and of the last touch (None: 40 %
    each), the rest goes to those between in equal parts. `touches` are the kinds that count (`sent` and `opened` are left
    out unless said). `order` is that of the Markov chain.
    """

    title: str
    conversions: tuple[str, ...]
    model: str = "markov"
    within: Duration | None = None
    windows: tuple[LookBack, ...] = ()
    half_life: Duration | None = None
    position: tuple[Share, Share] | None = None
    order: int = 1
    touches: tuple[str, ...] = ("clicked", "replied", "redeemed", *BROUGHT_TOUCHES)


# What can be measured from the first day of a goal through its last, by the kind of goal that it is for.
# Revenue and margin are net of returns; `credited_revenue` is the credit of the campaigns and flows that serve the goal.
# `customers` are those there are, `active_customers` those who ordered, `new_customers` those whose first order it was;
# `retained_share` is the part of those active in the time of equal length before who are active again, 0 … 1 like `done`.
MEASURES = {
    "money": ("revenue", "margin", "credited_revenue"),
    "customers": ("customers", "active_customers", "new_customers", "retained_share", "orders"),
    "project": ("done",),
}


@dataclass(frozen=True, slots=True)
class Measure:
    """What a goal of the company counts: `what` is a name of MEASURES, `segment` limits the customers ("" for all)."""

    what: str
    segment: str = ""


@dataclass(frozen=True, slots=True)
class CompanyGoal:
    """One goal of config/goals.yaml: what is to be reached from `starts` through `by`, and who answers for it.

    `kind` is money, customers or project. `target` is in major units of `currency` for money, else a plain number (shares
    0 … 1); `done` is the share done of a project, kept up by its owner. `weight` counts in the overall score; goals about
    customers come first when weights are equal. `plan` are values to be reached by days before the last, in order of time.
    `priority` 1 is the highest of 3; `reviews` is weekly, monthly, quarterly or "", `reviewed` the day of the last one.
    """

    id: str
    title: str
    kind: str
    measure: Measure
    target: Decimal
    starts: date
    by: date
    owner: str
    priority: int = 2
    weight: Decimal = Decimal(1)
    currency: str = ""
    reviews: str = ""
    done: Share | None = None
    why: str = ""
    plan: tuple[tuple[date, Decimal], ...] = ()
    reviewed: date | None = None


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder of customers: its name and the conditions that all must hold on the day looked at.

    Who stands on a step that is not `active` is known or was a customer once, but does not count as one now.
    """

    name: str
    title: str
    where: tuple[Condition, ...]
    active: bool = True


@dataclass(frozen=True, slots=True)
class Ladder:
    """The ladder of customers, lowest step first.

    Who fits several stands on the highest. Who comes on an active step is new, or reactivated when they once stood on one;
    who stands on none any more is lost.
    """

    rungs: tuple[Rung, ...]


@dataclass(frozen=True, slots=True)
class CompanyGoals:
    """`config/goals.yaml`: what the company wants, and the ladder by which its customers move (`tidings kpi`)."""

    title: str
    goals: tuple[CompanyGoal, ...]
    ladder: Ladder | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """One score of config/scores.yaml: the chance that a customer does `did` within `within` after today.

    It looks back `history` on what customers did: `events` are counted, and `did` itself. Who did none of them in that time
    has no score; `who` limits it to the members of a segment. `keep_out` names events, or properties as `category` or
    `order_placed.order_total`, that would tell the answer (leakage). A model older than `retrain` is not used to select.
    """

    name: str
    title: str
    did: str
    within: Duration
    history: Duration
    events: tuple[str, ...]
    who: str = ""
    keep_out: tuple[str, ...] = ()
    retrain: Duration | None = None
