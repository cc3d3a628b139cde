"""May this customer be written to: the address, what suppresses it, and the entry of the consent ledger that decided."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.customers.addresses import deliverable
from tidings.customers.consent import ALL
from tidings.customers.identity import ADDRESS_COLUMNS
from tidings.customers.permission import asks_register
from tidings.definitions.kinds.rules import Purpose
from tidings.flows.explaining.facts import AGAINST, PASSED, PLAIN, Fact, Inquiry
from tidings.flows.explaining.words import by_kind
from tidings.store.tables import people

_consents, _suppressions = people.consents, people.suppressions


def address_fact(ask: Inquiry, kind: str, at: int) -> Fact:
    """Say the address of a kind of channel, and what suppressed it at an instant."""
    person = ask.person
    if person.tombstoned_at is not None and person.tombstoned_at <= at:
        return Fact("address", f"the customer was erased on {ask.when(person.tombstoned_at)}", AGAINST)
    if person.merged_at is not None and person.merged_at <= at:
        text = f"the customer was merged into {person.merged_into} on {ask.when(person.merged_at)}"
        return Fact("address", text, AGAINST, person.merged_at)
    address, hashed = person.addresses.get(kind), person.hashes.get(kind)
    name = ADDRESS_COLUMNS.get(kind, kind)
    if address is None or hashed is None:
        now = " now" if person.tombstoned_at is None else ""
        return Fact(
            "address",
            f"there is no {'e-mail address' if name == 'email' else f'{name} number'}{now}",
            AGAINST,
        )
    row = ask.connection.execute(
        sa.select(_suppressions)
        .where(
            _suppressions.c.channel == kind,
            _suppressions.c.address_hash == hashed,
            _suppressions.c.at <= at,
            sa.or_(_suppressions.c.lifted_at.is_(None), _suppressions.c.lifted_at > at),
        )
        .limit(1)
    ).first()
    if row is None and not deliverable(kind, address):
        text = f"{address} is no address that anything can be delivered to"
        return Fact("address", text, AGAINST, data={"address": address})
    if row is None:
        return Fact("address", f"{address}, not suppressed", PASSED, data={"address": address})
    why = {"bounce": "it bounced", "complaint": "somebody complained", "manual": "by hand", "erased": "its owner was erased"}  # fmt: skip
    return Fact(
        "address",
        f"{address} is suppressed since {ask.when(row.at)}: {why.get(row.reason, row.reason)} (from {row.source})",
        AGAINST,
        row.at,
        {"address": address, "reason": row.reason, "source": row.source},
    )


def consent_fact(ask: Inquiry, kind: str, purpose: Purpose, topic: str, at: int) -> Fact:
    """Say the entry of the ledger that spoke for a purpose at an instant, as far as it was known then."""
    entry = _speaking(ask, kind, purpose, topic, at)
    by, needed = by_kind(kind), purpose.consent == "required"
    later = _later(ask, kind, purpose, topic, at)
    listed = _listed(ask, kind, purpose, at) if entry is None or entry.state == "pending" else None
    if listed is not None:
        return listed
    if entry is None:
        if not needed:
            return Fact(
                "consent", f"{purpose.name} {by} needs none, and nothing was withdrawn{later}", PASSED
            )
        return Fact("consent", f"never agreed to {purpose.name} {by}, and it needs consent{later}", AGAINST)
    what = "everything" if entry.purpose == ALL else entry.purpose
    if entry.topic:
        what += f" (topic {entry.topic})"
    said = {
        "granted": f"agreed to {what} {by}",
        "withdrawn": f"withdrew {what} {by}",
        "pending": f"was asked to confirm {what} {by}, and has not",
    }[entry.state]
    let = entry.state == "granted" or (entry.state == "pending" and not needed)
    lasts, over = purpose.consent_days, ""
    if entry.state == "granted" and lasts is not None:
        until = entry.at + lasts * 86_400_000_000
        let = at < until
        over = f", which holds until {ask.when(until)}" if let else f", which held until {ask.when(until)}"
    return Fact(
        "consent",
        f"{said} on {ask.when(entry.at)} (basis {entry.basis}, from {entry.source}){over}{later}",
        PASSED if let else AGAINST,
        entry.at,
        {
            "channel": kind,
            "purpose": entry.purpose,
            "topic": entry.topic,
            "state": entry.state,
            "basis": entry.basis,
            "source": entry.source,
        },
    )


def _listed(ask: Inquiry, kind: str, purpose: Purpose, at: int) -> Fact | None:
    """Say which do-not-call list had the number at an instant, where such lists are asked; None for none."""
    if not asks_register(kind, purpose):
        return None
    numbers = people.listed_numbers
    row = ask.connection.execute(
        sa.select(numbers)
        .where(
            numbers.c.channel == kind,
            numbers.c.address_hash == ask.person.hashes.get(kind),
            numbers.c.listed_at <= at,
            sa.or_(numbers.c.lifted_at.is_(None), numbers.c.lifted_at > at),
        )
        .order_by(numbers.c.listed_at)
        .limit(1)
    ).first()
    if row is None:
        return None
    text = f"never agreed to {purpose.name} {by_kind(kind)}, and the number is on the list {row.mapping} since {ask.when(row.listed_at)}"
    return Fact("consent", text, AGAINST, row.listed_at, {"list": row.mapping})


def said_by(row: Any) -> str:
    """Return an entry of the ledger in a few words, for a time line."""
    what = "everything" if row.purpose == ALL else row.purpose
    about = f"{what} (topic {row.topic})" if row.topic else what
    verb = {"granted": "agreed to", "withdrawn": "withdrew", "pending": "was asked to confirm"}[row.state]
    return f"{verb} {about} {by_kind(row.channel)} (basis {row.basis}, from {row.source})"


def case_fact(ask: Inquiry, at: int) -> Fact:
    """Say whether a case was open at an instant, by the last of the two events that the policies name."""
    case = ask.definitions.policies.case_open
    if case is None:
        return Fact("case", "the policies name no cases", PLAIN)
    events, names = people.events, people.event_names
    row = ask.connection.execute(
        sa.select(names.c.name, events.c.occurred_at)
        .select_from(events.join(names, names.c.id == events.c.name_id))
        .where(
            events.c.customer_id == ask.person.id,
            names.c.name.in_([case.opened_by, case.closed_by]),
            events.c.received_at <= at,
        )
        .order_by(events.c.occurred_at.desc(), events.c.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return Fact("case", "no case was opened", PASSED)
    open_ = row.name == case.opened_by
    text = f"a case is open since {ask.when(row.occurred_at)} ({row.name})" if open_ else f"the last case was closed on {ask.when(row.occurred_at)}"  # fmt: skip
    return Fact("case", text, AGAINST if open_ else PASSED, row.occurred_at, {"event": row.name})


def _speaking(ask: Inquiry, kind: str, purpose: Purpose, topic: str, at: int) -> Any:
    """Return the entry that speaks: the latest by when it was said, of those heard of by then."""
    return ask.connection.execute(
        _of(ask, kind, purpose, topic)
        .where(_consents.c.received_at <= at)
        .order_by(_consents.c.at.desc(), _consents.c.id.desc())
        .limit(1)
    ).first()


def _later(ask: Inquiry, kind: str, purpose: Purpose, topic: str, at: int) -> str:
    rows = ask.connection.execute(
        _of(ask, kind, purpose, topic).where(_consents.c.received_at > at).order_by(_consents.c.received_at)
    ).all()
    if not rows:
        return ""
    state = {"granted": "agreed", "withdrawn": "withdrew", "pending": "asked to confirm"}[rows[-1].state]
    return f"; since then, on {ask.when(rows[-1].received_at)}: {state}"


def _of(ask: Inquiry, kind: str, purpose: Purpose, topic: str) -> sa.Select[Any]:
    spoken = [purpose.name] if purpose.message_class == "transactional" else [purpose.name, ALL]
    about: sa.ColumnElement[bool] = _consents.c.topic.is_(None)
    if topic:
        about = sa.or_(about, sa.and_(_consents.c.purpose == purpose.name, _consents.c.topic == topic))
    return sa.select(_consents).where(
        _consents.c.customer_id == ask.person.id,
        _consents.c.channel == kind,
        _consents.c.purpose.in_(spoken),
        about,
    )
