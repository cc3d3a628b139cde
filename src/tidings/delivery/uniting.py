"""Two customers who are one person: merged into one, and parted again when that was a mistake.

The record that is merged stays, with its addresses and its key, and is never written to again: what is still to go out to it is
refused as `merged` when it is claimed, flows end for it at their next step, and segments no longer see it. Everything else
becomes the other's (`customers.merged_rows`, `merged_words`, `merged_values`). One transaction does it all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.customers.merged_rows import give_back, move
from tidings.customers.merged_values import empty, fill
from tidings.customers.merged_words import join_words, part_words
from tidings.definitions.kinds.rules import Attributes
from tidings.delivery import offers
from tidings.delivery.caps import release
from tidings.errors import RefusedByPolicy, UsageError
from tidings.store.audit import append
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import people, sending

MERGED = "merged"
_customers, _merges, _members = people.customers, people.merges, people.segment_members
_messages, _runs = sending.messages, sending.runs
# The other record got it, or is getting it at this moment; what is only claimed is asked about once more before it leaves.
_REACHED = ("started", "accepted", "delivered", "in_doubt", "complained", "unconfirmed")


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did: `moved` rows by table, how many `consents` were carried over, `refused` messages that would have been second ones."""

    customer: str
    into: str
    at: int
    moved: dict[str, int] = field(default_factory=dict)
    consents: int = 0
    filled: tuple[str, ...] = ()
    refused: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return everything with stable keys."""
        return {
            "customer": self.customer,
            "into": self.into,
            "moved": self.moved,
            "consents": self.consents,
            "filled": list(self.filled),
            "refused": self.refused,
        }


def merge_customers(
    store: Store, attributes: Attributes, customer: str, into: str, *, actor: str, now: datetime
) -> Merged:
    """Merge one customer into another, both by their keys.

    Raises UsageError for a key that is not known, or is the same; RefusedByPolicy for one that was erased or merged before.
    """
    at = to_micros(now)
    with store.durable("merge") as connection:
        mine, theirs = _row(connection, customer), _row(connection, into)
        _may_merge(connection, mine, theirs)
        merge_id = connection.execute(
            sa.insert(_merges)
            .values(customer_id=mine.id, into_id=theirs.id, at=at, actor=actor, detail={})
            .returning(_merges.c.id)
        ).scalar_one()
        # Whoever was merged into the first is now the other as well.
        connection.execute(
            sa.update(_customers)
            .where(sa.or_(_customers.c.id == mine.id, _customers.c.merged_into == mine.id))
            .values(merged_into=theirs.id)
        )
        filled = fill(connection, attributes, mine, theirs)
        theirs = _row(connection, into)
        source = f"merge {merge_id}"
        words = join_words(connection, mine, theirs, source=source, now=at)
        refused = _refuse_second(connection, mine.id, theirs.id, at)
        moved = move(connection, merge_id, mine.id, theirs.id)
        listed = _join_lists(connection, mine.id, theirs.id, at)
        detail = {"filled": filled, "words": words, "listed": listed}
        connection.execute(sa.update(_merges).where(_merges.c.id == merge_id).values(detail=detail))
        append(connection, at, actor, "customer merged", mine.key, {"into": theirs.key, "moved": moved})
    names = tuple(
        name for name in (*filled["fixed"], *filled["attributes"], *filled["lists"]) if "_hash" not in name
    )
    return Merged(mine.key, theirs.key, at, moved, len(words), names, refused)


def part_customers(
    store: Store, attributes: Attributes, customer: str, *, actor: str, now: datetime
) -> Merged:
    """Part a customer again from the one that it was merged into, and return what went back.

    Messages that were refused stay refused. Raises UsageError for a customer who is not merged, and RefusedByPolicy where the
    other was merged into a third since: that comes first.
    """
    at = to_micros(now)
    with store.durable("merge") as connection:
        mine = _row(connection, customer)
        merge = connection.execute(
            sa.select(_merges).where(_merges.c.customer_id == mine.id, _merges.c.undone_at.is_(None))
        ).first()
        if merge is None:
            raise UsageError(f"{mine.key} is not merged into anybody")
        theirs = connection.execute(sa.select(_customers).where(_customers.c.id == merge.into_id)).one()
        if theirs.merged_into is not None:
            raise RefusedByPolicy(
                f"{theirs.key}, which {mine.key} was merged into, was merged as well",
                what_to_do=f"part that first: tidings customer unmerge {theirs.key}",
            )
        connection.execute(
            sa.update(_merges).where(_merges.c.id == merge.id).values(undone_at=at, undone_by=actor)
        )
        of_mine = sa.select(_merges.c.customer_id).where(
            _merges.c.into_id == mine.id, _merges.c.undone_at.is_(None)
        )
        connection.execute(sa.update(_customers).where(_customers.c.id == mine.id).values(merged_into=None))
        connection.execute(
            sa.update(_customers).where(_customers.c.id.in_(of_mine)).values(merged_into=mine.id)
        )
        give_back(connection, merge.id, mine.id, theirs.id)
        empty(connection, attributes, theirs.id, merge.detail["filled"])
        part_words(connection, theirs.id, merge.detail["words"], source=f"merge {merge.id}", now=at)
        _part_lists(connection, mine.id, theirs.id, merge.detail["listed"], at)
        append(connection, at, actor, "customer parted", mine.key, {"from": theirs.key})
    return Merged(mine.key, theirs.key, at)


def list_merged(connection: sa.Connection) -> list[Any]:
    """Return the merges that hold, the latest first: key, into (a key), at (microseconds), actor."""
    other = _customers.alias("other")
    return list(
        connection.execute(
            sa.select(_customers.c.key, other.c.key.label("into"), _merges.c.at, _merges.c.actor)
            .select_from(
                _merges.join(_customers, _customers.c.id == _merges.c.customer_id).join(
                    other, other.c.id == _merges.c.into_id
                )
            )
            .where(_merges.c.undone_at.is_(None))
            .order_by(_merges.c.at.desc(), _merges.c.id.desc())
        )
    )


def check_merge(store: Store, customer: str, into: str) -> None:
    """Raise what `merge_customers` would raise for these two keys, and change nothing: to be asked before anybody is."""
    with store.read() as connection:
        _may_merge(connection, _row(connection, customer), _row(connection, into))


def _row(connection: sa.Connection, key: str) -> Any:
    row = connection.execute(sa.select(_customers).where(_customers.c.key == key.strip())).first()
    if row is None:
        raise UsageError(
            f'there is no customer "{key}"',
            what_to_do="name customers by their key; `tidings explain ADDRESS` says it",
        )
    return row


def _may_merge(connection: sa.Connection, mine: Any, theirs: Any) -> None:
    if mine.id == theirs.id:
        raise UsageError(
            f"{mine.key} is the same customer twice", what_to_do="name the other record of the person as well"
        )
    for row in (mine, theirs):
        if row.tombstoned_at is not None:
            raise RefusedByPolicy(f"{row.key} was erased, and stays so")
        if row.merged_into is not None:
            other = connection.execute(
                sa.select(_customers.c.key).where(_customers.c.id == row.merged_into)
            ).scalar_one()
            raise RefusedByPolicy(
                f"{row.key} was merged into {other} before",
                what_to_do=f"name {other}, or part them first: tidings customer unmerge {row.key}",
            )


def _refuse_second(connection: sa.Connection, customer_id: int, into_id: int, at: int) -> int:
    """Refuse what a run would still send to the one record after it has reached the other."""
    theirs = _messages.alias("theirs")
    ids = list(
        connection.execute(
            sa.update(_messages)
            .where(
                _messages.c.customer_id == into_id,
                _messages.c.state.in_(["planned", "deferred"]),
                _messages.c.run_id.in_(sa.select(_runs.c.id).where(_runs.c.kind == "campaign")),
                sa.select(sa.literal_column("1"))
                .where(
                    theirs.c.customer_id == customer_id,
                    theirs.c.run_id == _messages.c.run_id,
                    theirs.c.state.in_(_REACHED),
                )
                .correlate(_messages)
                .exists(),
            )
            .values(
                **sending.in_state("refused"),
                refusal_code=MERGED,
                refusal_rule=MERGED,
                policy_hash=sa.select(_runs.c.policy_hash)
                .where(_runs.c.id == _messages.c.run_id)
                .scalar_subquery(),
                finished_at=at,
            )
            .returning(_messages.c.id)
        ).scalars()
    )
    release(connection, ids, at)
    offers.release(connection, ids)
    return len(ids)


def _join_lists(connection: sa.Connection, customer_id: int, into_id: int, at: int) -> dict[str, list[str]]:
    """End the memberships of the one; put the other on the lists where the first stood. Return `left` and `joined`."""
    left = list(
        connection.execute(
            sa.update(_members)
            .where(_members.c.customer_id == customer_id, _members.c.valid_to.is_(None))
            .values(valid_to=at)
            .returning(_members.c.segment)
        ).scalars()
    )
    kept = people.segment_runs
    computed = set(
        connection.execute(sa.select(kept.c.segment).where(kept.c.segment.in_(left)).distinct()).scalars()
    )
    joined = []
    for segment in sorted(set(left) - computed):
        done = connection.execute(
            insert_ignoring(connection, _members)
            .values(segment=segment, customer_id=into_id, valid_from=at)
            .returning(_members.c.id)
        ).first()
        if done is not None:
            joined.append(segment)
    return {"left": sorted(set(left) - computed), "joined": joined}


def _part_lists(
    connection: sa.Connection, customer_id: int, into_id: int, listed: dict[str, list[str]], at: int
) -> None:
    connection.execute(
        sa.update(_members)
        .where(
            _members.c.customer_id == into_id,
            _members.c.segment.in_(listed["joined"]),
            _members.c.valid_to.is_(None),
        )
        .values(valid_to=at)
    )
    for segment in listed["left"]:
        connection.execute(
            insert_ignoring(connection, _members).values(
                segment=segment, customer_id=customer_id, valid_from=at
            )
        )
