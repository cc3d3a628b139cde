"""Notices: the one answer to STOP, START or HELP. Handed over at most once; what is in doubt is never repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tidings.channels.protocol import EmailParts, Form, Kind, Outcome, Outgoing
from tidings.clock import Clock, to_micros
from tidings.delivery.reference import Referrer
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import keeping, sending

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter, Connection

_notices = sending.notices
_DAY = 24 * 3_600_000_000
# After this a confirmation would only puzzle; what was asked for is done in any case.
_TOO_LATE = 3_600_000_000
# A mark older than this belongs to a process that is gone.
_LOST = 600_000_000
_AT_ONCE = 50
_CONFIRMATIONS = ("stop", "start")


@dataclass(frozen=True, slots=True)
class Carrier:
    """A channel by which notices can go out: its adapter and the bare address of its sender."""

    adapter: Adapter
    sender: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of notices in one call; `waiting` were left for later (the channel is busy or away)."""

    accepted: int = 0
    rejected: int = 0
    in_doubt: int = 0
    waiting: int = 0


def plan_notice(
    connection: sa.Connection,
    *,
    channel: str,
    kind: str,
    address: str,
    address_hash: str,
    customer_id: int | None,
    body: str,
    event_id: str,
    now: int,
) -> bool:
    """Plan a notice; return False where the address had one within a day (confirmations count together)."""
    alike = _CONFIRMATIONS if kind in _CONFIRMATIONS else (kind,)
    recent = sa.select(_notices.c.id).where(
        _notices.c.address_hash == address_hash,
        _notices.c.kind.in_(alike),
        _notices.c.created_at > now - _DAY,
    )
    if connection.execute(recent.limit(1)).first() is not None:
        return False
    connection.execute(
        insert_ignoring(connection, _notices).values(
            channel=channel,
            kind=kind,
            address=address,
            address_hash=address_hash,
            customer_id=customer_id,
            body=body,
            event_id=event_id,
            state="planned",
            created_at=now,
        )
    )
    return True


def send_notices(
    store: Store, carriers: Mapping[str, Carrier], clock: Clock, *, salt: str, title: str = ""
) -> Sent:
    """Hand over planned notices by the channels of `carriers`, at most 50; `title` is the subject of those by e-mail.

    Each is marked started, durably, before it is handed over. What a killed process left started is in doubt after ten
    minutes. Nothing goes out while sending is paused for the whole store.
    """
    now = to_micros(clock.now())
    if not _anything(store):
        return Sent()
    _tidy(store, now)
    with store.read() as connection:
        if connection.execute(sa.select(keeping.identity.c.paused)).scalar():
            return Sent()
        ids = list(
            connection.execute(
                sa.select(_notices.c.id)
                .where(_notices.c.state == "planned", _notices.c.channel.in_(list(carriers)))
                .order_by(_notices.c.id)
                .limit(_AT_ONCE)
            ).scalars()
        )
    referrer = Referrer(store.workspace, store.environment, salt)
    return _Sending(store, carriers, clock, referrer, title).send(ids)


class _Sending:
    """Hands over notices one after another, with one connection for each channel."""

    def __init__(
        self, store: Store, carriers: Mapping[str, Carrier], clock: Clock, referrer: Referrer, title: str
    ) -> None:
        self._store = store
        self._carriers = carriers
        self._clock = clock
        self._referrer = referrer
        self._title = title
        self._open: dict[str, Connection] = {}
        self._away: set[str] = set()

    def send(self, ids: list[int]) -> Sent:
        counts = dict.fromkeys(("accepted", "rejected", "in_doubt", "planned"), 0)
        try:
            for notice_id in ids:
                state = self._one(notice_id)
                if state:
                    counts[state] += 1
        finally:
            for connection in self._open.values():
                with suppress(Exception):
                    connection.close()
        return Sent(counts["accepted"], counts["rejected"], counts["in_doubt"], counts["planned"])

    def _one(self, notice_id: int) -> str:
        """Hand over one notice; return its new state, empty when somebody else took it."""
        with self._store.read() as connection:
            row = connection.execute(sa.select(_notices).where(_notices.c.id == notice_id)).one()
        way = self._connect(row.channel)
        if way is None:
            return "planned"
        if not self._mark(notice_id, "planned", "started"):
            return ""
        carrier = self._carriers[row.channel]
        form = carrier.adapter.capabilities.form
        outgoing = _outgoing(row, carrier.sender, form, self._title, self._referrer.of_notice(notice_id))
        if outgoing is None:
            state, reference = "rejected", None
        else:
            try:
                outcome = way.submit(outgoing)
            except Exception as error:
                # An adapter must not raise; what it did before it did so, nobody knows.
                outcome = Outcome(Kind.IN_DOUBT, detail=type(error).__name__)
            state, reference = _state_after(outcome), outcome.provider_ref
            if state == "planned":
                self._away.add(row.channel)
        self._mark(notice_id, "started", state, reference)
        return state

    def _connect(self, channel: str) -> Connection | None:
        """Return the connection of a channel, None while it cannot be used; its notices then wait."""
        if channel in self._away:
            return None
        if channel not in self._open:
            try:
                self._open[channel] = self._carriers[channel].adapter.connect()
            except Exception:
                self._away.add(channel)
                return None
        return self._open[channel]

    def _mark(self, notice_id: int, before: str, after: str, reference: str | None = None) -> bool:
        values: dict[str, Any] = {"state": after, "ended_at": to_micros(self._clock.now())}
        if reference is not None:
            values["provider_ref"] = reference
        with self._store.durable("notices") as connection:
            return (
                connection.execute(
                    sa.update(_notices)
                    .where(_notices.c.id == notice_id, _notices.c.state == before)
                    .values(**values)
                ).rowcount
                > 0
            )


def _state_after(outcome: Outcome) -> str:
    if outcome.kind in (Kind.ACCEPTED, Kind.REJECTED, Kind.IN_DOUBT):
        return str(outcome.kind)
    return "planned"


def _outgoing(row: Any, sender: str, form: Form, title: str, reference: str) -> Outgoing | None:
    """Return a notice as its channel takes it; None where a channel has no way to say a sentence (pages)."""
    make = _FORMS.get(form)
    if make is None or not sender:
        return None
    payload, parts = make(row, sender, title)
    bare = parseaddr(sender)[1] if "@" in sender else sender
    segments: tuple[str, ...] = ()
    if form is Form.TEXT:
        from tidings.templates.sms.segments import segment

        segments = segment(row.body).parts
    # Below zero: no message has such a number, so nothing that a channel names by it can meet one.
    return Outgoing(-row.id, bare, row.address, payload, parts, reference, segments)


def _text(row: Any, sender: str, title: str) -> tuple[bytes, EmailParts | None]:
    return row.body.encode(), None


def _mime(row: Any, sender: str, title: str) -> tuple[bytes, EmailParts | None]:
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = row.address
    message["Subject"] = title or row.body[:60]
    # So that no other program answers the answer (RFC 3834).
    message["Auto-Submitted"] = "auto-replied"
    message.set_content(row.body)
    return message.as_bytes(), None


def _parts(row: Any, sender: str, title: str) -> tuple[bytes, EmailParts | None]:
    headers = (("Auto-Submitted", "auto-replied"),)
    return row.body.encode(), EmailParts(sender, title or row.body[:60], row.body, headers=headers)


_FORMS: dict[Form, Callable[[Any, str, str], tuple[bytes, EmailParts | None]]] = {
    Form.TEXT: _text,
    Form.MIME: _mime,
    Form.PARTS: _parts,
}


def _anything(store: Store) -> bool:
    """Tell whether there is a notice to look at; most of the time there is none, and that must cost nothing."""
    with store.read() as connection:
        found = connection.execute(
            sa.select(_notices.c.id).where(_notices.c.state.in_(["planned", "started"])).limit(1)
        )
        return found.first() is not None


def _tidy(store: Store, now: int) -> None:
    """Put in doubt what a process that is gone had started, and give up what is too late."""
    lost = sa.and_(_notices.c.state == "started", _notices.c.ended_at < now - _LOST)
    late = sa.and_(_notices.c.state == "planned", _notices.c.created_at < now - _TOO_LATE)
    with store.read() as connection:
        if connection.execute(sa.select(_notices.c.id).where(sa.or_(lost, late)).limit(1)).first() is None:
            return
    with store.durable("notices") as connection:
        connection.execute(sa.update(_notices).where(lost).values(state="in_doubt", ended_at=now))
        connection.execute(sa.update(_notices).where(late).values(state="rejected", ended_at=now))
