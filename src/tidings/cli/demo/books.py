"""The ledger by channel and state, and beside it what mailboxes, telephones and fax machines really got."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from tidings.cli.demo.faxing import Arrived
from tidings.delivery.reference import Referrer
from tidings.store.database import Store
from tidings.store.tables import people, sending

_STATES = (
    "delivered",
    "accepted",
    "bounced",
    "complained",
    "rejected",
    "refused",
    "in_doubt",
    "unconfirmed",
    "cancelled",
    "planned",
    "deferred",
)
_HELD = ("delivered", "accepted", "complained")
_messages, _notices = sending.messages, sending.notices


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that both sides counted."""

    words: str
    received: int
    ledger: int

    @property
    def agrees(self) -> bool:
        """Tell whether both sides say the same."""
        return self.received == self.ledger


@dataclass(frozen=True, slots=True)
class Books:
    """All that is compared; `twice` are customers who got a campaign by two ways, by the word of what received it."""

    lines: tuple[Line, ...]
    emails: int
    twice: int

    @property
    def agree(self) -> bool:
        """Tell whether nothing was lost and nothing came twice."""
        return not self.twice and all(line.agrees for line in self.lines)


def compare(store: Store, salt: str, boxes: dict[str, Any], phones: dict[str, Any], fax: Arrived) -> Books:
    """Count both sides."""
    with store.read() as connection:
        rows = connection.execute(
            sa.select(_messages.c.channel, _messages.c.state, sa.func.count()).group_by(
                _messages.c.channel, _messages.c.state
            )
        ).all()
        handed: dict[str, int] = dict(
            connection.execute(
                sa.select(_messages.c.channel, sa.func.count())
                .where(_messages.c.accepted_at.is_not(None))
                .group_by(_messages.c.channel)
            ).all()
        )
        notices: dict[str, int] = dict(
            connection.execute(sa.select(_notices.c.state, sa.func.count()).group_by(_notices.c.state)).all()
        )
        owners = {
            row.id: (row.run_id, row.customer_id)
            for row in connection.execute(
                sa.select(_messages.c.id, _messages.c.run_id, _messages.c.customer_id)
            )
        }
    count = {(channel, state): number for channel, state, number in rows}
    referrer = Referrer(store.workspace, store.environment, salt)
    texts = [one for one in map(referrer.message_of, phones["kept"]) if one is not None]
    emails = handed.get("email", 0)
    ours = notices.get("accepted", 0)
    lines = [
        Line("e-mails that the mail server took", boxes["e-mails"], emails),
        Line("e-mails that it refused", boxes["refused"], count.get(("email", "rejected"), 0)),
        Line("e-mails returned later", boxes.get("returned", 0), count.get(("email", "bounced"), 0)),
        Line("complaints", boxes.get("complained", 0), count.get(("email", "complained"), 0)),
        Line("texts on telephones", len(texts), count.get(("sms", "delivered"), 0)),
        Line("texts to dead numbers", phones.get("undelivered", 0), count.get(("sms", "bounced"), 0)),
        Line("numbers refused", phones.get("refused", 0), count.get(("sms", "rejected"), 0)),
        Line("our confirmations of a stop", len(phones["kept"]) - len(texts), ours),
    ]
    lines.append(Line(fax.words, len(fax.names), count.get(("fax", fax.state), 0)))
    # A repeat that became a file is called `mID.again-1`.
    faxes = [referrer.message_of(one) or int(one[1:].partition(".")[0]) for one in fax.names]
    got = Counter(owners.get(one) for one in [*boxes["kept"], *texts, *faxes])
    return Books(tuple(lines), emails, sum(1 for times in got.values() if times > 1))


def two_live(store: Store) -> int:
    """Return how many customers the ledger says have two messages of one campaign that reached them, or may yet."""
    with store.read() as connection:
        each = (
            sa.select(_messages.c.enrolment_id)
            .where(_messages.c.state.in_([*_HELD, "planned", "claimed", "started", "deferred", "in_doubt"]))
            .group_by(_messages.c.enrolment_id, _messages.c.step)
            .having(sa.func.count() > 1)
            .subquery()
        )
        return int(connection.execute(sa.select(sa.func.count()).select_from(each)).scalar_one())


def went_on(store: Store, run_id: int) -> dict[str, int]:
    """Return how many messages of a run, by channel, followed one that did not reach its customer."""
    earlier = _messages.alias("earlier")
    with store.read() as connection:
        rows = connection.execute(
            sa.select(_messages.c.channel, sa.func.count(sa.distinct(_messages.c.id)))
            .join(
                earlier,
                sa.and_(earlier.c.enrolment_id == _messages.c.enrolment_id, earlier.c.leg < _messages.c.leg),
            )
            .where(_messages.c.run_id == run_id)
            .group_by(_messages.c.channel)
        )
        return {channel: number for channel, number in rows}  # noqa: C416


def receipts(store: Store) -> int:
    """Return how many words of providers are in the inbox."""
    with store.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(sending.receipts)).scalar_one())


def suppressed(store: Store) -> dict[str, int]:
    """Return how many addresses are suppressed, by kind of channel and reason."""
    table = people.suppressions
    with store.read() as connection:
        rows = connection.execute(
            sa.select(table.c.channel, table.c.reason, sa.func.count())
            .where(table.c.lifted_at.is_(None))
            .group_by(table.c.channel, table.c.reason)
            .order_by(table.c.channel, table.c.reason)
        )
        return {f"{kind} ({reason})": number for kind, reason, number in rows}


def show_legs(console: Console, store: Store, run_id: int) -> None:
    """Print the messages of a run by channel and state."""
    with store.read() as connection:
        rows = connection.execute(
            sa.select(_messages.c.leg, _messages.c.channel, _messages.c.state, sa.func.count())
            .where(_messages.c.run_id == run_id)
            .group_by(_messages.c.leg, _messages.c.channel, _messages.c.state)
        ).all()
    count = {(leg, channel, state): number for leg, channel, state, number in rows}
    states = [state for state in _STATES if any(key[2] == state for key in count)]
    table = _table("The ledger, by channel and state")
    table.add_column("channel")
    for name in ("messages", *(state.replace("_", " ") for state in states)):
        table.add_column(name, justify="right")
    for leg, channel in sorted({key[:2] for key in count}):
        numbers = [count.get((leg, channel, state), 0) for state in states]
        table.add_row(f"{leg + 1}. {channel}", *(f"{one:,}" for one in (sum(numbers), *numbers)))
    console.print(table)


def show_books(console: Console, books: Books, two: int) -> None:
    """Print both sides."""
    table = _table("What was received, beside the ledger (all campaigns)")
    for name in ("", "received", "ledger", ""):
        table.add_column(name, justify="right" if name else "left")
    for line in books.lines:
        table.add_row(
            line.words, f"{line.received:,}", f"{line.ledger:,}", "" if line.agrees else "[bold red]differ[/]"
        )
    ends = "" if books.twice == two == 0 else "[bold red]wrong[/]"
    table.add_row("customers reached by two channels", f"{books.twice:,}", f"{two:,}", ends)
    console.print(table)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
