"""What a plan says: people and money, with stable keys for `tidings plan --json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tidings.clock import from_micros, iso
from tidings.definitions.values import MILLION


@dataclass(frozen=True, slots=True)
class ArmCount:
    """How many customers an arm (and variant of it) has."""

    arm: str
    variant: str | None
    customers: int


@dataclass(frozen=True, slots=True)
class HoldoutDecision:
    """The holdout as decided: `share` in basis points, and the reason in words.

    `too_small` marks an automatic holdout that was left out because it could not have shown anything.
    """

    share: int
    reason: str
    too_small: bool = False


@dataclass(frozen=True, slots=True)
class Power:
    """What the comparison can show: rates are shares of customers, `detectable` an absolute difference.

    `base_rate` is the share of the audience that reached the goal in a stretch as long as its window, `basis` says
    which stretch before now.
    `holdout_price` is what the holdout is expected to forgo, in goals, if the campaign works just
    well enough to be detected; `holdout_worth` the same in minor units where the goal has a worth.
    """

    base_rate: float
    basis: str
    detectable: float
    holdout_price: float
    holdout_worth: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class LegCount:
    """One place of `via` with a channel: `messages` go out by it first.

    `later` of those who are written to by an earlier place can be reached by this one if that fails.
    """

    leg: int
    channel: str
    messages: int
    later: int = 0


@dataclass(frozen=True, slots=True)
class HourCount:
    """How many messages leave in one hour to people in one zone: `at` is the beginning of the hour, in microseconds.

    `zone` is a name, several in words, or `unknown`.
    """

    at: int
    zone: str
    messages: int


@dataclass(frozen=True, slots=True)
class ChannelCost:
    """What a channel costs: `price` in minor units for one `unit` (message, segment or page), to a millionth of one.

    `units` is how many of them a message takes: 1, or an estimate from real customers (`estimated`).
    """

    channel: str
    price: float
    currency: str
    unit: str
    messages: int
    units: float = 1.0
    estimated: bool = False

    @property
    def cost(self) -> int:
        """Return what the messages of the channel cost, in minor units."""
        return self.of(self.messages)

    @property
    def millionths(self) -> int:
        """Return the price in millionths of the minor unit."""
        return round(self.price * MILLION)

    def of(self, messages: int) -> int:
        """Return what so many messages cost, in minor units."""
        return round(self.millionths * self.units * messages / MILLION)


@dataclass(frozen=True, slots=True)
class Plan:
    """One stored plan: definition hash, audience snapshot and bounds, identified by `hash`."""

    hash: str
    campaign: str
    title: str
    occurrence: str
    purpose: str
    definition_hash: str
    planned_at: int
    anchor_at: int
    expires_at: int
    anchor_is_now: bool
    audience: int
    control: int
    arms: tuple[ArmCount, ...]
    refusals: tuple[tuple[str, int], ...]
    messages: tuple[tuple[str, int], ...]
    holdout: HoldoutDecision
    power: Power | None
    goal: str | None
    cost: int | None = None
    cost_currency: str | None = None
    budget: int | None = None
    budget_currency: str | None = None
    entering: int | None = None
    leaving: int | None = None
    bounds: dict[str, Any] = field(default_factory=dict)
    # What arms are drawn by, and how many customers are enrolled without a message of their own, by arm.
    unit: str = "customer"
    covered: tuple[tuple[str, int], ...] = ()
    legs: tuple[LegCount, ...] = ()
    costs: tuple[ChannelCost, ...] = ()
    fixed_costs: tuple[tuple[str, int, str], ...] = ()
    # If every first message failed and every later channel were tried.
    cost_most: int | None = None
    copies: int = 0
    copy_messages: int = 0
    # Whose clock the hours are on: workspace or recipient. The curve is empty where zones decide nothing.
    clock: str = "workspace"
    curve: tuple[HourCount, ...] = ()
    # Treated people of no known zone, by channel: e-mail goes by the workspace's clock, texts and faxes wait.
    unknown_zones: tuple[tuple[str, int], ...] = ()
    # Whose message leaves later than the hour written, because the window is closed then; and whose hour was past already.
    moved: int = 0
    late: int = 0
    # The last hour of anybody and the end of its message; 0 in a plan of an older tidings.
    last_expires_at: int = 0
    # Of a sample: its share in basis points, and of how many.
    sample: tuple[int, int] | None = None
    recurring: bool = False
    # The hours as a run keeps them (`campaigns.hours.Schedule`).
    schedule: dict[str, Any] | None = None

    @property
    def people(self) -> int:
        """How many would be written to."""
        treated = sum(arm.customers for arm in self.arms if arm.arm == "treated")
        return treated - dict(self.covered).get("treated", 0)

    @property
    def unreached(self) -> int:
        """How many none of the channels may reach."""
        return sum(count for code, count in self.refusals if code != "same_address")

    @property
    def held_out(self) -> int:
        """How many are held out for comparison."""
        return sum(arm.customers for arm in self.arms if arm.arm == "holdout")

    @property
    def over_budget(self) -> bool:
        """Tell whether sending all messages would cost more than the budget."""
        return self.budget is not None and self.cost is not None and self.cost > self.budget

    def as_json(self) -> dict[str, Any]:
        """Return the plan with stable keys; instants as ISO text."""
        plain = asdict(self)
        plain["last_expires_at"] = self.last_expires_at or self.expires_at
        for name in ("planned_at", "anchor_at", "expires_at", "last_expires_at"):
            plain[name] = iso(from_micros(plain[name]))
        plain["curve"] = [
            {"at": iso(from_micros(one.at)), "zone": one.zone, "messages": one.messages} for one in self.curve
        ]
        plain["unknown_zones"] = dict(self.unknown_zones)
        plain["sample"] = {"share": self.sample[0], "of": self.sample[1]} if self.sample else None
        plain["people"] = self.people
        plain["refusals"] = [{"code": code, "customers": count} for code, count in self.refusals]
        plain["messages"] = [{"channel": name, "messages": count} for name, count in self.messages]
        plain["covered"] = dict(self.covered)
        plain["unreached"] = self.unreached
        for shown, cost in zip(plain["costs"], self.costs, strict=True):
            shown["cost"] = cost.cost
        plain["fixed_costs"] = [
            {"name": name, "cost": cost, "currency": currency} for name, cost, currency in self.fixed_costs
        ]
        del plain["anchor_is_now"], plain["schedule"]
        return plain


def plan_from_summary(summary: dict[str, Any]) -> Plan:
    """Return a plan as it was stored by `stored_summary`."""
    plain = dict(summary)
    plain["arms"] = tuple(ArmCount(**arm) for arm in plain["arms"])
    plain["refusals"] = tuple((code, count) for code, count in plain["refusals"])
    plain["messages"] = tuple((name, count) for name, count in plain["messages"])
    plain["holdout"] = HoldoutDecision(**plain["holdout"])
    plain["power"] = Power(**plain["power"]) if plain["power"] else None
    plain["covered"] = tuple((arm, count) for arm, count in plain.get("covered", ()))
    plain["legs"] = tuple(LegCount(**one) for one in plain.get("legs", ()))
    plain["costs"] = tuple(ChannelCost(**one) for one in plain.get("costs", ()))
    plain["curve"] = tuple(HourCount(**one) for one in plain.get("curve", ()))
    plain["unknown_zones"] = tuple((name, count) for name, count in plain.get("unknown_zones", ()))
    plain["sample"] = tuple(plain["sample"]) if plain.get("sample") else None
    plain["fixed_costs"] = tuple((one[0], one[1], one[2]) for one in plain.get("fixed_costs", ()))
    return Plan(**plain)


def stored_summary(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON data that `plan_from_summary` reads back."""
    return asdict(plan)
