"""Hypothesis strategies for every kind of condition over the vocabulary of segment_world."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import strategies as st

from support.segment_world import AMOUNTS, LISTS, MOMENTS, NUMBERS, SEGMENTS, TEXTS
from tidings.definitions import conditions as c
from tidings.definitions import values as v

texts = st.sampled_from([*TEXTS, "absent"])
decimals = st.sampled_from([Decimal(repr(number)) for number in NUMBERS])
amounts = st.sampled_from(
    [Decimal(amount).scaleb(-2) for amount in AMOUNTS] + [Decimal(10) ** 30, Decimal(-10) ** 31]
)
durations = st.builds(
    v.Duration, st.sampled_from([1, 2, 7, 12, 30, 31, 60, 365]), st.sampled_from(list(v.Unit))
) | st.sampled_from([v.Duration(90, v.Unit.MINUTE), v.Duration(13, v.Unit.HOUR)])
days = st.sampled_from(
    [now.date() for _, now in MOMENTS]
    + [date(2027, 2, 28), date(2028, 2, 29), date(2000, 2, 28), date(2026, 12, 31)]
)
moments = st.sampled_from([now.replace(tzinfo=None, microsecond=0) for _, now in MOMENTS])
orders = st.sampled_from(list(v.Order))


def known_or(tests: st.SearchStrategy) -> st.SearchStrategy:
    """A test, asking whether the value is there at all, or the complement of one of them."""
    either = tests | st.just(v.Known()) | st.just(v.Unknown())
    return either | either.map(v.Not) | tests.map(v.Not).map(v.Not)


def several(values: st.SearchStrategy, most: int = 3) -> st.SearchStrategy:
    return st.lists(values, max_size=most).map(lambda found: v.OneOf(tuple(found)))


text_tests = known_or(
    texts.map(v.Is)
    | several(texts)
    | st.builds(
        v.TextMatch, st.sampled_from(list(v.TextPlace)), st.sampled_from([*TEXTS, "o", "л", "%", "_", "'"])
    )
)


def ranges(values: st.SearchStrategy, currency: str | None = None) -> st.SearchStrategy:
    written = st.sampled_from([None, currency]) if currency else st.none()
    return st.builds(v.Compared, orders, values, written) | st.builds(v.Between, values, values, written)


number_tests = known_or(decimals.map(v.Is) | several(decimals) | ranges(decimals))
money_tests = known_or(amounts.map(v.Is) | several(amounts) | ranges(amounts, "EUR"))
any_money_tests = known_or(
    amounts.map(v.Is) | ranges(amounts, "EUR") | ranges(amounts, "JPY") | ranges(amounts, "KWD")
)
yen_tests = known_or(
    st.sampled_from([Decimal(amount) for amount in AMOUNTS]).flatmap(
        lambda amount: st.builds(v.Compared, orders, st.just(amount), st.just("JPY"))
    )
)
relative = st.builds(v.RelativeDate, st.sampled_from(list(v.DateRelation)), durations)
anniversaries = st.sampled_from([0, 1, 2, 7, 30, 364, 366]).map(v.Anniversary)
date_tests = known_or(days.map(v.Is) | several(days) | ranges(days) | relative | anniversaries)
instant_tests = known_or(
    days.map(v.Is) | ranges(days) | ranges(moments) | moments.map(v.Is) | relative | anniversaries
)
flag_tests = known_or(st.booleans().map(v.Is) | several(st.booleans()))
list_tests = known_or(
    st.sampled_from(LISTS).map(v.Is)
    | several(st.sampled_from(LISTS))
    | st.lists(st.sampled_from(LISTS), min_size=1, max_size=3).map(lambda found: v.AllOf(tuple(found)))
    | st.builds(v.TextMatch, st.sampled_from(list(v.TextPlace)), st.sampled_from(["ro", "s", "роз", "'"]))
)

_ATTRIBUTE_TESTS = {
    "key": text_tests | st.sampled_from(["C-1", "C-2"]).map(v.Is),
    "email": text_tests | st.just(v.TextMatch(v.TextPlace.STARTS, "a")),
    "country": known_or(several(st.sampled_from(["RU", "SE", "XX"]))),
    "level": text_tests,
    "город": text_tests,
    "score": number_tests,
    "spent": money_tests,
    "spent_jpy": yen_tests,
    "born": date_tests,
    "seen": instant_tests,
    "vip": flag_tests,
    "interests": list_tests,
    "tags": list_tests,
}
attribute_conditions = st.sampled_from(sorted(_ATTRIBUTE_TESTS)).flatmap(
    lambda name: st.builds(c.AttributeCondition, st.just(name), _ATTRIBUTE_TESTS[name])
)

_PROPERTY_TESTS = {
    "order": {
        "total": any_money_tests,
        "tax": any_money_tests,
        "category": text_tests,
        "pieces": number_tests,
        "deliver_on": date_tests,
        "gift": flag_tests,
        "item": list_tests,
    },
    "view": {"page": text_tests, "price": any_money_tests},
    "never_came": {},
    "delivered": {},
    "bounced": {},
    "spam_reported": {},
}
_MEASURED = {"order": ["total", "tax", "pieces"], "view": ["price"]}
times = st.sampled_from(
    [
        c.Times(),
        c.Times(),
        c.Times(2),
        c.Times(3),
        c.Times(0),
        c.Times(0, 0),
        c.Times(0, 1),
        c.Times(1, 2),
        c.Times(2, 2),
        c.Times(3, 1),
    ]
)
windows = (
    st.none()
    | durations.map(c.WithinLast)
    | st.tuples(days, days).map(lambda pair: c.BetweenDays(min(pair), max(pair)))
)


@st.composite
def did_conditions(draw: st.DrawFn) -> c.DidCondition:
    event = draw(
        st.sampled_from([*["order"] * 4, "view", "never_came", "delivered", "bounced", "spam_reported"])
    )
    tests = _PROPERTY_TESTS[event]
    with_ = ()
    if tests:
        names = draw(st.lists(st.sampled_from(sorted(tests)), max_size=2))
        with_ = tuple((name, draw(tests[name])) for name in names)
    measure = None
    if event in _MEASURED and draw(st.booleans()):
        name = draw(st.sampled_from(_MEASURED[event]))
        test = draw(number_tests if name == "pieces" else any_money_tests)
        measure = c.Measure(draw(st.sampled_from(["total", "average", "largest"])), name, test)
    return c.DidCondition(event, draw(times), draw(windows), with_, measure, draw(st.booleans()))


references = st.sampled_from(sorted(SEGMENTS)).map(c.SegmentCondition)
leaves = attribute_conditions | did_conditions() | did_conditions() | references
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        *[
            st.lists(inner, max_size=3).map(lambda parts, kind=kind: kind(tuple(parts)))
            for kind in (c.AllOfThese, c.AnyOfThese, c.NoneOfThese)
        ]
    ),
    max_leaves=6,
)
conditions = st.lists(trees, max_size=3).map(tuple)
