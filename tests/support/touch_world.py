"""A ledger written row by row, and what its touches are by plain Python."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from support.stores import START
from tidings.clock import to_micros
from tidings.store.database import Store
from tidings.store.tables import answers, money, people, sending

NOW = to_micros(START)
STATES = (
    *(
        "planned",
        "claimed",
        "started",
        "accepted",
        "accepted",
        "delivered",
        "in_doubt",
        "rejected",
        "refused",
    ),
    *("bounced", "complained", "cancelled", "unconfirmed"),
)
ARMS = ("treated", "treated", "treated", "copy", "party")
CHANNELS = ("email", "post", "sms")
HOUR = 3_600_000_000


def put(connection: sa.Connection, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows that name their columns."""
    listed = list(rows)
    if listed:
        connection.execute(sa.insert(table), listed)


def people_and_runs(store: Store, customers: int = 20) -> None:
    """Customers 1 … n, and three runs of three campaigns."""
    with store.durable("fill") as connection:
        put(
            connection,
            people.customers,
            [{"id": n, "key": f"c{n}", "u": n, "created_at": NOW} for n in range(1, customers + 1)],
        )
        put(
            connection,
            sending.runs,
            [
                {
                    "id": n, "campaign": name, "occurrence": "once", "kind": "campaign", "definition_hash": "", "policy_hash": "",
                    "salt": "", "state": "sending", "anchor_at": NOW, "created_at": NOW, "bounds": {},
                }
                for n, name in enumerate(("spring", "autumn", "basket"), 1)
            ],
        )  # fmt: skip


def message(
    number: int, draw: random.Random, *, state: str | None = None, arm: str | None = None
) -> dict[str, Any]:
    """One message at random; `arm` is of its enrolment."""
    state = state or draw.choice(STATES)
    at = NOW + draw.randrange(1000) * HOUR
    reached = state in ("accepted", "delivered", "bounced", "complained", "unconfirmed")
    return {
        "id": number,
        "run_id": draw.randint(1, 3),
        "enrolment_id": number,
        "customer_id": draw.randint(1, 20),
        "channel": draw.choice(CHANNELS),
        **sending.in_state(state),
        "due_at": at,
        "started_at": at + 1 if reached or state in ("started", "in_doubt", "rejected") else None,
        "accepted_at": at + 2 if reached else None,
        "arm": arm or draw.choice(ARMS),
    }


def put_messages(connection: sa.Connection, messages: Iterable[dict[str, Any]]) -> None:
    """Write messages and the enrolments that they belong to."""
    listed = list(messages)
    put(
        connection,
        sending.enrolments,
        [
            {
                "id": one["id"], "run_id": one["run_id"], "customer_id": one["customer_id"], "entry": one["id"],
                "arm": one["arm"], "anchor_at": NOW, "planned_at": NOW,
            }
            for one in listed
        ],
    )  # fmt: skip
    put(connection, sending.messages, [{k: v for k, v in one.items() if k != "arm"} for one in listed])


def response(number: int, message_id: int, draw: random.Random) -> dict[str, Any]:
    """One judged response at random."""
    return {
        "id": number,
        "kind": draw.choice(("opened", "clicked", "replied", "unsubscribed")),
        "judged": draw.choice(("human", "human", "machine", "unknown")),
        "rule_version": 1,
        "message_id": message_id,
        "at": NOW + draw.randrange(1000) * HOUR,
    }


Touch = tuple[str, str, int, int, str, int]


def expected(store: Store, kinds: dict[str, str]) -> dict[str, Touch]:
    """Return the touches by dedupe key, as a person would count them."""
    with store.read() as connection:
        runs = dict(connection.execute(sa.select(sending.runs.c.id, sending.runs.c.campaign)).all())
        arms = dict(connection.execute(sa.select(sending.enrolments.c.id, sending.enrolments.c.arm)).all())
        messages = {row.id: row for row in connection.execute(sa.select(sending.messages))}
        responses = list(connection.execute(sa.select(answers.responses)))
        redemptions = list(connection.execute(sa.select(money.redemptions)))
    found: dict[str, Touch] = {}

    def about(one: Any) -> tuple[str, str, int, int]:
        return kinds.get(one.channel, one.channel), runs[one.run_id], one.customer_id, one.id

    for one in messages.values():
        if one.state in ("accepted", "delivered", "complained") and arms[one.enrolment_id] == "treated":
            at = next(when for when in (one.accepted_at, one.started_at, one.due_at) if when is not None)
            found[f"s{one.id}"] = (*about(one), "sent", at)
    for one in responses:
        of = messages[one.message_id]
        if one.judged == "human" and one.kind != "unsubscribed" and arms[of.enrolment_id] == "treated":
            found[f"r{one.id}"] = (*about(of), one.kind, one.at)
    for one in redemptions:
        of = messages.get(one.message_id)
        if one.judged == "good" and (of is None or arms[of.enrolment_id] == "treated"):
            where = about(of)[:2] if of else ("code", one.offer.split(".")[0])
            found[f"d{one.id}"] = (*where, one.customer_id, one.message_id, "redeemed", one.at)
    return found


def stored(store: Store) -> dict[str, Touch]:
    """Return the touches of our messages by dedupe key, as they stand in the store."""
    table = answers.touches
    with store.read() as connection:
        rows = connection.execute(sa.select(table).where(~table.c.dedupe_key.startswith("i")))
        return {
            row.dedupe_key: (row.channel, row.campaign, row.customer_id, row.message_id, row.kind, row.at)
            for row in rows
        }
