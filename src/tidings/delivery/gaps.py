"""Of whom a plan knows too little for its words: who gets other words, who is greeted without a name, who would be refused.

The people of a plan are counted by what is known of them; what that means for a message is asked of the compiled
message, so that the count says what the sender will do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.definitions.kinds.rules import Attributes
from tidings.delivery.people_known import KNOWN, UNKNOWN, People, people_of_plan, wordings_of_plan
from tidings.templates.holes import Message, greeted_neutrally
from tidings.templates.salutations import salutation_for
from tidings.templates.sources import spoken

# Above this share of those who get the same words somebody should look at them, or at the import.
MANY = 0.2
SALUTATION = "salutation"
# The compiled message of a channel in a variant for a locale ("": none known).
Compiled = Callable[[str, str | None, str], Message]


@dataclass(frozen=True, slots=True)
class Gap:
    """People by one channel who lack values that a message in `locale` reads, of `of` who get it in that locale.

    `words` stand where the values are missing (for `salutation`: the greeting names nobody); None: without the
    value there is no message, and they are refused (`render_error`).
    """

    channel: str
    locale: str
    values: tuple[str, ...]
    words: str | None
    customers: int
    of: int

    @property
    def share(self) -> float:
        """The share of those who get the message in this locale."""
        return self.customers / self.of if self.of else 0.0

    def sentence(self) -> str:
        """Return it as a line for people."""
        whom = f"{self.customers:,} of {self.of:,} by {self.channel} in {self.locale} ({self.share:.0%})"
        named = " and ".join(self.values)
        if self.words is None:
            return f"{whom} would be refused: {named} is unknown, and the template has no other words"
        if self.values == (SALUTATION,):
            return f'{whom} are greeted without a name: "{self.words}"'
        return f'{whom} get "{self.words}" in place of {named}'

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "channel": self.channel,
            "locale": self.locale,
            "values": list(self.values),
            "words": self.words,
            "customers": self.customers,
            "of": self.of,
            "share": round(self.share, 4),
            "refused": self.words is None,
            "many": self.many,
            "sentence": self.sentence(),
        }

    @property
    def many(self) -> bool:
        """Tell whether somebody should look at it: a refusal, or more than a fifth with other words."""
        return self.words is None or self.share > MANY


@dataclass(frozen=True, slots=True)
class Unworded:
    """People by one channel whose locale has no wording, and the locale of the words that they get; `locale` "": none known."""

    channel: str
    locale: str
    customers: int
    gets: str

    def sentence(self) -> str:
        """Return it as a line for people."""
        people = f"{self.customers:,} {'person' if self.customers == 1 else 'people'} by {self.channel}"
        whose = f"in {self.locale}: no wording" if self.locale else "whose language is not known"
        return f"{people} {whose}, they get {self.gets}"

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "channel": self.channel,
            "locale": self.locale or None,
            "customers": self.customers,
            "gets": self.gets,
            "sentence": self.sentence(),
        }


@dataclass(frozen=True, slots=True)
class Gaps:
    """All gaps of a plan, those that concern most people first, and whose language has no words."""

    gaps: tuple[Gap, ...] = ()
    unworded: tuple[Unworded, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return them with stable keys."""
        return {
            "gaps": [one.as_json() for one in self.gaps],
            "unworded": [one.as_json() for one in self.unworded],
        }


def gaps_of_plan(
    connection: sa.Connection, attributes: Attributes, plan_hash: str, compiled: Compiled
) -> Gaps:
    """Return of whom a plan knows too little, by its first message to each; nothing for an unknown plan."""
    messages = {key: compiled(*key) for key in wordings_of_plan(connection, plan_hash)}
    names = {name for one in messages.values() for name in (*one.named, *one.greeted_by)}
    found = people_of_plan(connection, attributes, plan_hash, names)
    totals: Counter[tuple[str, str]] = Counter()
    counts: Counter[tuple[str, str, tuple[str, ...], str | None]] = Counter()
    strangers: Counter[tuple[str, str, str]] = Counter()
    for people in found:
        message = messages[people.channel, people.variant, people.locale]
        totals[people.channel, message.locale] += people.customers
        for values, words in _lacking(message, people):
            counts[people.channel, message.locale, values, words] += people.customers
        if not people.locale or spoken(people.locale, message.locale) != people.locale:
            strangers[people.channel, people.locale, message.locale] += people.customers
    gaps = [
        Gap(channel, locale, values, words, count, totals[channel, locale])
        for (channel, locale, values, words), count in counts.items()
    ]
    unworded = [
        Unworded(channel, locale, count, gets) for (channel, locale, gets), count in strangers.items()
    ]
    return Gaps(
        tuple(sorted(gaps, key=lambda one: (one.words is not None, -one.customers, one.channel, one.values))),
        tuple(sorted(unworded, key=lambda one: (-one.customers, one.channel, one.locale))),
    )


def _lacking(message: Message, people: People) -> set[tuple[tuple[str, ...], str | None]]:
    """Return what these people lack in a message: the values, and the words in their place."""
    refused = {name for name in message.required if people.known.get(name) == UNKNOWN}
    # Where two values stand in for one another, only the lack of both refuses.
    found: set[tuple[tuple[str, ...], str | None]] = {((name,), None) for name in refused}
    for values, words, empty in message.others:
        known = [people.known.get(name, KNOWN) for name in values]
        if words is None:
            if all(one == UNKNOWN for one in known) and not refused & set(values):
                found.add((values, None))
        elif all(one == UNKNOWN or (empty and one != KNOWN) for one in known):
            found.add((values, words))
    if message.greeted_by and _nameless(message, people):
        found.add(((SALUTATION,), salutation_for(message.greeting, {})))
    return found


def _nameless(message: Message, people: People) -> bool:
    known = {name: people.spelled.get(name) for name in message.greeted_by if people.known.get(name) == KNOWN}
    return greeted_neutrally(message.greeting, known)
