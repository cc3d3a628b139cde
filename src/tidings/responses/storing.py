"""One batch of spool records into the tables: hits, their judgement, withdrawals of consent, events.

In two steps, so that the write lock is held for inserts only: `prepare` reads and judges, `apply` writes. Between the
two nothing changes what was read: one process drains a folder, and only the drain writes hits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.delivery.withdrawing import withdraw
from tidings.responses.classify import Hit
from tidings.responses.judging import RESPONSE_KINDS, Judgement, judge_new, note_visits, store_judgement
from tidings.responses.landing import VISIT
from tidings.responses.message_facts import Facts, read_facts
from tidings.responses.networks import Networks, bundled
from tidings.responses.server_events import store_events
from tidings.responses.spool import Record
from tidings.store.batches import insert_rows, next_ids
from tidings.store.tables import answers

_HIT_COLUMNS = (
    "id",
    "spool_key",
    "kind",
    "method",
    "message_id",
    "url",
    "at",
    "received_at",
    "network",
    "user_agent",
    "detail",
)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A spool record with the key that makes storing it idempotent, and the place in its file behind it."""

    key: str
    end: int
    record: Record


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `apply` writes: rows of hits with what is judged of each (None: nothing), withdrawals, events."""

    hits: list[tuple[tuple[Any, ...], Hit | None]]
    judgement: Judgement
    withdrawals: list[tuple[int, int, str]]
    events: list[tuple[str, Record]]


def prepare(
    connection: sa.Connection, arrived: Sequence[Arrived], *, now: int, networks: Networks | None = None
) -> Prepared:
    """Read what storing up to 1,000 records needs; records stored before are left out.

    `networks` is the list of the workspace, else the one that comes with Tidings.
    Raises KeyError, TypeError or ValueError for a record that no version of the tracker wrote.
    """
    hits = answers.hits
    came = [one for one in arrived if one.record["k"] != "event"]
    keys = [one.key for one in came]
    stored = set(connection.execute(sa.select(hits.c.spool_key).where(hits.c.spool_key.in_(keys))).scalars())
    came = [one for one in came if one.key not in stored]
    messages = read_facts(connection, {one.record["m"] for one in came if one.record["m"] is not None})
    rows: list[tuple[tuple[Any, ...], Hit | None]] = []
    withdrawals = []
    for place, one in enumerate(came, start=1):
        record = one.record
        message = messages.get(record["m"])
        detail: Record = {name: record[name] for name in ("prefetch", "by", "machine") if name in record}
        hit = None
        if message is not None and record["k"] != VISIT:
            hit = _hit(-place, record, message)
            if record["k"] == "unsubscribe":
                withdrawals.append((record["m"], record["at"], record["by"]))
        elif record["m"] is not None:
            detail["message"] = record["m"]
        rows.append((_row(one, detail, now, known=message is not None), hit))
    return Prepared(
        rows,
        judge_new(connection, [hit for _, hit in rows if hit is not None], networks or bundled()),
        withdrawals,
        [(one.key, one.record) for one in arrived if one.record["k"] == "event"],
    )


def apply(
    connection: sa.Connection,
    prepared: Prepared,
    *,
    salt: str,
    country: str | None = None,
    now: int,
    kinds: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Write what was prepared; return counts: hits, responses, unsubscribed, events, customers.

    `kinds` are the kinds of the channels by id: a wish to get no more is for the kind that wrote.
    """
    ids = next_ids(connection, answers.hits, len(prepared.hits))
    rows = [(hit_id, *row) for hit_id, (row, _) in zip(ids, prepared.hits, strict=True)]
    judged = [(hit_id, hit) for hit_id, (_, hit) in zip(ids, prepared.hits, strict=True) if hit is not None]
    insert_rows(connection, answers.hits, rows, _HIT_COLUMNS)
    responses = store_judgement(connection, judged, prepared.judgement)
    # The columns of a row in the order of _HIT_COLUMNS, without its id.
    note_visits(connection, [(row[3], row[5]) for row, _ in prepared.hits if row[1] == VISIT and row[3]])
    unsubscribed = withdraw(connection, prepared.withdrawals, now=now, kinds=kinds)
    events, customers = store_events(connection, prepared.events, salt=salt, country=country, now=now)
    return {
        "hits": len(rows),
        "responses": responses,
        "unsubscribed": unsubscribed,
        "events": events,
        "customers": customers,
    }


def _hit(provisional: int, record: Record, message: Facts) -> Hit:
    if record["k"] not in RESPONSE_KINDS:
        raise ValueError(f"{record['k']!r} is no kind of hit")
    return Hit(
        provisional,
        record["k"],
        record["method"],
        record["m"],
        message.customer_id,
        record.get("url") or "",
        record["at"],
        record.get("ip"),
        record.get("ua") or "",
        bool(record.get("prefetch")),
        message.accepted_at,
        message.delivered_at,
        message.wording,
        bool(record.get("machine")),
    )


def _row(one: Arrived, detail: Record, now: int, *, known: bool) -> tuple[Any, ...]:
    record = one.record
    return (
        one.key,
        record["k"],
        record["method"],
        record["m"] if known else None,
        record.get("url"),
        record["at"],
        now,
        record.get("ip"),
        record.get("ua"),
        detail,
    )
