"""What starts a flow, as its messages may name it: the properties of the event, beside the attributes of the customer.

One rule for conditions and templates: a name stands for an attribute, else for a property of what started the journey.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tidings.definitions.kinds.offer import OFFERED, Offer, offered_names
from tidings.definitions.kinds.recommending import RECOMMENDED
from tidings.definitions.kinds.rules import FIXED_COLUMNS, Attribute, Attributes, Event

# The lines of an order, by name, as `with: {item: …}` looks at them; a property of that name hides it.
ITEMS = "item"
# These stand for the customer and the sender in every message, whatever an event calls its properties.
_TAKEN = frozenset(
    (*FIXED_COLUMNS, "unsubscribe_url", "postal_address", "sender_name", "salutation", "group")
)


@dataclass(frozen=True, slots=True)
class Given:
    """The names that the event which starts a flow gives to its messages, each with its type as an attribute has it.

    `revenue` is the property that is kept as the event's amount.
    """

    event: str
    names: tuple[Attribute, ...]
    revenue: str | None = None

    def get(self, name: str) -> Attribute | None:
        """Return the name with its type, or None."""
        return next((one for one in self.names if one.name == name), None)


def given_by(
    event: Event | None, attributes: Attributes, currency: str, said: Collection[str]
) -> Given | None:
    """Return what an event gives; None for a flow that no event starts.

    Attributes hide properties of the same name, and so do the words that the step itself says. `currency` is that of money
    which names none.
    """
    if event is None:
        return None
    hidden = {*_TAKEN, *said, *(one.name for one in attributes.attributes)}
    found = [
        Attribute(one.name, one.type, currency=(one.currency or currency) if one.type == "money" else None)
        for one in event.properties
    ]
    if event.property(ITEMS) is None:
        found.append(Attribute(ITEMS, "list"))
    return Given(event.name, tuple(one for one in found if one.name not in hidden), event.revenue)


def nameable(
    attributes: Attributes, given: Given | None, offer: Offer | None = None, currency: str = ""
) -> Attributes:
    """Return everything that a message may name, as attributes: those of the customer, of the event, of the offer.

    With a `currency` (the workspace's) also the products that the customer is recommended, unless the shop calls something else so.
    """
    offered = offered_names(offer)
    found = (*attributes.attributes, *(given.names if given else ()))
    if currency and all(one.name != RECOMMENDED for one in found):
        offered = (*offered, Attribute(RECOMMENDED, "products", currency=currency))
    if given is None and not offered:
        return attributes
    named = {one.name for one in offered}
    return Attributes((*(one for one in found if one.name not in named), *offered))


def split_names(
    names: Iterable[str], given: Given | None, offer: Offer | None = None
) -> tuple[list[str], list[str]]:
    """Return the names of the customer's own values, and those that the event gives; what the offer gives is neither."""
    own: list[str] = []
    of_event: list[str] = []
    for name in names:
        if offer is not None and name in OFFERED:
            continue
        (own if given is None or given.get(name) is None else of_event).append(name)
    return own, of_event
