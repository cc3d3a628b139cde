"""Readers of written quantities: shares, lengths of time, money, numbers, dates and times of day."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.currencies import CURRENCIES
from tidings.definitions.keyboard import sign_trap
from tidings.definitions.money import exponent, to_minor
from tidings.definitions.nodes import Node, Scalar
from tidings.definitions.rewording import likely_date, likely_duration, likely_money, likely_share
from tidings.definitions.schema import Reader, expect_scalar
from tidings.definitions.values import MILLION, Duration, LocalTime, Money, Price, Share, Unit

NUMBER = r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,9})?"
_NUMBER = re.compile(NUMBER + r"\Z")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)%\Z")
_DURATION = re.compile(r"([1-9][0-9]{0,5}) (minute|hour|day|week|month|year)s?\Z")
_MONEY = re.compile(rf"({NUMBER}) ([A-Z]{{3}})\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}\Z")
# A century: longer is a slip of the hand, and sums of dates would leave the calendar.
_LONGEST = {
    Unit.MINUTE: 525_600,
    Unit.HOUR: 876_000,
    Unit.DAY: 36_500,
    Unit.WEEK: 5_200,
    Unit.MONTH: 1_200,
    Unit.YEAR: 100,
}


def parse_number(text: str) -> Decimal | None:
    """Return a plain number, or None."""
    return Decimal(text) if _NUMBER.match(text) else None


def parse_share(text: str) -> Share | None:
    """Return `12.5%` as a share, or None."""
    match = _SHARE.match(text)
    if not match or Decimal(match[1]) > 100:
        return None
    return Share(int(Decimal(match[1]) * 100))


def parse_duration(text: str) -> Duration | None:
    """Return `14 days` as a length of time, or None."""
    match = _DURATION.match(text)
    if not match:
        return None
    duration = Duration(int(match[1]), Unit(match[2]))
    return duration if duration.amount <= _LONGEST[duration.unit] else None


def parse_money(text: str) -> tuple[Decimal, str] | None:
    """Return `1200 RUB` as an amount of major units and its currency, or None."""
    match = _MONEY.match(text)
    if not match or match[2] not in CURRENCIES:
        return None
    return Decimal(match[1]), match[2]


def parse_date(text: str) -> date | None:
    """Return `2027-03-02` as a date, or None when it is none or there is no such day."""
    if not _DATE.match(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def parse_moment(text: str) -> datetime | None:
    """Return `2027-03-02 10:00` as a wall-clock moment, or None."""
    if not _MOMENT.match(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def reading_trap(scalar: Scalar, context: Context) -> Unreadable | None:
    """Report signs of an input method in a value that has a strict form."""
    trap = sign_trap(scalar.text)
    if trap:
        return context.report(trap[0], scalar, trap[1], f"write: {trap[2]}")
    return None


def _share(node: Node, context: Context) -> Share:
    scalar = expect_scalar(node, context, "a share such as 10%")
    found = parse_share(scalar.text)
    if found is not None:
        return found
    trap = reading_trap(scalar, context)
    if trap:
        raise trap
    raise context.report(
        "PHR01", scalar, f'"{scalar.text}" is not a share; write a number from 0 to 100 and %, such as 10%',
        likely_share(scalar.text),
    )  # fmt: skip


def read_duration(node: Node, context: Context) -> Duration:
    """Read a length of time that looks forward; one that looks back is named (decision D4)."""
    scalar = expect_scalar(node, context, "a length of time such as 14 days")
    found = parse_duration(scalar.text)
    if found is not None:
        return found
    if scalar.text.startswith("last ") and parse_duration(scalar.text[5:]):
        raise context.report(
            "PHR06", scalar, f'"{scalar.text}" looks back, and here the time that follows is meant',
            f"write: {scalar.text[5:]}",
        )  # fmt: skip
    raise wrong_duration(scalar, context)


def wrong_duration(scalar: Scalar, context: Context, *, prefix: str = "") -> Unreadable:
    """Report a text that is no length of time, with the one that was probably meant."""
    trap = reading_trap(scalar, context)
    if trap:
        return trap
    likely = likely_duration(scalar.text.removeprefix(prefix))
    return context.report(
        "PHR02",
        scalar,
        f'"{scalar.text}" is not a length of time; write a number and a unit, such as {prefix}14 days',
        f"write: {prefix}{likely}" if likely else "",
    )


def wrong_money(scalar: Scalar, context: Context) -> Unreadable:
    """Report a text that is no amount of money, with the one that was probably meant."""
    text = scalar.text
    currency = context.vocabulary.currency or "EUR"
    if parse_number(text) is not None:
        return context.report("VAL06", scalar, f'"{text}" has no currency', f"write: {text} {currency}")
    match = re.match(rf"({NUMBER}) ([A-Za-z]{{3}})\Z", text)
    if match:
        if match[2].upper() in CURRENCIES:
            return context.report(
                "PHR03", scalar, f'"{text}" is not an amount of money; currency codes are written in capitals',
                f"write: {match[1]} {match[2].upper()}",
            )  # fmt: skip
        return context.report(
            "VAL06", scalar, f'"{match[2]}" is not a currency code of ISO 4217', did_you_mean(match[2], set(CURRENCIES), listing=False)
        )  # fmt: skip
    likely = likely_money(text, currency)
    trap = None if likely else reading_trap(scalar, context)
    return trap or context.report(
        "PHR03",
        scalar,
        f'"{text}" is not an amount of money; write a number and a currency code, such as 1200 {currency}',
        likely,
    )


def read_price(node: Node, context: Context) -> Money | Price:
    """Read what one of many costs: as an amount of money, but down to a millionth of the minor unit."""
    scalar = expect_scalar(node, context, "an amount such as 0.0075 USD")
    found = parse_money(scalar.text)
    if found is None or -int(found[0].as_tuple().exponent) <= exponent(found[1]):
        return _positive_money(node, context)
    amount, currency = found
    most = exponent(currency) + 6
    if -int(amount.as_tuple().exponent) > most:
        raise context.report(
            "PHR03", scalar, f"a price has {most} decimal places at most; {scalar.text} has more"
        )
    if amount < 0:
        raise context.report("VAL03", node, "an amount here cannot be negative")
    price = Price(int(amount.scaleb(most)), currency)
    whole, part = divmod(price.millionths, MILLION)
    return price if part else Money(whole, currency)


def read_money(node: Node, context: Context) -> Money:
    """Read an amount with its currency into minor units; more decimals than the currency has are refused."""
    scalar = expect_scalar(node, context, "an amount such as 2000 EUR")
    found = parse_money(scalar.text)
    if found is None:
        raise wrong_money(scalar, context)
    amount, currency = found
    if -int(amount.as_tuple().exponent) > exponent(currency):
        raise context.report(
            "PHR03", scalar, f"{currency} has {exponent(currency)} decimal places; {scalar.text} has more"
        )
    return Money(to_minor(amount, currency), currency)


def _positive_money(node: Node, context: Context) -> Money:
    money = read_money(node, context)
    if money.minor < 0:
        raise context.report("VAL03", node, "an amount here cannot be negative")
    return money


def wrong_date(scalar: Scalar, context: Context, says: str = "2027-03-02") -> Unreadable:
    """Report a text that is no date, with the one that was probably meant."""
    if _DATE.match(scalar.text) or _MOMENT.match(scalar.text):
        return context.report("PHR04", scalar, f'there is no "{scalar.text}" in the calendar')
    likely = likely_date(scalar.text)
    trap = None if likely else reading_trap(scalar, context)
    return trap or context.report(
        "PHR04", scalar, f'"{scalar.text}" is not a date; write year-month-day, such as {says}', likely
    )


def _local_time(node: Node, context: Context) -> LocalTime:
    scalar = expect_scalar(node, context, "a date and hour such as 2027-03-02 10:00")
    found = parse_moment(scalar.text)
    if found is not None:
        return LocalTime(found)
    if parse_date(scalar.text):
        raise context.report(
            "PHR04", scalar, f'"{scalar.text}" has no hour; a campaign leaves at a date and an hour',
            f"write: {scalar.text} 10:00",
        )  # fmt: skip
    raise wrong_date(scalar, context, "2027-03-02 10:00")


def _number(node: Node, context: Context) -> Decimal:
    scalar = expect_scalar(node, context, "a number")
    found = parse_number(scalar.text)
    if found is not None:
        return found
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "VAL01",
        scalar,
        f'"{scalar.text}" is not a number; write digits with a point for decimals, such as 12.5',
    )


_DURATION_PATTERN = "^[1-9][0-9]* (minute|hour|day|week|month|year)s?$"
SHARE = Reader(_share, "a share such as 10%", {"type": "string", "pattern": "^[0-9.]+%$"})
DURATION = Reader(
    read_duration, "a length of time such as 14 days", {"type": "string", "pattern": _DURATION_PATTERN}
)
MONEY = Reader(
    _positive_money,
    "an amount with its currency such as 2000 EUR",
    {"type": "string", "pattern": "^[0-9.]+ [A-Z]{3}$"},
)
LOCAL_TIME = Reader(
    _local_time,
    "a date and hour such as 2027-03-02 10:00",
    {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}$"},
)
NUMBER_VALUE = Reader(_number, "a number such as 12.5", {"type": "number"})
