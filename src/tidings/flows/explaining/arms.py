"""Into which arm a customer was drawn, with the bucket that decided: drawn again from what is stored, never guessed."""

from __future__ import annotations

from typing import Any

from tidings.campaigns.assignment import BUCKETS, GLOBAL_CONTROL, bucket, salt_for, shares_to_edges
from tidings.campaigns.hours import ONCE
from tidings.campaigns.snapshot import control_share
from tidings.campaigns.steps import whole_flow
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.flow import Flow
from tidings.definitions.values import Share
from tidings.flows.explaining.facts import AGAINST, PASSED, Fact, Inquiry
from tidings.flows.explaining.words import arm_words


def campaign_arm(ask: Inquiry, campaign: Campaign, arm: str, variant: str | None, plan: Any) -> list[Fact]:
    """Say the arm and the wording of a campaign; `plan` is the row of the plan with its summary."""
    summary = plan.summary if plan is not None else {}
    holdout = (summary.get("holdout") or {}) if summary else {}
    unit = ask.person.unit_u if (summary or {}).get("unit") == "account" else ask.person.u
    occurrence = plan.occurrence if plan is not None else ONCE
    run = f"{campaign.id}/{occurrence if campaign.holdout.lasts == 'each run' else ONCE}"
    share = int(holdout.get("share") or 0)
    facts = _arm(
        ask, arm, unit, control_share(campaign, ask.definitions), share, run, holdout.get("reason", "")
    )
    if variant is not None:
        place = bucket(unit, salt_for(ask.definitions.workspace.salt, run, "variant"))
        facts.append(
            Fact("variant", f"wording “{variant}”{_edges(campaign, place)}", data={"variant": variant, "bucket": place})
        )  # fmt: skip
    return facts


def flow_arm(ask: Inquiry, flow: Flow, arm: str, run: Any) -> list[Fact]:
    """Say the arm in which a customer walks a flow; `run` is the row of its run."""
    share = int((run.bounds or {}).get("holdout") or 0)
    return _arm(
        ask,
        arm,
        ask.person.u,
        control_share(whole_flow(flow), ask.definitions),
        share,
        run.salt,
        (run.bounds or {}).get("holdout_reason") or "",
    )


def control_fact(ask: Inquiry, control: int) -> Fact | None:
    """Say whether the customer is in the global control; None where there is none."""
    if not control:
        return None
    place = bucket(ask.person.u, salt_for(ask.definitions.workspace.salt, "", GLOBAL_CONTROL))
    inside = place < control
    return Fact(
        "global control",
        f"bucket {place:,} of {BUCKETS:,}; {Share(control)} (below {control:,}) are kept out of every campaign",
        AGAINST if inside else PASSED,
        data={"bucket": place, "below": control},
    )


def _arm(ask: Inquiry, arm: str, unit: int, control: int, share: int, run: str, reason: str) -> list[Fact]:
    facts = [one for one in [control_fact(ask, control)] if one is not None]
    good = PASSED if arm in ("treated", "copy", "party") else AGAINST
    if arm in ("copy", "party"):
        return [*facts, Fact("arm", arm_words(arm), good, data={"arm": arm})]
    place = bucket(unit, salt_for(ask.definitions.workspace.salt, run, "holdout"))
    said = f"; {Share(share)} (below {share:,}) are held out" if share else "; nobody is held out"
    text = f"{arm_words(arm)}; bucket {place:,} of {BUCKETS:,}{said}{f' ({reason})' if reason else ''}"
    return [*facts, Fact("arm", text, good, data={"arm": arm, "bucket": place, "below": share})]


def _edges(campaign: Campaign, place: int) -> str:
    if len(campaign.variants) < 2:
        return ""
    edges = shares_to_edges([one.share.basis_points if one.share else None for one in campaign.variants])
    shares = ", ".join(
        f"{one.name} {low:,} to {high - 1:,}"
        for one, low, high in zip(campaign.variants, [0, *edges], edges, strict=False)
    )
    return f"; bucket {place:,} of {BUCKETS:,} ({shares})"
