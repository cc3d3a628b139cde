"""Doubts are listed one by one, and settled by people with a trace."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from support.ledger_channel import Answer, Channel, render
from support.ledger_world import DAY, World, attempt_rows, message_rows, seed, states
from tidings.clock import FixedClock, to_micros
from tidings.delivery.doubt import doubts, resolve
from tidings.delivery.sender import deliver
from tidings.delivery.verify import verify
from tidings.delivery.work import Retry
from tidings.errors import UsageError
from tidings.store.database import Store
from tidings.store.tables import keeping, sending


@pytest.fixture
def doubtful(store: Store, clock: FixedClock) -> World:
    """A run of six in which 2 and 5 are in doubt."""
    world = seed(store, 6)
    lost = {"2@shop.example", "5@shop.example"}
    channel = Channel(
        lambda letter, _copies: (
            Answer("in_doubt", detail="lost after the text")
            if letter.recipient in lost
            else Answer("accepted")
        )
    )
    deliver(store, world.job, adapter=channel, render=render, clock=clock, connections=1)
    return world


def test_each_doubt_is_listed_with_what_is_known(store: Store, doubtful: World, clock: FixedClock) -> None:
    ids = {row.customer_id: row.id for row in message_rows(store, doubtful.run_id)}
    with store.read() as connection:
        found = doubts(connection)
        assert doubts(connection, "spring") == doubts(connection, str(doubtful.run_id)) == found
    assert [one.as_json() for one in found] == [
        {
            "message": ids[customer],
            "customer": f"c{customer}",
            "campaign": "spring",
            "run": doubtful.run_id,
            "channel": "email",
            "attempted_at": "2027-03-02T09:00:00Z",
            "detail": "lost after the text",
        }
        for customer in (2, 5)
    ]


def test_a_campaign_that_was_never_run_is_a_usage_error(store: Store, doubtful: World) -> None:
    with store.read() as connection, pytest.raises(UsageError, match='no run of "sumer"') as raised:
        doubts(connection, "sumer")
    assert "spring" in raised.value.what_to_do


@pytest.mark.parametrize(
    ("how", "state"), [("sent", "accepted"), ("not sent", "cancelled"), ("resend", "planned")]
)
def test_a_person_settles_a_doubt_and_it_is_on_record(
    store: Store, doubtful: World, clock: FixedClock, how: str, state: str
) -> None:
    ids = {row.customer_id: row.id for row in message_rows(store, doubtful.run_id)}
    done, unknown = resolve(store, [ids[2], ids[3], 999], how, actor="ann", now=clock.now())
    assert (done, unknown) == ([ids[2]], [ids[3], 999])
    assert states(store, doubtful.run_id)[2] == state
    assert states(store, doubtful.run_id)[5] == "in_doubt"
    assert attempt_rows(store)[-1].outcome == f"resolved_{how.replace(' ', '_')}"
    with store.read() as connection:
        entry = connection.execute(sa.select(keeping.audit).order_by(keeping.audit.c.id.desc())).first()
    assert (entry.actor, entry.action, entry.detail) == (
        "ann",
        "doubt resolved",
        {"how": how, "messages": [ids[2]]},
    )
    assert verify(store).broken == ()


def test_a_message_to_resend_opens_its_run_and_goes_out_once_more(
    store: Store, doubtful: World, clock: FixedClock
) -> None:
    with store.read() as connection:
        ids = [one.message_id for one in doubts(connection)]
    clock.advance(timedelta(days=3))
    resolve(store, ids, "resend", actor="ann", now=clock.now())
    channel = Channel()
    done = deliver(store, doubtful.job, adapter=channel, render=render, clock=clock, connections=1)
    # Three days later the first expiry has passed: a message to resend gets as long to live as it had.
    assert done.state == "finished"
    assert (done.accepted, done.refused) == (6, 0)
    assert sorted(channel.given) == ["2@shop.example", "5@shop.example"]
    with store.read() as connection:
        assert doubts(connection) == []
        assert (
            connection.execute(
                sa.select(sending.messages.c.attempt).where(sending.messages.c.id == ids[0])
            ).scalar()
            == 2
        )
    assert verify(store).broken == ()


def test_a_message_to_resend_lives_as_long_as_at_first_however_long_it_was_deferred(
    store: Store, clock: FixedClock
) -> None:
    world = seed(store, 1, retry=Retry(first_seconds=20 * 3600, longest_seconds=20 * 3600))
    anchor = to_micros(clock.now())
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.runs).values(anchor_at=anchor, bounds={"expires_at": anchor + DAY})
        )
    channel = Channel(
        lambda _letter, copies: Answer("transient", "recipient", "451") if copies == 1 else Answer("in_doubt")
    )
    for _ in range(2):
        deliver(store, world.job, adapter=channel, render=render, clock=clock)
        clock.advance(timedelta(hours=20))
    (row,) = message_rows(store, world.run_id)
    assert row.state == "in_doubt"
    for _ in range(2):
        resolve(store, [row.id], "resend", actor="ann", now=clock.now())
        (row,) = message_rows(store, world.run_id)
        assert (row.state, row.expires_at) == ("planned", to_micros(clock.now()) + DAY)
        deliver(store, world.job, adapter=channel, render=render, clock=clock)
        clock.advance(timedelta(hours=2))
