"""What cannot be compiled is refused with a sentence, and no name reaches a statement but through the vocabulary."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from support.segment_world import ATTRIBUTES, CURRENCY, EVENTS, SEGMENTS, TEXTS
from tidings.definitions import conditions as c
from tidings.definitions import values as v
from tidings.definitions.kinds.segment import Segment
from tidings.errors import DefinitionErrors
from tidings.segments.compile import compile_conditions, compile_segment
from tidings.segments.scope import Scope

NOW = datetime(2027, 3, 2, 9, tzinfo=UTC)
STOCKHOLM = ZoneInfo("Europe/Stockholm")


@pytest.mark.parametrize("text", [*TEXTS[1:], "x' OR '1'='1", "%(name)s", '$."level"'])
def test_a_name_outside_the_vocabulary_never_reaches_a_statement(text: str) -> None:
    scope = Scope(ATTRIBUTES, EVENTS, NOW, STOCKHOLM, CURRENCY, SEGMENTS)
    for condition in (
        c.DidCondition(text),
        c.AttributeCondition(text, v.Known()),
        c.SegmentCondition(text),
        c.DidCondition("order", with_=((text, v.Known()),)),
        c.DidCondition("order", measure=c.Measure("total", text, v.Known())),
    ):
        with pytest.raises(DefinitionErrors):
            compile_conditions((condition,), scope=scope)


REFUSED = [
    (c.AttributeCondition("nothing", v.Known()), "is not an attribute"),
    (c.DidCondition("nothing"), "is not an event"),
    (c.DidCondition("converted"), "cannot select by"),
    (c.DidCondition("order", with_=(("colour", v.Is("red")),)), 'no property "colour"'),
    (c.DidCondition("clicked", with_=(("page", v.Is("x")),)), "no property"),
    (c.AttributeCondition("score", v.Is("many")), "cannot be compared"),
    (c.AttributeCondition("level", v.Compared(v.Order.AT_LEAST, Decimal(1))), "cannot be compared"),
    (c.AttributeCondition("tags", v.Compared(v.Order.AT_LEAST, Decimal(1))), "is a list"),
    (c.AttributeCondition("vip", v.Is("yes")), "cannot be compared"),
    (c.AttributeCondition("spent", v.Compared(v.Order.AT_LEAST, Decimal(1), "JPY")), "kept in EUR"),
    (c.AttributeCondition("level", v.Anniversary(0)), "cannot be compared"),
    (c.DidCondition("order", measure=c.Measure("total", "category", v.Known())), "there is no total"),
    (c.SegmentCondition("absent"), "there is no segment"),
]


@pytest.mark.parametrize(("condition", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_be_compiled_is_refused_with_a_sentence(condition: c.Condition, message: str) -> None:
    scope = Scope(ATTRIBUTES, EVENTS, NOW, STOCKHOLM, CURRENCY, SEGMENTS)
    with pytest.raises(DefinitionErrors) as caught:
        compile_conditions((condition,), scope=scope)
    assert message in caught.value.problems[0].message


def test_money_without_any_currency_is_refused() -> None:
    condition = c.DidCondition("order", with_=(("total", v.Is(Decimal(1))),))
    with pytest.raises(DefinitionErrors, match="1 problem"):
        compile_conditions((condition,), scope=Scope(ATTRIBUTES, EVENTS, NOW, STOCKHOLM))


def test_segments_in_a_circle_are_refused_when_put_inside_one_statement() -> None:
    circle = {
        name: Segment(name, name, "", where=(c.SegmentCondition(other),))
        for name, other in (("a", "b"), ("b", "a"))
    }
    with pytest.raises(DefinitionErrors) as caught:
        compile_segment(circle["a"], Scope(ATTRIBUTES, EVENTS, NOW, STOCKHOLM, CURRENCY, circle))
    assert "a → b → a" in caught.value.problems[0].message
