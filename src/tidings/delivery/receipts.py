"""The inbox of receipts: each word of a provider once, matched to its message, merged into its state.

A receipt can come before our own mark of the message, again and again, and in any order. It is stored first; what its
message cannot take yet `waits`, and `rematch` looks again until it fits or has waited for three days.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.customers.addresses import AddressReader
from tidings.delivery.effects import Engaged, take_effect
from tidings.delivery.matching import FOREIGN, Sought, find_messages, is_foreign
from tidings.delivery.merging import lock, merge
from tidings.delivery.receipt_rows import COLUMNS, Row, row_of, sought_of, tuples
from tidings.delivery.reference import referrer_of
from tidings.delivery.withdrawing import kind_of
from tidings.store.batches import insert_rows, next_ids
from tidings.store.database import Store
from tidings.store.tables import sending

if TYPE_CHECKING:
    from tidings.channels.protocol import Receipt

_receipts, _messages = sending.receipts, sending.messages
_MINUTE = 60 * 1_000_000
# A receipt without a message is looked at every time for this long, then only by the deep looks.
_FRESH = 10 * _MINUTE
_GIVEN_UP_AFTER = 3 * 24 * 60 * _MINUTE
_AT_ONCE = 1_000
# Half of what a transaction may have: opens and clicks of the same receipts are judged in it too.
_STORED_AT_ONCE = 500

# Stores what people did with messages (opened, clicked), in the transaction that applies the receipts.
Engage = Callable[[sa.Connection, Sequence[Engaged], int], None]


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of receipts: `applied` to their message, `waiting` for it, `ignored` (of no message), told before."""

    applied: int = 0
    waiting: int = 0
    ignored: int = 0
    duplicates: int = 0

    def __add__(self, other: TakenIn) -> TakenIn:
        return TakenIn(
            self.applied + other.applied,
            self.waiting + other.waiting,
            self.ignored + other.ignored,
            self.duplicates + other.duplicates,
        )


def take_in(
    store: Store,
    channel_id: str,
    provider: str,
    events: Sequence[Receipt],
    *,
    salt: str,
    now: datetime,
    kinds: Mapping[str, str] | None = None,
    engage: Engage | None = None,
) -> TakenIn:
    """Store what a provider said and let it take effect; may be called again with the same events at any time.

    `provider` is the adapter's name, `salt` the workspace's, `kinds` the kind of each channel by its id; `engage`
    stores opens and clicks. Raises StoreError when the store cannot take them; what was committed stays.
    """
    at, kinds = to_micros(now), kinds or {}
    kind = kind_of(channel_id, kinds)
    referrer = referrer_of(store, salt)
    reader = AddressReader(salt, kind)
    unique: dict[str, Row] = {}
    for event in events:
        row = row_of(event, channel_id, provider, reader, kind=kind, now=at)
        unique.setdefault(row.event_id, row)
    result = TakenIn(duplicates=len(events) - len(unique))
    for part in store.paced("receipts").chunks(list(unique.values()), _STORED_AT_ONCE):
        with store.read() as connection:
            told = _told(connection, part)
            new = [row for row in part if row.event_id not in told]
            sought = [row.sought for row in new]
            found = find_messages(connection, sought, referrer, now=at, deep=True, kinds=kinds)
        result += TakenIn(duplicates=len(part) - len(new))
        if not new:
            continue
        rows = [
            row.values
            | {
                "message_id": message_id or None,
                "state": "ignored"
                if message_id == FOREIGN or is_foreign(row.sought, referrer)
                else "waiting",
            }
            for row, message_id in zip(new, found, strict=True)
        ]
        with store.durable("receipts") as connection:
            result += _store(connection, rows, kinds, at, engage)
    return result


def rematch(
    store: Store,
    *,
    salt: str,
    now: datetime,
    kinds: Mapping[str, str] | None = None,
    engage: Engage | None = None,
    deep: bool = False,
) -> TakenIn:
    """Look again at the receipts that wait; cheap when none does.

    `deep` also looks at those that have waited for over ten minutes without a message, through the messages of the
    last days, and ignores what has waited for three days; once in a few minutes is enough.
    """
    at, kinds = to_micros(now), kinds or {}
    referrer = referrer_of(store, salt)
    result, after = TakenIn(), 0
    while True:
        with store.read() as connection:
            rows = _waiting(connection, after, at, deep=deep)
            nameless = [row for row in rows if row.message_id is None]
            sought = [_sought(row, kinds) for row in nameless]
            found = dict(
                zip(
                    (row.id for row in nameless),
                    find_messages(connection, sought, referrer, now=at, deep=deep, kinds=kinds),
                    strict=True,
                )
            )
        foreign = [receipt for receipt, message in found.items() if message == FOREIGN]
        if foreign:
            found = {receipt: message for receipt, message in found.items() if message != FOREIGN}
            with store.durable("receipts") as connection:
                result += TakenIn(ignored=_ignore(connection, foreign))
        matched = {row.id: row.message_id or found.get(row.id) for row in rows}
        ready = {receipt: message for receipt, message in matched.items() if message is not None}
        if ready:
            named = {receipt: message for receipt, message in found.items() if message is not None}
            with store.durable("receipts") as connection:
                if named:
                    connection.execute(
                        sa.update(_receipts)
                        .where(_receipts.c.id == sa.bindparam("receipt"))
                        .values(message_id=sa.bindparam("message")),
                        [{"receipt": receipt, "message": message} for receipt, message in named.items()],
                    )
                result += TakenIn(applied=_apply(connection, list(ready), kinds, at, engage))
        if len(rows) < _AT_ONCE:
            break
        after = rows[-1].id
    return result + TakenIn(ignored=_give_up(store, at)) if deep else result


def _told(connection: sa.Connection, part: Sequence[Row]) -> set[str]:
    """Return the event ids that are in the inbox already."""
    return set(
        connection.execute(
            sa.select(_receipts.c.event_id).where(
                _receipts.c.provider == part[0].values["provider"],
                _receipts.c.event_id.in_([row.event_id for row in part]),
            )
        ).scalars()
    )


def _store(
    connection: sa.Connection,
    rows: list[dict[str, Any]],
    kinds: Mapping[str, str],
    now: int,
    engage: Engage | None,
) -> TakenIn:
    ids = next_ids(connection, _receipts, len(rows))
    numbered = [row | {"id": one} for row, one in zip(rows, ids, strict=True)]
    if insert_rows(connection, _receipts, tuples(numbered), COLUMNS, ignore_conflicts=True) < len(rows):
        # Another process told the same between our look and now: only what is ours takes effect.
        kept = set(connection.execute(sa.select(_receipts.c.id).where(_receipts.c.id.in_(ids))).scalars())
        numbered = [row for row in numbered if row["id"] in kept]
    mine = [row for row in numbered if row["state"] == "waiting"]
    matched = [row["id"] for row in mine if row["message_id"] is not None]
    applied = _apply(connection, matched, kinds, now, engage)
    return TakenIn(applied, len(mine) - applied, len(numbered) - len(mine), len(rows) - len(numbered))


def _apply(
    connection: sa.Connection,
    receipt_ids: Sequence[int],
    kinds: Mapping[str, str],
    now: int,
    engage: Engage | None,
) -> int:
    """Let waiting receipts with a message take effect where the message can take them; return how many did."""
    if not receipt_ids:
        return 0
    rows = connection.execute(
        sa.select(_receipts)
        .where(_receipts.c.id.in_(list(receipt_ids)), _receipts.c.state == "waiting")
        .order_by(_receipts.c.id)
    ).all()
    ready = lock(connection, sorted({row.message_id for row in rows}))
    due = [row for row in rows if row.message_id in ready]
    if not due:
        return 0
    # Asked again under the locks: another process may have applied them since.
    applied = set(
        connection.execute(
            sa.update(_receipts)
            .where(_receipts.c.id.in_([row.id for row in due]), _receipts.c.state == "waiting")
            .values(state="applied")
            .returning(_receipts.c.id)
        ).scalars()
    )
    due = [row for row in due if row.id in applied]
    merge(connection, ready, now)
    take_effect(connection, due, ready, kinds=kinds, now=now, engage=engage)
    return len(due)


def _waiting(connection: sa.Connection, after: int, now: int, *, deep: bool) -> list[Any]:
    """Return waiting receipts that may fit now: their message has left the sender's hands, or is still unknown."""
    known = sa.and_(_messages.c.state.not_in(["claimed", "started"]), _messages.c.attempt > 0)
    since = 0 if deep else now - _FRESH
    unknown = sa.and_(_receipts.c.message_id.is_(None), _receipts.c.received_at > since)
    statement = (
        sa.select(_receipts)
        .select_from(_receipts.outerjoin(_messages, _messages.c.id == _receipts.c.message_id))
        .where(_receipts.c.state == sa.literal_column("'waiting'"), _receipts.c.id > after)
        .where(sa.or_(known, unknown))
        .order_by(_receipts.c.id)
        .limit(_AT_ONCE)
    )
    return list(connection.execute(statement).all())


def _sought(row: Any, kinds: Mapping[str, str]) -> Sought:
    return sought_of(
        row.channel,
        kind_of(row.channel, kinds),
        row.reference or "",
        row.provider_ref or "",
        row.address_hash,
        (row.raw or {}).get("said") or {},
    )


def _give_up(store: Store, now: int) -> int:
    """Ignore what has waited for three days; its message was never one of ours, or is gone."""
    given_up = 0
    while True:
        old = sa.select(_receipts.c.id).where(
            _receipts.c.state == sa.literal_column("'waiting'"),
            _receipts.c.received_at < now - _GIVEN_UP_AFTER,
        )
        with store.read() as connection:
            ids = list(connection.execute(old.limit(_AT_ONCE)).scalars())
        if not ids:
            return given_up
        with store.durable("receipts") as connection:
            given_up += _ignore(connection, ids)


def _ignore(connection: sa.Connection, receipt_ids: Sequence[int]) -> int:
    return connection.execute(
        sa.update(_receipts)
        .where(_receipts.c.id.in_(list(receipt_ids)), _receipts.c.state == "waiting")
        .values(state="ignored")
    ).rowcount
