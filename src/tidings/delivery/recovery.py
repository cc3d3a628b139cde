"""Taking over claims whose holder is gone: by lease and fence, never by age.

A claim is lost when its lease has run out by the store's own clock, or when its owner is provably dead. Its
messages that were never handed over are planned again; those that may have been are in doubt, each by name.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.delivery import budget, caps
from tidings.delivery.doubt import settle_by_policy
from tidings.delivery.ownership import provably_dead
from tidings.delivery.work import Job
from tidings.errors import StoreError
from tidings.store.database import Store
from tidings.store.tables import sending


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was taken over: `claims` lost, messages `planned` again and messages now `in_doubt`."""

    claims: int = 0
    planned: int = 0
    in_doubt: int = 0


def recover(
    store: Store, job: Job, *, owner: str, boot_id: str | None, holding: Collection[int] = ()
) -> Recovered:
    """Take over the lost claims of a run; `holding` are the fences that `owner` itself works on now.

    Nothing is taken over while somebody holds a lock on a message of a lost claim; a later call does it.
    """
    with store.read() as connection:
        if not connection.execute(_ANY_OPEN, {"run_id": job.run_id}).first():
            return Recovered()
    try:
        return _recover(store, job, owner=owner, boot_id=boot_id, holding=holding)
    except StoreError as error:
        if store.dialect == "postgresql" and error.code == "store-locked":
            # The holder was stopped in the middle of a mark: its rows are free when the server drops it.
            return Recovered()
        raise


def _recover(
    store: Store, job: Job, *, owner: str, boot_id: str | None, holding: Collection[int]
) -> Recovered:
    now = to_micros(store.clock.now())
    planned = in_doubt = 0
    with store.durable("recovery") as connection:
        if store.dialect == "postgresql":
            connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
        lease_now = store.lease_now(connection)
        rows = connection.execute(_open_claims(job.run_id).with_for_update(skip_locked=True)).all()
        lost = [row for row in rows if _is_lost(row, lease_now, owner, boot_id, holding)]
        for claim in lost:
            # SQLite keeps marks through a killed process, not through a power loss: only the same boot vouches for
            # them. PostgreSQL has flushed every `started` before its hand-over, whatever happened since.
            trusted = store.dialect == "postgresql" or (
                claim.boot_id is not None and claim.boot_id == boot_id
            )
            back, doubtful = _take_over(connection, job, claim, now, trusted=trusted)
            planned += back
            in_doubt += doubtful
    return Recovered(len(lost), planned, in_doubt)


# Asked twice in every sending: put together once.
_ANY_OPEN = (
    sa.select(sending.claims.c.id)
    .where(sending.claims.c.run_id == sa.bindparam("run_id"), sending.claims.c.state == "open")
    .limit(1)
)


def _open_claims(run_id: int) -> sa.Select[Any]:
    claims = sending.claims
    return (
        sa.select(claims.c.id, claims.c.owner, claims.c.boot_id, claims.c.leased_until)
        .where(claims.c.run_id == run_id, claims.c.state == "open")
        .order_by(claims.c.id)
    )


def _is_lost(row: Any, lease_now: int, owner: str, boot_id: str | None, holding: Collection[int]) -> bool:
    if row.owner == owner:
        # Our own claim that we do not know: its commit was answered by a broken connection.
        return row.id not in holding
    return bool(row.leased_until <= lease_now) or provably_dead(row.owner, row.boot_id, here=boot_id)


def _take_over(
    connection: sa.Connection, job: Job, claim: Any, now: int, *, trusted: bool
) -> tuple[int, int]:
    """Settle one lost claim; return how many went back to planned and how many are in doubt.

    `trusted`: its marks are all there. Otherwise any message of it may have been handed over.
    """
    messages, claims = sending.messages, sending.claims
    connection.execute(sa.update(claims).where(claims.c.id == claim.id).values(state="lost"))
    planned = 0
    if trusted:
        free = list(
            connection.execute(
                sa.update(messages)
                .where(messages.c.claim_id == claim.id, messages.c.state == "claimed")
                .values(state="planned", claim_id=None)
                .returning(messages.c.id)
            ).scalars()
        )
        caps.release(connection, free, now)
        budget.give_back(connection, free)
        planned = len(free)
    doubtful = connection.execute(
        sa.select(messages.c.id, messages.c.attempt, messages.c.state)
        .where(messages.c.claim_id == claim.id, messages.c.state.in_(["claimed", "started"]))
        .order_by(messages.c.id)
    ).all()
    if not doubtful:
        return planned, 0
    connection.execute(
        sa.update(messages)
        .where(messages.c.claim_id == claim.id, messages.c.state.in_(["claimed", "started"]))
        .values(
            state="in_doubt",
            started_at=sa.func.coalesce(messages.c.started_at, now),
            # A mark that a power loss took back is an attempt all the same.
            attempt=sa.case(
                (messages.c.state == "claimed", messages.c.attempt + 1), else_=messages.c.attempt
            ),
        )
    )
    why = (
        "the sender stopped between hand-over and answer"
        if trusted
        else "the machine restarted while sending"
    )
    connection.execute(
        sa.insert(sending.attempts),
        [
            {
                "message_id": row.id,
                "number": row.attempt + (row.state == "claimed"),
                "claim_id": claim.id,
                "ended_at": now,
                "outcome": "in_doubt",
                "detail": f"{why} (claim {claim.id} of {claim.owner.rsplit(':', 1)[0]})",
            }
            for row in doubtful
        ],
    )
    settle_by_policy(connection, job, [row.id for row in doubtful], now)
    return planned, len(doubtful)
