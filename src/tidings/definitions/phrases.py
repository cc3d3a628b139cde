"""The closed list of phrases, each with its form, its types and its meaning: one page of reference.

The reference page is generated from PHRASES.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidings.definitions.quantities import parse_duration
from tidings.definitions.values import (
    Anniversary,
    DateRelation,
    RelativeDate,
    TextMatch,
    TextPlace,
    Unit,
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrase: how it starts, an example, the types it is said of, and what it means."""

    start: str
    example: str
    types: tuple[str, ...]
    means: str


_ORDERED = ("number", "money", "date", "instant", "cell")
_DATES = ("date", "instant")
PHRASES = (
    Phrase("at least ", "at least 250", _ORDERED, "250 or more; never an unknown value"),
    Phrase("at most ", "at most 10 EUR", _ORDERED, "10 or less; never an unknown value"),
    Phrase("more than ", "more than 2", _ORDERED, "above, the number itself not included"),
    Phrase("less than ", "less than 2", _ORDERED, "below, the number itself not included"),
    Phrase("between ", "between 5 and 10", _ORDERED, "from the first through the second, both included"),
    Phrase("starts with ", 'starts with "A"', ("text", "cell"), "the text begins like this, case as written"),
    Phrase("ends with ", 'ends with ".example"', ("text", "cell"), "the text ends like this, case as written"),
    Phrase("contains ", 'contains "garden"', ("text", "cell"), "the text has this somewhere, case as written"),
    Phrase("in the last ", "in the last 30 days", _DATES, "from 30 days before today through today"),
    Phrase("in the next ", "in the next 30 days", _DATES, "from today through 30 days after today"),
    Phrase("more than … ago", "more than 90 days ago", _DATES, "before the day 90 days before today; never an unknown date"),
    Phrase("more than … from now", "more than 30 days from now", _DATES, "after the day 30 days after today"),
    Phrase("anniversary ", "anniversary today", _DATES, "day and month are today's; 29 February counts on the 28th in other years"),
    Phrase("anniversary in the next ", "anniversary in the next 7 days", _DATES, "day and month fall from today through 7 days on"),
)  # fmt: skip
WORDS = (
    ("gold", "equal to the value"),
    ("[gold, silver]", "any one of the values; for a list attribute: has any of them"),
    ("{all: [roses, trees]}", "a list attribute has every one of the values"),
    ("{not: gold}", "the complement of any test, so unknown values are included"),
    ('{is: "at least five"}', "the text itself, where it would be read as a phrase"),
    ("known", "a value is there"),
    ("unknown", "no value is there"),
)

COMPARISON = re.compile(r"(?P<order>at least|at most|more than|less than) (?P<value>\S.*)\Z")
_BETWEEN = re.compile(r"between (?P<low>\S.*?) and (?P<high>\S.*)\Z")
_TEXT = re.compile(r"(?P<place>starts with|ends with|contains) (?P<text>\S.*)\Z", re.DOTALL)
_RELATIVE = (
    (re.compile(r"in the last (.+)\Z"), DateRelation.IN_THE_LAST),
    (re.compile(r"in the next (.+)\Z"), DateRelation.IN_THE_NEXT),
    (re.compile(r"more than (.+) ago\Z"), DateRelation.MORE_THAN_AGO),
    (re.compile(r"more than (.+) from now\Z"), DateRelation.MORE_THAN_FROM_NOW),
)
_NEXT_DAYS = re.compile(r"anniversary in the next (.+)\Z")


def text_match(text: str) -> TextMatch | None:
    """Return `starts with "A"` and its like; the quotes may be left out."""
    match = _TEXT.match(text)
    if not match:
        return None
    wanted = match["text"]
    if len(wanted) > 1 and wanted[0] == wanted[-1] and wanted[0] in "\"'":
        wanted = wanted[1:-1]
    return TextMatch(TextPlace(match["place"]), wanted) if wanted else None


def relative_date(text: str) -> RelativeDate | None:
    """Return `in the last 30 days` and its like."""
    for pattern, relation in _RELATIVE:
        match = pattern.match(text)
        duration = parse_duration(match[1]) if match else None
        if duration:
            return RelativeDate(relation, duration)
    return None


def anniversary(text: str) -> Anniversary | None:
    """Return `anniversary today` or `anniversary in the next 7 days` (days and weeks, within a year)."""
    if text == "anniversary today":
        return Anniversary(0)
    match = _NEXT_DAYS.match(text)
    duration = parse_duration(match[1]) if match else None
    if duration is None or duration.unit not in (Unit.DAY, Unit.WEEK):
        return None
    days = duration.amount * (7 if duration.unit is Unit.WEEK else 1)
    return Anniversary(days) if days <= 366 else None


def split_between(text: str) -> tuple[str, str] | None:
    """Return the two ends of `between A and B`."""
    match = _BETWEEN.match(text)
    return (match["low"], match["high"]) if match else None


def looks_like_phrase(text: str) -> Phrase | None:
    """Return the phrase that a text begins like, so that a slip in it is named and not taken for a text."""
    lowered = text.casefold()
    if re.search(r" ago\Z", lowered):
        return PHRASES[10]
    if lowered.endswith(" from now"):
        return PHRASES[11]
    for phrase in reversed(PHRASES):
        if lowered.startswith(phrase.start):
            return phrase
    return None
