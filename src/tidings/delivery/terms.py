"""What the gate asks beyond expiry and consent: caps, hours, feeds, budget and rate of one job, read from the definitions once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidings.campaigns.capped import LIMITED
from tidings.campaigns.promises import Promise, promise_of
from tidings.campaigns.windows import Window, window_of
from tidings.customers.house import House, house_of
from tidings.definitions.kinds.rules import Cap, CaseOpen
from tidings.delivery.freshness import Feed, feeds_of

if TYPE_CHECKING:
    from tidings.definitions.kinds.campaign import Campaign
    from tidings.definitions.kinds.channel import Channel
    from tidings.definitions.workspace import Definitions

PRIORITIES = {"high": 1, "normal": 0, "low": -1}


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of one job; what is left at its default is never asked for.

    `topic` of the purpose. `caps` of the purpose, counted over its class, and `account_caps` over everybody of an account.
    `counted`: the class's messages are reserved against some cap, this purpose's or another's. `rivals` are the purposes
    of the class. `zone` is the workspace's. `window` is None where nothing restricts the hours; `skips`: a closed window
    refuses instead of putting off. `budget`: the run has one. `rate`: messages a second of all processes together.
    `one_each`: nobody is written to at an address that the run has used for another. `promise`: what is offered.
    `house`: what the rules of countries ask.
    """

    topic: str = ""
    zone: str = "UTC"
    message_class: str = "marketing"
    caps: tuple[Cap, ...] = ()
    account_caps: tuple[Cap, ...] = ()
    counted: bool = False
    priority: int = 0
    rivals: tuple[str, ...] = ()
    window: Window | None = None
    skips: bool = False
    case: CaseOpen | None = None
    feeds: tuple[Feed, ...] = ()
    budget: bool = False
    rate: float | None = None
    one_each: bool = False
    promise: Promise | None = None
    house: House | None = None

    @property
    def timed(self) -> bool:
        """Tell whether what is claimed must leave by a certain instant: its hours close, or the day ends that it counts for."""
        return self.counted or self.window is not None


def terms_of(
    definitions: Definitions,
    campaign: Campaign,
    channel: Channel,
    *,
    today: Definitions | None = None,
    skips: bool = False,
    rated: bool = True,
    step: str = "",
) -> Terms:
    """Return the terms of a campaign (or a step as a campaign) on a channel, by the rules that its run recorded.

    Feeds are those of `today`, the files as they are now, for a run does not record mappings. `skips`: the step says
    `if_refused: skip`. `rated`: the channel keeps its rate (where messages become files it does not). `step`: the name of the
    step of a flow that the campaign is.
    """
    policies = definitions.policies
    purpose = policies.purpose(campaign.purpose)
    if purpose is None:
        return Terms()
    limited = purpose.message_class in LIMITED
    alike = [one for one in policies.purposes if one.message_class == purpose.message_class]
    window = window_of(
        policies,
        purpose,
        channel.kind,
        between=campaign.send_between,
        weekdays=campaign.weekdays,
        clock=campaign.clock,
    )
    rate = channel.rate_per_second if rated else None
    return Terms(
        topic=campaign.topic,
        zone=definitions.workspace.zone,
        message_class=purpose.message_class,
        caps=purpose.cap,
        account_caps=policies.account_limit if limited else (),
        counted=any(one.cap for one in alike) or (limited and bool(policies.account_limit)),
        priority=PRIORITIES[campaign.priority],
        rivals=tuple(one.name for one in alike),
        window=window if window.needs_zone else None,
        skips=skips,
        case=policies.case_open if purpose.message_class == "marketing" else None,
        # A step is chosen by what its flow asks.
        feeds=feeds_of(today or definitions, definitions.flows.get(campaign.id, campaign), definitions),
        budget=campaign.budget is not None,
        rate=None if rate is None else float(rate),
        one_each=campaign.one_each == "address",
        promise=promise_of(campaign, definitions.workspace.zone, step),
        house=house_of(definitions, purpose, channel.kind, [channel]),
    )
