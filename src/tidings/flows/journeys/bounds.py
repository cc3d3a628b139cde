"""What a run keeps beside its version about the flow that was approved: its steps, its start, its holdout."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tidings.campaigns.holdout import AUTO_SHARE
from tidings.campaigns.plan import HoldoutDecision
from tidings.definitions.hashing import canonical
from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError

PRIORITIES = {"high": 1, "normal": 0, "low": -1}


def bounds_of(flow: Flow, definitions: Definitions) -> dict[str, Any]:
    """Return what the run of a flow keeps of it, as JSON values.

    `steps` has for each step, in order, its name, verb, the hash of its delay and of all it says.
    """
    holdout = holdout_of(flow, definitions)
    return {
        "purpose": flow.purpose,
        "via": list(dict.fromkeys(name for step in flow.steps for name in step.via)),
        "variants": [],
        "holdout": holdout.share,
        "holdout_reason": holdout.reason,
        "starts": short_hash(
            [canonical(flow.starts), canonical(flow.again) if flow.again.how == "each" else None]
        ),
        "steps": [
            [step.name, step.verb, short_hash(timing(step)), short_hash(canonical(step))]
            for step in flow.steps
        ],
    }


def timing(step: Step) -> Any:
    """Return what decides when a step is asked."""
    return [canonical(step.after), step.quiet, canonical(step.wait_until)]


def holdout_of(flow: Flow, definitions: Definitions) -> HoldoutDecision:
    """Return how many are held out: as written, by the purpose, or with `auto` a tenth where a promotion has a goal.

    Whoever enters over the years is not known when a flow goes live, so `auto` cannot ask whether they are enough.
    """
    purpose = definitions.policies.purpose(flow.purpose)
    if purpose is None:
        raise UsageError(f'"{flow.purpose}" is not a purpose of config/policies.yaml')
    if flow.holdout.share is not None:
        return HoldoutDecision(flow.holdout.share.basis_points, "written in the flow")
    if purpose.holdout is not None:
        return HoldoutDecision(
            purpose.holdout.basis_points, f"the purpose {purpose.name} says so in config/policies.yaml"
        )
    if purpose.message_class != "marketing":
        return HoldoutDecision(0, f"auto: messages of class {purpose.message_class} have no holdout")
    if flow.goal is None:
        return HoldoutDecision(0, "auto: the flow has no goal to compare", too_small=True)
    return HoldoutDecision(AUTO_SHARE, "auto: a promotion with a goal")


def short_hash(value: Any) -> str:
    """Return a hash of JSON values, to tell two apart."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
