"""Borders told by hand: midnight, both DST days, 29 February, year's end, now itself, unknown, extremes, odd texts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from support.naive_segments import Happening, Person, World
from support.segment_world import ATTRIBUTES, CURRENCY, EVENTS, SEGMENTS, TEXTS, fill, scope_of
from tidings.definitions import conditions as c
from tidings.definitions import values as v
from tidings.segments.compile import compile_conditions
from tidings.store.database import Store

STOCKHOLM, NEW_YORK = ZoneInfo("Europe/Stockholm"), ZoneInfo("America/New_York")
NOW = datetime(2027, 3, 2, 9, tzinfo=UTC)
MICRO = timedelta(microseconds=1)
BIGGEST = 2**63 - 1
Keep = Callable[..., set[str]]


@pytest.fixture
def keep(make_store: Callable[..., Store], dialect: str) -> Keep:
    """Put people into a fresh store and return the names of those whom conditions select."""

    def keep(
        people: dict[str, Person], *where: c.Condition, now: datetime = NOW, zone: ZoneInfo = STOCKHOLM
    ) -> set[str]:
        for number, person in enumerate(people.values(), 1):
            person.id, person.fixed = number, {**person.fixed, "key": f"C-{number}"}
        names = {person.id: name for name, person in people.items()}
        world = World(list(people.values()), ATTRIBUTES, EVENTS, CURRENCY, SEGMENTS, now, zone)
        store = keep.stores[0] if keep.stores else make_store(dialect, bare=True)
        if not keep.stores:
            fill(store, world)
            keep.stores.append(store)
        with store.read() as connection:
            found = connection.execute(compile_conditions(where, scope=scope_of(world))).scalars()
            return {names[one] for one in found}

    keep.stores = []
    return keep


def has(**attributes: object) -> Person:
    return Person(0, {}, attributes)


def ordered(*instants: datetime, **more: object) -> Person:
    return Person(0, {}, events=[Happening("order", one, **more) for one in instants])


def last(amount: int, unit: v.Unit, **more: object) -> c.DidCondition:
    return c.DidCondition("order", window=c.WithinLast(v.Duration(amount, unit)), **more)


def test_a_window_of_days_begins_at_local_midnight_and_ends_now(keep: Keep) -> None:
    midnight = datetime(2027, 2, 23, tzinfo=STOCKHOLM).astimezone(UTC)
    people = {
        "at midnight": ordered(midnight),
        "just before": ordered(midnight - MICRO),
        "now": ordered(NOW),
        "after now": ordered(NOW + MICRO),
    }
    assert keep(people, last(7, v.Unit.DAY)) == {"at midnight", "now"}
    assert keep(people, last(1, v.Unit.WEEK)) == {"at midnight", "now"}
    assert keep(people, c.DidCondition("order")) == {"at midnight", "just before", "now"}


def test_hours_are_exact_and_include_both_ends(keep: Keep) -> None:
    people = {
        "two hours": ordered(NOW - timedelta(hours=2)),
        "longer": ordered(NOW - timedelta(hours=2) - MICRO),
    }
    assert keep(people, last(2, v.Unit.HOUR)) == {"two hours"}
    assert keep(people, last(120, v.Unit.MINUTE)) == {"two hours"}


@pytest.mark.parametrize(
    ("now", "first"),
    [
        # 28 March 2027 has 23 hours in Stockholm, 31 October 25.
        (datetime(2027, 3, 29, 0, 30, tzinfo=STOCKHOLM), datetime(2027, 3, 27, 23, tzinfo=UTC)),
        (datetime(2027, 11, 1, 0, 30, tzinfo=STOCKHOLM), datetime(2027, 10, 30, 22, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_midnight_also_when_clocks_change(keep: Keep, now: datetime, first: datetime) -> None:
    people = {"on the day": ordered(first), "the evening before": ordered(first - MICRO)}
    assert keep(people, last(1, v.Unit.DAY), now=now.astimezone(UTC)) == {"on the day"}


def test_a_day_without_midnight_begins_when_it_begins(keep: Keep) -> None:
    cairo = ZoneInfo("Africa/Cairo")  # 30 April 2027 starts at 01:00
    first = datetime(2027, 4, 29, 22, tzinfo=UTC)
    people = {"on the day": ordered(first), "before": ordered(first - MICRO)}
    assert keep(people, last(1, v.Unit.DAY), now=datetime(2027, 5, 1, 9, tzinfo=UTC), zone=cairo) == {
        "on the day"
    }


def test_months_and_years_back_are_clipped_to_the_last_day(keep: Keep) -> None:
    def midnight(*day: int) -> datetime:
        return datetime(*day, tzinfo=STOCKHOLM).astimezone(UTC)

    people = {
        "28 Feb": ordered(midnight(2027, 2, 28)),
        "27 Feb": ordered(midnight(2027, 2, 28) - MICRO),
        "1 Mar": ordered(midnight(2027, 3, 1)),
    }
    now = datetime(2027, 3, 31, 9, tzinfo=UTC)
    assert keep(people, last(1, v.Unit.MONTH), now=now) == {"28 Feb", "1 Mar"}
    leap = datetime(2028, 2, 29, 9, tzinfo=UTC)
    assert keep(people, last(1, v.Unit.YEAR), now=leap) == {"28 Feb", "1 Mar"}


def test_between_days_includes_both_whole_days_but_nothing_after_now(keep: Keep) -> None:
    people = {
        "first minute": ordered(datetime(2027, 2, 1, tzinfo=STOCKHOLM).astimezone(UTC)),
        "last moment": ordered(datetime(2027, 3, 1, tzinfo=STOCKHOLM).astimezone(UTC) - MICRO),
        "day after": ordered(datetime(2027, 3, 1, tzinfo=STOCKHOLM).astimezone(UTC)),
        "later today": ordered(NOW + timedelta(hours=1)),
    }
    february = c.DidCondition("order", window=c.BetweenDays(date(2027, 2, 1), date(2027, 2, 28)))
    assert keep(people, february) == {"first minute", "last moment"}
    to_today = c.DidCondition("order", window=c.BetweenDays(date(2027, 3, 1), date(2027, 3, 2)))
    assert keep(people, to_today) == {"day after"}


def test_in_the_last_and_more_than_ago_share_out_the_past_of_a_date(keep: Keep) -> None:
    people = {
        "31 days": has(born=date(2027, 1, 30)),
        "30 days": has(born=date(2027, 1, 31)),
        "today": has(born=date(2027, 3, 2)),
        "tomorrow": has(born=date(2027, 3, 3)),
        "unknown": has(born=None),
    }
    thirty = v.Duration(30, v.Unit.DAY)

    def born(relation: v.DateRelation) -> c.Condition:
        return c.AttributeCondition("born", v.RelativeDate(relation, thirty))

    assert keep(people, born(v.DateRelation.IN_THE_LAST)) == {"30 days", "today"}
    assert keep(people, born(v.DateRelation.MORE_THAN_AGO)) == {"31 days"}
    assert keep(people, born(v.DateRelation.IN_THE_NEXT)) == {"today", "tomorrow"}


def test_days_on_an_instant_run_from_border_to_border(keep: Keep) -> None:
    first = datetime(2027, 3, 2, tzinfo=STOCKHOLM).astimezone(UTC)
    after = first + timedelta(days=1)
    people = {
        "evening before": has(seen=first - MICRO),
        "first": has(seen=first),
        "last": has(seen=after - MICRO),
        "next day": has(seen=after),
    }
    day = date(2027, 3, 2)

    def seen(test: v.Test) -> set[str]:
        return keep(people, c.AttributeCondition("seen", test))

    assert seen(v.Is(day)) == {"first", "last"}
    assert seen(v.Compared(v.Order.AT_MOST, day)) == {"evening before", "first", "last"}
    assert seen(v.Compared(v.Order.MORE_THAN, day)) == {"next day"}
    assert seen(v.Compared(v.Order.AT_LEAST, day)) == {"first", "last", "next day"}
    assert seen(v.Compared(v.Order.LESS_THAN, day)) == {"evening before"}
    assert seen(v.Between(day, day)) == {"first", "last"}
    assert seen(v.Compared(v.Order.AT_LEAST, datetime(2027, 3, 3))) == {"next day"}


def test_a_birthday_on_29_february_is_kept_on_the_28th_of_other_years_only(keep: Keep) -> None:
    born = {"28th": date(1990, 2, 28), "29th": date(1992, 2, 29), "1st": date(1991, 3, 1)}
    people = {
        name: has(born=day, seen=datetime(*day.timetuple()[:3], 12, tzinfo=UTC)) for name, day in born.items()
    }
    people["unknown"] = has(born=None, seen=None)

    def celebrate(attribute: str, days: int, *now: int) -> set[str]:
        test = c.AttributeCondition(attribute, v.Anniversary(days))
        return keep(people, test, now=datetime(*now, 9, tzinfo=UTC))

    for attribute in ("born", "seen"):
        assert celebrate(attribute, 0, 2027, 2, 28) == {"28th", "29th"}
        assert celebrate(attribute, 0, 2027, 3, 1) == {"1st"}
        assert celebrate(attribute, 0, 2028, 2, 28) == {"28th"}
        assert celebrate(attribute, 0, 2028, 2, 29) == {"29th"}
        assert celebrate(attribute, 2, 2027, 2, 27) == {"28th", "29th", "1st"}
        assert celebrate(attribute, 366, 2027, 6, 1) == {"28th", "29th", "1st"}


def test_an_anniversary_window_runs_over_the_end_of_the_year(keep: Keep) -> None:
    people = {
        "30 Dec": has(born=date(1980, 12, 30)),
        "31 Dec": has(born=date(1980, 12, 31)),
        "3 Jan": has(born=date(1980, 1, 3)),
        "4 Jan": has(born=date(1980, 1, 4)),
    }
    # 23:30 UTC on the 30th is already the 31st in Stockholm.
    now = datetime(2027, 12, 30, 23, 30, tzinfo=UTC)
    assert keep(people, c.AttributeCondition("born", v.Anniversary(3)), now=now) == {"31 Dec", "3 Jan"}


def test_a_comparison_never_holds_for_unknown_and_its_complement_always_does(keep: Keep) -> None:
    people = {
        "SE": Person(0, {"country": "SE"}),
        "RU": Person(0, {"country": "RU"}),
        "unknown": Person(0, {"country": None}),
    }
    russian = c.AttributeCondition("country", v.Is("RU"))
    assert keep(people, russian) == {"RU"}
    assert keep(people, c.AttributeCondition("country", v.Not(v.Is("RU")))) == {"SE", "unknown"}
    assert keep(people, c.NoneOfThese((russian,))) == {"SE", "unknown"}
    assert keep(people, c.NoneOfThese((c.NoneOfThese((russian,)),))) == {"RU"}
    assert keep(people, c.AttributeCondition("country", v.Unknown())) == {"unknown"}


def test_someone_without_a_row_of_attributes_is_unknown_in_all_of_them(keep: Keep) -> None:
    people = {"bare": Person(0, {}), "typed": has(score=1.0)}
    assert keep(people, c.AttributeCondition("score", v.Not(v.Is(Decimal(1))))) == {"bare"}


def test_an_empty_list_has_none_of_anything(keep: Keep) -> None:
    people = {"none": Person(0, {}), "roses": Person(0, {}, lists={"tags": {"roses"}})}

    def tagged(test: v.Test) -> set[str]:
        return keep(people, c.AttributeCondition("tags", test))

    assert tagged(v.OneOf(("roses", "rose"))) == {"roses"}
    assert tagged(v.Not(v.OneOf(("roses",)))) == {"none"}
    assert tagged(v.AllOf(("roses", "rose"))) == set()
    assert tagged(v.Unknown()) == {"none"}
    assert tagged(v.OneOf(())) == set()
    assert keep(people, c.AnyOfThese(())) == set()
    assert keep(people, c.AllOfThese(())) == {"none", "roses"}


def test_zero_events_count_as_zero_and_sum_to_zero_but_have_no_average(keep: Keep) -> None:
    people = {"nothing": Person(0, {}), "once": ordered(NOW, amount=500, currency="EUR")}

    def total(how: str, test: v.Test, **more: object) -> set[str]:
        return keep(
            people, c.DidCondition("order", c.Times(0), measure=c.Measure(how, "total", test), **more)
        )

    low = v.Compared(v.Order.AT_MOST, Decimal(5))
    assert keep(people, c.DidCondition("order", c.Times(0, 0))) == {"nothing"}
    assert total("total", low) == {"nothing", "once"}
    assert total("average", low) == {"once"}
    assert total("largest", v.Not(low)) == {"nothing"}
    assert total("average", low, negated=True) == {"nothing"}


def test_currencies_are_never_mixed(keep: Keep) -> None:
    people = {
        "euro": ordered(NOW, NOW, amount=30_00, currency="EUR"),
        "yen": ordered(NOW, NOW, amount=30_00, currency="JPY"),
        "none": ordered(NOW, NOW, amount=30_00),
    }

    def sums(test: v.Test) -> set[str]:
        return keep(people, c.DidCondition("order", measure=c.Measure("total", "total", test)))

    assert sums(v.Compared(v.Order.AT_LEAST, Decimal(60))) == {"euro"}
    assert sums(v.Compared(v.Order.AT_LEAST, Decimal(6000), "JPY")) == {"yen"}
    assert sums(v.Compared(v.Order.MORE_THAN, Decimal(6000), "JPY")) == set()
    assert keep(people, c.DidCondition("order", with_=(("total", v.Is(Decimal(30))),))) == {"euro"}


def test_money_compares_exactly_at_the_ends_of_64_bits(keep: Keep) -> None:
    people = {
        "most": has(spent=BIGGEST),
        "one less": has(spent=BIGGEST - 1),
        "least": has(spent=-BIGGEST - 1),
    }
    everybody = set(people)

    def spent(order: v.Order, amount: Decimal) -> set[str]:
        return keep(people, c.AttributeCondition("spent", v.Compared(order, amount)))

    most = Decimal(BIGGEST).scaleb(-2)
    assert spent(v.Order.AT_LEAST, most) == {"most"}
    assert spent(v.Order.LESS_THAN, most) == {"one less", "least"}
    for huge in (Decimal(10) ** 18, Decimal(10) ** 40):
        assert spent(v.Order.AT_LEAST, huge) == set()
        assert spent(v.Order.AT_MOST, huge) == everybody
        assert spent(v.Order.MORE_THAN, -huge) == everybody
        assert spent(v.Order.LESS_THAN, -huge) == set()
    assert keep(people, c.AttributeCondition("spent", v.OneOf((Decimal(10) ** 40, most)))) == {"most"}


def test_amounts_finer_than_the_currency_compare_exactly(keep: Keep) -> None:
    people = {"3 yen": has(spent_jpy=3), "4 yen": has(spent_jpy=4)}

    def spent(test: v.Test) -> set[str]:
        return keep(people, c.AttributeCondition("spent_jpy", test))

    half = Decimal("3.5")
    assert spent(v.Is(half)) == set()
    for order in (v.Order.AT_LEAST, v.Order.MORE_THAN):
        assert spent(v.Compared(order, half)) == {"4 yen"}
    for order in (v.Order.AT_MOST, v.Order.LESS_THAN):
        assert spent(v.Compared(order, half)) == {"3 yen"}


def test_largest_and_total_of_one_extreme_amount(keep: Keep) -> None:
    people = {"most": ordered(NOW, amount=BIGGEST, currency="EUR")}
    most = v.Compared(v.Order.AT_LEAST, Decimal(BIGGEST).scaleb(-2))
    for how in ("largest", "total"):
        assert keep(people, c.DidCondition("order", measure=c.Measure(how, "total", most))) == {"most"}


def test_windows_longer_than_calendars_mean_ever(keep: Keep) -> None:
    people = {"early": ordered(datetime(1971, 1, 1, tzinfo=UTC))}
    for unit in v.Unit:
        assert keep(people, last(10**9, unit)) == {"early"}
    for relation in (v.DateRelation.IN_THE_NEXT, v.DateRelation.MORE_THAN_FROM_NOW):
        test = v.RelativeDate(relation, v.Duration(10**6, v.Unit.YEAR))
        assert keep(people, c.AttributeCondition("born", test)) == set()


HOSTILE = [*TEXTS, "x' OR '1'='1", "'); DELETE FROM events; --", "%(name)s", "?1", "${x}", "'", '$."level"']


def test_a_text_is_only_ever_a_text(keep: Keep) -> None:
    def wears(text: str) -> Person:
        order = Happening("order", NOW, properties={"category": text}, items=[text])
        return Person(0, {"email": text}, {"level": text}, {"tags": {text}}, [order])

    people = {text: wears(text) for text in HOSTILE}
    for text in HOSTILE:
        for test in (v.Is(text), v.OneOf((text, "zzz"))):
            assert keep(people, c.AttributeCondition("level", test)) == {text}
            assert keep(people, c.AttributeCondition("email", test)) == {text}
            assert keep(people, c.AttributeCondition("tags", test)) == {text}
            for name in ("category", "item"):
                assert keep(people, c.DidCondition("order", with_=((name, test),))) == {text}
        for place, found in (
            (v.TextPlace.STARTS, {other for other in HOSTILE if other.startswith(text)}),
            (v.TextPlace.ENDS, {other for other in HOSTILE if other.endswith(text)}),
            (v.TextPlace.CONTAINS, {other for other in HOSTILE if text in other}),
        ):
            assert keep(people, c.AttributeCondition("level", v.TextMatch(place, text))) == found


def test_an_event_whose_property_has_another_type_than_declared_is_unknown_not_an_error(keep: Keep) -> None:
    odd = {"tax": "abc", "pieces": "many", "deliver_on": "soon", "gift": "yes", "category": 7}
    people = {"odd": Person(0, {}, events=[Happening("order", NOW, currency="EUR", properties=odd)])}
    tests: dict[str, v.Test] = {
        "tax": v.Compared(v.Order.AT_LEAST, Decimal(0)),
        "pieces": v.Compared(v.Order.AT_LEAST, Decimal(0)),
        "deliver_on": v.Compared(v.Order.AT_LEAST, date(2000, 1, 1)),
        "gift": v.Is(True),
        "category": v.Is("7"),
    }
    for name, test in tests.items():
        assert keep(people, c.DidCondition("order", with_=((name, test),))) == set()
        assert keep(people, c.DidCondition("order", with_=((name, v.Unknown()),))) == {"odd"}


def test_whoever_was_erased_is_in_no_segment(keep: Keep) -> None:
    people = {
        "erased": Person(0, {}, erased=True, listed_in={"fair"}),
        "here": Person(0, {}, listed_in={"fair"}),
    }
    assert keep(people) == {"here"}
    assert keep(people, c.SegmentCondition("fair")) == {"here"}
    assert keep(people, c.NoneOfThese((c.DidCondition("order"),))) == {"here"}
