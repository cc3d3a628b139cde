"""A promotion with a planted truth: who would have bought anyway, what was only moved, what came back, what it cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from support.measured import ANCHOR, CAMPAIGN, Enrolled, Happened, definitions_with, enrol, happen
from tidings.definitions.kinds.campaign import Campaign, Goal, Holdout
from tidings.definitions.kinds.offer import Offer
from tidings.definitions.kinds.rules import Event, EventProperty, Events
from tidings.definitions.values import Duration, Money, Share, Unit
from tidings.definitions.workspace import Definitions
from tidings.store.database import Store

CODE = "SPRING15"
ORDER = Event(
    "order_placed",
    "Order placed",
    (
        EventProperty("order_total", "money"),
        EventProperty("profit", "money"),
        EventProperty("coupon", "text"),
        EventProperty("saved", "money"),
        EventProperty("category", "text"),
    ),
    revenue="order_total",
    returns="order_returned",
    margin="profit",
    code="coupon",
    discount="saved",
)
RETURN = Event(
    "order_returned", "Order returned", (EventProperty("order_total", "money"),), revenue="order_total"
)
PROMOTION = replace(
    CAMPAIGN,
    variants=(),
    holdout=Holdout(Share(2000)),
    goal=Goal("order_placed", Duration(14, Unit.DAY), worth="profit"),
    offer=Offer("15 off", code=CODE, ends=date(2027, 6, 30)),
    costs=(("artwork", Money(40_000, "EUR")),),
)
# An order is 100.00, earns 40.00, and 15.00 less with the code: both are told after the discount.
PRICE, MARGIN, SAVED = 10_000, 4_000, 1_500


def promoted(campaign: Campaign = PROMOTION, order: Event = ORDER, back: Event = RETURN) -> Definitions:
    """Return the workspace of the promotion."""
    return replace(definitions_with(campaign), events=Events((order, back)))


@dataclass(frozen=True)
class Planted:
    """Shares of customers: who buys anyway, who buys because of it, who buys later, of them who only buys earlier, who returns.

    `with_code` is the share of those who would buy anyway that uses the code when it has one; who buys because of it always does.
    """

    anyway: float = 0.10
    because: float = 0.05
    later: float = 0.20
    moved: float = 0.0
    returns: float = 0.0
    with_code: float = 1.0


def plant(
    store: Store, treated: int, held_out: int, planted: Planted, seed: int = 1, campaign: str = "spring"
) -> int:
    """Store the promotion so that the shares come out exactly (each arm in the order of its ids); return the run's id."""
    people = [Enrolled(one, "treated", None) for one in range(1, treated + 1)]
    people += [Enrolled(one, "holdout", None) for one in range(treated + 1, treated + held_out + 1)]
    run_id = enrol(store, people, campaign=campaign)
    dice = np.random.default_rng(seed)
    happened = deeds(people[:treated], planted, dice, sent=True) + deeds(
        people[treated:], planted, dice, sent=False
    )
    happen(store, happened)
    return run_id


def deeds(
    people: list[Enrolled], planted: Planted, dice: np.random.Generator, *, sent: bool
) -> list[Happened]:
    """Return what the people of one arm do: exactly so many of each kind, one after another."""
    found: list[Happened] = []
    n = len(people)
    anyway = round(n * planted.anyway)
    because = round(n * planted.because) if sent else 0
    coded = round(anyway * planted.with_code) if sent else 0
    back = round((anyway + because) * planted.returns)
    for place in range(anyway + because):
        code = sent and (place < coded or place >= anyway)
        found.append(order(people[place], int(dice.integers(0, 14 * 24 - 2)), code=code))
        if place < back:
            found.append(
                Happened(
                    people[place].customer,
                    "order_returned",
                    people[place].anchor + timedelta(days=13, hours=22, minutes=30),
                    (PRICE - SAVED) if code else PRICE,
                )
            )
    later = round(n * planted.later)
    moved = round(n * planted.moved) if sent else 0
    for place in range(later):
        # From the end of the list, so that nobody buys twice in the window. Those who only buy earlier use the code.
        one = people[n - 1 - place]
        hours = int(dice.integers(0, 14 * 24 - 2)) if place < moved else int(dice.integers(15 * 24, 41 * 24))
        found.append(order(one, hours, code=place < moved))
    return found


def order(one: Enrolled, hours: int, *, code: bool) -> Happened:
    """Return an order so many hours after the anchor."""
    saved = SAVED if code else 0
    said: dict[str, object] = {"profit": MARGIN - saved}
    if code:
        said |= {"coupon": CODE, "saved": saved}
    return Happened(
        one.customer, "order_placed", one.anchor + timedelta(hours=hours), PRICE - saved, "EUR", said
    )


AFTER_ALL = ANCHOR + timedelta(days=80)
