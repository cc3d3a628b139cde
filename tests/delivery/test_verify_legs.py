"""The ledger of several channels: each rule about legs, references and receipts finds what breaks it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from support.ledger_legs import run_by, settle
from tidings.clock import to_micros
from tidings.delivery.fallback import fall_back
from tidings.delivery.verify import verify
from tidings.store.database import Store
from tidings.store.tables import sending

messages, receipts = sending.messages, sending.receipts


@pytest.fixture
def fallen(make_store: Callable[..., Store], dialect: str) -> Store:
    """Customer 1: e-mail bounced, SMS unconfirmed, fax accepted; 2: e-mail delivered."""
    return make_store(dialect, fill=_fall)


def _fall(store: Store) -> None:
    world, run = run_by(store, 2)
    settle(store, world, 2, "delivered")
    settle(store, world, 1, "bounced")
    fall_back(store, run, world.run_id, now=store.clock.now())
    settle(store, world, 1, "unconfirmed")
    now = to_micros(store.clock.now())
    with store.durable("test") as connection:
        connection.execute(sa.update(messages).where(messages.c.leg == 1).values(accepted_at=now))
    fall_back(store, run, world.run_id, now=store.clock.now())
    settle(store, world, 1, "accepted")
    with store.durable("test") as connection:
        fax = sa.select(messages.c.id).where(messages.c.leg == 2).scalar_subquery()
        connection.execute(
            sa.insert(sending.provider_refs).values(channel="fax", provider_ref="f1", message_id=fax)
        )
        _receipt(connection, "bounced", _leg(0), "e1")


def _leg(number: int) -> sa.ColumnElement[bool]:
    return sa.and_(messages.c.customer_id == 1, messages.c.leg == number)


def _receipt(connection: sa.Connection, kind: str, which: sa.ColumnElement[bool], event: str) -> None:
    message = connection.execute(sa.select(messages.c.id).where(which)).scalar_one()
    connection.execute(
        sa.insert(receipts).values(
            provider="p", event_id=event, kind=kind, message_id=message, at=1, received_at=1, state="applied"
        )
    )


def _order(connection: sa.Connection) -> None:
    connection.execute(sa.update(messages).where(_leg(0)).values(leg=7))


def _no_evidence(connection: sa.Connection) -> None:
    connection.execute(
        sa.update(messages)
        .where(_leg(0))
        .values(state="refused", refusal_code="unsubscribed_all", refusal_rule="x")
    )


def _cancelled_before(connection: sa.Connection) -> None:
    connection.execute(sa.update(messages).where(_leg(1)).values(state="cancelled"))


def _twice_the_channel(connection: sa.Connection) -> None:
    connection.execute(sa.update(messages).where(_leg(2)).values(channel="sms"))


def _never_accepted(connection: sa.Connection) -> None:
    connection.execute(sa.update(messages).where(_leg(1)).values(accepted_at=None))


def _other_channels_reference(connection: sa.Connection) -> None:
    connection.execute(sa.update(sending.provider_refs).values(channel="sms"))


def _receipt_not_merged(connection: sa.Connection) -> None:
    _receipt(connection, "complained", messages.c.customer_id == 2, "e2")


def test_an_honest_ledger_of_three_channels_holds(fallen: Store) -> None:
    verdict = verify(fallen)
    assert verdict.broken == ()
    (run,) = verdict.runs
    assert (run.planned, run.accepted, run.rejected, run.unconfirmed, run.balanced) == (4, 2, 1, 1, True)
    assert verdict.as_json()["runs"][0]["unconfirmed"] == 1


@pytest.mark.parametrize(
    ("breaks", "check"),
    [
        (_order, "legs"),
        (_no_evidence, "evidence"),
        (_cancelled_before, "evidence"),
        (_twice_the_channel, "channels"),
        (_never_accepted, "unconfirmed"),
        (_other_channels_reference, "provider references"),
        (_receipt_not_merged, "merged"),
    ],
)
def test_each_rule_about_legs_finds_its_break(
    fallen: Store, breaks: Callable[[sa.Connection], None], check: str
) -> None:
    with fallen.durable("break") as connection:
        breaks(connection)
    assert check in {one.check for one in verify(fallen).broken}
