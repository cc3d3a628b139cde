"""STOP and START by answer, in the consent ledger: everything on one kind of channel, for everyone with the address."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from tidings.customers.consent import ALL, ConsentRow, record
from tidings.store.tables import people

STOP_BASIS, START_BASIS = "stop", "start"


class _Said(NamedTuple):
    """One entry of a customer, in the order in which entries speak."""

    at: int
    id: int
    purpose: str
    state: str
    basis: str


def stop(
    connection: sa.Connection,
    customer_ids: Collection[int],
    kind: str,
    *,
    always_sent: Sequence[str],
    source: str,
    at: int,
    now: int,
) -> bool:
    """Withdraw everything on a kind of channel; return whether that changed what holds for any of the customers.

    `always_sent` are the purposes that a withdrawal for `all` does not hold back (transactional): each is withdrawn by
    name. `at` is when it was said; who said START later stays.
    """
    at = min(at, now)
    rows: list[ConsentRow] = []
    changed = False
    spoken = _spoken(connection, customer_ids, kind)
    for customer in sorted(customer_ids):
        before = [one for one in spoken[customer] if one.at <= at]
        gone = {purpose for purpose, one in _latest(before).items() if one.state == "withdrawn"}
        wanted = [purpose for purpose in (ALL, *always_sent) if purpose not in gone]
        if not wanted and not _granted_since(before):
            continue
        rows += [
            ConsentRow(customer, kind, purpose, "withdrawn", STOP_BASIS, source, at, now)
            for purpose in (ALL, *always_sent)
        ]
        # What was said later speaks louder, and then nothing has changed.
        changed = changed or len(before) == len(spoken[customer])
    record(connection, rows)
    return changed


def start(
    connection: sa.Connection,
    customer_ids: Collection[int],
    kind: str,
    *,
    source: str,
    at: int,
    now: int,
) -> bool:
    """Take back what STOP withdrew; return whether that changed what holds for any of the customers.

    What was withdrawn by itself before (one purpose, by a link) stays withdrawn for those who had said STOP. For those
    who had not, START grants what is withdrawn, and everything to those who never said anything.
    """
    at = min(at, now)
    rows: list[ConsentRow] = []
    changed = False
    spoken = _spoken(connection, customer_ids, kind)
    for customer in sorted(customer_ids):
        before = [one for one in spoken[customer] if one.at <= at]
        said = _again(before)
        rows += [
            ConsentRow(customer, kind, purpose, state, START_BASIS, source, at, now)
            for purpose, state in said
        ]
        changed = changed or (bool(said) and len(before) == len(spoken[customer]))
    record(connection, rows)
    return changed


def _again(before: Sequence[_Said]) -> list[tuple[str, str]]:
    latest = _latest(before)
    everything = latest.get(ALL)
    if everything is not None and everything.state == "withdrawn" and not _granted_since(before):
        # The grant of everything first: what follows at the same instant speaks louder.
        return [
            (ALL, "granted"),
            *(
                (purpose, "granted" if one.basis == STOP_BASIS else "withdrawn")
                for purpose, one in sorted(latest.items())
                if purpose != ALL and one.state == "withdrawn"
            ),
        ]
    gone = sorted(purpose for purpose, one in latest.items() if one.state == "withdrawn")
    if gone:
        return [(purpose, "granted") for purpose in gone]
    return [] if latest else [(ALL, "granted")]


def _granted_since(before: Sequence[_Said]) -> bool:
    """Tell whether something was granted after everything was withdrawn."""
    place = max(
        (i for i, one in enumerate(before) if one.purpose == ALL and one.state == "withdrawn"), default=-1
    )
    return any(one.state == "granted" for one in before[place + 1 :])


def _latest(before: Sequence[_Said]) -> dict[str, _Said]:
    return {one.purpose: one for one in before}


def _spoken(
    connection: sa.Connection, customer_ids: Collection[int], kind: str
) -> defaultdict[int, list[_Said]]:
    consents = people.consents
    rows = connection.execute(
        sa.select(
            consents.c.customer_id,
            consents.c.at,
            consents.c.id,
            consents.c.purpose,
            consents.c.state,
            consents.c.basis,
        )
        .where(
            consents.c.customer_id.in_(list(customer_ids)),
            consents.c.channel == kind,
            consents.c.topic.is_(None),
        )
        .order_by(consents.c.at, consents.c.id)
    )
    spoken: defaultdict[int, list[_Said]] = defaultdict(list)
    for row in rows:
        spoken[row.customer_id].append(_Said(row.at, row.id, row.purpose, row.state, row.basis))
    return spoken
