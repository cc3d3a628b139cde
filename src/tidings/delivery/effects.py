"""What receipts mean beyond the state of their message: suppressions, consent, paused channels, opens and clicks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.customers.permission import address_columns
from tidings.customers.suppression import suppress_many
from tidings.delivery.pause import pause_channel_in
from tidings.delivery.withdrawing import grant_again, kind_of, withdraw
from tidings.store.tables import keeping, people, sending

# Codes of bounces: SendGrid's reason for dropping a message, and Twilio's for refusing one.
_COMPLAINED = frozenset(("complained",))
_LEFT = frozenset(("unsubscribed", "21610"))
# Of the latest 2,000 receipts at least 25 and more than 5 %: as much as stops a sender for its messages.
_LATEST, _FEWEST, _SHARE = 2_000, 25, 0.05


@dataclass(frozen=True, slots=True)
class Engaged:
    """Somebody or something opened a message or followed a link of it, by the word of the provider.

    `key` is the same however often it is told; `said` is what the provider said in its own words.
    """

    key: str
    kind: str
    message_id: int
    at: int
    url: str
    machine: bool
    said: Mapping[str, Any]


def take_effect(
    connection: sa.Connection,
    receipts: Sequence[Any],
    messages: Mapping[int, Any],
    *,
    kinds: Mapping[str, str],
    now: int,
    engage: Callable[[sa.Connection, Sequence[Engaged], int], None] | None,
) -> None:
    """Let receipts that were just applied (rows of the inbox) take effect; `messages` are theirs, by id."""
    by_kind: defaultdict[str, list[Any]] = defaultdict(list)
    for row in receipts:
        by_kind[row.kind].append(row)
    bounced, complained = by_kind["bounced"], by_kind["complained"]
    # The provider did not even try, because the recipient had complained or left before, perhaps elsewhere.
    complained = complained + [row for row in bounced if row.code in _COMPLAINED]
    left = [row for row in bounced if row.code in _LEFT]
    known = {row.id for row in (*complained, *left)}
    bad = [row for row in bounced if row.permanent and row.scope == "recipient" and row.id not in known]
    _suppress(connection, bad, messages, "bounce", kinds, now)
    _suppress(connection, complained, messages, "complaint", kinds, now)
    told = _told(complained, messages)
    withdraw(connection, told, now=now, kinds=kinds, everything=True, basis="complaint")
    # Who tells a number to stop means everything that comes to it; by e-mail there are lists.
    numbers = [
        row for row in by_kind["unsubscribed"] if kind_of(messages[row.message_id].channel, kinds) != "email"
    ]
    letters = [row for row in by_kind["unsubscribed"] if row not in numbers]
    withdraw(connection, _told([*numbers, *left], messages), now=now, kinds=kinds, everything=True)
    withdraw(connection, _told(letters, messages), now=now, kinds=kinds)
    grant_again(connection, _told(by_kind["resubscribed"], messages), now=now, kinds=kinds)
    wrong = [row for row in bounced if row.scope == "config"]
    if wrong:
        _pause_channels(connection, wrong, messages, kinds, now)
    engaged = [_engaged(row) for row in (*by_kind["opened"], *by_kind["clicked"])]
    if engaged and engage is not None:
        engage(connection, engaged, now)


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that was rejected at hand-over: to which address, by which code, and whether for good."""

    message_id: int
    customer_id: int
    address: str
    code: str
    permanent: bool


def refused_at_hand_over(
    connection: sa.Connection, refused: Sequence[Refused], channel: str, kind: str, now: int
) -> None:
    """Let rejections at hand-over have the effects that the same words have in receipts."""
    complained = [one for one in refused if one.code in _COMPLAINED]
    left = [one for one in refused if one.code in _LEFT]
    bad = [one for one in refused if one.permanent and one not in complained and one not in left]
    reasons = {one.customer_id: (one.address, "bounce") for one in bad}
    reasons |= {one.customer_id: (one.address, "complaint") for one in complained}
    if reasons:
        address, hashed = address_columns(kind)
        rows = connection.execute(
            sa.select(people.customers.c.id, address, hashed).where(people.customers.c.id.in_(list(reasons)))
        )
        # The customer may have moved to another address since: only the one that was refused is suppressed.
        known = [(row[2], reasons[row[0]][1]) for row in rows if row[1] == reasons[row[0]][0] and row[2]]
        suppress_many(connection, kind, known, f"channel/{channel}", now)
    for group, basis in ((complained, "complaint"), (left, "unsubscribe")):
        told = [(one.message_id, now, f"channel/{channel}") for one in group]
        withdraw(connection, told, now=now, kinds={channel: kind}, everything=True, basis=basis)


def _told(receipts: Sequence[Any], messages: Mapping[int, Any]) -> list[tuple[int, int, str]]:
    return [(row.message_id, row.at, f"channel/{messages[row.message_id].channel}") for row in receipts]


def _suppress(
    connection: sa.Connection,
    receipts: Sequence[Any],
    messages: Mapping[int, Any],
    reason: str,
    kinds: Mapping[str, str],
    now: int,
) -> None:
    """Suppress the address that was used: the one that the receipt names, else the customer's."""
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for row in receipts:
        groups[messages[row.message_id].channel].append(row)
    for channel, rows in groups.items():
        kind = kind_of(channel, kinds)
        _, hashed = address_columns(kind)
        silent = sorted({messages[row.message_id].customer_id for row in rows if not row.address_hash})
        of_customer: dict[int, str | None] = {}
        if silent:
            of_customer = dict(
                connection.execute(
                    sa.select(people.customers.c.id, hashed).where(people.customers.c.id.in_(silent))
                ).all()
            )
        used = {row.address_hash or of_customer.get(messages[row.message_id].customer_id) for row in rows}
        addresses = [(one, reason) for one in sorted(one for one in used if one)]
        suppress_many(connection, kind, addresses, f"channel/{channel}", now)


def _pause_channels(
    connection: sa.Connection,
    receipts: Sequence[Any],
    messages: Mapping[int, Any],
    kinds: Mapping[str, str],
    now: int,
) -> None:
    """Pause a channel whose set-up the provider refuses; the other channels of its runs go on.

    One word of a gateway is enough. By e-mail every receiving server has rules of its own, so it takes a share. What was
    handed over before somebody resumed sending tells of the trouble that they have mended.
    """
    audit = keeping.audit
    resumed = connection.execute(
        sa.select(sa.func.max(audit.c.at)).where(audit.c.action == "resumed")
    ).scalar()
    reasons: dict[str, str] = {}
    for row in receipts:
        message = messages[row.message_id]
        if message.started_at > (resumed or 0):
            said = " ".join(part for part in (row.code, row.detail) if part)
            reasons.setdefault(message.channel, said or "it gives no reason")
    for channel, said in sorted(reasons.items()):
        if kind_of(channel, kinds) == "email" and not _widespread(connection, channel):
            continue
        reason = f"the provider refuses how it is set up: {said}"
        pause_channel_in(connection, channel, reason=reason, actor="receipts", at=now)


def _widespread(connection: sa.Connection, channel: str) -> bool:
    """Tell whether a noticeable share of the latest words about a channel's messages refuse its set-up."""
    inbox = sending.receipts
    latest = sa.select(sa.func.max(inbox.c.id)).scalar_subquery()
    row = connection.execute(
        sa.select(
            sa.func.count().label("final"),
            sa.func.count(sa.case((inbox.c.scope == "config", 1))).label("refused"),
        ).where(
            inbox.c.id > latest - _LATEST,
            inbox.c.channel == channel,
            inbox.c.kind.in_(["delivered", "bounced"]),
        )
    ).one()
    return bool(row.refused >= _FEWEST and row.refused > _SHARE * row.final)


def _engaged(row: Any) -> Engaged:
    kept = row.raw or {}
    # Two channels of one account are told the same event: the provider's name without the channel keeps it one.
    key = f"receipt:{row.provider.partition('/')[0]}:{row.event_id}"
    return Engaged(
        key,
        "open" if row.kind == "opened" else "click",
        row.message_id,
        row.at,
        kept.get("url") or "",
        bool(kept.get("machine")),
        kept.get("said") or {},
    )
