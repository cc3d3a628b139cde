"""The table of conversions: every event that config/attribution.yaml calls one, with the customer whose it is.

Kept up with the events: late ones are added, an order that got more lines has its new amount, an order that named nobody
counts for the customer to whom it was matched back. A changed rule has another version, and what the old one made goes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import sqlalchemy as sa

from tidings.customers.knowing import listed, one_of
from tidings.definitions.workspace import Definitions
from tidings.measurement.blocks import by_index, changed, spans
from tidings.measurement.matching import Match, MatchedBack, Tally, matches
from tidings.measurement.rematching import rematch
from tidings.store.batches import insert_ignoring, insert_rows
from tidings.store.database import Store
from tidings.store.table_statistics import analyse
from tidings.store.tables import answers, people

_conversions, _events, _names = answers.conversions, people.events, people.event_names
_COLUMNS = ("goal", "goal_version", "event_id", "customer_id", "at", "amount", "currency")
_PURPOSE, _WHAT = "conversions", "conversions: "
_LOW, _HIGH = sa.bindparam("low", type_=sa.BigInteger), sa.bindparam("high", type_=sa.BigInteger)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How many conversions were added and taken away as of `at`, and what orders without a customer were matched to."""

    at: datetime
    added: int
    removed: int
    matched_back: MatchedBack


def conversion_versions(definitions: Definitions) -> dict[str, str]:
    """Return the events that are conversions, each with the version of its rule.

    They are those of config/attribution.yaml; without that file every event with `revenue` in config/events.yaml that
    takes nothing back.
    """
    returns = {event.returns for event in definitions.events.events if event.returns}
    if definitions.attribution is not None:
        names: Sequence[str] = definitions.attribution.conversions
    else:
        names = [one.name for one in definitions.events.events if one.revenue and one.name not in returns]
    versions = {}
    for name in names:
        event = definitions.events.get(name)
        rule = {"conversion": 1, "event": name, "revenue": event.revenue if event else None}
        versions[name] = sha256(json.dumps(rule, sort_keys=True).encode()).hexdigest()[:16]
    return versions


def refresh(store: Store, definitions: Definitions, *, now: datetime) -> Refreshed:
    """Bring the conversions up to date with the events and the rule; again at once it changes nothing."""
    versions = conversion_versions(definitions)
    removed = _forget(store, versions)
    added = 0
    with store.read() as connection:
        ids = dict(
            connection.execute(
                sa.select(_names.c.name, _names.c.id).where(_names.c.name.in_(list(versions)))
            ).all()
        )
    for name, number in ids.items():
        more, fewer = _bring(store, name, versions[name], number)
        added, removed = added + more, removed + fewer
    tally = Tally()
    for chunk in matches(store, definitions, list(versions)):
        tally.add(chunk)
        more, fewer = _bring_matched(store, chunk, versions)
        added, removed = added + more, removed + fewer
    if added + removed:
        analyse(store, "conversions")
        # An order of a guest that was matched back tells who the visitor was that came by an ad before.
        rematch(store, definitions)
    return Refreshed(now, added, removed, tally.result())


def _bring(store: Store, name: str, version: str, number: int) -> tuple[int, int]:
    """Bring the conversions of one event whose customer is known."""
    named = _events.c.name_id == number
    what = f"{_WHAT}{name} {version}"
    cells = (_events.c.amount, _events.c.occurred_at, _events.c.customer_id)
    with store.read() as connection:
        blocks = changed(connection, what, _events, named, cells)
    ours = (_conversions.c.goal == name, _conversions.c.goal_version == version)
    as_told = (
        sa.exists()
        .where(
            _events.c.id == _conversions.c.event_id,
            # An order that names nobody is for who it was matched back to.
            sa.func.coalesce(_events.c.customer_id, _conversions.c.customer_id) == _conversions.c.customer_id,
            _events.c.occurred_at == _conversions.c.at,
            _events.c.amount.is_not_distinct_from(_conversions.c.amount),
            _events.c.currency.is_not_distinct_from(_conversions.c.currency),
        )
        .correlate(_conversions)
    )
    take_away = sa.delete(_conversions).where(
        *ours, _conversions.c.enrolment_id.is_(None), _conversions.c.event_id.between(_LOW, _HIGH), ~as_told
    )
    found = sa.select(
        sa.literal(name, sa.Text),
        sa.literal(version, sa.Text),
        _events.c.id,
        _events.c.customer_id,
        _events.c.occurred_at,
        _events.c.amount,
        _events.c.currency,
    ).where(_events.c.id.between(_LOW, _HIGH), named, _events.c.customer_id.is_not(None))
    added = removed = 0
    for low, high in spans(store, what, blocks, _PURPOSE):
        with store.marks(_PURPOSE) as connection:
            by_index(connection)
            removed += connection.execute(take_away, {"low": low, "high": high}).rowcount
            put = insert_ignoring(connection, _conversions).from_select(list(_COLUMNS), found)
            put = put.execution_options(preserve_rowcount=True)
            added += connection.execute(put, {"low": low, "high": high}).rowcount
    return added, removed


def _bring_matched(store: Store, chunk: Sequence[Match], versions: Mapping[str, str]) -> tuple[int, int]:
    """Bring the conversions of events without a customer: each for whom it is matched to now, or for nobody."""
    table = _conversions
    with store.read() as connection:
        dialect = connection.dialect.name
        kept = {
            (row.goal, row.event_id): row
            for goal in {one.name for one in chunk}
            for row in connection.execute(
                sa.select(table.c.id, table.c.goal, table.c.event_id, table.c.customer_id).where(
                    table.c.goal == goal,
                    table.c.goal_version == versions[goal],
                    table.c.enrolment_id.is_(None),
                    one_of(table.c.event_id, dialect),
                ),
                listed(dialect, [one.event_id for one in chunk if one.name == goal]),
            )
        }
    gone, new = [], []
    for one in chunk:
        before = kept.get((one.name, one.event_id))
        if before is not None and before.customer_id == one.customer_id:
            continue
        if before is not None:
            gone.append(before.id)
        if one.customer_id is not None:
            about = (one.name, versions[one.name], one.event_id, one.customer_id)
            new.append((*about, one.at, one.amount, one.currency))
    if gone or new:
        with store.marks(_PURPOSE) as connection:
            if gone:
                connection.execute(sa.delete(table).where(table.c.id.in_(gone)))
            insert_rows(connection, table, new, _COLUMNS, ignore_conflicts=True)
    return len(new), len(gone)


def _forget(store: Store, versions: Mapping[str, str]) -> int:
    """Delete what rules made that are no longer those of today; return how many."""
    table, blocks = _conversions, answers.measured_blocks
    today = sa.or_(
        sa.false(),
        *(
            sa.and_(table.c.goal == name, table.c.goal_version == version)
            for name, version in versions.items()
        ),
    )
    old = sa.and_(table.c.enrolment_id.is_(None), ~today)
    whats = [f"{_WHAT}{name} {version}" for name, version in versions.items()]
    # First of all: without its blocks a rule is brought anew, however far the deleting below comes.
    stale = sa.and_(blocks.c.what.startswith(_WHAT), blocks.c.what.not_in(whats))
    with store.read() as connection:
        some = connection.execute(sa.select(sa.literal_column("1")).where(stale).limit(1)).scalar()
    if some:
        with store.marks(_PURPOSE) as connection:
            connection.execute(sa.delete(blocks).where(stale))
    with store.read() as connection:
        low, high = connection.execute(
            sa.select(sa.func.min(table.c.id), sa.func.max(table.c.id)).where(old)
        ).one()
    removed = 0
    if low is not None:
        for first, last in store.paced(_PURPOSE).spans(low, high):
            with store.marks(_PURPOSE) as connection:
                statement = sa.delete(table).where(table.c.id.between(first, last), old)
                removed += connection.execute(statement).rowcount
    return removed
