"""How many are held out: as written, by the purpose, or as many as can show a credible effect."""

from __future__ import annotations

from tidings.campaigns.plan import HoldoutDecision, Power
from tidings.campaigns.staging import History
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.rules import Purpose
from tidings.statistics.power import detectable_lift

AUTO_SHARE = 1000


def decide_holdout(campaign: Campaign, purpose: Purpose, history: History) -> HoldoutDecision:
    """Return the holdout of a campaign.

    `auto` holds out 10 % where the purpose is of class marketing and a tenth of the audience against the
    rest can detect a lift no larger than the base rate itself; a smaller audience, or a goal nobody reached before,
    could not show anything, so nobody is held out and that is said.
    """
    if campaign.holdout.share is not None:
        share = campaign.holdout.share
        return HoldoutDecision(share.basis_points, "written in the campaign")
    if purpose.holdout is not None:
        return HoldoutDecision(
            purpose.holdout.basis_points, f"the purpose {purpose.name} says so in config/policies.yaml"
        )
    if purpose.message_class != "marketing":
        return HoldoutDecision(0, f"auto: messages of class {purpose.message_class} have no holdout")
    if campaign.goal is None:
        return HoldoutDecision(0, "auto: the campaign has no goal to compare", too_small=True)
    reachable, base_rate = history.reachable, history.base_rate
    held = reachable * AUTO_SHARE // 10_000
    if not base_rate or held < 2:
        why = f"nobody here did {campaign.goal.did} in the last year, so there is nothing to compare"
        return HoldoutDecision(0, f"auto: {why}", too_small=True)
    detectable = detectable_lift(base_rate, reachable - held, held)
    # A promotion that more than doubles what people do anyway is not to be expected.
    if detectable > base_rate:
        return HoldoutDecision(
            0,
            f"auto: with {reachable:,} people only a lift of {detectable:.1%} or more could be seen, "
            f"more than the {base_rate:.1%} who do it anyway",
            too_small=True,
        )
    return HoldoutDecision(AUTO_SHARE, "auto: enough people to see a credible lift")


def judge_power(treated: int, held: int, history: History) -> Power | None:
    """Return what the comparison can show, or None where there is nobody to compare or nothing to go by."""
    base_rate, mean_worth = history.base_rate, history.mean_worth
    if treated < 2 or held < 2 or base_rate is None or not 0 < base_rate < 1:
        return None
    detectable = detectable_lift(base_rate, treated, held)
    price = held * detectable
    worth = round(price * mean_worth) if mean_worth is not None else None
    return Power(base_rate, history.basis, detectable, price, worth, history.currency)
