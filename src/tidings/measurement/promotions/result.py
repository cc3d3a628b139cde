"""What a run earned, ready to print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidings.definitions.kinds.campaign import Goal
from tidings.measurement.promotions.anyway import Anyway
from tidings.measurement.promotions.break_even import BreakEven
from tidings.measurement.promotions.earned import Earned
from tidings.measurement.promotions.payback import Payback
from tidings.measurement.promotions.planned import PlanLine
from tidings.measurement.promotions.pulled import Pulled
from tidings.measurement.promotions.redeemed import Redeemed
from tidings.measurement.promotions.spent import Spent

MARGIN, REVENUE = "margin", "revenue"


@dataclass(frozen=True, slots=True)
class Economics:
    """What a run earned as of an instant. Money in major units of `currency`; None where amounts are in several.

    `worth` says what gains are made of: margin where the event of the goal declares one, else revenue, else nothing (None).
    The first of `earned` is all treated together. What cannot be known is None, and `notes` say why in sentences.
    """

    goal: Goal | None
    worth: str | None
    currency: str | None
    earned: tuple[Earned, ...]
    spent: Spent | None
    redeemed: Redeemed | None
    anyway: Anyway | None
    pulled: tuple[Pulled, ...]
    break_even: BreakEven | None
    payback: Payback | None
    plan: tuple[PlanLine, ...]
    notes: tuple[str, ...]
    holds_out: bool = True

    def as_json(self, doubt: str | None = None) -> dict[str, Any]:
        """Return it with stable keys; `doubt` is the sentence why no effect of the report may be believed, or None."""
        from tidings.measurement.promotions.words import sentences

        return {
            "goal": self.goal.did if self.goal else None,
            "worth": self.worth,
            "currency": self.currency,
            "earned": [one.as_json() for one in self.earned],
            "costs": self.spent.as_json() if self.spent else None,
            "redemptions": self.redeemed.as_json() if self.redeemed else None,
            "bought_anyway": self.anyway.as_json() if self.anyway else None,
            "pull_forward": [one.as_json() for one in self.pulled],
            "break_even": self.break_even.as_json() if self.break_even else None,
            "payback": self.payback.as_json() if self.payback else None,
            "plan": [one.as_json() for one in self.plan],
            "doubtful": doubt is not None,
            "doubtful_reason": doubt,
            "words": sentences(self),
            "notes": list(self.notes),
        }
