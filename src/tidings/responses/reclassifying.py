"""All stored hits judged again by the rules of today, in paced chunks; the hits themselves are only read.

Killed at any moment, it can be called again: what was judged before is found as it should be and not written again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tidings.responses.classify import RULES_VERSION, Hit, Verdict, signals_alone, verdict
from tidings.responses.judging import COLUMNS, RESPONSE_KINDS, response_row
from tidings.responses.message_facts import Facts, read_facts
from tidings.responses.neighbours import look_around
from tidings.responses.networks import Networks, bundled
from tidings.responses.proving import ordered_hits, visited_hits
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import answers

_PURPOSE = "reclassify"
_AT_ONCE = 1_000
_hits, _responses = answers.hits, answers.responses
_PERSONAL = ("opened", "clicked")


@dataclass(frozen=True, slots=True)
class People:
    """How many customers opened or clicked as people before and after, how many of them came and went."""

    before: int
    after: int
    gained: int
    lost: int


@dataclass(slots=True)
class Reclassified:
    """What became of responses: looked at, judged otherwise than before, missing before; a response is one of a hit.

    `classes` counts them by (kind, class before, class now), where the class before is None for one that was missing;
    `customers` are those behind opens and clicks.
    """

    responses: int = 0
    changed: int = 0
    added: int = 0
    classes: Counter[tuple[str, str | None, str]] = field(default_factory=Counter)
    customers: dict[str, People] = field(default_factory=dict)


def reclassify(
    store: Store,
    *,
    since: int | None = None,
    until: int | None = None,
    networks: Networks | None = None,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Reclassified:
    """Judge the hits from `since` on and before `until` (microseconds; all by default) again by the current rules.

    `progress` is told how many ids of how many are done. With `dry_run` nothing is written. A judgement that a drain
    changes in between is left as the drain made it.
    """
    within: list[sa.ColumnElement[bool]] = [_hits.c.message_id.is_not(None), _hits.c.kind.in_(RESPONSE_KINDS)]
    within += [] if since is None else [_hits.c.at >= since]
    within += [] if until is None else [_hits.c.at < until]
    with store.read() as connection:
        low, high = connection.execute(
            sa.select(sa.func.min(_hits.c.id), sa.func.max(_hits.c.id)).where(*within)
        ).one()
    result = Reclassified()
    people: dict[str, Counter[int]] = {kind: Counter() for kind in _PERSONAL}
    if low is not None:
        for first, last in store.paced(_PURPOSE).spans(low, high):
            chunk = _Chunk(store, networks or bundled())
            chunk.judge([*within, _hits.c.id.between(first, last)])
            chunk.count(result, people)
            if not dry_run:
                chunk.write()
            if progress is not None:
                progress(last - low + 1, high - low + 1)
    result.customers = {
        kind: _people(store, kind, people[kind], since, until, written=not dry_run) for kind in _PERSONAL
    }
    return result


class _Chunk:
    """Up to 1,000 hits with the verdicts that they have and those that they get."""

    def __init__(self, store: Store, networks: Networks) -> None:
        self._store = store
        self._networks = networks
        self._hits: dict[int, Hit] = {}
        self._old: dict[int, Any] = {}
        self._new: dict[int, Verdict] = {}

    def judge(self, where: Sequence[sa.ColumnElement[bool]]) -> None:
        """Read the hits and judge them."""
        with self._store.read() as connection:
            rows = connection.execute(sa.select(_hits).where(*where)).all()
            facts = read_facts(connection, {row.message_id for row in rows})
            hits = [_hit(row, facts[row.message_id]) for row in rows if row.message_id in facts]
            if not hits:
                return
            self._hits = {hit.id: hit for hit in hits}
            around = look_around(connection, hits, self._networks, anew=True)
            instants = [hit.at for hit in hits]
            clickers = {hit.customer_id for hit in hits if hit.kind == "click"}
            proofs = {
                "ordered": ordered_hits(connection, clickers, min(instants), max(instants)),
                "visited": visited_hits(
                    connection,
                    {hit.message_id for hit in hits if hit.kind == "click"},
                    min(instants),
                    max(instants),
                ),
            }
            self._old = {
                row.hit_id: row
                for row in connection.execute(
                    sa.select(_responses).where(_responses.c.hit_id.in_(list(self._hits)))
                )
            }
        for hit in hits:
            signals = around.of(hit.id, signals_alone(hit, self._networks))
            proved = {sign for sign, ids in proofs.items() if hit.id in ids}
            self._new[hit.id] = verdict(hit.kind, signals | proved if proved else signals)

    def count(self, result: Reclassified, people: Mapping[str, Counter[int]]) -> None:
        """Add what changes to a result, and to `people` how many more human responses each customer has."""
        result.responses += len(self._new)
        for hit_id, given in self._new.items():
            old, hit = self._old.get(hit_id), self._hits[hit_id]
            kind = RESPONSE_KINDS[hit.kind]
            result.classes[kind, None if old is None else _class_of(old), given.kind] += 1
            result.added += old is None
            result.changed += old is not None and (old.judged, old.reason) != (given.judged, given.reason)
            was = old is not None and old.judged == "human"
            if kind in people and was != (given.judged == "human"):
                people[kind][hit.customer_id] += -1 if was else 1

    def write(self) -> None:
        """Write the verdicts that differ, in one transaction."""
        missing = [
            response_row(hit_id, self._hits[hit_id], given)
            for hit_id, given in self._new.items()
            if hit_id not in self._old
        ]
        updates = [
            {
                "of": hit_id,
                "judgement": given.judged,
                "kind_of": given.kind,
                "because": given.reason,
                "told": given.told,
                "had": old.judged,
                "had_told": old.signals or "",
            }
            for hit_id, given in self._new.items()
            if (old := self._old.get(hit_id)) is not None and not _settled(old, given)
        ]
        if not missing and not updates:
            return
        with self._store.durable(_PURPOSE) as connection:
            insert_rows(connection, _responses, missing, COLUMNS, ignore_conflicts=True)
            if updates:
                connection.execute(
                    sa.update(_responses)
                    .where(
                        _responses.c.hit_id == sa.bindparam("of"),
                        # As it was read: what a drain found meanwhile is not undone.
                        _responses.c.judged == sa.bindparam("had"),
                        sa.func.coalesce(_responses.c.signals, "") == sa.bindparam("had_told"),
                    )
                    .values(
                        {
                            "judged": sa.bindparam("judgement"),
                            "class": sa.bindparam("kind_of"),
                            "reason": sa.bindparam("because"),
                            "signals": sa.bindparam("told"),
                            "rule_version": RULES_VERSION,
                        }
                    ),
                    updates,
                )


def _settled(old: Any, given: Verdict) -> bool:
    return (old.rule_version, old.judged, old._mapping["class"], old.reason, old.signals) == (
        RULES_VERSION,
        given.judged,
        given.kind,
        given.reason,
        given.told,
    )


def _class_of(row: Any) -> str:
    """Return the class of a stored judgement; rules before version 3 kept none."""
    known = row._mapping["class"]
    if known is not None:
        return str(known)
    if row.judged != "machine":
        return str(row.judged)
    if row.reason == "prefetch":
        return "prefetch"
    return "machine_proxy" if row.reason == "mail_privacy" else "machine_scanner"


def _people(
    store: Store, kind: str, more: Counter[int], since: int | None, until: int | None, *, written: bool
) -> People:
    """Return how many customers there are with human responses of a kind, given how many more each has now."""
    human: list[sa.ColumnElement[bool]] = [_responses.c.kind == kind, _responses.c.judged == "human"]
    human += [] if since is None else [_responses.c.at >= since]
    human += [] if until is None else [_responses.c.at < until]
    moved = sorted(customer for customer, count in more.items() if count)
    stored: dict[int, int] = {}
    with store.read() as connection:
        total = connection.execute(
            sa.select(sa.func.count(_responses.c.customer_id.distinct())).where(*human)
        ).scalar_one()
        for start in range(0, len(moved), _AT_ONCE):
            rows = connection.execute(
                sa.select(_responses.c.customer_id, sa.func.count())
                .where(_responses.c.customer_id.in_(moved[start : start + _AT_ONCE]), *human)
                .group_by(_responses.c.customer_id)
            )
            stored.update({customer: count for customer, count in rows})  # noqa: C416
    gained = lost = 0
    for customer in moved:
        now = stored.get(customer, 0) + (0 if written else more[customer])
        before = now - more[customer]
        gained += before <= 0 < now
        lost += now <= 0 < before
    if written:
        return People(total - gained + lost, total, gained, lost)
    return People(total, total + gained - lost, gained, lost)


def _hit(row: Any, facts: Facts) -> Hit:
    detail = row.detail or {}
    return Hit(
        row.id,
        row.kind,
        row.method,
        row.message_id,
        facts.customer_id,
        row.url or "",
        row.at,
        row.network,
        row.user_agent or "",
        bool(detail.get("prefetch")),
        facts.accepted_at,
        facts.delivered_at,
        facts.wording,
        bool(detail.get("machine")),
    )
