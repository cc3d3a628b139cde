"""Judging again: the same hits, the rules of today; never another hit, never twice, whatever stops it."""

from __future__ import annotations

import random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.judged import (
    AMAZON,
    HOME,
    MINUTE,
    OFFICE,
    SECOND,
    arrive,
    by_earlier_rules,
    judged,
    mixed,
    opened,
)
from support.spooled import click, order
from support.tracking import BROWSER, rows_of, sent_run
from tidings.clock import to_micros
from tidings.measurement import touches
from tidings.responses import reclassifying
from tidings.responses.classify import RULES_VERSION
from tidings.responses.reclassifying import People, reclassify
from tidings.store.tables import answers, sending


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "spool"
    path.mkdir()
    return path


def test_everything_is_judged_by_the_rules_of_today_and_the_difference_is_told(store, folder, clock) -> None:
    messages = mixed(store, folder, clock)
    told, hits = judged(store), rows_of(store, answers.hits)
    by_earlier_rules(store)
    found = reclassify(store)
    assert (found.responses, found.changed, found.added) == (121, 20 + 12 + 1, 0)
    assert found.classes == {
        ("opened", "human", "human"): 40,
        ("opened", "human", "machine_proxy"): 20,
        ("clicked", "human", "human"): 48,
        ("clicked", "human", "machine_scanner"): 13,
    }
    assert found.customers == {"opened": People(60, 40, 0, 20), "clicked": People(60, 48, 0, 12)}
    assert judged(store) == told
    assert {one[-1] for one in told} == {RULES_VERSION}
    assert rows_of(store, answers.hits) == hits
    again = reclassify(store)
    assert (again.responses, again.changed, again.added) == (121, 0, 0)
    assert again.customers["clicked"] == People(48, 48, 0, 0)
    assert len(messages) == 60


def test_a_dry_run_tells_the_same_and_writes_nothing(store, folder, clock) -> None:
    mixed(store, folder, clock)
    by_earlier_rules(store)
    before = rows_of(store, answers.responses)
    dry = reclassify(store, dry_run=True)
    assert rows_of(store, answers.responses) == before
    assert dry == reclassify(store)


def test_days_limit_what_is_judged(store, folder, clock) -> None:
    mixed(store, folder, clock)
    by_earlier_rules(store)
    now = to_micros(clock.now())
    found = reclassify(store, since=now + 10 * MINUTE, until=now + 20 * MINUTE)
    assert found.responses == 10
    assert [row.at for row in rows_of(store, answers.responses) if row.rule_version == RULES_VERSION] == [
        now + n * MINUTE for n in range(10, 20)
    ]


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [1, 3, 7])
def test_killed_and_called_again_it_ends_as_if_nothing_had_happened(
    store, folder, clock, monkeypatch, after
) -> None:
    mixed(store, folder, clock)
    told = judged(store)
    by_earlier_rules(store)
    spans = type(store.paced("x")).spans
    monkeypatch.setattr(
        type(store.paced("x")), "spans", lambda self, low, high: spans(self, low, high, 13, most=13)
    )
    chunks = []

    def dying(done, total):
        chunks.append(done)
        if len(chunks) == after:
            raise Killed

    with pytest.raises(Killed):
        reclassify(store, progress=dying)
    done = sum(one[-1] == RULES_VERSION for one in judged(store))
    assert done == 13 * after
    seen = []
    rest = reclassify(store, progress=lambda done, total: seen.append((done, total)))
    assert judged(store) == told
    assert rest.changed < 33
    assert seen[-1] == (121, 121)


def test_a_drain_in_between_is_not_undone(store, folder, clock, monkeypatch) -> None:
    messages = sent_run(store, 10, accepted_at=1)
    now = to_micros(clock.now())
    arrive(store, folder, clock, [click(one, now + n, ip=OFFICE) for n, one in enumerate(messages[:9])])
    by_earlier_rules(store)
    write = reclassifying._Chunk.write

    def late(chunk):
        # The tenth recipient comes between reading and writing.
        arrive(store, folder, clock, [click(messages[9], now + 9, ip=OFFICE)])
        write(chunk)

    monkeypatch.setattr(reclassifying._Chunk, "write", late)
    reclassify(store)
    assert {(one[1], one[3]) for one in judged(store)} == {("machine", "network_burst")}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), rounds=st.integers(1, 3))
def test_judging_again_never_changes_a_hit_or_their_number(
    make_store, tmp_path_factory, seed, rounds
) -> None:
    store = make_store("sqlite")
    clock, chance = store.clock, random.Random(seed)
    folder = tmp_path_factory.mktemp("spool")
    now = to_micros(clock.now())
    messages = sent_run(store, 12, links=3, accepted_at=now)
    for _ in range(rounds):
        records = [
            click(
                chance.choice([*messages, None]),
                now + chance.randrange(100) * SECOND,
                to=chance.randrange(3),
                ip=chance.choice((OFFICE, AMAZON, HOME)),
                ua=chance.choice((BROWSER["user-agent"], "curl/8", "")),
                k=chance.choice(("click", "open")),
            )
            for _ in range(chance.randrange(1, 60))
        ]
        arrive(store, folder, clock, records)
        before = rows_of(store, answers.hits)
        reclassify(store, dry_run=chance.random() < 0.3)
        assert rows_of(store, answers.hits) == before
        counts = {row.hit_id for row in rows_of(store, answers.responses)}
        assert counts == {row.id for row in before if row.message_id is not None}
        reclassify(store)
        assert reclassify(store).changed == 0


def test_touches_follow_the_judgement(store, folder, clock) -> None:
    mixed(store, folder, clock)
    by_earlier_rules(store)
    touches.refresh(store, now=clock.now())
    assert kinds_of(store) == {"sent": 60, "opened": 60, "clicked": 61}
    reclassify(store)
    done = touches.refresh(store, now=clock.now())
    assert (done.added, done.removed) == (0, 33)
    assert kinds_of(store) == {"sent": 60, "opened": 40, "clicked": 48}


def kinds_of(store):
    with store.read() as connection:
        table = answers.touches
        return dict(connection.execute(sa.select(table.c.kind, sa.func.count()).group_by(table.c.kind)).all())


def test_an_order_shows_that_somebody_in_an_office_of_many_was_a_person(store, folder, clock) -> None:
    messages = sent_run(store, 12, accepted_at=1)
    now = to_micros(clock.now())
    arrive(store, folder, clock, [click(one, now + n * SECOND, ip=OFFICE) for n, one in enumerate(messages)])
    assert {one[1] for one in judged(store)} == {"machine"}
    soon, late, free = now + 20 * MINUTE, now + 31 * MINUTE, now + 5 * MINUTE
    arrive(
        store,
        folder,
        clock,
        [
            order("K0", occurred=soon, id="1"),
            order("K1", occurred=late, id="2"),
            order("K2", occurred=free, id="3", amount=0, properties={"order_total": 0}),
        ],
    )
    told = judged(store)
    assert [one[1] for one in told] == ["human"] + ["machine"] * 11
    assert told[0][2:5] == ("human", "ordered", "network_burst ordered")
    by_earlier_rules(store)
    reclassify(store)
    assert judged(store) == told


def test_an_order_proves_the_last_click_before_it_alone(store, folder, clock) -> None:
    (message,) = sent_run(store, 1, accepted_at=1)
    now = to_micros(clock.now())
    arrive(store, folder, clock, [click(message, now, ip=AMAZON), click(message, now + MINUTE, ip=AMAZON)])
    arrive(store, folder, clock, [order("K0", occurred=now + 2 * MINUTE)])
    assert [one[3] for one in judged(store)] == ["datacentre", "ordered"]


def test_a_delivery_that_is_told_late_counts_when_judged_again(store, folder, clock) -> None:
    (message,) = sent_run(store, 1, accepted_at=1)
    now = to_micros(clock.now())
    arrive(store, folder, clock, [click(message, now)])
    assert judged(store)[0][1] == "human"
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(sending.receipts).values(
                provider="p", event_id="1", kind="delivered", message_id=message, at=now - SECOND,
                received_at=now + MINUTE, channel="email",
            )
        )  # fmt: skip
    reclassify(store)
    assert judged(store)[0][1:4] == ("machine", "machine_scanner", "too_fast")


def test_a_picture_before_the_click_counts_in_whatever_order_they_come(store, folder, clock) -> None:
    now = to_micros(clock.now())
    (message,) = sent_run(store, 1, links=2, accepted_at=now - 9 * SECOND)
    arrive(store, folder, clock, [click(message, now)])
    assert judged(store)[0][1:5] == ("machine", "machine_scanner", "fast", "fast no_picture")
    arrive(store, folder, clock, [opened(message, now - SECOND // 2)])
    assert judged(store)[0][1] == "machine"
    arrive(store, folder, clock, [opened(message, now - 4 * SECOND)])
    assert judged(store)[0][1:5] == ("human", "human", None, "fast")
    told = judged(store)
    by_earlier_rules(store)
    reclassify(store)
    assert judged(store) == told


def test_the_opens_of_a_burst_are_machines_as_well(store, folder, clock) -> None:
    messages = sent_run(store, 10, accepted_at=1)
    now = to_micros(clock.now())
    arrive(
        store, folder, clock, [opened(one, now, ip=OFFICE) for one in messages] + [opened(messages[0], now)]
    )
    arrive(store, folder, clock, [click(one, now + SECOND, ip=OFFICE) for one in messages])
    arrive(store, folder, clock, [opened(messages[3], now + 2 * SECOND, ip=OFFICE)])
    told = judged(store)
    assert [one[1] for one in told] == ["machine"] * 10 + ["human"] + ["machine"] * 11
    by_earlier_rules(store)
    reclassify(store)
    assert judged(store) == told


@pytest.mark.parametrize(("after", "judged_as"), [(40, "machine"), (70, "human")])
def test_two_links_at_once_are_a_machines_within_a_minute_of_delivery_though_a_picture_was_loaded(
    store, folder, clock, after, judged_as
) -> None:
    now = to_micros(clock.now())
    (message,) = sent_run(store, 1, links=9, accepted_at=now)
    at = now + after * SECOND
    arrive(store, folder, clock, [opened(message, at - 5 * SECOND), click(message, at, to=2)])
    # The second link comes in a drain of its own and tells what the first one was.
    arrive(store, folder, clock, [click(message, at + SECOND, to=5)])
    told = judged(store)
    assert [one[1] for one in told] == ["human", judged_as, judged_as]
    assert [one[4] for one in told[1:]] == ["hasty same_hand hurried" if after < 60 else "hurried"] * 2
    reclassify(store)
    assert judged(store) == told
