"""config/holidays.yaml: days off, and weekend days that are worked in exchange (調休, переносы)."""

from __future__ import annotations

from datetime import date, timedelta

from tidings.definitions.context import Context
from tidings.definitions.kinds.timing import Holidays
from tidings.definitions.nodes import Entry, Node, Scalar
from tidings.definitions.quantities import parse_date, wrong_date
from tidings.definitions.schema import Key, Keys, Reader, each, each_entry, expect_items, expect_mapping
from tidings.definitions.schema import expect_scalar as expect
from tidings.definitions.texts import TEXT

_LONGEST = 31


def _span(scalar: Scalar, context: Context) -> list[date]:
    """Return the days of `2027-02-06`, or of `2027-02-06 to 2027-02-12`, both included."""
    ends = []
    for text in scalar.text.split(" to "):
        day = parse_date(text)
        if day is None:
            raise wrong_date(Scalar(scalar.place, text, plain=True), context)
        ends.append(day)
    if len(ends) > 2 or ends[-1] < ends[0]:
        raise context.report(
            "PHR08", scalar, f'"{scalar.text}" is no span of days', "write its first and its last day"
        )
    length = (ends[-1] - ends[0]).days + 1
    if length > _LONGEST:
        raise context.report(
            "VAL03", scalar, f'"{scalar.text}" is {length} days long; {_LONGEST} are the most', "write its parts one by one"
        )  # fmt: skip
    return [ends[0] + timedelta(days=number) for number in range(length)]


def _days(node: Node, context: Context) -> dict[date, str]:
    found: dict[date, str] = {}

    def read(entry: Entry, inner: Context) -> None:
        name = TEXT.read(entry.value, inner)
        for day in _span(entry.key, inner):
            if day in found:
                inner.report("VAL09", entry.key, f"{day} is {found[day]} already", "delete one of them")
            found.setdefault(day, name)

    each_entry(expect_mapping(node, context, '"days"'), context, read)
    return found


def _workdays(node: Node, context: Context) -> frozenset[date]:
    def read(item: Node, inner: Context) -> list[date]:
        return _span(expect(item, inner, "a day such as 2027-02-20"), inner)

    spans = each(expect_items(node, context, '"workdays"'), context, read)
    return frozenset(day for span in spans for day in span)


_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}( to [0-9]{4}-[0-9]{2}-[0-9]{2})?"
KEYS = Keys(
    "the holidays file",
    (
        Key("holidays", TEXT, "The title that people see.", "holidays: Days off in Taiwan", required=True),
        Key("days", Reader(_days, "days, or spans of days, each with its name", {"type": "object", "patternProperties": {f"^{_DAY}$": {"type": "string"}}, "additionalProperties": False}), "Days off: each a date, or the first and the last of several, with its name.", "days: {2027-02-06 to 2027-02-12: Lunar New Year}", required=True),
        Key("workdays", Reader(_workdays, "days, as a list", {"type": "array", "items": {"type": "string", "pattern": f"^{_DAY}$"}}), "Days at the weekend that are worked in exchange.", "workdays: [2027-02-20]"),
    ),
)  # fmt: skip


def read(node: Node, context: Context) -> Holidays:
    """Return the days off and the shifted workdays."""
    values = KEYS.read(node, context)
    days: dict[date, str] = values["days"]
    workdays: frozenset[date] = values.get("workdays", frozenset())
    return Holidays(dict(sorted(days.items())), workdays)
