"""What a till tells of a code, and what it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidings.clock import iso

GOOD = "good"
SENTENCES = {
    GOOD: "The code is good.",
    "unknown": "There is no such code, or nobody was given it yet.",
    "ended": "The offer of this code has ended.",
    "again": "This code was redeemed before, as often as its offer allows.",
    "other_customer": "This code was given to another customer.",
    "withdrawn": "This code was withdrawn.",
    "order": "An order told of this redemption already.",
    "undone": "This redemption was taken back.",
}


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a till tells: `key` makes telling it again harmless, `source` is who tells. Money in minor units.

    `anyway`: it is kept, and judged, even where it does not count.
    """

    code: str
    source: str
    key: str
    at: int
    customer: str | None = None
    order: str | None = None
    discount: int | None = None
    currency: str | None = None
    sales_channel: str | None = None
    anyway: bool = False

    def properties(self) -> dict[str, Any]:
        """Return the properties of the event that it becomes."""
        told = {
            "code": self.code, "order": self.order, "discount": self.discount, "sales_channel": self.sales_channel,
        }  # fmt: skip
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a code is worth, in the spelling under which it is known; nothing in it says whose it is.

    `answer` is one of SENTENCES. `kept` tells that the redemption stands in the store, `already` that it did before.
    `mistyped`: its last sign does not fit the others. `gives` are the words of the offer, `ends_at` when it ends.
    """

    code: str
    answer: str
    kept: bool = False
    already: bool = False
    mistyped: bool = False
    offer: str | None = None
    gives: str | None = None
    ends_at: datetime | None = None

    @property
    def good(self) -> bool:
        """Tell whether it counts."""
        return self.answer == GOOD

    @property
    def sentence(self) -> str:
        """Return the answer in words."""
        if self.mistyped and self.answer == "unknown":
            return (
                "There is no such code; its last sign does not fit the others, so it was probably mistyped."
            )
        if self.good and self.kept:
            return "The code was redeemed before under this id." if self.already else "The code is redeemed."
        return SENTENCES[self.answer]

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "code": self.code,
            "good": self.good,
            "answer": self.answer,
            "says": self.sentence,
            "mistyped": self.mistyped,
            "offer": self.offer,
            "gives": self.gives,
            "ends_at": None if self.ends_at is None else iso(self.ends_at),
        }


class KeyTaken(Exception):
    """The key of a redemption stands for another code already."""
