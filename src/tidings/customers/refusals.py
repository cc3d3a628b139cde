"""Every reason for which a customer gets nothing: the codes that plans, messages and reports carry, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """One refusal code. `they` goes on after a number of people, `means` is a sentence, `when` it is asked.

    `of` is "channel" where another channel may still reach the customer, "customer" where the no is about the customer or the
    message itself: then nothing else is tried.
    """

    code: str
    they: str
    means: str
    when: str = "planning and sending"
    of: str = "customer"


# In the order of the gate: the first that holds is the one that is stored.
_ALL = (
    Refused("expired", "were not reached in time", "The message could not leave before it expired (`expires` of the campaign or of the policies).", "sending"),
    Refused("suppressed_erased", "asked to be erased", "The customer was erased, or the address belongs to somebody who was."),
    Refused("no_address", "have no address for this channel", "There is no address, or none whose suppression can be looked up.", of="channel"),
    Refused("suppressed_complaint", "reported us as spam", "A complaint about an earlier message suppressed the address."),
    Refused("suppressed_bounce", "have an address that bounced", "The provider said that the address does not exist.", of="channel"),
    Refused("suppressed_manual", "were suppressed by hand", "Somebody put the address on the list of those never to be written to."),
    Refused("unsubscribed_all", "unsubscribed from everything", "The customer's last word is a withdrawal for every purpose; transactional messages still go out."),
    Refused("unsubscribed_list", "unsubscribed from this", "The customer's last word is a withdrawal for the purpose of this campaign."),
    Refused("no_consent", "never agreed to this", "The purpose needs consent, and none is granted.", of="channel"),
    Refused("same_address", "share an address with somebody who is written to", "Another customer with the same address, and a lower number, gets the message (`one_each: customer` writes to each).", "planning"),
    Refused("render_error", "have data the message cannot be made from", "A value that the message needs is unknown for this customer, or does not fit where it would stand.", "writing the message", of="channel"),
)  # fmt: skip
REFUSALS: dict[str, Refused] = {one.code: one for one in _ALL}


# After these the next channel of a campaign is tried.
CHANNEL_CODES = tuple(one.code for one in _ALL if one.of == "channel")


def they(code: str) -> str:
    """Return what a refusal code says of the people it concerns, such as `unsubscribed from this`.

    An unknown code (of an older or newer tidings) says nothing.
    """
    found = REFUSALS.get(code)
    return found.they if found else ""
