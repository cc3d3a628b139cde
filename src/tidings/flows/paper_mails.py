"""The page of the whole company by mail, on the day and hour that config/workspace.yaml says, once to each reader.

Each mail has a row of its own under a unique key: the paper, the local date and the reader. It is marked started, durably,
before it goes, so a process that is killed leaves a doubt at worst and never a second copy. None of it is a message to a customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.misfires import LATEST
from tidings.campaigns.recurring import occurrences
from tidings.channels.protocol import Form, Kind, Outcome, Outgoing
from tidings.channels.registry import load_adapter
from tidings.clock import to_micros
from tidings.definitions.kinds.timing import Recurrence
from tidings.delivery.reference import Referrer
from tidings.errors import TidingsError, UsageError
from tidings.flows.round import Round, Subject
from tidings.papers.company_page import Company, company_page, up_to_date
from tidings.papers.mail import Letter, letter
from tidings.papers.paper import Paper
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import journeys

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter, Connection
    from tidings.config.settings import Settings
    from tidings.definitions.kinds.channel import Channel
    from tidings.definitions.workspace import Definitions

COMPANY = "company"
_rows = journeys.mailed_papers
# A mark older than this belongs to a process that is gone; what a server put off is tried again after as long.
_LOST = timedelta(minutes=10)
# Numbers of these mails are below those of notices and tasks: no message has such a number.
_NUMBERS = 2_000_000_000_000
_AFTER = {Kind.ACCEPTED: "sent", Kind.REJECTED: "failed", Kind.IN_DOUBT: "in_doubt"}


@dataclass(frozen=True, slots=True)
class Due:
    """One time that the page is due: the local date it is known by, and the instant."""

    key: str
    at: datetime


def owner_of(definitions: Definitions, name: str) -> tuple[str, ...]:
    """Return the address of whoever owns a campaign or a flow; nothing where nobody is named."""
    one = definitions.campaigns.get(name) or definitions.flows.get(name)
    return _addresses(definitions, [one.owner] if one is not None else [])


def readers(definitions: Definitions) -> tuple[str, ...]:
    """Return who reads the page: those written, else all who own a goal, a campaign or a flow, each once."""
    papers = definitions.workspace.papers
    if papers is not None and papers.to:
        return papers.to
    owners = [one.owner for one in definitions.goals.goals] if definitions.goals else []
    owners += [one.owner for one in definitions.campaigns.values()]
    owners += [one.owner for one in definitions.flows.values()]
    return _addresses(definitions, owners)


def _addresses(definitions: Definitions, owners: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses of owners, written as such or as a name of the staff, each once."""
    found = []
    for owner in owners:
        person = definitions.staff.get(owner)
        address = person.email if person is not None else owner
        if "@" in address:
            found.append(address)
    return tuple(dict.fromkeys(found))


def due_now(definitions: Definitions, now: datetime) -> Due | None:
    """Return the time that has come: the latest one, if it is not more than twelve hours ago."""
    papers = definitions.workspace.papers
    if papers is None:
        return None
    zone = ZoneInfo(definitions.workspace.zone)
    found = occurrences(Recurrence(papers.every), zone, now - LATEST, now)
    return Due(found[-1].key, found[-1].at) if found else None


def subjects(this: Round) -> list[Subject]:
    """Return the page as what a round has to do, while a reader of a time that has come has no mail yet."""
    due = due_now(this.settings.definitions, this.clock.now())
    if due is None:
        return []
    wanted = readers(this.settings.definitions)
    lost = to_micros(this.clock.now() - _LOST)
    # One that was put off keeps its reason and its time; one that was begun long ago is put in doubt by the next look.
    rests = sa.and_(_rows.c.state == "planned", _rows.c.detail.is_not(None), _rows.c.marked_at > lost)
    begun = sa.and_(_rows.c.state == "started", _rows.c.marked_at > lost)
    over = _rows.c.state.in_(["sent", "failed", "in_doubt"])
    with this.store.read() as connection:
        settled = set(
            connection.execute(
                sa.select(_rows.c.recipient).where(
                    _rows.c.paper == COMPANY, _rows.c.occurrence == due.key, sa.or_(over, begun, rests)
                )
            ).scalars()
        )
    return [Subject(COMPANY)] if set(wanted) - settled else []


def mail_due(this: Round, subject: Subject) -> int:
    """Mail the page that is due, for a round; return how many mails went. Raises TidingsError where there is no way to mail."""
    due = due_now(this.settings.definitions, this.clock.now())
    if due is None:
        return 0
    channel, adapter = email_channel(this.settings)
    ids = _plan(this.store, due, readers(this.settings.definitions), to_micros(this.clock.now()))
    if not ids:
        return 0
    # A channel that is away is known before the page is made, which may take long.
    adapter.connect().close()
    made = company_letter(this.settings, this.store, this.clock.now())
    way = adapter.connect()
    sent, trouble = 0, []
    try:
        for row_id, recipient in ids:
            if this.stop.is_set():
                break
            if not _mark(this, row_id, "planned", "started"):
                continue
            outcome = hand_over(way, made, adapter, channel, recipient, row_id, _referrer(this))
            state = _AFTER.get(Kind(outcome.kind), "planned")
            _mark(this, row_id, "started", state, outcome.detail or state)
            sent += state == "sent"
            if state != "sent":
                trouble.append(f"{recipient}: {state.replace('_', ' ')} ({outcome.detail})")
    finally:
        with suppress(Exception):
            way.close()
    if trouble:
        raise TidingsError("the page was not mailed to all: " + "; ".join(trouble))
    return sent


@dataclass(frozen=True, slots=True)
class Made:
    """A paper and the mail that is made of it."""

    paper: Paper
    letter: Letter


def company_letter(settings: Settings, store: Store, now: datetime) -> Made:
    """Return the page of the whole company as a mail, with what it reads brought up to date first."""
    of = Company.lately(store, settings.definitions, now)
    up_to_date(of)
    return made_letter(company_page(of), settings, of.last)


def made_letter(paper: Paper, settings: Settings, day: date) -> Made:
    """Return a paper as a mail of a day; the file beside it is called after the workspace."""
    workspace = settings.definitions.workspace
    subject = f"{paper.title}: {paper.above[:1].lower()}{paper.above[1:]}, {day}"
    return Made(paper, letter(paper, subject, f"{workspace.id}-{day}.pdf"))


def email_channel(settings: Settings) -> tuple[Channel, Adapter]:
    """Return the first e-mail channel of a workspace, ready. Raises UsageError where there is none."""
    for one in settings.definitions.channels.values():
        if one.kind == "email":
            ready = load_adapter(one, environment=settings.environment, data_dir=settings.data_dir)
            return one, ready
    raise UsageError(
        "there is no e-mail channel to mail the page by",
        what_to_do="tidings new channel NAME, with kind: email",
    )


def hand_over(
    way: Connection,
    made: Made,
    adapter: Adapter,
    channel: Channel,
    recipient: str,
    row_id: int,
    referrer: Referrer,
) -> Outcome:
    """Hand over one mail and say what became of it; a provider that builds mails itself gets the same one as fields."""
    number, reference = -(_NUMBERS + row_id), referrer.of_paper(row_id)
    bare, mail = parseaddr(channel.sender)[1], made.letter
    if adapter.capabilities.form is Form.PARTS:
        parts = mail.parts(channel.sender)
        outgoing = Outgoing(number, bare, recipient, mail.text.encode(), parts, reference)
    else:
        whole = mail.message(channel.sender, recipient)
        outgoing = Outgoing(number, bare, recipient, whole, None, reference)
    try:
        return way.submit(outgoing)
    except Exception as error:
        # An adapter must not raise; what it did before it did so, nobody knows.
        return Outcome(Kind.IN_DOUBT, detail=type(error).__name__)


def _plan(store: Store, due: Due, wanted: Sequence[str], now: int) -> list[tuple[int, str]]:
    """Write the rows of a time that has come, put in doubt what a process that is gone had begun; return what is planned."""
    of_this = sa.and_(_rows.c.paper == COMPANY, _rows.c.occurrence == due.key)
    with store.durable("papers") as connection:
        lost = now - _LOST // timedelta(microseconds=1)
        connection.execute(
            sa.update(_rows)
            .where(_rows.c.state == "started", _rows.c.marked_at < lost)
            .values(state="in_doubt", detail="its process ended while it was handed over")
        )
        for recipient in wanted:
            connection.execute(
                insert_ignoring(connection, _rows).values(
                    paper=COMPANY,
                    occurrence=due.key,
                    recipient=recipient,
                    due_at=to_micros(due.at),
                    state="planned",
                    marked_at=now,
                )
            )
        found = connection.execute(
            sa.select(_rows.c.id, _rows.c.recipient)
            .where(of_this, _rows.c.state == "planned", _rows.c.recipient.in_(list(wanted)))
            .order_by(_rows.c.id)
        ).all()
    return [(row.id, row.recipient) for row in found]


def _mark(this: Round, row_id: int, before: str, after: str, detail: str | None = None) -> bool:
    values: dict[str, Any] = {"state": after, "marked_at": to_micros(this.clock.now()), "detail": detail}
    with this.store.durable("papers") as connection:
        return (
            connection.execute(
                sa.update(_rows).where(_rows.c.id == row_id, _rows.c.state == before).values(values)
            ).rowcount
            > 0
        )


def _referrer(this: Round) -> Referrer:
    return Referrer(this.store.workspace, this.store.environment, this.settings.definitions.workspace.salt)
