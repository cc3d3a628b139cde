"""Every rule that one message was held against, each with its value, in the order in which the gate asks them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tidings.clock import from_micros, to_micros
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.rules import Purpose
from tidings.flows.explaining import countries, limits, permission
from tidings.flows.explaining.facts import AGAINST, PASSED, PLAIN, Fact, Inquiry
from tidings.flows.explaining.words import ORDER, refusal_words, rule_named, what_to_do

_WAITING = ("planned", "deferred", "claimed")


def gate_facts(
    ask: Inquiry, campaign: Campaign, purpose: Purpose, channel_id: str, *, run: Any, message: Any, first: int | None
) -> list[Fact]:  # fmt: skip
    """Say each rule for a message by a channel; `first` is when it was to leave before any hours put it off.

    The rule that a refusal belongs to speaks against it, and those after it were not asked.
    """
    channel = ask.definitions.channels.get(channel_id)
    if channel is None:
        return []
    at, id_ = _judged_at(ask, message), message.id
    marketing = purpose.message_class == "marketing"
    found = [
        _expiry(ask, message),
        permission.address_fact(ask, channel.kind, at),
        permission.consent_fact(ask, channel.kind, purpose, campaign.topic, at),
        *countries.country_facts(ask, purpose, channel.kind, [channel.id]),
        permission.case_fact(ask, at) if marketing else Fact("case", "asked for marketing only"),
        limits.feed_fact(ask, campaign, at),
        limits.hours_fact(ask, campaign, purpose, channel, first, message.due_at),
        limits.cap_fact(ask, purpose, at, run, id_),
        limits.account_fact(ask, purpose, at, id_),
        limits.rate_fact(channel),
        limits.budget_fact(run, message.refusal_code == "budget"),
    ]
    if message.state in _WAITING:
        # Nothing is decided yet: each rule says what it would say now.
        return found
    return judged(found, message.refusal_code, message.refusal_rule)


def judged(facts: Iterable[Fact], code: str | None, rule: str | None) -> list[Fact]:
    """Return facts as the stored refusal has them: its rule speaks against, those before it passed, later ones were not asked."""
    facts = list(facts)
    if code is None:
        # Whatever is true by now, it went through then.
        return [replace(one, verdict=PASSED) if one.verdict == AGAINST else one for one in facts]
    name = rule_named(code)
    if name not in [one.what for one in facts]:
        return [replace(one, verdict=PLAIN) for one in facts] + refusal_facts(code, rule)
    place = ORDER.index(name) if name in ORDER else len(ORDER)
    found = []
    for one in facts:
        own = ORDER.index(one.what) if one.what in ORDER else len(ORDER)
        if one.what == name:
            found.append(replace(one, verdict=AGAINST))
        else:
            verdict = one.verdict if one.verdict != AGAINST else PLAIN
            found.append(replace(one, verdict=verdict if own < place else PLAIN))
    return [*found, *refusal_facts(code, rule)]


def refusal_facts(code: str, rule: str | None, *, planning: bool = False) -> list[Fact]:
    """Say a refusal in a sentence, with its code and the rule stored beside it, and what can be done."""
    when = "when it was planned" if planning else "when it was to go out"
    where = f", rule {rule}" if rule else ""
    text = f"{refusal_words(code)} ({code}{where}; asked {when})"
    found = [Fact("refused", text, AGAINST, data={"code": code, "rule": rule, "planning": planning})]
    return [*found, Fact("to do", what_to_do(code))] if what_to_do(code) else found


def _judged_at(ask: Inquiry, message: Any) -> int:
    """Return when the gate judged a message for good, as near as the ledger keeps it; now for one that still waits."""
    if message.state == "refused" and message.finished_at is not None:
        return int(message.finished_at)
    if message.started_at is not None:
        return int(message.started_at)
    now = to_micros(ask.now)
    return now if message.finished_at is None else int(message.finished_at)


def _expiry(ask: Inquiry, message: Any) -> Fact:
    if message.expires_at is None:
        return Fact("expiry", "it does not expire", PASSED)
    over = message.state in _WAITING and from_micros(message.expires_at) <= ask.now
    text = f"good from {ask.when(message.due_at)} until {ask.when(message.expires_at)}"
    return Fact("expiry", text, AGAINST if over else PASSED, message.expires_at)
