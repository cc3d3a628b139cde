"""What a campaign promises, and the limits at which it stops."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from tidings.definitions.kinds.rules import Attribute
from tidings.definitions.values import Duration, Money, Share

# How messages are filled with their offer: templates write `offer.code`, and a message keeps it as `offer_code`.
OFFER = "offer"
CODE, GIVES, ENDS = "offer_code", "offer_gives", "offer_ends"
# Of its product, as the last import told them: what it is called and what one costs.
PRODUCT, PRICE = "offer_product", "offer_price"
OFFERED = (GIVES, CODE, ENDS, PRODUCT, PRICE)
# What a code of a pool looks like where none is given yet.
EXAMPLE_CODE = "K7QM2XW4"


@dataclass(frozen=True, slots=True)
class AtMost:
    """How often one customer may use an offer: `count` times, in each `per` when that is set."""

    count: int
    per: Duration | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What is given, in words, and its codes: one shared `code`, or one each from the pool `codes`.

    `ends` is a day (through its last minute), a moment, or a length of time after sending.
    `product` is an item of the products that are imported; messages may name it and its price in `currency` (of the
    workspace: a price in another one is unknown to them). `stop_below` is the stock below which nothing more goes out:
    that of `product`, or of everything together where none is named.
    `cost` is what each redemption costs beside the discount: a present, the handling of a coupon.
    """

    gives: str
    code: str = ""
    pool: str = ""
    ends: date | datetime | Duration | None = None
    at_most: AtMost | None = None
    stop_below: int | None = None
    product: str = ""
    cost: Money | None = None
    currency: str | None = None


def ends_on_a_day(offer: Offer) -> bool:
    """Tell whether an offer holds through the last minute of a day, and not until an hour."""
    if isinstance(offer.ends, Duration):
        return not offer.ends.unit.exact
    return not isinstance(offer.ends, datetime)


def offered_names(offer: Offer | None) -> tuple[Attribute, ...]:
    """Return what a message may name of its offer, each with its type as an attribute has it."""
    if offer is None:
        return ()
    # The values are what an example shows.
    found = [Attribute(GIVES, "text", values=(offer.gives,))]
    if offer.code or offer.pool:
        found.append(Attribute(CODE, "text", values=(offer.code or EXAMPLE_CODE,)))
    if offer.ends is not None:
        day = () if isinstance(offer.ends, Duration | datetime) else (offer.ends.isoformat(),)
        found.append(Attribute(ENDS, "date" if ends_on_a_day(offer) else "instant", values=day))
    if offer.product:
        found.append(Attribute(PRODUCT, "text", values=(offer.product,)))
        found.append(Attribute(PRICE, "money", currency=offer.currency))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Guard:
    """The campaign stops when more than `at_most` of the messages lead to this response."""

    response: str
    at_most: Share
