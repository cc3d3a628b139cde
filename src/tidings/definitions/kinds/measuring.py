"""What is measured beyond one campaign: attribution, goals of the company, the ladder of customers, scores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tidings.definitions.conditions import Condition
from tidings.definitions.values import Duration, Share

# In the order in which they are shown. `markov` is of the order that config/attribution.yaml says, 1 when it says none.
MODELS = ("first", "last", "linear", "time_decay", "position", "markov", "shapley")


@dataclass(frozen=True, slots=True)
class LookBack:
    """How long before a conversion a touch still counts: of one channel, or of one kind of touch on it.

    `channel` is a kind of channel or the medium of an ad, "" for every one; `kind` is sent, opened, clicked, replied,
    redeemed, seen or visited, "" for every one. The most special that fits holds.
    """

    channel: str
    kind: str
    within: Duration


@dataclass(frozen=True, slots=True)
class Attribution:
    """`config/attribution.yaml`: which events are conversions, by which model credit is shown, how far back touches count.

    `conversions` are names of events (with their worth in config/events.yaml). `half_life` is that of time decay,
    `position` the shares of the first and of the last touch, the rest goes to those between in equal parts. `touches` are
    the kinds that count (`sent` is left out unless said). `order` is that of the Markov chain.
    """

    title: str
    conversions: tuple[str, ...]
    model: str = "markov"
    within: Duration | None = None
    windows: tuple[LookBack, ...] = ()
    half_life: Duration | None = None
    position: tuple[Share, Share] | None = None
    order: int = 1
    touches: tuple[str, ...] = ("clicked", "replied", "redeemed", "seen", "visited")


@dataclass(frozen=True, slots=True)
class Measure:
    """What a goal of the company counts.

    `what`: revenue, margin, orders, customers, active_customers, new_customers, retained_share, credited_revenue or
    done (a project). `segment` limits the customers.
    """

    what: str
    segment: str = ""


@dataclass(frozen=True, slots=True)
class CompanyGoal:
    """One goal of config/goals.yaml: what is to be reached, by when, by whom.

    `kind` is money, customers or project. `target` is in major units of `currency` for money, else a plain number (shares
    0 … 1); `done` is the share done of a project, kept up by its owner. `weight` counts in the overall score; goals about
    customers come first when weights are equal. `plan` are values to be reached by days before the last.
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


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder of customers: its name and the conditions that all must hold on the day looked at."""

    name: str
    title: str
    where: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The ladder of customers, lowest step first; who fits several stands on the highest, who fits none is `lost` or not yet there."""

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

    Trained on who had done any of `of` before the cut-off; `history` is how far back its features look, `features` the
    events that they count. `keep_out` names properties or events that would tell the answer (leakage).
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
