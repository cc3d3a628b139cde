"""The mails about tasks: the card to the person, and to the flow's owner when nobody has answered in time.

Handed over at most once, as the answers to STOP are: each is marked started, durably, before it goes, and what is in
doubt is never repeated. `tidings tasks` shows every task, whatever became of its mail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tidings.channels.protocol import EmailParts, Form, Kind, Outcome, Outgoing
from tidings.clock import Clock, to_micros
from tidings.definitions.kinds.flow import Step
from tidings.delivery.kept import Kept
from tidings.delivery.notices import Carrier
from tidings.delivery.recorded import Recorded
from tidings.delivery.reference import Referrer
from tidings.flows.journeys.task_cards import CardMaker
from tidings.store.database import Store
from tidings.store.tables import journeys, keeping, people, sending
from tidings.templates.sources import nearest_locale

if TYPE_CHECKING:
    from tidings.channels.protocol import Connection

_tasks, _runs = journeys.tasks, sending.runs
_AT_ONCE = 50
# A mark older than this belongs to a process that is gone.
_LOST = 600_000_000
# Numbers of mails are below those of notices, and both below zero: no message has such a number.
_NUMBERS = 1_000_000_000_000
_OVERDUE = {"en": "Overdue", "ru": "Просрочено", "zh-cn": "已逾期", "zh-tw": "已逾期"}


@dataclass(frozen=True, slots=True)
class Mailed:
    """What became of mails in one call; `escalated` tasks are past due, and their owners are told."""

    sent: int = 0
    failed: int = 0
    in_doubt: int = 0
    escalated: int = 0


def tend_tasks(store: Store, carrier: Carrier | None, clock: Clock, *, salt: str, kept: Kept) -> Mailed:
    """Write the cards of new tasks, mail them, and tell owners of what is past due; at most 50 mails.

    `carrier` is an e-mail channel; without one the mails wait. Nothing goes out while sending is paused for the whole
    store. Idle it costs one look.
    """
    now = to_micros(clock.now())
    with store.read() as connection:
        if connection.execute(sa.select(_tasks.c.id).where(_anything(now)).limit(1)).first() is None:
            return Mailed()
    escalated = _mark_overdue(store, now)
    _write_cards(store, kept)
    with store.read() as connection:
        if carrier is None or connection.execute(sa.select(keeping.identity.c.paused)).scalar():
            return Mailed(escalated=escalated)
    done = _Mailing(store, carrier, clock, Referrer(store.workspace, store.environment, salt), kept).send()
    return Mailed(done["sent"], done["failed"], done["in_doubt"], escalated)


def _anything(now: int) -> sa.ColumnElement[bool]:
    open_ = _tasks.c.state == "open"
    return sa.or_(
        sa.and_(open_, _tasks.c.mail == "planned"),
        sa.and_(open_, _tasks.c.escalation == "planned"),
        sa.and_(open_, _tasks.c.due_at <= now, _tasks.c.escalated_at.is_(None)),
        _tasks.c.mail == "started",
        _tasks.c.escalation == "started",
    )


def _mark_overdue(store: Store, now: int) -> int:
    """Mark what is past due, once, and put in doubt what a process that is gone had begun to mail."""
    lost = _tasks.c.mail_at < now - _LOST
    with store.durable("tasks") as connection:
        for column in (_tasks.c.mail, _tasks.c.escalation):
            connection.execute(
                sa.update(_tasks).where(column == "started", lost).values({column.name: "in_doubt"})
            )
        return connection.execute(
            sa.update(_tasks)
            .where(_tasks.c.state == "open", _tasks.c.due_at <= now, _tasks.c.escalated_at.is_(None))
            .values(escalated_at=now, escalation="planned")
        ).rowcount


def _write_cards(store: Store, kept: Kept) -> None:
    """Write the cards of tasks that have none, from what the flow's latest version recorded."""
    with store.read() as connection:
        rows = connection.execute(
            sa.select(_tasks, _runs.c.version)
            .select_from(_tasks.join(_runs, _runs.c.id == _tasks.c.run_id))
            .where(_tasks.c.card == "", _tasks.c.state == "open")
            .order_by(_tasks.c.id)
            .limit(_AT_ONCE)
        ).all()
        alike: dict[tuple[int, int, str, str], list[Any]] = defaultdict(list)
        for row in rows:
            alike[row.run_id, row.version, row.step, row.person].append(row)
        cards: dict[int, str] = {}
        for (run_id, version, step_name, name), tasks in alike.items():
            run = kept.recorded(store, run_id, version)
            flow = run.definitions.flows[run.campaign]
            person, step = run.definitions.staff.get(name), flow.step(step_name)
            if step is None:
                # A step that was taken out since: its tasks are told without its words.
                step = Step(step_name, "notify")
            maker = CardMaker(run.definitions, flow, step, run.files, person.locale if person else "")
            cards |= maker.make(connection, tasks)
    if cards:
        with store.durable("tasks") as connection:
            connection.execute(
                sa.update(_tasks).where(_tasks.c.id == sa.bindparam("one")).values(card=sa.bindparam("text")),
                [{"one": one, "text": text} for one, text in cards.items()],
            )


class _Mailing:
    """Hands over mails one after another by one connection."""

    def __init__(self, store: Store, carrier: Carrier, clock: Clock, referrer: Referrer, kept: Kept) -> None:
        self._store = store
        self._carrier = carrier
        self._clock = clock
        self._referrer = referrer
        self._kept = kept

    def send(self) -> Mapping[str, int]:
        """Hand over what is planned; return how many ended in each state."""
        counts = dict.fromkeys(("sent", "failed", "in_doubt", "planned"), 0)
        waiting = [(row, kind) for kind in ("mail", "escalation") for row in self._planned(kind)]
        if not waiting:
            return counts
        try:
            way = self._carrier.adapter.connect()
        except Exception:
            # The channel is away; the mails wait.
            return counts
        try:
            for row, kind in waiting:
                state = self._one(way, row, kind)
                if state:
                    counts[state] += 1
                if state == "planned":
                    break
        finally:
            with suppress(Exception):
                way.close()
        return counts

    def _planned(self, kind: str) -> Sequence[Any]:
        with self._store.read() as connection:
            return connection.execute(
                sa.select(_tasks, _runs.c.version, people.customers.c.key)
                .select_from(
                    _tasks.join(_runs, _runs.c.id == _tasks.c.run_id).join(
                        people.customers, people.customers.c.id == _tasks.c.customer_id
                    )
                )
                .where(_tasks.c[kind] == "planned", _tasks.c.state == "open", _tasks.c.card != "")
                .order_by(_tasks.c.id)
                .limit(_AT_ONCE)
            ).all()

    def _one(self, way: Connection, row: Any, kind: str) -> str:
        """Hand over one mail; return its new state, empty when somebody else took it."""
        run = self._kept.recorded(self._store, row.run_id, row.version)
        to = row.email if kind == "mail" else _owner(run)
        if not self._mark(row.id, kind, "planned", "started" if to else "failed"):
            return ""
        if not to:
            return "failed"
        try:
            outcome = way.submit(self._outgoing(row, kind, run, to))
        except Exception as error:
            # An adapter must not raise; what it did before it did so, nobody knows.
            outcome = Outcome(Kind.IN_DOUBT, detail=type(error).__name__)
        state = _AFTER.get(Kind(outcome.kind), "planned")
        self._mark(row.id, kind, "started", state)
        return state

    def _outgoing(self, row: Any, kind: str, run: Recorded, to: str) -> Outgoing:
        flow, sender = run.definitions.flows[run.campaign], self._carrier.sender
        subject = f"{flow.title} #{row.id}: {row.key}"
        if kind == "escalation":
            near = nearest_locale(run.definitions.workspace.locale, list(_OVERDUE), "en")
            subject = f"{_OVERDUE[near or 'en']} ({row.person}): {subject}"
        number = -(_NUMBERS + 2 * row.id + (kind == "escalation"))
        reference = self._referrer.of_task(row.id, kind)
        bare = parseaddr(sender)[1]
        headers = (("Auto-Submitted", "auto-generated"),)
        if self._carrier.adapter.capabilities.form is Form.PARTS:
            parts = EmailParts(sender, subject, row.card, headers=headers)
            return Outgoing(number, bare, to, row.card.encode(), parts, reference)
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"], message["Subject"] = sender, to, subject
        for name, value in headers:
            message[name] = value
        message.set_content(row.card)
        return Outgoing(number, bare, to, message.as_bytes(), None, reference)

    def _mark(self, task_id: int, kind: str, before: str, after: str) -> bool:
        with self._store.durable("tasks") as connection:
            marked = connection.execute(
                sa.update(_tasks)
                .where(_tasks.c.id == task_id, _tasks.c[kind] == before)
                .values({kind: after, "mail_at": to_micros(self._clock.now())})
            ).rowcount
        return marked > 0


_AFTER = {Kind.ACCEPTED: "sent", Kind.REJECTED: "failed", Kind.IN_DOUBT: "in_doubt"}


def _owner(run: Recorded) -> str:
    """Return the address of the flow's owner: as written, or of the person on the staff who is called so; empty without."""
    owner = run.definitions.flows[run.campaign].owner
    person = run.definitions.staff.get(owner)
    if person is not None:
        return person.email
    return owner if "@" in owner else ""
