"""Judgements of new hits as they are drained, and what new hits change about those that are stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.responses.classify import (
    RULES_VERSION,
    Hit,
    Verdict,
    read_signals,
    signals_alone,
    verdict,
)
from tidings.responses.neighbours import Around, look_around
from tidings.responses.networks import Networks
from tidings.responses.proving import ORDER_SPAN, ordered_hits, visited_hits
from tidings.store.batches import insert_rows
from tidings.store.tables import answers

RESPONSE_KINDS = {
    "open": "opened",
    "click": "clicked",
    "unsubscribe": "unsubscribed",
    # Written back: a wish to get no more, and anything else.
    "stop": "unsubscribed",
    "reply": "replied",
}
HIT_KINDS = {"opened": "open", "clicked": "click"}

COLUMNS = (
    "hit_id", "kind", "judged", "class", "reason", "signals", "rule_version", "customer_id", "message_id", "at",
)  # fmt: skip
_AT_ONCE = 1_000
_responses = answers.responses


@dataclass(frozen=True, slots=True)
class Judgement:
    """Verdicts on new hits by their provisional ids, and on stored ones that are judged otherwise with them."""

    verdicts: Mapping[int, Verdict]
    raised: Mapping[int, Verdict]


def judge_new(connection: sa.Connection, new: Sequence[Hit], networks: Networks) -> Judgement:
    """Judge hits that are about to be stored (their ids are negative); reads only.

    New hits can complete a sign that stored ones have a part in. Every window that is complete only now holds a new hit,
    so looking one span to either side finds exactly what judging everything again would find.
    """
    around = look_around(connection, new, networks)
    verdicts = {hit.id: verdict(hit.kind, around.of(hit.id, signals_alone(hit, networks))) for hit in new}
    stored = {hit_id for hit_id in (*around.signals, *around.pictured) if hit_id > 0}
    return Judgement(verdicts, _raised(connection, around, stored))


def store_judgement(connection: sa.Connection, hits: Sequence[tuple[int, Hit]], judgement: Judgement) -> int:
    """Add the responses to hits given with the ids they were stored under, raise their neighbours, return how many."""
    rows = [response_row(hit_id, hit, judgement.verdicts[hit.id]) for hit_id, hit in hits]
    insert_rows(connection, _responses, rows, COLUMNS)
    write_verdicts(connection, judgement.raised)
    return len(rows)


def write_verdicts(connection: sa.Connection, verdicts: Mapping[int, Verdict]) -> None:
    """Write verdicts over those that stored hits have."""
    if verdicts:
        connection.execute(
            sa.update(_responses)
            .where(_responses.c.hit_id == sa.bindparam("of"))
            .values(
                {
                    "judged": sa.bindparam("judgement"),
                    "class": sa.bindparam("kind_of"),
                    "reason": sa.bindparam("because"),
                    "signals": sa.bindparam("told"),
                }
            ),
            [
                {
                    "of": hit_id,
                    "judgement": one.judged,
                    "kind_of": one.kind,
                    "because": one.reason,
                    "told": one.told,
                }
                for hit_id, one in sorted(verdicts.items())
            ],
        )


def note_orders(connection: sa.Connection, orders: Collection[tuple[int, int]]) -> None:
    """Let orders, given as (customer, instant), show that the clicks right before them were made by people."""
    if not orders:
        return
    instants = [at for _, at in orders]
    proved = ordered_hits(
        connection, {customer for customer, _ in orders}, min(instants) - ORDER_SPAN, max(instants)
    )
    _prove(connection, proved, "ordered")


def note_visits(connection: sa.Connection, visits: Collection[tuple[int, int]]) -> None:
    """Let visits, given as (message, instant) and stored, show that the clicks right before them were made by people."""
    if visits:
        instants = [at for _, at in visits]
        messages = {message for message, _ in visits}
        proved = visited_hits(connection, messages, min(instants) - ORDER_SPAN, max(instants))
        _prove(connection, proved, "visited")


def _prove(connection: sa.Connection, hits: Collection[int], sign: str) -> None:
    around = Around({hit_id: frozenset((sign,)) for hit_id in hits}, {})
    write_verdicts(connection, _raised(connection, around, hits))


def response_row(hit_id: int, hit: Hit, given: Verdict) -> tuple[Any, ...]:
    """Return the row of a hit in the order of `COLUMNS`."""
    return (
        hit_id, RESPONSE_KINDS[hit.kind], given.judged, given.kind, given.reason, given.told, RULES_VERSION,
        hit.customer_id, hit.message_id, hit.at,
    )  # fmt: skip


def _raised(connection: sa.Connection, around: Around, ids: Collection[int]) -> dict[int, Verdict]:
    """Return the verdicts of stored hits that differ from those they have.

    Their own signals are those they were stored with. What earlier rules judged keeps their number, so that
    `tidings reclassify` still looks at it.
    """
    found = {}
    ordered = sorted(ids)
    for start in range(0, len(ordered), _AT_ONCE):
        rows = connection.execute(
            sa.select(
                _responses.c.hit_id,
                _responses.c.kind,
                _responses.c.judged,
                _responses.c.reason,
                _responses.c.signals,
            ).where(_responses.c.hit_id.in_(ordered[start : start + _AT_ONCE]))
        )
        for row in rows:
            own = read_signals(row.signals, row.reason)
            now = around.of(row.hit_id, own)
            given = verdict(HIT_KINDS[row.kind], now)
            if now != own or (given.judged, given.reason) != (row.judged, row.reason):
                found[row.hit_id] = given
    return found
