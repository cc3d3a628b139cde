"""What a campaign promises, and the limits at which it stops."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from tidings.definitions.values import Duration, Share


@dataclass(frozen=True, slots=True)
class AtMost:
    """How often one customer may use an offer: `count` times, in each `per` when that is set."""

    count: int
    per: Duration | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What is given, in words, and its codes: one shared `code`, or one each from the pool `codes`.

    `ends` is a day (through its last minute), a moment, or a length of time after sending.
    `stop_below` is the stock of the product below which nothing more goes out.
    """

    gives: str
    code: str = ""
    pool: str = ""
    ends: date | datetime | Duration | None = None
    at_most: AtMost | None = None
    stop_below: int | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """The campaign stops when more than `at_most` of the messages lead to this response."""

    response: str
    at_most: Share
