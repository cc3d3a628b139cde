"""Where a run stands, counted from the ledger, and its end: finished when nothing of it can be sent any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.delivery.claiming import PENDING, Durable, Read
from tidings.delivery.work import Delivered
from tidings.store.database import Store
from tidings.store.tables import sending

# More doubts than these are not worth remembering: the run is simply counted again.
_FEW = 500


@dataclass(frozen=True, slots=True)
class _Counted:
    """A run at one instant: its state, its messages by state, and when the first of each state is due."""

    state: str
    counts: Mapping[str, int]
    due: Mapping[str, int]

    @property
    def left(self) -> int:
        """How many may still be sent without anybody bringing them back."""
        return sum(self.counts[one] for one in PENDING)


def run_counts(store: Store, run_id: int, channel: str | None = None, *, first: int = 0) -> dict[str, int]:
    """Return the messages of a run (by one channel, from the id `first` on) by state, every state named."""
    with store.read() as connection:
        return _by_state(connection, run_id, channel, first)[0]


def finish(
    store: Store, run_id: int, *, now: int, read: Read | None = None, durable: Durable | None = None
) -> bool:
    """Finish a sending run that has nothing left to send; return whether it is finished by this.

    `read` and `durable` give the connections, the store's when left out. A sender's own still has at hand what it has just
    written, which any other would read anew.
    """
    return _finish(store, run_id, now, read or store.read, durable or store.durable)[0]


def standing(
    store: Store,
    run_id: int,
    *,
    sent_now: int = 0,
    reason: str = "",
    first: int = 0,
    read: Read | None = None,
) -> Delivered:
    """Return where a run stands, counted from the ledger; of a flow from the message `first` on. `read` as for `finish`."""
    with (read or store.read)() as connection:
        run = connection.execute(_RUN, {"run_id": run_id}).one()
        counted = _Counted(run.state, *_by_state(connection, run_id, None, first))
    return _delivered(run_id, counted, counted.state, sent_now, reason)


def conclude(
    store: Store,
    run_id: int,
    *,
    now: int,
    sent_now: int = 0,
    reason: str = "",
    first: int = 0,
    read: Read | None = None,
    durable: Durable | None = None,
) -> Delivered:
    """Do what `finish` and then `standing` do, with one look through the run where that says it all."""
    read = read or store.read
    finished, counted = _finish(store, run_id, now, read, durable or store.durable)
    if counted is None or not (finished or counted.left):
        # A flow, or something came back or was stopped in the meantime.
        return standing(store, run_id, sent_now=sent_now, reason=reason, first=first, read=read)
    return _delivered(run_id, counted, "finished" if finished else counted.state, sent_now, reason)


def _finish(
    store: Store, run_id: int, now: int, read: Read, durable: Durable
) -> tuple[bool, _Counted | None]:
    """Return whether the run is finished by this, and what was counted before; None of a flow."""
    with read() as connection:
        run = connection.execute(_RUN, {"run_id": run_id}).one()
        if run.kind == "flow":
            # Somebody may enter it at any time.
            return False, None
        counted = _Counted(run.state, *_by_state(connection, run_id, None, 0))
        if counted.left:
            return False, counted
        # Nothing else can come back: under the lock only these and newer messages are looked at, not the whole run.
        doubts: list[int] = []
        few = counted.counts["in_doubt"] <= _FEW
        if few and counted.counts["in_doubt"]:
            doubts = list(connection.execute(_DOUBTS, {"run_id": run_id}).scalars())
        last = connection.execute(_LAST, {"run_id": run_id}).scalar() or 0
    with durable("run") as connection:
        # Locked first, then looked at: a message that is being given back is seen, or its giver sees us finished.
        connection.execute(_LOCKED, {"run_id": run_id})
        values = {"run_id": run_id, "now": now}
        if few:
            ended = connection.execute(_END_OF_FEW, {**values, "last": last, "doubts": doubts})
        else:
            ended = connection.execute(_END_OF_MANY, values)
    return ended.rowcount > 0, counted


def _by_state(
    connection: sa.Connection, run_id: int, channel: str | None, first: int
) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many messages there are by state, every state named, and when the first of each is due.

    When those accepted were due is left out. Most messages are accepted, and to count all costs a tenth of sorting them.
    """
    values = {"run_id": run_id, "first": first}
    states, everything = _BY_STATE, _ALL
    if channel is not None:
        of_channel = _messages.c.channel == channel
        states, everything = states.where(of_channel), everything.where(of_channel)
    rows = connection.execute(states, values).all()
    total = connection.execute(everything, values).scalar_one()
    counts = dict.fromkeys(sending.MESSAGE_STATES, 0) | {state: count for state, count, _ in rows}
    counts["accepted"] = total - sum(counts.values())
    return counts, {state: due for state, _, due in rows}


def _delivered(run_id: int, counted: _Counted, state: str, sent_now: int, reason: str) -> Delivered:
    counts = counted.counts
    return Delivered(
        run_id,
        state,
        accepted=sum(counts[one] for one in ("accepted", "delivered", "complained", "unconfirmed")),
        rejected=counts["rejected"] + counts["bounced"],
        refused=counts["refused"],
        deferred=counts["deferred"],
        in_doubt=counts["in_doubt"],
        pending=counts["planned"] + counts["claimed"] + counts["started"],
        sent_now=sent_now,
        reason=reason,
        next_due=counted.due.get("deferred"),
    )


# Put together once: every sending of every flow asks all of these.
_messages, _runs = sending.messages, sending.runs
_run_id: sa.BindParameter[int] = sa.bindparam("run_id", type_=sa.BigInteger)
_of_run = _messages.c.run_id == _run_id
_from_first = _messages.c.id >= sa.bindparam("first", type_=sa.BigInteger)
_RUN = sa.select(_runs.c.kind, _runs.c.state).where(_runs.c.id == _run_id)
_LOCKED = sa.select(_runs.c.id).where(_runs.c.id == _run_id).with_for_update()
_BY_STATE = (
    sa.select(_messages.c.state, sa.func.count(), sa.func.min(_messages.c.due_at))
    .where(_of_run, _from_first, _messages.c.state != "accepted")
    .group_by(_messages.c.state)
)
_ALL = sa.select(sa.func.count()).select_from(_messages).where(_of_run, _from_first)
_DOUBTS = sa.select(_messages.c.id).where(_of_run, _messages.c.state == "in_doubt")
_LAST = sa.select(sa.func.max(_messages.c.id)).where(_of_run)
_pending: sa.Select[Any] = sa.select(sa.literal_column("1")).where(_messages.c.state.in_(PENDING))
_END = (
    sa.update(_runs)
    .where(_runs.c.id == _run_id, _runs.c.state == "sending")
    .values(state="finished", finished_at=sa.bindparam("now", type_=sa.BigInteger))
)
_END_OF_MANY = _END.where(~_pending.where(_of_run).exists())
_END_OF_FEW = _END.where(
    ~_pending.where(_of_run, _messages.c.id > sa.bindparam("last", type_=sa.BigInteger)).exists(),
    ~_pending.where(_messages.c.id.in_(sa.bindparam("doubts", expanding=True))).exists(),
)
