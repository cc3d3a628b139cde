"""Tests on a value: the closed list of phrases, checked against the type of what they test (decisions D2-D6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from tidings.definitions.context import Context, did_you_mean
from tidings.definitions.keyboard import sign_trap, value_trap
from tidings.definitions.money import exponent
from tidings.definitions.nodes import Mapping, Node, Scalar, Sequence
from tidings.definitions.phrases import (
    COMPARISON,
    Phrase,
    anniversary,
    looks_like_phrase,
    relative_date,
    split_between,
    text_match,
)
from tidings.definitions.quantities import (
    parse_date,
    parse_duration,
    parse_moment,
    parse_money,
    parse_number,
    reading_trap,
    wrong_date,
    wrong_money,
)
from tidings.definitions.rewording import dates_in_text, likely_duration
from tidings.definitions.schema import each, expect_items, expect_scalar
from tidings.definitions.syntax import operator_in_words, quoted
from tidings.definitions.values import (
    AllOf,
    Between,
    Compared,
    Is,
    Known,
    Not,
    OneOf,
    Order,
    Test,
    Unknown,
)
from tidings.definitions.values import (
    Scalar as Value,
)

_NO_MOMENT = datetime(1, 1, 1)
# What people write for a comparison with a day, and our words for it.
_IN_WORDS = {
    "before": "less than",
    "after": "more than",
    "since": "at least",
    "from": "at least",
    "until": "at most",
    "till": "at most",
    "by": "at most",
    "on": "",
}
_DATED = re.compile(rf"(?P<word>{'|'.join(_IN_WORDS)}) (?P<day>\S.*)\Z")
Limit = tuple[Decimal | date | datetime, str | None]


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test is about: its name in sentences, its type, and what bounds it.

    `type` is text, number, money, date, instant, flag, list, or `cell` for a column of a file, whose
    text counts as a number where a phrase compares it with one. Money values are amounts of major units.
    """

    name: str
    type: str
    currency: str | None = None
    values: tuple[str, ...] = ()


def read_test(node: Node, context: Context, tested: Tested) -> Test:
    """Read whatever stands after an attribute, a property or a column."""
    if isinstance(node, Mapping):
        return _long_form(node, context, tested)
    if isinstance(node, Sequence):
        if not node.items:
            raise context.report("KEY03", node, "an empty list fits nobody")
        return OneOf(
            each(node.items, context, lambda item, inner: _literal(item, inner, tested, listed=True))
        )
    scalar = expect_scalar(node, context, f"what {tested.name} should be")
    return _phrase(scalar, context, tested)


def _long_form(node: Mapping, context: Context, tested: Tested) -> Test:
    if len(node.entries) == 1:
        (word, entry), *_ = node.entries.items()
        if word == "not":
            return Not(read_test(entry.value, context, tested))
        if word == "is":
            return Is(_literal(entry.value, context, tested, escaped=True))
        if word == "all":
            if tested.type != "list":
                raise context.report(
                    "PHR05",
                    entry.key,
                    f'"{tested.name}" is {_a(tested.type)}; only a list can have all of several',
                )
            items = expect_items(entry.value, context, "all")
            return AllOf(each(items, context, lambda item, inner: _literal(item, inner, tested, listed=True)))
        trap = sign_trap(word)
        if trap:
            raise context.report(trap[0], entry.key, trap[1], f"write: {{{trap[2]}}}")
    raise context.report(
        "PHR05",
        node,
        f'this says nothing about "{tested.name}"',
        "write a value, a phrase such as `at least 2`, a list, or {is: …}, {not: …}, {all: […]}",
    )


def _phrase(scalar: Scalar, context: Context, tested: Tested) -> Test:
    text = scalar.text
    if text in ("known", "unknown"):
        return Known() if text == "known" else Unknown()
    if tested.type in ("text", "list", "cell"):
        found = text_match(text)
        if found and tested.type != "list":
            # Quotes inside the phrase say that the text is meant as it stands, like quotes around a value.
            bare = scalar.plain and text.endswith(found.text)
            refuse_typed(scalar, context, found.text, plain=bare, phrase=f"{found.place.value} ")
            return found
    if tested.type in ("date", "instant"):
        dated = relative_date(text) or anniversary(text)
        if dated:
            return dated
        if re.search(r" (ago|from now)\Z", text):
            raise _wrong_relative(scalar, context)
    comparison = COMPARISON.match(text)
    if comparison and tested.type in ("number", "money", "date", "instant", "cell"):
        limit = Scalar(scalar.place, comparison["value"], plain=True)
        if _is_limit(limit.text, tested) or not relative_date(text):
            value, currency = _limit(limit, context, tested, scalar)
            return Compared(Order(comparison["order"]), value, currency)
    span = split_between(text)
    if span and tested.type in ("number", "money", "date", "instant", "cell"):
        return _between(scalar, span, context, tested)
    phrase = looks_like_phrase(text)
    if phrase:
        raise _wrong_phrase(scalar, context, tested, phrase)
    _refuse_dated(scalar, context, tested)
    return Is(_literal(scalar, context, tested))


def _wrong_relative(scalar: Scalar, context: Context) -> Exception:
    """Report `less than 30 days ago` and its like with the phrase that says it."""
    match = re.match(r"(?:(less than|at most|at least|more than) )?(.+) (ago|from now)\Z", scalar.text)
    assert match is not None
    order, length, side = match.groups()
    duration = parse_duration(length)
    shown = str(duration or "") or likely_duration(length) or "90 days"
    if order in ("less than", "at most"):
        likely = f"in the {'last' if side == 'ago' else 'next'} {shown}"
    else:
        likely = f"more than {shown} {side}"
    trap = reading_trap(scalar, context)
    return trap or context.report(
        "PHR05", scalar, f'"{scalar.text}" is not a phrase for dates', f"write: {likely}"
    )


def _refuse_dated(scalar: Scalar, context: Context, tested: Tested) -> None:
    """Report `before 02.03.2027` and its like with the phrase and the date that say it."""
    match = _DATED.match(scalar.text)
    likely = dates_in_text(match["day"]) if match else ()
    if match is None or not likely:
        return
    if tested.type not in ("date", "instant"):
        raise context.report(
            "PHR05",
            scalar,
            f'"{tested.name}" is {_a(tested.type)}, and "{scalar.text}" is said of dates',
            f'for the text itself write {{is: "{scalar.text}"}}',
        )
    order = _IN_WORDS[match["word"]]
    raise context.report(
        "PHR05", scalar, f'"{scalar.text}" is not a phrase for dates',
        f"write: {' or '.join(f'{order} {day}'.strip() for day in likely)}",
    )  # fmt: skip


def _between(scalar: Scalar, span: tuple[str, str], context: Context, tested: Tested) -> Between:
    low, low_currency = _limit(Scalar(scalar.place, span[0], plain=True), context, tested, scalar)
    high, high_currency = _limit(Scalar(scalar.place, span[1], plain=True), context, tested, scalar)
    if (isinstance(low, Decimal) != isinstance(high, Decimal)) or low_currency != high_currency:
        raise context.report("PHR05", scalar, f'the two ends of "{scalar.text}" are of different kinds')
    if _as_moment(low) > _as_moment(high):
        raise context.report(
            "PHR08", scalar, f'"{scalar.text}" fits nothing: its first end is above the second',
            f"write: between {span[1]} and {span[0]}",
        )  # fmt: skip
    return Between(low, high, low_currency)


def _as_moment(value: Decimal | date | datetime) -> tuple[Decimal, datetime]:
    """Return a limit in a form that compares with the other end, dates with moments included."""
    if isinstance(value, Decimal):
        return value, _NO_MOMENT
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    return Decimal(0), moment


def _is_limit(text: str, tested: Tested) -> bool:
    if tested.type in ("date", "instant"):
        return bool(parse_date(text) or parse_moment(text))
    return parse_number(text) is not None or parse_money(text) is not None


def _limit(part: Scalar, context: Context, tested: Tested, whole: Scalar) -> Limit:
    """Read what a value is compared with: a number, an amount or a date, as the type asks."""
    if tested.type in ("date", "instant"):
        return _date(part, context, tested), None
    if tested.type == "money":
        return _amount(part, context, tested)
    number = parse_number(part.text)
    if number is not None:
        return number, None
    if parse_money(part.text):
        raise context.report(
            "PHR05", whole, f'"{tested.name}" is {_a(tested.type)}; write the number without a currency'
        )
    trap = reading_trap(part, context)
    raise trap or context.report(
        "PHR05", whole, f'"{part.text}" is not a number, so "{whole.text}" compares nothing'
    )


def _amount(part: Scalar, context: Context, tested: Tested) -> Limit:
    number = parse_number(part.text)
    currency = tested.currency
    if number is None:
        money = parse_money(part.text)
        if money is None:
            raise wrong_money(part, context)
        number, currency = money
        if tested.currency and currency != tested.currency:
            raise context.report(
                "PHR09", part, f'"{tested.name}" is kept in {tested.currency}, and this is in {currency}',
                "amounts of different currencies are never compared",
            )  # fmt: skip
    if currency and -int(number.as_tuple().exponent) > exponent(currency):
        places = exponent(currency)
        raise context.report("PHR03", part, f"{currency} has {places} decimal places; {number} has more")
    return number, currency


def _date(part: Scalar, context: Context, tested: Tested) -> date | datetime:
    moment = parse_moment(part.text)
    if moment is not None:
        if tested.type == "date":
            raise context.report(
                "PHR04", part, f'"{tested.name}" is a date and has no hour', f"write: {part.text[:10]}"
            )
        return moment
    day = parse_date(part.text)
    if day is None:
        raise wrong_date(part, context)
    return day


def read_literal(node: Node, context: Context, tested: Tested) -> Value:
    """Read one plain value as a type asks, and nothing that only tests one."""
    return _literal(node, context, tested)


def _literal(
    node: Node, context: Context, tested: Tested, *, escaped: bool = False, listed: bool = False
) -> Value:
    """Read a plain value as the type asks: a member level as text, money as an amount, a date as a date."""
    scalar = expect_scalar(node, context, f"what {tested.name} should be")
    if not escaped and looks_like_phrase(scalar.text) and tested.type != "cell":
        raise context.report(
            "PHR05", scalar, f'a phrase such as "{scalar.text}" stands alone, not in a list',
            f'use any: with one condition a line, or {{is: "{scalar.text}"}} for the text itself',
        )  # fmt: skip
    if tested.type == "money":
        value, _ = _amount(scalar, context, tested)
        return value if isinstance(value, (str, date)) else Decimal(value)
    if tested.type in ("date", "instant"):
        return _date(scalar, context, tested)
    if tested.type == "number":
        number = parse_number(scalar.text)
        if number is not None:
            return number
        trap = reading_trap(scalar, context)
        words = operator_in_words(scalar.text)
        raise trap or context.report(
            "PHR05", scalar, f'"{tested.name}" is a number, and "{scalar.text}" is not',
            f"write: {words}" if words else "",
        )  # fmt: skip
    if tested.type == "flag":
        if isinstance(scalar.value, bool):
            return scalar.value
        raise context.report("PHR05", scalar, f'"{tested.name}" is yes or no; write true or false')
    if tested.type == "cell" and scalar.plain and isinstance(scalar.value, (int, Decimal)):
        return scalar.value if isinstance(scalar.value, bool) else Decimal(scalar.value)
    _refuse_operator(scalar, context)
    if scalar.plain or not escaped:
        refuse_typed(scalar, context, scalar.text, plain=scalar.plain, listed=listed)
    if tested.values and scalar.text not in tested.values:
        trap = reading_trap(scalar, context)
        raise trap or context.report(
            "REF10", scalar, f'"{tested.name}" is never "{scalar.text}"',
            did_you_mean(scalar.text, list(tested.values)),
        )  # fmt: skip
    return scalar.text


def refuse_typed(
    scalar: Scalar, context: Context, text: str, *, plain: bool, listed: bool = True, phrase: str = ""
) -> None:
    """Report what an input method put into a text to compare with; what is meant so stands in quotes.

    `listed` means that the text is one of a list already; `phrase` is what stands before it, as in `starts with `.
    """
    trap = value_trap(text, plain=plain)
    if trap is None:
        return
    code, sentence, likely = trap
    if "," in likely and not listed and likely[0] != "[":
        likely = f"[{likely}]"
    likely = re.sub(r" *, *", ", ", likely)
    meant = f"{phrase}{quoted(text)}"
    way_out = f"; if the text is meant so, write {meant}" if plain and text == text.strip() else ""
    raise context.report(code, scalar, sentence, f"write: {phrase}{likely}{way_out}")


def _refuse_operator(scalar: Scalar, context: Context) -> None:
    words = operator_in_words(scalar.text) if scalar.plain else None
    if words:
        raise context.report(
            "YAM11", scalar, f'"{scalar.text}" is read as a text; write words', f"write: {words}"
        )


def _wrong_phrase(scalar: Scalar, context: Context, tested: Tested, phrase: Phrase) -> Exception:
    """Name why a phrase does not fit: its type, its direction or its spelling."""
    if tested.type in phrase.types:
        trap = reading_trap(scalar, context)
        length = scalar.text[len(phrase.start) :]
        likely = likely_duration(length) if phrase.start.startswith(("in the", "anniversary in")) else ""
        return trap or context.report(
            "PHR05", scalar, f'"{scalar.text}" cannot be read',
            f"write: {phrase.start}{likely}" if likely else f"write it like: {phrase.example}",
        )  # fmt: skip
    hint = f'for the text itself write {{is: "{scalar.text}"}}' if tested.type == "text" else ""
    return context.report(
        "PHR05",
        scalar,
        f'"{tested.name}" is {_a(tested.type)}, and "{scalar.text}" is said of {_those(phrase.types)}',
        hint,
    )


def _a(kind: str) -> str:
    """Return a type with its article, as a sentence says it."""
    return {
        "money": "money",
        "flag": "yes or no",
        "instant": "a moment",
        "cell": "a column",
        "list": "a list",
    }.get(kind, f"a {kind}")


def _those(kinds: tuple[str, ...]) -> str:
    names = {"number": "numbers", "money": "money", "date": "dates", "text": "texts"}
    listed = [names[kind] for kind in kinds if kind in names]
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)
