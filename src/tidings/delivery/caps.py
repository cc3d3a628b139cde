"""Frequency caps as reservations: what a customer may get is taken in the claim, and given back when nothing was handed over.

`1 per day and 4 per week` counts calendar days on the workspace clock: at most 4 in any 7 that follow each other. One row of
`cap_use` stands for one message, whatever it was tried by: a retry moves its own reservation to today, and a next channel of
the same step goes by the first one's. The customers of a claim are locked in the order of their ids, so that two claims
count one after the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tidings.campaigns.capped import ACCOUNT, CAP, LIMITED
from tidings.clock import from_micros, local_day, local_midnight, to_micros
from tidings.customers.knowing import listed, one_of
from tidings.definitions.kinds.rules import Cap
from tidings.delivery.terms import Terms
from tidings.store.tables import people, sending

_use, _messages, _runs, _customers = sending.cap_use, sending.messages, sending.runs, people.customers
# In somebody's hands: whether they will be handed over is known in a moment.
_UNDECIDED = ("claimed", "started")


class Candidate(Protocol):
    """A message that asks for room."""

    @property
    def id(self) -> int:
        """The message."""
        ...

    @property
    def customer_id(self) -> int:
        """Who gets it."""
        ...

    @property
    def enrolment_id(self) -> int:
        """Whose step it is of."""
        ...

    @property
    def step(self) -> str:
        """The step, whose channels are one message to the customer."""
        ...


@dataclass(slots=True)
class Room:
    """What the caps say of the messages of a claim, by id.

    `counted` go and are reserved, `free` go by a reservation that their step has, `undecided` may go when what is in
    somebody's hands comes back, the others are `refused` by code.
    """

    counted: list[int] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    undecided: list[int] = field(default_factory=list)
    refused: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class _Use:
    """A reservation: on which day, for which message of which step, and whether its message is still in hand."""

    day: str
    message_id: int
    step: tuple[int, str]
    undecided: bool


def day_of(now: int, terms: Terms) -> date:
    """Return the calendar day on the workspace clock."""
    return local_day(from_micros(now), ZoneInfo(terms.zone))


def day_ends(now: int, terms: Terms) -> int:
    """Return the first instant of the next calendar day: a reservation is good until then."""
    zone = ZoneInfo(terms.zone)
    return to_micros(local_midnight(local_day(from_micros(now), zone) + timedelta(days=1), zone))


def room_for(
    connection: sa.Connection, run_id: int, terms: Terms, wanted: Sequence[Candidate], now: int
) -> Room:
    """Find room for messages, in the transaction that claims them; nothing is written yet.

    Customers, and the others of their accounts where those are limited, are locked first.
    """
    today = day_of(now, terms)
    customers = sorted({one.customer_id for one in wanted})
    accounts = _accounts(connection, customers) if terms.account_caps else {}
    _lock(connection, customers, set(accounts.values()))
    longest = max((cap.days for cap in (*terms.caps, *terms.account_caps)), default=1)
    since = today - timedelta(days=longest - 1)
    used = _uses(connection, customers, [terms.message_class], since)
    by_account = _account_uses(connection, accounts, since)
    rivals = _rivals(connection, run_id, terms, customers, now)
    room = Room()
    for one in sorted(wanted, key=lambda each: each.id):
        step = (one.enrolment_id, one.step)
        mine = [use for use in used[one.customer_id] if use.message_id != one.id]
        if any(use.step == step for use in mine):
            room.free.append(one.id)
            continue
        fits = _fits(terms.caps, mine, rivals[one.customer_id], today)
        code = CAP
        account = accounts.get(one.customer_id)
        if fits and account is not None:
            theirs = [use for use in by_account[account] if use.message_id != one.id]
            fits, code = _fits(terms.account_caps, theirs, 0, today), ACCOUNT
        if fits:
            room.counted.append(one.id)
            reserved = _Use(today.isoformat(), one.id, step, True)
            # What was reserved for an earlier try of the same message counts no longer.
            used[one.customer_id] = [*mine, reserved]
            if account is not None:
                by_account[account] = [*theirs, reserved]
        elif fits is None:
            room.undecided.append(one.id)
        else:
            room.refused[code].append(one.id)
    return room


def reserve(connection: sa.Connection, terms: Terms, message_ids: Collection[int], now: int) -> None:
    """Write reservations for today; one of an earlier try of the same message moves to today."""
    if not message_ids:
        return
    dialect = connection.dialect.name
    day = day_of(now, terms).isoformat()
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(_use).from_select(
        ["customer_id", "cap", "period", "message_id", "reserved_at"],
        sa.select(
            _messages.c.customer_id,
            sa.literal(terms.message_class, sa.Text),
            sa.literal(day, sa.Text),
            _messages.c.id,
            sa.literal(now, sa.BigInteger),
        )
        .where(one_of(_messages.c.id, dialect))
        .order_by(_messages.c.id),
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["message_id"],
            set_={"period": day, "cap": terms.message_class, "reserved_at": now, "released_at": None},
        ),
        listed(dialect, message_ids),
    )


def release(connection: sa.Connection, message_ids: Collection[int], now: int) -> None:
    """Give back the reservations of messages that were not handed over, or were rejected."""
    if message_ids:
        dialect = connection.dialect.name
        connection.execute(_RELEASE[dialect], {**listed(dialect, message_ids), "now": now})


_RELEASE = {
    dialect: sa.update(_use)
    .where(one_of(_use.c.message_id, dialect), _use.c.released_at.is_(None))
    .values(released_at=sa.bindparam("now", type_=sa.BigInteger))
    for dialect in ("sqlite", "postgresql")
}


def _fits(caps: Iterable[Cap], uses: Sequence[_Use], ahead: int, today: date) -> bool | None:
    """Tell whether one more fits all caps; None where that hangs on messages that are in somebody's hands.

    `ahead` messages of higher priority are due today and take their room first. Reservations of later days (the clock was
    set back) count as well.
    """
    verdict: bool | None = True
    for cap in caps:
        first = (today - timedelta(days=cap.days - 1)).isoformat()
        within = [use for use in uses if use.day >= first]
        decided = sum(not use.undecided for use in within)
        if len(within) + ahead < cap.count:
            continue
        if decided + ahead >= cap.count:
            return False
        verdict = None
    return verdict


def _accounts(connection: sa.Connection, customers: Sequence[int]) -> dict[int, str]:
    dialect = connection.dialect.name
    rows = connection.execute(
        sa.select(_customers.c.id, _customers.c.account).where(
            one_of(_customers.c.id, dialect), _customers.c.account.is_not(None)
        ),
        listed(dialect, customers),
    )
    return {row.id: row.account for row in rows}


def _lock(connection: sa.Connection, customers: Sequence[int], accounts: Collection[str]) -> None:
    """Lock customers, with the others of their accounts, in the order of their ids; SQLite has one writer anyway."""
    if connection.dialect.name != "postgresql":
        return
    # An import locks customers in the order of its file. Of two that wait for each other it is the claim that gives way.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '500ms'")
    which = one_of(_customers.c.id, "postgresql")
    if accounts:
        which = sa.or_(
            which, _customers.c.account == sa.any_(sa.bindparam("accounts", type_=postgresql.ARRAY(sa.Text)))
        )
    values = listed("postgresql", customers) | ({"accounts": sorted(accounts)} if accounts else {})
    # Not against rows that only refer to the customer, such as events that come in.
    connection.execute(
        sa.select(_customers.c.id).where(which).order_by(_customers.c.id).with_for_update(key_share=True),
        values,
    ).all()


def _uses(
    connection: sa.Connection, customers: Sequence[int], classes: Sequence[str], since: date
) -> defaultdict[int, list[_Use]]:
    dialect = connection.dialect.name
    rows = connection.execute(
        _uses_of(classes, since).where(one_of(_use.c.customer_id, dialect)), listed(dialect, customers)
    )
    found: defaultdict[int, list[_Use]] = defaultdict(list)
    for row in rows:
        found[row.customer_id].append(_used(row))
    return found


def _account_uses(
    connection: sa.Connection, accounts: Mapping[int, str], since: date
) -> defaultdict[str, list[_Use]]:
    """Return the reservations of everybody of some accounts, in the classes that are limited."""
    found: defaultdict[str, list[_Use]] = defaultdict(list)
    if not accounts:
        return found
    dialect = connection.dialect.name
    rows = connection.execute(
        _uses_of(LIMITED, since)
        .add_columns(_customers.c.account)
        .join(_customers, _customers.c.id == _use.c.customer_id)
        .where(one_of(_customers.c.account, dialect)),
        listed(dialect, sorted(set(accounts.values()))),
    )
    for row in rows:
        found[row.account].append(_used(row))
    return found


def _uses_of(classes: Sequence[str], since: date) -> sa.Select[tuple[int, str, int, int, str, str]]:
    return (
        sa.select(
            _use.c.customer_id,
            _use.c.period,
            _use.c.message_id,
            _messages.c.enrolment_id,
            _messages.c.step,
            _messages.c.state,
        )
        .select_from(_use.join(_messages, _messages.c.id == _use.c.message_id))
        .where(_use.c.cap.in_(classes), _use.c.period >= since.isoformat(), _use.c.released_at.is_(None))
    )


def _used(row: sa.Row[Any]) -> _Use:
    return _Use(row.period, row.message_id, (row.enrolment_id, row.step), row.state in _UNDECIDED)


def _rivals(
    connection: sa.Connection, run_id: int, terms: Terms, customers: Sequence[int], now: int
) -> defaultdict[int, int]:
    """Count by customer the steps of runs of higher priority that wait and are due today."""
    found: defaultdict[int, int] = defaultdict(int)
    if not terms.caps:
        return found
    runs = connection.execute(
        sa.select(_runs.c.id, _runs.c.bounds).where(
            _runs.c.priority > terms.priority,
            _runs.c.state.in_(["enrolling", "sending"]),
            _runs.c.id != run_id,
        )
    ).all()
    # A flow has steps of several purposes; it counts whole.
    above = [row.id for row in runs if row.bounds.get("purpose") in (None, *terms.rivals)]
    if not above:
        return found
    dialect = connection.dialect.name
    rows = connection.execute(
        sa.select(_messages.c.customer_id, sa.func.count())
        .where(
            one_of(_messages.c.customer_id, dialect),
            _messages.c.run_id.in_(above),
            _messages.c.state.in_(["planned", "deferred"]),
            _messages.c.due_at < day_ends(now, terms),
            sa.or_(_messages.c.expires_at.is_(None), _messages.c.expires_at > now),
        )
        .group_by(_messages.c.customer_id),
        listed(dialect, customers),
    )
    found.update(dict(rows.all()))
    return found
