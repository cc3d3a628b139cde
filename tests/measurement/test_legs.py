"""A second message by another channel changes nothing that a report says of customers."""

from __future__ import annotations

import sqlalchemy as sa

from support.measured import AFTERWARDS, ANCHOR, CAMPAIGN, run_seeded, send, without
from tidings.clock import to_micros
from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.values import Duration, Unit
from tidings.measurement.report import make_report
from tidings.store.database import Store
from tidings.store.tables import sending

BOTH = without(CAMPAIGN, also=(Goal("sent", Duration(7, Unit.DAY)),))


def test_legs_are_one_customer_in_every_figure_of_effects(store: Store) -> None:
    run_id, definitions = run_seeded(store, n=400, campaign=BOTH)
    send(store, run_id, lambda _: "accepted")
    before = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    messages = sending.messages
    now = to_micros(ANCHOR)
    with store.durable("test") as connection:
        first = connection.execute(sa.select(messages).order_by(messages.c.id).limit(40)).all()
        connection.execute(
            sa.update(messages)
            .where(messages.c.id.in_([one.id for one in first]))
            .values(**sending.in_state("unconfirmed"))
        )
        connection.execute(
            messages.insert(),
            [
                {
                    "id": 5_000 + one.id,
                    "run_id": run_id,
                    "enrolment_id": one.enrolment_id,
                    "customer_id": one.customer_id,
                    "leg": 1,
                    "channel": "sms",
                    "variant": one.variant,
                    "state": "accepted",
                    "due_at": now,
                    "accepted_at": now,
                }
                for one in first
            ],
        )
    after = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    for old, new in zip(before.effects, after.effects, strict=True):
        assert (old.difference, old.relative, old.reached, old.customers) == (
            new.difference,
            new.relative,
            new.reached,
            new.customers,
        )
    assert before.arms == after.arms
    assert sum(row.messages for row in after.funnel) == sum(row.messages for row in before.funnel) + 40
