"""Messages that were handed over, in whatever state, and receipts about them."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from support.stores import ENVIRONMENT, WORKSPACE
from tidings.channels.protocol import Receipt, ReceiptKind
from tidings.clock import to_micros
from tidings.customers.consent import ConsentRow, record
from tidings.customers.identity import address_hash, customer_u
from tidings.delivery.receipts import rematch, take_in
from tidings.delivery.reference import Referrer
from tidings.store.tables import people, sending

SALT = "test-salt"
REFERRER = Referrer(WORKSPACE, ENVIRONMENT, SALT)
KINDS = {"letters": "email", "texts": "sms"}
_COLUMN = {"email": "email", "sms": "phone"}


def number(at):
    """Return a valid Swedish mobile number."""
    return f"+4670{1_740_605 + at:07d}"


def world(store, count=1, *, channel="letters", state="accepted", legs=None, purpose="marketing", **more):
    """Store a run with one message of that state for each of `count` customers; return the message ids.

    `legs`: the states of the legs of one step instead, all of one customer.
    """
    now = to_micros(store.clock.now())
    kind = KINDS[channel]
    with store.durable("test") as connection:
        base = connection.execute(sa.select(sa.func.count()).select_from(people.customers)).scalar_one()
        run_id = connection.execute(
            sa.insert(sending.runs)
            .values(
                campaign=f"c{base}",
                occurrence="once",
                kind="campaign",
                definition_hash="d",
                policy_hash="p",
                salt="s",
                state="sending",
                anchor_at=now,
                created_at=now,
                bounds={"purpose": purpose},
            )
            .returning(sending.runs.c.id)
        ).scalar_one()
        messages = []
        for place in range(base, base + (1 if legs else count)):
            address = f"k{place}@example.com" if kind == "email" else number(place)
            column = _COLUMN[kind]
            customer = connection.execute(
                sa.insert(people.customers)
                .values(
                    {
                        "key": f"K{place}",
                        "u": customer_u(SALT, f"K{place}"),
                        column: address,
                        f"{column}_hash": address_hash(SALT, kind, address),
                        "locale": "en",
                        "created_at": now,
                    }
                )
                .returning(people.customers.c.id)
            ).scalar_one()
            record(connection, [ConsentRow(customer, kind, purpose, "granted", "form", "test", 1, 1)])
            enrolment = connection.execute(
                sa.insert(sending.enrolments)
                .values(run_id=run_id, customer_id=customer, arm="treated", anchor_at=now, planned_at=now)
                .returning(sending.enrolments.c.id)
            ).scalar_one()
            for leg, one in enumerate(legs or [state]):
                handed = one not in ("planned", "refused", "claimed")
                values = {
                    "run_id": run_id,
                    "enrolment_id": enrolment,
                    "customer_id": customer,
                    "leg": leg,
                    "channel": channel,
                    **sending.in_state(one),
                    "due_at": now,
                    "attempt": 1 if handed else 0,
                    "started_at": now if handed else None,
                    "accepted_at": now if one in ("accepted", "delivered", "unconfirmed") else None,
                } | more
                messages.append(
                    connection.execute(
                        sa.insert(sending.messages).values(values).returning(sending.messages.c.id)
                    ).scalar_one()
                )
    return messages


def receipt(message, kind, event_id=None, *, after=0, **more):
    """Return a receipt that names its message by our reference; `after`: seconds after the store's start."""
    from support.stores import START

    return Receipt(
        event_id or f"{message}-{kind}",
        ReceiptKind(kind),
        START + timedelta(seconds=after),
        reference=more.pop("reference", REFERRER.of(message) if message else ""),
        **more,
    )


def take(store, events, *, channel="letters", engage=None):
    """Take receipts in as they come by a channel."""
    return take_in(
        store, channel, "mailer", events, salt=SALT, now=store.clock.now(), kinds=KINDS, engage=engage
    )


def again(store, *, deep=False, engage=None):
    """Look at the waiting receipts again."""
    return rematch(store, salt=SALT, now=store.clock.now(), kinds=KINDS, deep=deep, engage=engage)


def states(store, messages):
    """Return the states of messages in their order."""
    table = sending.messages
    with store.read() as connection:
        rows = dict(
            connection.execute(sa.select(table.c.id, table.c.state).where(table.c.id.in_(messages))).all()
        )
    return [rows[one] for one in messages]
