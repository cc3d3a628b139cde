"""What comes back in the demo besides the mailboxes: the shop's orders and people who change their mind midway."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import sqlalchemy as sa

from tidings.cli.demo.coupons import profit, sales_channel, saved, uses_code
from tidings.cli.demo.people import Person, person
from tidings.clock import from_micros, iso
from tidings.store.database import Store
from tidings.store.tables import people, sending

_BATCH = 500


def enrolled(store: Store, run_id: int) -> list[tuple[Person, str]]:
    """Return everybody enrolled in the run with the name of their arm: holdout or their variant."""
    enrolments, customers = sending.enrolments, people.customers
    with store.read() as connection:
        rows = connection.execute(
            sa.select(customers.c.key, enrolments.c.arm, enrolments.c.variant)
            .join(customers, customers.c.id == enrolments.c.customer_id)
            .where(enrolments.c.run_id == run_id)
        ).all()
    return [(person(int(key[1:])), variant or arm) for key, arm, variant in rows]


def reached(store: Store, run_id: int) -> set[str]:
    """Return the keys of customers whom a message reached."""
    messages, customers = sending.messages, people.customers
    with store.read() as connection:
        return set(
            connection.execute(
                sa.select(customers.c.key)
                .join(messages, messages.c.customer_id == customers.c.id)
                .where(
                    messages.c.run_id == run_id,
                    messages.c.state.in_(["accepted", "delivered", "complained"]),
                )
            ).scalars()
        )


def orders(
    members: list[tuple[Person, str]], got: set[str], anchor: datetime, codes: Mapping[str, str]
) -> Iterator[list[dict[str, object]]]:
    """Yield batches of order events: what each does under the arm they are in, or without a message if none reached them.

    `codes` are those that customers were promised; most use theirs.
    """
    batch: list[dict[str, object]] = []
    for one, arm in members:
        amount = one.buys[arm if one.key in got else "holdout"]
        if not amount:
            continue
        at = anchor + timedelta(minutes=one.after_minutes)
        code = codes.get(one.key) if one.key in got and uses_code(one) else None
        off = saved(amount) if code else 0
        properties: dict[str, object] = {
            "category": "garden",
            "profit": f"{profit(amount, off) / 100:.2f}",
            "sales_channel": sales_channel(one),
        }
        if code:
            properties |= {"coupon": code, "saved": f"{off / 100:.2f}"}
        batch.append(
            {
                "event": "order_placed",
                "customer": one.key,
                "at": iso(at),
                "id": f"demo-{one.key}",
                "amount": f"{amount / 100:.2f}",
                "currency": "EUR",
                "properties": properties,
            }
        )
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def post_events(address: str, key: str, batches: Iterator[list[dict[str, object]]]) -> int:
    """Send the batches to POST /v1/events and return how many events were taken."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    sent = 0
    for batch in batches:
        connection.request(
            "POST",
            "/v1/events",
            json.dumps(batch),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 202:
            raise RuntimeError(
                f"the event API answered {answer.status}: {body.decode(errors='replace')[:200]}"
            )
        sent += len(batch)
    connection.close()
    return sent


def earlier_messages(store: Store, earlier_run: int, run_id: int) -> list[int]:
    """Return the messages of an earlier run whose owners come late in this one: they will change their mind midway."""
    messages = sending.messages
    late = sa.select(messages.c.customer_id).where(messages.c.run_id == run_id).order_by(messages.c.id)
    with store.read() as connection:
        waiting = list(connection.execute(late).scalars())
        last_third = set(waiting[len(waiting) * 2 // 3 :])
        old = connection.execute(
            sa.select(messages.c.id, messages.c.customer_id).where(
                messages.c.run_id == earlier_run, messages.c.state == "accepted"
            )
        )
        return [message for message, customer in old if customer in last_third]


def unsubscribe(address: str, tokens: list[str]) -> int:
    """Unsubscribe by one-click POST and return how many were answered with 200."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    done = 0
    for token in tokens:
        connection.request(
            "POST",
            f"/u/{token}",
            "List-Unsubscribe=One-Click",
            {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Mozilla/5.0 mail program"},
        )
        answer = connection.getresponse()
        answer.read()
        done += answer.status == 200
    connection.close()
    return done


def truth(members: list[tuple[Person, str]]) -> dict[str, tuple[float, float]]:
    """Return for each variant the planted effect of being written to: orders and revenue (EUR) per customer.

    It is the mean over everybody enrolled of what they would do with the message less what they would do without, a
    number no real shop can know.
    """
    found = {}
    for variant in ("direct", "warm"):
        differences = [one.buys[variant] - one.buys["holdout"] for one, _ in members]
        bought = [bool(one.buys[variant]) - bool(one.buys["holdout"]) for one, _ in members]
        found[variant] = (sum(bought) / len(members), sum(differences) / 100 / len(members))
    return found


def bought_anyway(members: list[tuple[Person, str]]) -> float:
    """Return the share of those who bought with a code that would have bought without a message."""
    users = [one for one, arm in members if arm in ("direct", "warm") and one.buys[arm] and uses_code(one)]
    return sum(bool(one.buys["holdout"]) for one in users) / max(len(users), 1)


def anchor_of(store: Store, run_id: int) -> datetime:
    """Return the instant at which the windows of all arms begin."""
    with store.read() as connection:
        return from_micros(
            connection.execute(
                sa.select(sending.runs.c.anchor_at).where(sending.runs.c.id == run_id)
            ).scalar_one()
        )
