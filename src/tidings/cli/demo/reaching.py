"""By which ways each simulated customer can be reached, and what they do with a text message.

Drawn apart from `people`, so that what somebody buys does not hang on how they are reached.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tidings.cli.demo.people import SEED, Person, everybody

# A call keeps a core busy for a second: so many faxes are enough to see how they go.
MOST_FAXES = 25
# Mailboxes: there is none; the server refuses it at once; a report comes later that it is gone, or full; its owner complains.
MAILBOXES = {"none": 0.035, "refused": 0.012, "gone": 0.008, "full": 0.003, "complains": 0.0015}
# Numbers: there is none; the provider refuses it at once; a receipt says later that nobody has it.
NUMBERS = {"none": 0.01, "invalid": 0.015, "dead": 0.03}
# The last six digits say whose number it is. By place as in `people`.
_PHONES = ("070-1{0:02d} {1:02d} {2:02d}", "0912-{0:02d}{1:02d}{2:02d}", "0151 10{0:02d}{1:02d}{2:02d}", "8 916 1{0:02d}-{1:02d}-{2:02d}")  # fmt: skip
_FAXES = ("08-50{0:02d}{1:02d}{2:02d}", "02-27{0:02d}{1:02d}{2:02d}", "030 50{0:02d}{1:02d}{2:02d}", "8 495 1{0:02d}-{1:02d}-{2:02d}")  # fmt: skip
_STOPS = ("Stopp", "退訂", "STOP", "стоп")


@dataclass(frozen=True, slots=True)
class Reached:
    """How one customer is reached: `mailbox` and `number` are fine or a key of MAILBOXES and NUMBERS.

    `stops` is what they answer to a text (empty: nothing), said twice where `insists`.
    """

    mailbox: str
    number: str
    sms_ok: bool
    follows: bool
    stops: str
    insists: bool

    @property
    def by_fax_only(self) -> bool:
        """Tell whether neither mailbox nor telephone number works."""
        return self.mailbox not in ("fine", "complains") and self.number != "fine"


def reached(one: Person) -> Reached:
    """Return how a customer is reached; the same for ever."""
    draw = random.Random(SEED * 7_368_787 + one.number)
    mailbox, number = _one_of(MAILBOXES, draw.random()), _one_of(NUMBERS, draw.random())
    sms_ok, follows = draw.random() < 0.94, draw.random() < 0.15
    stops, insists = draw.random() < 0.07, draw.random() < 0.25
    return Reached(mailbox, number, sms_ok, follows, _STOPS[one.place] if stops else "", insists)


def in_text_club(one: Person, way: Reached) -> bool:
    """Tell whether a customer is in the club that gets a text later: of those without e-mail some, and all who say stop."""
    return way.mailbox == "none" and way.number == "fine" and bool(way.stops or one.number % 3 == 0)


def phone_of(one: Person, way: Reached) -> str:
    """Return the number as the shop wrote it down."""
    return "" if way.number == "none" else _PHONES[one.place].format(*_pairs(one.number))


def fax_of(one: Person) -> str:
    """Return the fax number as the shop wrote it down."""
    return _FAXES[one.place].format(*_pairs(one.number))


def with_fax(count: int) -> frozenset[int]:
    """Return who of the first `count` customers has a fax machine: some whom nothing else reaches."""
    found: list[int] = []
    for one in everybody(count):
        if one.lapsed and reached(one).by_fax_only:
            found.append(one.number)
            if len(found) == MOST_FAXES:
                break
    return frozenset(found)


def number_in(phone: str) -> int:
    """Return whose number it is."""
    return int(phone[-6:])


def _pairs(number: int) -> tuple[int, int, int]:
    return number // 10_000, number // 100 % 100, number % 100


def _one_of(shares: dict[str, float], drawn: float) -> str:
    for name, share in shares.items():
        drawn -= share
        if drawn < 0:
            return name
    return "fine"
