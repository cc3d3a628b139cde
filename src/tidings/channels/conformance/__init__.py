"""Checks that every adapter must pass, over a stage that plays the other side.

A test module makes a `Stage` for its adapter and runs `checks()` over it; a check raises NotConforming with a sentence.
What the other side of an adapter cannot do (a folder never hangs) is left out of `Stage.behaviours`.
"""

from __future__ import annotations

from tidings.channels.conformance import hostile, submitting, telling
from tidings.channels.conformance.stage import Behaviour, Check, NotConforming, Stage, message, outgoing

__all__ = ["CHECKS", "Behaviour", "Check", "NotConforming", "Stage", "checks", "message", "outgoing"]

# Each check with the behaviour that the other side must be able to show.
CHECKS: dict[str, tuple[Behaviour, Check]] = {
    check.__name__: (behaviour, check)
    for behaviour, check in (
        (Behaviour.ACCEPTS, submitting.accepts),
        (Behaviour.ACCEPTS, submitting.keeps_a_connection),
        (Behaviour.ACCEPTS, submitting.answers_for_each_of_a_window),
        (Behaviour.REJECTS_RECIPIENT, submitting.rejects_recipient),
        (Behaviour.REJECTS_CONTENT, submitting.rejects_content),
        (Behaviour.REJECTS_CONFIG, submitting.rejects_config),
        (Behaviour.THROTTLES, submitting.throttles),
        (Behaviour.FAILS_FOR_NOW, submitting.fails_for_now),
        (Behaviour.CUTS_BEFORE_BODY, submitting.cut_before_body),
        (Behaviour.CUTS_IN_BODY, submitting.cut_in_body),
        (Behaviour.SILENT_BEFORE_BODY, submitting.silent_before_body),
        (Behaviour.CUTS_AFTER_BODY, submitting.cut_after_body),
        (Behaviour.SILENT_AFTER_BODY, submitting.silent_after_body),
        (Behaviour.CLOSES_WHEN_IDLE, submitting.closes_when_idle),
        (Behaviour.DOWN, submitting.down),
        (Behaviour.HANGS, submitting.hangs),
        (Behaviour.TELLS, telling.tells_the_fate),
        (Behaviour.TELLS_TWICE, telling.knows_a_repeat),
        (Behaviour.FORGES, telling.refuses_forgeries),
        (Behaviour.ACCEPTS, hostile.refuses_injection),
        (Behaviour.ACCEPTS, hostile.refuses_injection_in_every_field),
        (Behaviour.ACCEPTS, hostile.does_not_smuggle),
        (Behaviour.ACCEPTS, hostile.carries_unicode),
        (Behaviour.ACCEPTS, hostile.refuses_oversize),
        (Behaviour.ACCEPTS, submitting.closes_twice),
    )
}


def checks(behaviours: frozenset[Behaviour]) -> dict[str, Check]:
    """Return the checks that a stage with these behaviours can run, by name."""
    return {name: check for name, (needed, check) in CHECKS.items() if needed in behaviours}
