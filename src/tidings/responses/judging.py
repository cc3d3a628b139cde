"""Judgements in the store: new hits as they are drained, and all of them again under the rules of today."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.delivery.wordings import FIRST_POSITION
from tidings.responses.classify import (
    GROUP_REASONS,
    RULES_VERSION,
    Hit,
    Verdict,
    judge,
    link_sweeps,
    network_bursts,
)
from tidings.responses.neighbours import bursts_around, sweeps_around
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import answers, sending

RESPONSE_KINDS = {
    "open": "opened",
    "click": "clicked",
    "unsubscribe": "unsubscribed",
    # Written back: a wish to get no more, and anything else.
    "stop": "unsubscribed",
    "reply": "replied",
}

_COLUMNS = ("hit_id", "kind", "judged", "reason", "rule_version", "customer_id", "message_id", "at")
# Positions of links in texts and on pages begin here (delivery.wordings).
OF_EMAIL = FIRST_POSITION["sms"]
Links = dict[tuple[int, str, int, str | None], int]

_hits, _messages, _responses = answers.hits, sending.messages, answers.responses


@dataclass(frozen=True, slots=True)
class Reclassified:
    """How many responses were looked at, how many were judged otherwise than before, how many were missing."""

    responses: int
    changed: int
    added: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """Verdicts on new hits by their provisional ids, and which stored clicks turn out to be machine with them."""

    verdicts: dict[int, Verdict]
    swept_before: frozenset[int]
    bursts_before: frozenset[int]


def judge_new(connection: sa.Connection, new: Sequence[Hit]) -> Judgement:
    """Judge hits that are about to be stored (their ids are negative); reads only.

    New clicks can complete a sweep or a burst with clicks stored before. Those become machine too: every window that is
    complete only now holds a new click, so looking one span to either side finds exactly what judging everything
    again would find. Adding hits never turns machine into human.
    """
    clicks = [hit for hit in new if hit.kind == "click"]
    swept = sweeps_around(connection, clicks)
    bursts = bursts_around(connection, clicks)
    return Judgement(
        {hit.id: judge(hit, swept, bursts) for hit in new},
        frozenset(hit_id for hit_id in swept if hit_id > 0),
        frozenset(hit_id for hit_id in bursts if hit_id > 0),
    )


def store_judgement(connection: sa.Connection, hits: Sequence[tuple[int, Hit]], judgement: Judgement) -> int:
    """Add the responses to hits given with the ids they were stored under, raise their neighbours, return how many."""
    rows = [_row(hit_id, hit, judgement.verdicts[hit.id]) for hit_id, hit in hits]
    insert_rows(connection, _responses, rows, _COLUMNS)
    _raise_to_machine(connection, judgement.swept_before, "swept_links")
    _raise_to_machine(connection, judgement.bursts_before, "network_burst")
    return len(rows)


def reclassify(store: Store) -> Reclassified:
    """Judge every hit again under the current rules; raw hits are not touched.

    A verdict from these same rules that rests on several hits is kept, so that hits draining meanwhile are not undone.
    """
    with store.read() as connection:
        links = count_links(connection)
        clicks = _select().where(_hits.c.kind == "click")
        swept = link_sweeps(
            _stream(connection, clicks.order_by(_hits.c.message_id, _hits.c.at, _hits.c.id), links)
        )
        known = clicks.where(_hits.c.network.is_not(None))
        bursts = network_bursts(
            _stream(connection, known.order_by(_hits.c.network, _hits.c.at, _hits.c.id), links)
        )
        last = connection.execute(sa.select(sa.func.max(_hits.c.id))).scalar() or 0
    seen = changed = added = 0
    for low, high in store.paced("reclassify").spans(1, last):
        with store.read() as connection:
            several = list(_stream(connection, _select().where(_hits.c.id.between(low, high)), links))
            verdicts = {hit.id: (hit, judge(hit, swept, bursts)) for hit in several}
            old = {
                row.hit_id: row
                for row in connection.execute(
                    sa.select(_responses).where(_responses.c.hit_id.between(low, high))
                )
            }
        missing = [_row(hit_id, *verdicts[hit_id]) for hit_id in verdicts if hit_id not in old]
        updates = [
            {"of": hit_id, "judged": verdict.judged, "reason": verdict.reason}
            for hit_id, (_, verdict) in verdicts.items()
            if hit_id in old and not _settled(old[hit_id], verdict)
        ]
        seen += len(several)
        changed += sum(
            (old[one["of"]].judged, old[one["of"]].reason) != (one["judged"], one["reason"])
            for one in updates
        )
        if missing or updates:
            with store.durable("reclassify") as connection:
                added += insert_rows(connection, _responses, missing, _COLUMNS, ignore_conflicts=True)
                if updates:
                    connection.execute(
                        sa.update(_responses)
                        .where(_responses.c.hit_id == sa.bindparam("of"))
                        .values(
                            judged=sa.bindparam("judged"),
                            reason=sa.bindparam("reason"),
                            rule_version=RULES_VERSION,
                        ),
                        updates,
                    )
    return Reclassified(seen, changed, added)


def _settled(row: Any, verdict: Verdict) -> bool:
    if row.rule_version != RULES_VERSION:
        return False
    return (row.judged, row.reason) == (verdict.judged, verdict.reason) or row.reason in GROUP_REASONS


def _raise_to_machine(connection: sa.Connection, hit_ids: frozenset[int], reason: str) -> None:
    """Judge neighbours as machine; what was machine before keeps its reason unless this rule comes earlier."""
    earlier = GROUP_REASONS[GROUP_REASONS.index(reason) + 1 :]
    ids = sorted(hit_ids)
    for start in range(0, len(ids), 1_000):
        connection.execute(
            sa.update(_responses)
            .where(
                _responses.c.hit_id.in_(ids[start : start + 1_000]),
                sa.or_(_responses.c.judged != "machine", _responses.c.reason.in_(earlier)),
            )
            .values(judged="machine", reason=reason, rule_version=RULES_VERSION)
        )


def _select() -> sa.Select[Any]:
    return sa.select(
        _hits.c.id,
        _hits.c.kind,
        _hits.c.method,
        _hits.c.message_id,
        _hits.c.url,
        _hits.c.at,
        _hits.c.network,
        _hits.c.user_agent,
        _hits.c.detail,
        _messages.c.customer_id,
        _messages.c.accepted_at,
        _messages.c.run_id,
        _messages.c.step,
        _messages.c.version,
        _messages.c.variant,
    ).select_from(_hits.join(_messages, _messages.c.id == _hits.c.message_id))


def _stream(connection: sa.Connection, select: sa.Select[Any], links: Links) -> Iterator[Hit]:
    for row in connection.execution_options(yield_per=5_000).execute(select):
        yield _hit(row, links)


def _hit(row: Any, links: Links) -> Hit:
    return Hit(
        row.id,
        row.kind,
        row.method,
        row.message_id,
        row.customer_id,
        row.url or "",
        row.at,
        row.network,
        row.user_agent or "",
        bool(row.detail and row.detail.get("prefetch")),
        row.accepted_at,
        links.get((row.run_id, row.step, row.version, row.variant), 0),
        bool(row.detail and row.detail.get("machine")),
    )


def count_links(connection: sa.Connection, runs: Sequence[int] | None = None) -> Links:
    """Return how many different links each e-mail of a run (step, version, variant) has, in the language with fewest.

    Scanners that open all links of a message read e-mails; a text or a fax of the same run has links of its own.
    """
    links = answers.links
    wording = (links.c.run_id, links.c.step, links.c.version, links.c.variant)
    counted = (
        sa.select(*wording, sa.func.count(links.c.url.distinct()).label("links"))
        .where(links.c.position < OF_EMAIL)
        .group_by(*wording, links.c.locale)
    )
    if runs is not None:
        counted = counted.where(links.c.run_id.in_(runs))
    inner = counted.subquery()
    names = (inner.c.run_id, inner.c.step, inner.c.version, inner.c.variant)
    select = sa.select(*names, sa.func.min(inner.c.links)).group_by(*names)
    # Messages of a campaign without variants have NULL, their links "".
    return {
        (run, step, version, variant or None): count
        for run, step, version, variant, count in connection.execute(select)
    }


def _row(hit_id: int, hit: Hit, verdict: Verdict) -> tuple[Any, ...]:
    return (
        hit_id,
        RESPONSE_KINDS[hit.kind],
        verdict.judged,
        verdict.reason,
        RULES_VERSION,
        hit.customer_id,
        hit.message_id,
        hit.at,
    )
