"""Features against the same facts counted in plain Python, on both databases; nothing of after the cut-off is in them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sqlalchemy as sa

from support.scored_world import NOW, Happened, Shop, score, workspace
from tidings.clock import to_micros
from tidings.definitions.conditions import AttributeCondition, DidCondition
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.values import Duration, Is, Unit
from tidings.scores.asking import made_of, question_of
from tidings.scores.features import Feature, columns_of, features_of, value_of
from tidings.scores.reading import name_ids, read_all
from tidings.scores.times import DAY, Cut, times_of
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending

CUT = Cut(to_micros(NOW - timedelta(days=100)), to_micros(NOW), to_micros(NOW + timedelta(days=30)))
EDGES = [
    timedelta(0),
    timedelta(microseconds=-1),
    timedelta(microseconds=1),
    timedelta(days=-30),
    timedelta(days=-90),
    timedelta(days=-100),
    timedelta(days=-100, microseconds=-1),
    timedelta(days=30),
    timedelta(days=30, microseconds=-1),
]


def shop_on_the_borders(seed: int) -> Shop:
    draw, shop = random.Random(seed), Shop(60, erased={7, 8})
    for number in range(1, 61):
        for _ in range(draw.choice([0, 0, 1, 2, 3, 6])):
            away = draw.choice(EDGES) if draw.random() < 0.5 else timedelta(days=draw.uniform(-140, 60))
            name = draw.choice(["order_placed", "order_placed", "order_returned", "page_viewed", "thanked"])
            priced = name.startswith("order")
            shop.happened.append(
                Happened(
                    number,
                    name,
                    NOW + away,
                    draw.choice([None, 0, 999, -500, 123_456]) if priced else None,
                    draw.choice(["EUR", "EUR", None, "JPY"]),
                    draw.choice([None, "garden", "tools"]) if name == "order_placed" else None,
                    tuple(draw.choice("abc") for _ in range(draw.randrange(3))) if priced else (),
                )
            )
    return shop


def counted(shop: Shop, number: int, feature: Feature, sources: dict[str, Any]) -> float | None:
    """One feature of one customer before its logarithm, read off the list of what they did."""
    seen = [
        one for one in shop.happened if one.customer == number and NOW - timedelta(days=100) <= one.at < NOW
    ]
    mine = [one for one in seen if one.name == feature.of]
    own = [one for one in seen if one.name in sources]
    ago = sorted((NOW - one.at) / timedelta(days=1) for one in mine)
    money = [one.amount for one in mine if one.amount is not None and one.currency in ("EUR", None)]
    gap = (ago[-1] - ago[0]) / (len(ago) - 1) if len(ago) > 1 else None
    match feature.kind:
        case "since":
            return ago[0] if ago else None
        case "count":
            return float(sum(1 for days in ago if not feature.days or days <= feature.days))
        case "amount":
            back = [
                abs(one.amount)
                for one in seen
                if one.name == sources[feature.of]
                and one.amount is not None
                and one.currency in ("EUR", None)
            ]
            return (sum(money) - sum(back)) / 100
        case "mean":
            return sum(money) / len(money) / 100 if money else None
        case "gap":
            return gap
        case "overdue":
            return None if gap is None else (ago[0], gap)  # type: ignore[return-value]
        case "tenure":
            return max((NOW - one.at) / timedelta(days=1) for one in own)
        case "items":
            return float(len({item for one in own for item in one.items}))
        case "categories":
            return float(len({one.category for one in seen if one.name == "order_placed" and one.category}))
        case _:
            return None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_feature_and_the_answer_are_what_a_list_of_the_events_says(store: Store, seed: int) -> None:
    shop = shop_on_the_borders(seed)
    shop.put_into(store)
    asked = score(history=100)
    definitions = workspace(asked)
    sources = made_of(asked, definitions)
    features = [
        one
        for one in features_of(sources, 100 * DAY)
        if one.kind not in ("sent", "opened", "clicked", "since_clicked")
    ]
    assert {one.kind for one in features} == set(
        "since count amount mean gap overdue tenure items categories".split()
    )
    question = question_of(asked, definitions, sources, columns_of(tuple(features)), CUT)
    with store.read() as connection:
        rows = read_all(connection, question, CUT, name_ids(connection), shop.customers)
    returns = {one.event: one.returns for one in sources}
    known = {
        one.customer
        for one in shop.happened
        if one.name in returns and NOW - timedelta(days=100) <= one.at < NOW
    } - shop.erased
    assert set(rows.ids.tolist()) == known
    did = {
        one.customer
        for one in shop.happened
        if one.name == "order_placed" and NOW <= one.at < NOW + timedelta(days=30)
    }
    assert {int(one) for one in rows.ids[rows.did == 1]} == known & did
    assert 0 < len(known & did) < len(known)
    for feature in features:
        made = value_of(feature, rows.read, CUT.at, 2)
        unknown = value_of(replace(feature, unknown=True), rows.read, CUT.at, 2)
        for place, number in enumerate(rows.ids.tolist()):
            expected: Any = counted(shop, number, feature, returns)
            assert unknown[place] == (1.0 if expected is None else 0.0)
            if expected is None:
                assert math.isnan(made[place]), (feature.name, number)
                continue
            if isinstance(expected, tuple):
                wanted = math.log1p(expected[0]) - math.log1p(expected[1])
            else:
                wanted = math.copysign(math.log1p(abs(expected)), expected)
            assert made[place] == pytest.approx(wanted, abs=1e-9), (feature.name, number)


def test_what_comes_after_the_cut_off_changes_no_feature(
    store: Store, make_store: Callable[..., Store]
) -> None:
    shop = shop_on_the_borders(4)
    before = Shop(shop.customers, [one for one in shop.happened if one.at < NOW], shop.erased)
    asked = score(history=100)
    definitions = workspace(asked)
    sources = made_of(asked, definitions)
    columns = columns_of(features_of(sources, 100 * DAY))
    found = []
    other = make_store(store.dialect)
    for facts, place in ((shop, store), (before, other)):
        facts.put_into(place)
        with place.read() as connection:
            question = question_of(asked, definitions, sources, columns, CUT)
            found.append(read_all(connection, question, CUT, name_ids(connection), shop.customers))
    assert found[0].ids.tolist() == found[1].ids.tolist()
    assert found[0].did.sum() > found[1].did.sum() == 0
    for name in columns:
        np.testing.assert_array_equal(found[0].read[name], found[1].read[name])


def test_opens_and_clicks_of_people_count_once_a_message_and_those_of_programs_never(store: Store) -> None:
    shop = Shop(3, [Happened(number, "order_placed", NOW - timedelta(days=9)) for number in (1, 2, 3)])
    shop.put_into(store)
    at = to_micros(NOW)
    days = 86_400_000_000
    rows = [
        # customer, message, kind, judged, days before
        (1, 1, "opened", "human", 5),
        (1, 1, "opened", "human", 4),
        (1, 2, "clicked", "human", 3),
        (1, 2, "clicked", "machine", 1),
        (1, 2, "clicked", "human", -1),
        (2, 3, "opened", "machine", 2),
        (2, 3, "clicked", "unknown", 2),
        (2, 3, "clicked", "human", 101),
    ]
    with store.durable("test") as connection:
        message_rows(connection, {1: (1, at - 6 * days), 2: (1, at - 5 * days), 3: (2, None)})
        connection.execute(
            sa.insert(answers.responses),
            [
                {
                    "customer_id": who,
                    "message_id": message,
                    "kind": kind,
                    "judged": judged,
                    "rule_version": 1,
                    "at": at - ago * days,
                }
                for who, message, kind, judged, ago in rows
            ],
        )
    asked = score(history=100)
    definitions = workspace(asked)
    columns = ("sent", "opened", "clicked", "last_clicked")
    with store.read() as connection:
        question = question_of(asked, definitions, made_of(asked, definitions), columns, CUT)
        found = read_all(connection, question, CUT, name_ids(connection), 3)
    assert [
        [None if math.isnan(found.read[name][i]) else found.read[name][i] for name in columns]
        for i in range(3)
    ] == [
        [2, 1, 1, at - 3 * days],
        [None, None, None, None],
        [None, None, None, None],
    ]


def message_rows(connection: sa.Connection, messages: dict[int, tuple[int, int | None]]) -> None:
    """Write a run, enrolments and messages by id: customer and when it was accepted."""
    at = to_micros(NOW)
    run = {
        "id": 1, "campaign": "x", "occurrence": "1", "kind": "campaign", "definition_hash": "", "policy_hash": "",
        "salt": "", "state": "sending", "anchor_at": at, "created_at": at, "bounds": {},
    }  # fmt: skip
    enrolments = [
        {
            "id": one,
            "run_id": 1,
            "customer_id": who,
            "entry": one,
            "arm": "treated",
            "anchor_at": at,
            "planned_at": at,
        }
        for one, (who, _) in messages.items()
    ]
    rows = [
        {"id": one, "run_id": 1, "enrolment_id": one, "customer_id": who, "channel": "email", "due_at": at,
         **sending.in_state("accepted" if accepted else "refused"), "accepted_at": accepted}
        for one, (who, accepted) in messages.items()
    ]  # fmt: skip
    connection.execute(sending.runs.insert(), run)
    connection.execute(sending.enrolments.insert(), enrolments)
    connection.execute(sending.messages.insert(), rows)


def test_only_members_of_who_as_of_the_cut_off_are_looked_at(store: Store) -> None:
    shop = Shop(
        4,
        [
            Happened(1, "order_placed", NOW - timedelta(days=9)),
            Happened(1, "thanked", NOW - timedelta(days=8)),
            Happened(2, "order_placed", NOW - timedelta(days=9)),
            Happened(2, "thanked", NOW + timedelta(days=1)),  # after it: not yet
            Happened(3, "thanked", NOW - timedelta(days=8)),  # no history of what is looked at
        ],
    )
    shop.put_into(store)
    thanked = Segment("thanked", "Thanked", "segments/thanked.yaml", where=(DidCondition("thanked"),))
    asked = score(history=100, who="thanked")
    definitions = workspace(asked, segments={"thanked": thanked})
    with store.read() as connection:
        question = question_of(asked, definitions, made_of(asked, definitions), ("first",), CUT)
        found = read_all(connection, question, CUT, name_ids(connection), 4)
    assert found.ids.tolist() == [1]


def test_an_attribute_in_who_is_said_to_be_known_as_of_today_only() -> None:
    from tidings.scores.leaks import of_definition

    gold = Segment(
        "gold", "Gold", "segments/gold.yaml", where=(AttributeCondition("member_level", Is("gold")),)
    )
    asked = score(who="gold", keep_out=("page_viewed",))
    said = of_definition(asked, workspace(asked, segments={"gold": gold}))
    assert len(said) == 2
    assert "member_level, of which only the state of today is kept" in said[0]
    assert said[1].startswith("page_viewed stands under `events` and under `keep_out`")


def test_events_and_properties_that_are_kept_out_are_in_no_feature() -> None:
    asked = score(keep_out=("page_viewed", "order_placed.order_total", "category", "order_returned"))
    (only,) = made_of(asked, workspace(asked))
    assert (only.event, only.priced, only.returns, only.category) == ("order_placed", False, "", False)
    names = {one.name for one in features_of((only,), 120 * DAY)}
    assert not {one for one in names if "page_viewed" in one or "amount" in one or "returned" in one}
    assert "categories" not in names


@pytest.mark.parametrize(
    "within", [Duration(30, Unit.DAY), Duration(1, Unit.MONTH), Duration(500, Unit.HOUR)]
)
def test_training_ends_where_validation_begins_and_never_reaches_back_past_the_first_event(
    within: Duration,
) -> None:
    zone = ZoneInfo("Europe/Stockholm")
    for length in range(1, 400, 3):
        begins = to_micros(NOW - timedelta(days=length))
        times = times_of(NOW, within, Duration(90, Unit.DAY), zone, begins)
        if times is None:
            assert length < 70
            continue
        assert times.validation.closes == to_micros(NOW)
        assert times.training[0].closes == times.validation.at
        for later, earlier in zip(times.training, times.training[1:], strict=False):
            assert earlier.closes == later.at
        for cut in (*times.training, times.validation):
            assert cut.opens >= begins
            assert cut.at - cut.opens == times.history
        assert len(times.training) == 1 or not times.shortened
    assert len(times.training) == 3


def test_a_window_of_days_keeps_the_hour_when_the_clocks_change() -> None:
    from tidings.scores.times import shifted

    zone = ZoneInfo("Europe/Stockholm")
    # Clocks went forward on 28 March 2027; ten in the morning stays ten in the morning.
    at = datetime(2027, 4, 10, 8, 0, tzinfo=UTC)
    assert shifted(to_micros(at), Duration(30, Unit.DAY), -1, zone) == to_micros(
        datetime(2027, 3, 11, 9, 0, tzinfo=UTC)
    )


def test_the_people_of_a_score_are_those_who_did_a_listed_event(store: Store) -> None:
    shop = Shop(
        2,
        [
            Happened(1, "order_placed", NOW - timedelta(days=3)),
            Happened(2, "page_viewed", NOW - timedelta(days=3)),
        ],
    )
    shop.put_into(store)
    asked = score(history=100, events=("page_viewed",))
    definitions = workspace(asked)
    with store.read() as connection:
        question = question_of(asked, definitions, made_of(asked, definitions), ("count:order_placed",), CUT)
        found = read_all(connection, question, CUT, name_ids(connection), 2)
        assert connection.execute(sa.select(sa.func.count()).select_from(people.events)).scalar() == 2
    assert found.ids.tolist() == [2]
