"""The sentences of an explanation: states of messages, refusals, what providers said, by channel."""

from __future__ import annotations

from tidings.customers.refusals import REFUSALS
from tidings.definitions.workspace import Definitions

# What a state of a message means for the one who was to get it.
STATES = {
    "planned": "waits to be sent",
    "claimed": "is being prepared for sending",
    "started": "is being handed over to the provider",
    "accepted": "was accepted by the provider",
    "deferred": "was put off by the provider and is tried again",
    "in_doubt": "may or may not have gone out: no answer came when it was handed over",
    "delivered": "was delivered",
    "rejected": "was rejected by the provider when it was handed over",
    "refused": "was not sent: a rule forbids it",
    "bounced": "bounced: the provider could not deliver it",
    "complained": "was reported as spam",
    "cancelled": "was taken back before it was sent",
    "unconfirmed": "was accepted, and no receipt came in time, so the next channel took over",
}
# Which rule a refusal belongs to, in the words of `Fact.what`.
RULES = {
    "expired": "expiry",
    "late": "late",
    "no_address": "address",
    "unreachable": "address",
    "invalid_address": "address",
    "suppressed_erased": "address",
    "suppressed_complaint": "address",
    "suppressed_bounce": "address",
    "suppressed_manual": "address",
    "merged": "address",
    "stop_sms": "consent",
    "fax_optout": "consent",
    "unsubscribed_all": "consent",
    "unsubscribed_list": "consent",
    "consent_expired": "consent",
    "consent_unconfirmed": "consent",
    "no_consent": "consent",
    "dnc_listed": "consent",
    "country_blocked": "country",
    "sender_unverified": "country",
    "case_open": "case",
    "feed_stale": "feed",
    "quiet_hours": "hours",
    "timezone_unknown": "hours",
    "frequency_cap": "cap",
    "account_limit": "account limit",
    "budget": "budget",
    "again": "again",
    "same_address": "one each",
    "duplicate": "one each",
}
# In the order in which the gate asks them.
ORDER = ("expiry", "address", "consent", "country", "case", "feed", "hours", "one each", "cap", "account limit", "rate", "budget")  # fmt: skip
_BY = {"email": "by e-mail", "sms": "by SMS", "fax": "by fax"}
_ATTEMPTS = {
    "transient": "the provider asked to try again later",
    "throttled": "the provider asked for time",
    "transient_exhausted": "given up after several tries",
    "rejected_recipient": "rejected for this recipient",
    "rejected_message": "rejected for what is in it",
    "rejected_config": "not sent: the set-up of the channel was refused",
    "in_doubt": "no answer came when it was handed over",
    "resolved_by_receipt": "settled by a receipt",
    "resolved_sent": "settled by hand: it had gone out",
    "resolved_not_sent": "settled by hand: it had not gone out",
    "resolved_resend": "settled by hand: send again",
}
_RECEIPTS = {
    "queued": "took it over",
    "sent": "passed it on",
    "delivered": "delivered it",
    "deferred": "tries again later",
    "bounced": "could not deliver it",
    "complained": "passed on a complaint",
    "opened": "saw it opened",
    "clicked": "saw a click",
    "unsubscribed": "passed on an unsubscription",
    "resubscribed": "passed on a new subscription",
}
_RESPONSES = {
    "opened": "opened the message",
    "clicked": "followed a link",
    "replied": "answered",
    "redeemed": "redeemed a code",
    "unsubscribed": "unsubscribed",
    "sent": "was sent the message",
}
_ARMS = {
    "treated": "treated: gets the messages",
    "holdout": "held out for comparison: gets nothing",
    "control": "in the global control: gets no campaign of this class",
    "copy": "staff who get a copy; counted nowhere",
    "party": "written to about other customers; counted nowhere",
}


def state_words(state: str) -> str:
    """Return what a state of a message means, going on after "the message"."""
    return STATES.get(state, f"is {state}")


def refusal_words(code: str) -> str:
    """Return the sentence of a refusal code; one of another version of tidings is named."""
    found = REFUSALS.get(code)
    return found.means if found else f"It was refused as {code}; this version does not know what that means."


def headline_words(code: str) -> str:
    """Return why somebody got nothing, to end a sentence with; caps in other words than those of their codes."""
    short = {
        "frequency_cap": "the frequency cap left no room.",
        "account_limit": "the limit of the account left no room.",
        "budget": "the budget was spent.",
    }
    words = short.get(code) or refusal_words(code)
    return words[:1].lower() + words[1:]


def what_to_do(code: str) -> str:
    """Return what can be done about a refusal, empty where nothing is known of the code."""
    found = REFUSALS.get(code)
    return found.what_to_do if found else ""


def rule_named(code: str) -> str:
    """Return which rule a refusal belongs to."""
    return RULES.get(code, "message")


def by_channel(definitions: Definitions, channel: str) -> str:
    """Return `by e-mail`, with the channel's name where the kind does not say which."""
    found = definitions.channels.get(channel)
    if found is None:
        return f"by {channel}"
    words = _BY.get(found.kind, f"by {found.kind}")
    same = sum(one.kind == found.kind for one in definitions.channels.values())
    return f"{words} ({channel})" if same > 1 else words


def by_kind(kind: str) -> str:
    """Return `by e-mail` for a kind of channel."""
    return _BY.get(kind, f"by {kind}")


def attempt_words(outcome: str) -> str:
    """Return what became of one try to hand a message over."""
    return _ATTEMPTS.get(outcome, outcome.replace("_", " "))


def receipt_words(kind: str) -> str:
    """Return what a receipt says, going on after "the provider"."""
    return _RECEIPTS.get(kind, f"said {kind}")


def response_words(kind: str, judged: str) -> str:
    """Return what a response is, and whether a person made it."""
    words = _RESPONSES.get(kind, kind.replace("_", " "))
    doubt = {"machine": " (a program, not a person)", "unknown": " (a person or a program)"}
    return words + doubt.get(judged, "")


def arm_words(arm: str) -> str:
    """Return what an arm means."""
    return _ARMS.get(arm, arm)
