"""What a flow earned: its steps promise and cost, each customer counts from their first entering."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from support.measured import ANCHOR, Enrolled, enrol, happen
from support.promoted import AFTER_ALL, MARGIN, PROMOTION, SAVED, order, promoted
from tidings.clock import to_micros
from tidings.definitions.kinds.campaign import Holdout
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.flow import Flow, Start, Step
from tidings.definitions.kinds.offer import Offer
from tidings.definitions.values import Money, Share
from tidings.measurement.redemptions import refresh
from tidings.measurement.report import make_report
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import sending

FLOW = Flow(
    "care",
    "Care",
    "flows/care.yaml",
    Start("event", event="order_delivered"),
    (
        Step(
            "letter",
            "send",
            send="care",
            via=("email",),
            offer=Offer("15 off", code="SPRING15", cost=Money(100, "EUR")),
        ),
    ),
    holdout=Holdout(Share(2000)),
    goal=PROMOTION.goal,
)
DEFINITIONS = replace(
    promoted(),
    campaigns={},
    flows={"care": FLOW},
    channels={
        "email": Channel("email", "E-mail", "channels/email.yaml", "email", "outbox", cost=Money(25, "EUR"))
    },
)


def test_a_flow_is_told_by_customer_with_the_offers_and_messages_of_its_steps(store: Store) -> None:
    people = [
        Enrolled(one, "treated" if one <= 80 else "holdout", None, ANCHOR + timedelta(hours=one))
        for one in range(1, 101)
    ]
    run_id = enrol(store, people, campaign="care", kind="flow", occurrence="flow")
    happen(
        store,
        [order(one, 48, code=True) for one in people[:20]]
        + [order(one, 48, code=False) for one in people[80:82]],
    )
    with store.durable("seed") as connection:
        connection.execute(sa.update(sending.runs).values(bounds={"holdout": 2000}))
        rows = connection.execute(
            sa.select(sending.enrolments.c.id, sending.enrolments.c.customer_id).where(
                sending.enrolments.c.arm == "treated"
            )
        ).all()
        insert_rows(
            connection,
            sending.messages,
            [
                (run_id, row.id, row.customer_id, "letter", "email", "accepted", to_micros(ANCHOR))
                for row in rows
            ],
            ["run_id", "enrolment_id", "customer_id", "step", "channel", "state", "due_at"],
        )
        # Who came in a second time counts once, from the first.
        insert_rows(
            connection,
            sending.enrolments,
            [
                (run_id, one, 1, "treated", None, to_micros(ANCHOR + timedelta(days=20)), 0)
                for one in range(1, 11)
            ],
            ["run_id", "customer_id", "entry", "arm", "variant", "anchor_at", "planned_at"],
        )
    refresh(store, DEFINITIONS, now=AFTER_ALL)
    told = make_report(store, DEFINITIONS, "care", as_of=AFTER_ALL).economics
    assert told is not None
    (one,) = told.earned
    gained = (20 * (MARGIN - SAVED - 100) - 2 * 4 * MARGIN) / 100
    assert one.gain is not None
    assert one.gain.total is not None
    assert (one.customers, one.gain.total[0]) == (80, pytest.approx(gained))
    assert told.spent is not None
    assert (told.spent.messages, one.cost) == (80, pytest.approx(80 * 0.25))
    assert told.redeemed is not None
    assert dict(told.redeemed.good) == {"treated": 20, "holdout": 0, "others": 0}
    assert told.anyway is not None
    assert told.anyway.of_redeemers is not None
    assert told.anyway.of_redeemers.low == pytest.approx(8 / 20)
    assert told.payback is not None
    assert told.payback.so_far == pytest.approx(gained)
