"""What a claim asks for: exactly the messages found that are still due, whether their ids stand in a row or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import sqlalchemy as sa

from support.ledger_world import seed
from tidings.clock import to_micros
from tidings.definitions.kinds.rules import Purpose
from tidings.delivery.asking import Asking, Candidate, _Alike, _candidates_statement, given, is_span
from tidings.delivery.claiming import take
from tidings.delivery.terms import Terms
from tidings.delivery.work import Job
from tidings.store.database import Store
from tidings.store.tables import sending


@pytest.mark.parametrize(
    ("ids", "spanned"),
    [
        ([4], True),
        ([4, 5, 6], True),
        ([6, 4, 5], True),
        ([4, 4, 5], True),
        ([4, 6], False),
        ([2, 9, 4], False),
        ([2, 2, 4], False),
        ([], False),
    ],
)
def test_ids_are_a_span_when_none_is_missing_between_them(ids: list[int], spanned: bool) -> None:
    assert is_span(ids) is spanned
    assert set(given("postgresql", ids)) == ({"first_id", "last_id"} if spanned else {"listed"})


@pytest.mark.parametrize("chosen", [[1, 2, 3], [3, 1, 2], [1, 3], [2]])
def test_those_found_are_answered_with_whom_they_go_to_and_no_others(store: Store, chosen: list[int]) -> None:
    world = seed(store, 4)
    asking, now = Asking(world.job), to_micros(store.clock.now())
    with store.durable("test") as connection:
        ids = asking.due(connection, after=0, now=now, limit=10)
        assert len(ids) == 4
        rows = asking.candidates(connection, [ids[one - 1] for one in chosen], now)
        again = asking.candidates(connection, [ids[one - 1] for one in chosen], now)
    assert rows == again
    assert [(row.code, row.id, row.customer_id, row.key, row.address) for row in rows] == [
        (None, ids[one - 1], one, f"c{one}", f"{one}@shop.example") for one in sorted(chosen)
    ]
    assert {type(row) for row in rows} == {Candidate}
    assert {(row.attempt, row.version, row.step, row.variant, row.area) for row in rows} == {
        (0, 1, "main", None, "")
    }


def test_what_is_not_due_any_more_is_not_answered_though_it_stands_between_the_others(store: Store) -> None:
    world = seed(store, 5)
    messages = sending.messages
    now = to_micros(store.clock.now())
    with store.read() as connection:
        ids = Asking(world.job).due(connection, after=0, now=now, limit=10)
    with store.durable("test") as connection:
        connection.execute(sa.update(messages).where(messages.c.id == ids[1]).values(state="claimed"))
        connection.execute(sa.update(messages).where(messages.c.id == ids[3]).values(due_at=now + 1))
    taken = take(store, world.job, owner="a:1:1:x", boot_id="b", found=ids, lease_seconds=60)
    assert [one.customer_id for one in taken.messages] == [1, 3, 5]
    assert taken.lease is not None
    with store.read() as connection:
        rows = connection.execute(
            sa.select(messages.c.customer_id, messages.c.state, messages.c.claim_id).order_by(messages.c.id)
        ).all()
        assert Asking(world.job).due(connection, after=0, now=now, limit=10) == ()
    fence = taken.lease.fence
    assert [tuple(row) for row in rows] == [
        (1, "claimed", fence), (2, "claimed", None), (3, "claimed", fence), (4, "planned", None), (5, "claimed", fence),
    ]  # fmt: skip


def test_the_gate_sorts_nothing_for_a_customer_on_sqlite(make_store: Callable[..., Store]) -> None:
    store = make_store("sqlite")
    world = seed(store, 2)
    statement = _candidates_statement(world.job, "sqlite", spanned=True)
    with store.read() as connection:
        state = statement.compile(dialect=connection.dialect).construct_expanded_state(
            {"first_id": 1, "last_id": 2, "now": 1}
        )
        rows = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {state.statement}", state.positional_parameters
        )
        plan = [row[3] for row in rows]
    assert any("ix_consents_latest" in step for step in plan)
    assert not [step for step in plan if "TEMP B-TREE" in step]


@pytest.mark.parametrize("name", [one.name for one in fields(Terms)])
def test_jobs_that_differ_in_any_term_share_no_statement(name: str) -> None:
    job = Job(1, "email", "email", Purpose("marketing", "marketing"))
    other = replace(job, terms=replace(job.terms, **{name: "another"}))
    assert _Alike(job) == _Alike(replace(job, run_id=2, channel="post", version=3))
    assert _Alike(job) != _Alike(other)
