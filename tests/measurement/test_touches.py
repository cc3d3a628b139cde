"""Touches are what plain Python counts in the ledger, whatever happens to messages and judgements afterwards."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.import_world import DEFINITIONS
from support.stores import START
from support.touch_world import (
    HOUR,
    NOW,
    STATES,
    expected,
    message,
    people_and_runs,
    put,
    put_messages,
    response,
    stored,
)
from tidings.definitions.kinds.channel import Channel
from tidings.measurement import blocks
from tidings.measurement.touches import refresh
from tidings.store.database import Store
from tidings.store.tables import answers, money, people, sending

KINDS = {"post": "email"}
KNOWN = replace(
    DEFINITIONS,
    channels={
        "post": Channel("email", "Post", "channels/post.yaml", "smtp"),
        "email": Channel("email", "E-mail", "channels/email.yaml", "smtp"),
    },
)


def fill(store: Store, seed: int, *, messages: int = 60) -> random.Random:
    draw = random.Random(seed)
    people_and_runs(store)
    with store.durable("fill") as connection:
        put_messages(connection, [message(n, draw) for n in range(1, messages + 1)])
        put(
            connection,
            answers.responses,
            [response(n, draw.randint(1, messages), draw) for n in range(1, messages)],
        )
        put(
            connection,
            money.redemptions,
            [
                {
                    "id": n, "code": f"X{n}", "offer": draw.choice(("spring", "basket.coupon")), "at": NOW + n,
                    "message_id": draw.choice((None, draw.randint(1, messages))), "customer_id": draw.randint(1, 20),
                    "judged": draw.choice(("good", "good", "again")), "dedupe_key": f"k{n}",
                }
                for n in range(1, 9)
            ],
        )  # fmt: skip
    return draw


def disturb(store: Store, draw: random.Random) -> None:
    """What happens between two looks: receipts, doubts that are settled, judgements by newer rules, new messages."""
    with store.durable("fill") as connection:
        last = connection.execute(sa.select(sa.func.max(sending.messages.c.id))).scalar_one()
        for number in draw.sample(range(1, last + 1), 12):
            connection.execute(
                sa.update(sending.messages)
                .where(sending.messages.c.id == number)
                .values(
                    **sending.in_state(draw.choice(STATES)),
                    started_at=sa.func.coalesce(sending.messages.c.started_at, NOW),
                )
            )
        for number in draw.sample(range(1, 50), 12):
            connection.execute(
                sa.update(answers.responses)
                .where(answers.responses.c.id == number)
                .values(judged=draw.choice(("human", "machine")), rule_version=2)
            )
        connection.execute(
            sa.update(money.redemptions)
            .where(money.redemptions.c.id == draw.randint(1, 8))
            .values(judged=draw.choice(("good", "withdrawn")))
        )
        put_messages(connection, [message(last + n, draw) for n in range(1, draw.randint(1, 5))])


@pytest.mark.parametrize("seed", range(4))
def test_touches_are_those_that_plain_python_counts_however_often_and_late_they_are_brought(
    store: Store, seed: int
) -> None:
    draw = fill(store, seed)
    for _ in range(4):
        refresh(store, KNOWN, now=START)
        assert stored(store) == expected(store, {"post": "email"})
        again = refresh(store, KNOWN, now=START)
        assert (again.added, again.removed, again.matched) == (0, 0, 0)
        disturb(store, draw)


def test_only_blocks_that_hold_something_else_are_compared_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 16)
    draw = fill(store, 7, messages=100)
    refresh(store, now=START)
    with store.durable("change") as connection:
        # The same number of messages in the block counts afterwards, but not the same messages.
        put_messages(connection, [message(200, draw, state="accepted", arm="treated")])
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id == 20)
            .values(**sending.in_state("bounced"))
        )
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id == 21)
            .values(**sending.in_state("accepted"))
        )
    with store.read() as connection:
        found = blocks.changed(
            connection,
            "touches: messages",
            sending.messages,
            sending.messages.c.state.in_(("accepted", "delivered", "complained")),
        )
    assert {block.number for block in found} <= {1, 12}
    assert 12 in {block.number for block in found}
    refresh(store, now=START)
    assert stored(store) == expected(store, {})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.frozensets(st.integers(0, 40), max_size=20),
    after=st.frozensets(st.integers(0, 40), max_size=20),
)
def test_a_block_is_told_apart_from_any_other_in_which_a_few_rows_differ(
    before: frozenset[int], after: frozenset[int]
) -> None:
    def held(ids: frozenset[int]) -> tuple[int, int, int]:
        return len(ids), sum(n + 1 for n in ids), sum((n + 1) ** 3 for n in ids)

    if before != after and len(before ^ after) < 6:
        assert held(before) != held(after)


def test_a_bounce_takes_the_touch_away_and_a_settled_doubt_brings_one(store: Store) -> None:
    people_and_runs(store)
    draw = random.Random(1)
    with store.durable("fill") as connection:
        put_messages(connection, [message(1, draw, state="accepted", arm="treated")])
        put_messages(connection, [message(2, draw, state="in_doubt", arm="treated")])
    assert refresh(store, now=START).added == 1
    with store.durable("later") as connection:
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id == 1)
            .values(**sending.in_state("bounced"))
        )
        connection.execute(
            sa.update(sending.messages).where(sending.messages.c.id == 2).values(state="accepted")
        )
    told = refresh(store, now=START)
    assert (told.added, told.removed) == (1, 1)
    assert list(stored(store)) == ["s2"]


def test_what_a_message_cost_is_added_up_over_its_parts_and_may_come_late(store: Store) -> None:
    people_and_runs(store)
    draw = random.Random(1)
    with store.durable("fill") as connection:
        put_messages(connection, [message(n, draw, state="delivered", arm="treated") for n in (1, 2)])
    refresh(store, now=START)

    def receipt(number: int, of: int, part: str, cost: int | None, currency: str = "EUR") -> dict[str, Any]:
        return {
            "id": number, "provider": "p", "event_id": str(number), "kind": "delivered", "message_id": of, "at": NOW,
            "received_at": NOW, "provider_ref": part, "cost": cost, "currency": currency,
        }  # fmt: skip

    told = [
        receipt(1, 1, "a", 3), receipt(2, 1, "a", 3), receipt(3, 1, "b", 4), receipt(4, 1, "c", None), receipt(5, 2, "a", 3),
        receipt(6, 2, "b", 3, "USD"),
    ]  # fmt: skip
    with store.durable("later") as connection:
        put(connection, sending.receipts, told)
    refresh(store, now=START)
    with store.read() as connection:
        table = answers.touches
        found = connection.execute(
            sa.select(table.c.cost, table.c.currency).order_by(table.c.message_id)
        ).all()
    assert found == [(7, "EUR"), (None, None)]


def test_a_visitor_who_becomes_known_brings_the_touches_from_before(store: Store) -> None:
    people_and_runs(store)
    table = answers.touches
    marks = ["v1", "v2", "=key:c3", "=key:nobody", "=landing_page:/a?id=7", "=landing_page:/b", "shared"]
    with store.durable("fill") as connection:
        put(
            connection,
            table,
            [
                {"channel": "search", "kind": "visited", "at": NOW, "dedupe_key": f"im/{n}", "visitor": mark}
                for n, mark in enumerate(marks)
            ],
        )
    assert refresh(store, DEFINITIONS, now=START).matched == 1
    with store.durable("events") as connection:
        put(
            connection,
            people.event_names,
            [{"id": 1, "name": "page_viewed"}, {"id": 2, "name": "order_placed"}],
        )
        seen = [
            (2, "v1", 1, None), (None, "v9", 1, {"page": "/a?id=7"}), (9, "v9", 2, None), (None, "v2", 1, None),
            (4, None, 1, {"page": "/b"}), (5, None, 1, {"page": "/b"}), (6, "shared", 1, None), (7, "shared", 1, None),
        ]  # fmt: skip
        for number, (customer, visitor, name, said) in enumerate(seen, 1):
            row = {
                "id": number,
                "name_id": name,
                "customer_id": customer,
                "visitor": visitor,
                "properties": said,
            }
            put(
                connection,
                people.events,
                [
                    {
                        **row,
                        "occurred_at": NOW + HOUR,
                        "received_at": NOW,
                        "source": "t",
                        "dedupe_key": str(number),
                    }
                ],
            )
    assert refresh(store, DEFINITIONS, now=START).matched == 2
    with store.read() as connection:
        found = connection.execute(
            sa.select(table.c.visitor, table.c.customer_id, table.c.matched_by).order_by(table.c.id)
        ).all()
    assert found == [
        ("v1", 2, "visitor"),
        ("v2", None, None),
        ("=key:c3", 3, "key"),
        ("=key:nobody", None, None),
        ("=landing_page:/a?id=7", 9, "landing_page"),
        ("=landing_page:/b", None, None),
        ("shared", None, None),
    ]
