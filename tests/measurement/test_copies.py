"""Staff who get copies are nowhere in a report: not in arms, not in the funnel, not among answers or goals."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from support.measured import AFTERWARDS, ANCHOR, respond, run_seeded, send, without
from support.measured import CAMPAIGN as ORDERS
from tidings.clock import to_micros
from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.values import Duration, Unit
from tidings.measurement.report import make_report
from tidings.store.database import Store
from tidings.store.tables import people, sending

# The last goal is an answer to the message, counted in another way than events.
CAMPAIGN = without(ORDERS, also=(Goal("clicked", Duration(7, Unit.DAY)), Goal("sent", Duration(7, Unit.DAY))))
_STATES = ("accepted", "refused", "accepted", "delivered")


def _copies(store: Store, run_id: int) -> None:
    """Enrol three of the staff for both wordings, who got, opened, clicked and bought."""
    now = to_micros(ANCHOR)
    staff = (9_001, 9_002, 9_003)
    with store.durable("copies") as connection:
        connection.execute(
            people.customers.insert(),
            [{"id": one, "key": f"staff{one}", "u": one, "created_at": now} for one in staff],
        )
        for one in staff:
            for entry, variant in enumerate(("warm", "direct"), 1):
                enrolment = connection.execute(
                    sending.enrolments.insert()
                    .values(
                        run_id=run_id,
                        customer_id=one,
                        entry=entry,
                        arm="copy",
                        variant=variant,
                        anchor_at=now,
                        planned_at=now,
                    )
                    .returning(sending.enrolments.c.id)
                ).scalar_one()
                connection.execute(
                    sending.messages.insert().values(
                        id=one * 10 + entry,
                        run_id=run_id,
                        enrolment_id=enrolment,
                        customer_id=one,
                        channel="email",
                        variant=variant,
                        **sending.in_state("refused" if one == staff[2] else "delivered"),
                        refusal_code="no_consent" if one == staff[2] else None,
                        due_at=now,
                        accepted_at=now,
                    )
                )
    respond(store, [(one * 10 + 1, kind, "human") for one in staff[:2] for kind in ("opened", "clicked")])
    bought = to_micros(ANCHOR + timedelta(days=1))
    with store.durable("copies") as connection:
        name = connection.execute(
            sa.select(people.event_names.c.id).where(people.event_names.c.name == "order_placed")
        ).scalar_one()
        connection.execute(
            people.events.insert(),
            [
                {
                    "name_id": name,
                    "customer_id": one,
                    "occurred_at": bought,
                    "received_at": bought,
                    "source": "staff",
                    "dedupe_key": str(one),
                    "amount": 9_900,
                    "currency": "EUR",
                }
                for one in staff
            ],
        )


def test_a_report_is_the_same_with_copies_and_without(store: Store) -> None:
    run_id, definitions = run_seeded(store, n=400, campaign=CAMPAIGN)
    sent = send(store, run_id, lambda place: _STATES[place % 4])
    respond(store, [(message, "clicked", "human") for message, _, state in sent if state == "accepted"][:40])
    before = make_report(store, definitions, "spring", as_of=AFTERWARDS).as_json()
    _copies(store, run_id)
    assert make_report(store, definitions, "spring", as_of=AFTERWARDS).as_json() == before
    # The comparison can fail: the same rows as an ordinary arm change the report.
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.enrolments).where(sending.enrolments.c.arm == "copy").values(arm="treated")
        )
    assert make_report(store, definitions, "spring", as_of=AFTERWARDS).as_json() != before
