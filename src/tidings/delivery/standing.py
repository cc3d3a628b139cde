"""Where a run stands, counted from the ledger, and its end: finished when nothing of it can be sent any more."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.delivery.claiming import PENDING, Durable, Read
from tidings.delivery.work import Delivered
from tidings.store.database import Store
from tidings.store.tables import sending

# More doubts than these are not worth remembering: the run is simply counted again.
_FEW = 500


def run_counts(store: Store, run_id: int, channel: str | None = None, *, first: int = 0) -> dict[str, int]:
    """Return the messages of a run (by one channel, from the id `first` on) by state, every state named."""
    with store.read() as connection:
        return _by_state(connection, run_id, channel, first)[0]


def _by_state(
    connection: sa.Connection, run_id: int, channel: str | None, first: int
) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many messages there are by state, every state named, and when the first of each is due.

    When those accepted were due is left out. Most messages are accepted, and to count all costs a tenth of sorting them.
    """
    messages = sending.messages
    of_run = [messages.c.run_id == run_id, messages.c.id >= first]
    if channel is not None:
        of_run.append(messages.c.channel == channel)
    rows = connection.execute(
        sa.select(messages.c.state, sa.func.count(), sa.func.min(messages.c.due_at))
        .where(*of_run, messages.c.state != "accepted")
        .group_by(messages.c.state)
    ).all()
    everything = connection.execute(
        sa.select(sa.func.count()).select_from(messages).where(*of_run)
    ).scalar_one()
    counts = dict.fromkeys(sending.MESSAGE_STATES, 0) | {state: count for state, count, _ in rows}
    counts["accepted"] = everything - sum(counts.values())
    return counts, {state: due for state, _, due in rows}


def finish(
    store: Store, run_id: int, *, now: int, read: Read | None = None, durable: Durable | None = None
) -> bool:
    """Finish a sending run that has nothing left to send; return whether it is finished by this.

    `read` and `durable` give the connections, the store's when left out. A sender's own still has at hand what it has just
    written, which any other would read anew.
    """
    messages, runs = sending.messages, sending.runs
    of_run = messages.c.run_id == run_id
    pending = messages.c.state.in_(PENDING)
    left: sa.ColumnElement[bool] = sa.select(sa.literal_column("1")).where(of_run, pending).exists()
    with (read or store.read)() as connection:
        if connection.execute(sa.select(runs.c.kind).where(runs.c.id == run_id)).scalar() == "flow":
            # Somebody may enter it at any time.
            return False
        # Those that are left and the doubts, in one look through the run.
        found = connection.execute(
            sa.select(messages.c.id, messages.c.state)
            .where(of_run, messages.c.state.in_([*PENDING, "in_doubt"]))
            .limit(_FEW + 1)
        ).all()
        # Nothing else can come back: under the lock only these and newer messages are looked at, not the whole run.
        doubts = [row.id for row in found if row.state == "in_doubt"]
        if len(doubts) < len(found):
            return False
        if len(doubts) > _FEW and connection.execute(sa.select(left)).scalar_one():
            return False
        last = connection.execute(sa.select(sa.func.max(messages.c.id)).where(of_run)).scalar() or 0
    if len(doubts) <= _FEW:
        came_back: sa.Select[Any] = sa.select(sa.literal_column("1")).where(pending)
        left = sa.or_(
            came_back.where(of_run, messages.c.id > last).exists(),
            came_back.where(messages.c.id.in_(doubts)).exists(),
        )
    with (durable or store.durable)("run") as connection:
        # Locked first, then looked at: a message that is being given back is seen, or its giver sees us finished.
        connection.execute(sa.select(runs.c.id).where(runs.c.id == run_id).with_for_update())
        return (
            connection.execute(
                sa.update(runs)
                .where(runs.c.id == run_id, runs.c.state == "sending", ~left)
                .values(state="finished", finished_at=now)
            ).rowcount
            > 0
        )


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
    runs = sending.runs
    with (read or store.read)() as connection:
        counts, due = _by_state(connection, run_id, None, first)
        state = connection.execute(sa.select(runs.c.state).where(runs.c.id == run_id)).scalar_one()
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
        next_due=due.get("deferred"),
    )
