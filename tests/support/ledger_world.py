"""A run ready to be sent: customers who consented, a plan, a run, enrolments and planned messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.customers.identity import address_hash
from tidings.definitions.kinds.rules import Purpose
from tidings.delivery.work import Job, Retry
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import people, sending

SALT = "ledger"
MARKETING = Purpose("marketing", "marketing")
DAY = 24 * 3600 * 1_000_000


@dataclass(frozen=True)
class World:
    """A seeded run: `job` is what the sender gets; customer n has the id n and writes as `n@shop.example`."""

    run_id: int
    job: Job
    treated: int
    holdout: int


def seed(
    store: Store,
    treated: int,
    *,
    holdout: int = 0,
    campaign: str = "spring",
    purpose: Purpose = MARKETING,
    retry: Retry | None = None,
) -> World:
    """Fill an empty store, or add another run for the customers that are there."""
    now = to_micros(store.clock.now())
    people_count = treated + holdout
    ids = range(1, people_count + 1)
    with store.durable("seed") as connection:
        fresh = connection.execute(sa.select(sa.func.count()).select_from(people.customers)).scalar_one() == 0
        if fresh:
            _customers(connection, ids, now)
        plan_id = connection.execute(
            sa.insert(sending.plans)
            .values(
                hash=f"plan-{campaign}",
                campaign=campaign,
                occurrence="once",
                definition_hash="d" * 64,
                planned_at=now,
                anchor_at=now,
                salt=f"{campaign}/once",
                state="used",
                summary={},
            )
            .returning(sending.plans.c.id)
        ).scalar_one()
        insert_rows(
            connection,
            sending.plan_members,
            [(plan_id, one, "treated" if one <= treated else "holdout", None, "email") for one in ids],
            ["plan_id", "customer_id", "arm", "variant", "channel"],
        )
        run_id = connection.execute(
            sa.insert(sending.runs)
            .values(
                campaign=campaign,
                occurrence="once",
                kind="campaign",
                plan_id=plan_id,
                definition_hash="d" * 64,
                policy_hash="p" * 64,
                salt=f"{campaign}/once",
                state="sending",
                approved_by="ann",
                approved_at=now,
                anchor_at=now,
                created_at=now,
                bounds={},
            )
            .returning(sending.runs.c.id)
        ).scalar_one()
        insert_rows(
            connection,
            sending.enrolments,
            [(run_id, one, 0, "treated" if one <= treated else "holdout", now, now) for one in ids],
            ["run_id", "customer_id", "entry", "arm", "anchor_at", "planned_at"],
        )
        enrolled = connection.execute(
            sa.select(sending.enrolments.c.id, sending.enrolments.c.customer_id)
            .where(sending.enrolments.c.run_id == run_id, sending.enrolments.c.arm == "treated")
            .order_by(sending.enrolments.c.customer_id)
        ).all()
        insert_rows(
            connection,
            sending.messages,
            [
                (run_id, row.id, row.customer_id, "main", 0, "email", "planned", now, now + DAY, 0)
                for row in enrolled
            ],
            [
                "run_id",
                "enrolment_id",
                "customer_id",
                "step",
                "leg",
                "channel",
                "state",
                "due_at",
                "expires_at",
                "attempt",
            ],
        )
    job = Job(run_id, "email", "email", purpose, "p" * 64, retry or Retry())
    return World(run_id, job, treated, holdout)


def _customers(connection: sa.Connection, ids: Sequence[int], now: int) -> None:
    insert_rows(
        connection,
        people.customers,
        [
            (one, f"c{one}", one, address_of(one), address_hash(SALT, "email", address_of(one)), "en", now)
            for one in ids
        ],
        ["id", "key", "u", "email", "email_hash", "locale", "created_at"],
    )
    insert_rows(
        connection,
        people.consents,
        [(one, "email", "marketing", "granted", "opt_in", "form", now - 1, now - 1) for one in ids],
        ["customer_id", "channel", "purpose", "state", "basis", "source", "at", "received_at"],
    )


def address_of(customer_id: int) -> str:
    """The e-mail address of a seeded customer."""
    return f"{customer_id}@shop.example"


def states(store: Store, run_id: int) -> dict[int, str]:
    """Customer id to the state of the message."""
    messages = sending.messages
    with store.read() as connection:
        rows = connection.execute(
            sa.select(messages.c.customer_id, messages.c.state).where(messages.c.run_id == run_id)
        )
        return {row.customer_id: row.state for row in rows}


def message_rows(store: Store, run_id: int) -> list[sa.Row]:
    """Every column of every message of a run, by id."""
    messages = sending.messages
    with store.read() as connection:
        return list(
            connection.execute(
                sa.select(messages).where(messages.c.run_id == run_id).order_by(messages.c.id)
            ).all()
        )


def attempt_rows(store: Store) -> list[sa.Row]:
    """Every row of attempts, by id."""
    with store.read() as connection:
        return list(connection.execute(sa.select(sending.attempts).order_by(sending.attempts.c.id)).all())
