"""The gate: may this message go out now? Asked inside the claim, and again before each hand-over for what may have changed.

The order is fixed: expiry, consent and suppression (`customers.permission`) with open cases, the freshness of feeds, hours,
frequency cap and account limit, the rate of the channel, the budget, the offer. The first refusal wins and is stored with its code,
the rule behind it and the hash of the policies. Some reasons put a message off as long as it lives; one whose life ends
while it is put off is refused for that reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.capped import ACCOUNT, CAP
from tidings.clock import from_micros
from tidings.customers.cases import case_is_open
from tidings.customers.house import CONSENT_RULE, RULES
from tidings.customers.permission import refusal
from tidings.definitions.rule_packs import CONSENT
from tidings.delivery import budget, caps, offers, throttle
from tidings.delivery.freshness import stale
from tidings.delivery.hours import Hour
from tidings.delivery.sharing import used_for_another
from tidings.delivery.work import Job
from tidings.store.database import Store
from tidings.store.tables import keeping, people, sending

EXPIRED, CASE, FEED, QUIET, NO_ZONE = "expired", "case_open", "feed_stale", "quiet_hours", "timezone_unknown"
DUPLICATE = "duplicate"
# How long what waits is put off before it is asked again, in microseconds.
_SECOND = 1_000_000
_LOOK_AGAIN = {CASE: 3600 * _SECOND, FEED: 900 * _SECOND, NO_ZONE: 3600 * _SECOND}
# What is in somebody's hands is decided in a moment.
MOMENT = _SECOND


@dataclass(slots=True)
class Judged:
    """What the gate says of the messages of a claim.

    Rows that `go` (until `closes`, by id), ids `refused` by code, and ids put off `until` an instant. What is in none of
    them stays as it is: the channel's rate has nothing left for it. `undecided`: some hang on what is in somebody's hands.
    `offered`: what the offer gives those that go, by id.
    """

    go: list[Any] = field(default_factory=list)
    closes: dict[int, int] = field(default_factory=dict)
    refused: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    until: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    undecided: bool = False
    offered: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def refusals(self) -> int:
        """How many are refused."""
        return sum(len(ids) for ids in self.refused.values())


def judge(
    store: Store,
    connection: sa.Connection,
    job: Job,
    rows: Sequence[Any],
    now: int,
    hours: Mapping[str, Hour] | None = None,
) -> Judged:
    """Judge messages in the transaction that claims them, and reserve what those that go will use.

    `rows` are those of the claim, each with the `code` of `verdict`; `hours` those of their areas, where the job has a window.
    """
    terms, judged = job.terms, Judged()
    outlived = []
    for row in rows:
        if row[0] is None:
            judged.go.append(row)
        elif row[0] == CASE and not _over(row, now):
            judged.until[now + _LOOK_AGAIN[CASE]].append(row.id)
        elif row[0] == EXPIRED and row.due_at >= row.expires_at:
            outlived.append(row)
        else:
            judged.refused[row[0]].append(row.id)
    if not judged.go and not outlived:
        return judged
    if terms.feeds:
        old = bool(stale(connection, terms.feeds, from_micros(now)))
        if old:
            judged.until[now + _LOOK_AGAIN[FEED]] += [row.id for row in judged.go]
            judged.refused[FEED] += [row.id for row in outlived]
            judged.go, outlived = [], []
    _keep_hours(job, judged, outlived, now, hours or {})
    if terms.one_each and judged.go:
        taken = used_for_another(connection, job, judged.go)
        _refuse(judged, DUPLICATE, taken)
    if terms.counted and judged.go:
        room = caps.room_for(connection, job.run_id, terms, judged.go, now)
        for code, ids in room.refused.items():
            _refuse(judged, code, ids)
        _put_off(judged, now + MOMENT, room.undecided)
        counted = set(room.counted)
    if terms.rate and judged.go:
        granted = throttle.reserve(store, connection, job.channel, terms.rate, len(judged.go))
        judged.go = judged.go[:granted]
    if terms.budget and judged.go:
        _spend(connection, job, judged, now)
    if terms.promise and judged.go:
        _promise(connection, job, judged, now)
    if terms.counted and judged.go:
        caps.reserve(connection, terms, [row.id for row in judged.go if row.id in counted], now)
        ends = caps.day_ends(now, terms)
        for row in judged.go:
            judged.closes[row.id] = min(judged.closes.get(row.id, ends), ends)
    return judged


def _over(row: Any, now: int) -> bool:
    return row.expires_at is not None and bool(row.expires_at <= now)


def _keep_hours(
    job: Job, judged: Judged, outlived: Sequence[Any], now: int, hours: Mapping[str, Hour]
) -> None:
    """Let go who may be written to at this hour; put off, or refuse, the others."""
    for row in outlived:
        hour = hours.get(row.area) if job.terms.window else None
        code = EXPIRED
        if hour is not None and hour.closes is None:
            code = QUIET if hour.known else NO_ZONE
        judged.refused[code].append(row.id)
    if job.terms.window is None:
        return
    go = []
    for row in judged.go:
        hour = hours.get(row.area)
        if hour is None:
            # The customer moved since the claim began: the next look knows where.
            continue
        if hour.closes is not None:
            go.append(row)
            judged.closes[row.id] = hour.closes
        elif not hour.known:
            if job.terms.skips:
                judged.refused[NO_ZONE].append(row.id)
            else:
                judged.until[now + _LOOK_AGAIN[NO_ZONE]].append(row.id)
        elif (
            job.terms.skips
            or hour.opens is None
            or (row.expires_at is not None and hour.opens >= row.expires_at)
        ):
            judged.refused[QUIET].append(row.id)
        else:
            judged.until[hour.opens].append(row.id)
    judged.go = go


def _spend(connection: sa.Connection, job: Job, judged: Judged, now: int) -> None:
    granted = budget.reserve(connection, job.run_id, job.channel, len(judged.go))
    beyond = [row.id for row in judged.go[granted:]]
    if not beyond:
        return
    if budget.in_hand(connection, job.run_id):
        _put_off(judged, now + MOMENT, beyond)
    else:
        _refuse(judged, budget.BUDGET, beyond)


def _promise(connection: sa.Connection, job: Job, judged: Judged, now: int) -> None:
    assert job.terms.promise is not None
    promised = offers.promise_all(connection, job.terms.promise, judged.go, now)
    without = [one for ids in promised.refused.values() for one in ids] + promised.undecided
    if job.terms.budget:
        budget.give_back(connection, without)
    for code, ids in promised.refused.items():
        _refuse(judged, code, ids)
    _put_off(judged, now + MOMENT, promised.undecided)
    judged.offered = promised.values


def _refuse(judged: Judged, code: str, ids: Sequence[int]) -> None:
    if ids:
        judged.refused[code] += ids
        gone = set(ids)
        judged.go = [row for row in judged.go if row.id not in gone]


def _put_off(judged: Judged, until: int, ids: Sequence[int]) -> None:
    if ids:
        judged.undecided = True
        judged.until[until] += ids
        gone = set(ids)
        judged.go = [row for row in judged.go if row.id not in gone]


def verdict(job: Job, now: sa.ColumnElement[int], *, claiming: bool = False) -> sa.ColumnElement[str | None]:
    """Return the refusal code for a row of messages joined with its customer, or NULL; `now` in microseconds.

    Expiry and consent; when `claiming`, also the code of an open case, for which the message waits.
    """
    messages = sending.messages
    expires = messages.c.expires_at
    expired = sa.and_(expires.is_not(None), expires <= now)
    code = refusal(job.kind, job.purpose, job.terms.topic, now=now, house=job.terms.house)
    case = job.terms.case
    if case is None or not claiming:
        return sa.case((expired, sa.literal_column("'expired'", sa.Text)), else_=code)
    waits = sa.literal_column("'case_open'", sa.Text)
    return sa.case(
        (sa.and_(expired, messages.c.due_at >= expires, case_is_open(case)), waits),
        (expired, sa.literal_column("'expired'", sa.Text)),
        else_=sa.func.coalesce(code, sa.case((case_is_open(case), waits)), type_=sa.Text),
    )


def passes(job: Job, now: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Return the condition on a row of messages, without its customer joined, that nothing speaks against it."""
    messages, customers = sending.messages, people.customers
    expires = messages.c.expires_at
    permitted = (
        sa.select(sa.literal_column("1"))
        .select_from(customers)
        .where(
            customers.c.id == messages.c.customer_id,
            refusal(job.kind, job.purpose, job.terms.topic, now=now, house=job.terms.house).is_(None),
        )
        .correlate(messages)
        .exists()
    )
    return sa.and_(sa.or_(expires.is_(None), expires > now), permitted)


def sending_allowed(run_id: int, channel: str) -> sa.ColumnElement[bool]:
    """Return the condition that neither the run nor the channel nor the whole store is paused or at its end."""
    runs, identity, pauses = sending.runs, keeping.identity, sending.channel_pauses
    return sa.and_(
        sa.select(sa.literal_column("1"))
        .select_from(runs)
        .where(runs.c.id == run_id, runs.c.state == "sending")
        .correlate(None)
        .exists(),
        ~sa.select(sa.literal_column("1"))
        .select_from(identity)
        .where(identity.c.paused.is_(True))
        .correlate(None)
        .exists(),
        ~sa.select(sa.literal_column("1"))
        .select_from(pauses)
        .where(pauses.c.channel == channel)
        .correlate(None)
        .exists(),
    )


def rule_of(code: str, job: Job) -> str:
    """Return the rule behind a refusal, as stored beside its code."""
    rules = {
        EXPIRED: "expires",
        "merged": "merged",
        "no_address": f"address/{job.kind}",
        "invalid_address": f"address/{job.kind}",
        **RULES,
        CASE: "case_open",
        FEED: "fresh/" + ",".join(one.mapping for one in job.terms.feeds),
        QUIET: f"hours/{job.kind}",
        NO_ZONE: f"zone/{job.kind}",
        DUPLICATE: "one_each",
        CAP: f"cap/{job.purpose.name}",
        ACCOUNT: "account_limit",
        budget.BUDGET: "budget",
        offers.BEFORE: "at_most",
        offers.SOLD_OUT: "stop_when",
        offers.EXHAUSTED: "offer",
    }
    if code in rules:
        return rules[code]
    if code.startswith("suppressed_"):
        return "suppressions"
    if code == CONSENT and job.purpose.consent != "required":
        return CONSENT_RULE
    topic = f"/{job.terms.topic}" if job.terms.topic else ""
    return f"consent/{job.kind}/{job.purpose.name}{topic}"
