"""Every reason for which a customer gets nothing: the codes that plans, messages and reports carry, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """One refusal code. `they` goes on after a number of people, `means` and `what_to_do` are a sentence each.

    `when` it is asked. `of` is "channel" where another channel may still reach the customer, "customer" where the no is about
    the customer or the message itself: then nothing else is tried. `waits`: the message is put off as long as it lives, and
    refused only when that time is over.
    """

    code: str
    they: str
    means: str
    what_to_do: str
    when: str = "planning and sending"
    of: str = "customer"
    waits: bool = False


# In the order of the gate: the first that holds is the one that is stored.
_ALL = (
    Refused("expired", "were not reached in time", "The message could not leave before it expired (`expires` of the campaign or of the policies).", "Look for what held the run up; a longer `expires` leaves more time.", "sending"),
    Refused("late", "had their hour before the run was approved", "On the recipient's clock the hour was over when the run was approved, and `late: skip` says not to send then.", "Approve earlier, or write `late: send`.", "planning"),
    Refused("suppressed_erased", "asked to be erased", "The customer was erased, or the address belongs to somebody who was.", "Nothing: it stays so."),
    Refused("merged", "were merged into another customer", "Two records were found to be one person (`tidings customer merge`); the other one is written to, or got the message before.", "Nothing: the other record is planned by itself.", "sending"),
    Refused("no_address", "have no address for this channel", "There is no address, or none whose suppression can be looked up.", "Import the address, or name another channel in `via`.", of="channel"),
    Refused("unreachable", "have no address for any channel named", "Several kinds of channels stand in `via`, and there is an address for none of them.", "Import an address, or name another channel in `via`.", "planning"),
    Refused("invalid_address", "have an address that cannot exist", "The address does not look like one of its kind, so that no provider could deliver to it; imports keep no such address, older rows and other writers may have.", "Correct it where it comes from and import again.", of="channel"),
    Refused("suppressed_complaint", "reported us as spam", "A complaint about an earlier message suppressed the address.", "Nothing: who complained is not written to again."),
    Refused("suppressed_bounce", "have an address that bounced", "The provider said that the address does not exist.", "Import a new address.", of="channel"),
    Refused("suppressed_manual", "were suppressed by hand", "Somebody put the address on the list of those never to be written to.", "Lift the suppression if it was a mistake."),
    Refused("stop_sms", "said STOP", "Everything that comes to the telephone number by SMS was withdrawn, by STOP or through the provider.", "Nothing, until the customer sends START."),
    Refused("fax_optout", "want no more faxes", "Everything that comes to the fax number was withdrawn.", "Nothing, until the customer agrees again."),
    Refused("unsubscribed_all", "unsubscribed from everything", "The customer's last word is a withdrawal for every purpose; transactional messages still go out.", "Nothing, until the customer agrees again."),
    Refused("unsubscribed_list", "unsubscribed from this", "The customer's last word is a withdrawal for the purpose of this campaign, or for its topic.", "Nothing, until the customer agrees again."),
    Refused("consent_expired", "agreed too long ago", "The consent is older than it lasts for the purpose (`consent_lasts` in the policies).", "Ask for consent again.", of="channel"),
    Refused("consent_unconfirmed", "have not confirmed that they agree", "Consent was asked for and is not confirmed, and the purpose needs one that is.", "Let the customer confirm it, for example by the link in the first message.", of="channel"),
    Refused("no_consent", "never agreed to this", "The purpose needs consent, and none is granted.", "Ask for consent, or use a purpose for which none is needed if that is what the message is.", of="channel"),
    Refused("dnc_listed", "are on a do-not-call list", "The number stands in a register that was imported (`kind: do_not_call`), the purpose needs no consent, and the customer never agreed to it.", "Nothing: it stays so, unless the customer agrees, or the next list leaves the number out.", of="channel"),
    Refused("country_blocked", "live where nothing is sent", "`blocked_countries` of the policies names the country of the customer.", "Leave the country out of the audience, or take it off the list."),
    Refused("sender_unverified", "live where only registered senders get through", "A pack of `rules` wants a sender that is registered with the carriers of the country, and the channel says it of no such (`registered_in`).", "Have the sender registered, and write the country in `registered_in` of the channel.", of="channel"),
    Refused("case_open", "have a case open", "A complaint is being dealt with (`case_open` in the policies): marketing waits until it is closed.", "Close the case; a longer `expires` leaves more time.", "sending", waits=True),
    Refused("feed_stale", "would be chosen by old data", "An import that the message depends on is older than its `fresh` allows: the message waits for the next one.", "Bring the import up to date.", "sending", waits=True),
    Refused("quiet_hours", "could not be reached at an hour that is allowed", "Quiet hours, `send_between` or `weekdays` leave no hour before the message expires, or the step says `if_refused: skip`.", "Let it live longer (`expires`), or widen the hours.", "sending", "channel", waits=True),
    Refused("timezone_unknown", "live in a time zone that is unknown", "Nothing says which hour it is for the customer, and SMS and fax keep the recipient's hours.", "Import `zone`, `country` or a complete telephone number.", "sending", "channel", waits=True),
    Refused("frequency_cap", "have got as much as they may", "The `cap` of the purpose leaves no room, or a message of higher `priority` is due the same day.", "Nothing, or raise `cap`, or `priority` of the more important one.", "sending"),
    Refused("account_limit", "belong to an account that has got as much as it may", "`account_limit` of the policies leaves no room for anybody of the account.", "Nothing, or raise `account_limit`.", "sending"),
    Refused("budget", "were left out when the budget was spent", "What the messages before it cost, or may yet cost, leaves nothing of `budget` for this one.", "Raise `budget`, or narrow the audience.", "sending"),
    Refused("again", "got this campaign or its offer before", "`again` of the campaign says that they do not get it once more, or not yet; or `at_most` of its offer does.", "Nothing, or write another `again` (or `at_most`)."),
    Refused("same_address", "share an address with somebody who is written to", "Another customer with the same address, and a lower number, gets the message (`one_each: customer` writes to each).", "Nothing, or write `one_each: customer`.", "planning"),
    Refused("duplicate", "have come to share an address with somebody who got it", "Since the plan was made the address has become that of another customer whom the same run has written to.", "Nothing: one message an address is what `one_each: address` says.", "sending"),
    Refused("out_of_stock", "would be offered what is sold out", "The stock of what the offer is about is below `stop_when`.", "Wait for new stock, and import it.", "sending"),
    Refused("offer_exhausted", "would be offered what has run out", "All codes of the pool are given away, or the offer is over.", "Add codes (`tidings codes make`), or end the campaign.", "sending"),
    Refused("link_not_registered", "would get a link that is not registered", "A pack of `rules` lets only registered links through, and the text has one to a host that is not in `links` of the channel.", "Register the host and write it in `links`, or leave the link out.", "planning (counted) and writing the message", "channel"),
    Refused("missing_footer", "would get a message without its footer", "A pack of `rules` wants the postal address in every part of the message, and it does not stand there.", "Write {{ postal_address }} where everybody gets it, and `postal_address` in config/workspace.yaml.", "planning (counted) and writing the message", "channel"),
    Refused("missing_unsubscribe", "would get a message without a way to unsubscribe", "A pack of `rules` wants a way to leave in every part of the message, and there is none for this customer; or numbers of the customer's own country in the notice of a fax.", "Write {{ unsubscribe_url }} where everybody gets it; of a fax, `opt_out_phone` and `opt_out_fax` of the channel.", "planning (counted) and writing the message", "channel"),
    Refused("missing_ad_label", "would get an advertisement that does not say so", "A pack of `rules` wants the subject to begin with a label, and it does not.", "Begin the subject with the label, such as AD or 广告.", "planning (counted) and writing the message", "channel"),
    Refused("missing_signature", "would get an SMS that does not say who sends it", "A pack of `rules` wants the text to begin with the sender's name, and it does not.", "Begin the text with the name, or set `signature` under options of the channel.", "planning (counted) and writing the message", "channel"),
    Refused("locale_missing", "read a language the message is not written in", "The words for the customer's locale cannot be used, though the template has some.", "Correct or write the words for that locale.", "writing the message", "channel"),
    Refused("render_error", "have data the message cannot be made from", "A value that the message needs is unknown for this customer, or does not fit where it would stand.", "Give the value other words in the template, or import it.", "writing the message", "channel"),
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
