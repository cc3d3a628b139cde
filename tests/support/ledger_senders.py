"""Three senders for the harness: ours, and the two patterns it must find guilty."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from support.ledger_channel import render
from support.ledger_windows import api, centre
from support.ledger_world import MARKETING, address_of
from tidings.campaigns.promises import Promise
from tidings.channels.protocol import Outgoing
from tidings.channels.smtp import SmtpAdapter
from tidings.clock import Clock, to_micros
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.offer import Offer
from tidings.definitions.values import Duration, Unit
from tidings.delivery.sender import deliver
from tidings.delivery.terms import Terms
from tidings.delivery.work import Claimed, Job
from tidings.store.database import Store
from tidings.store.tables import sending

BATCH = 100


def smtp(port: int) -> SmtpAdapter:
    """The product's own adapter for the sink on a port of this machine."""
    channel = Channel("email", "E-mail", "channels/email.yaml", "smtp", sender="Shop <shop@shop.example>")
    return SmtpAdapter(channel, {"host": "127.0.0.1", "port": port, "tls": "none"})


def real(
    store: Store, run_id: int, port: int, lease: float, clock: Clock, *, by: Callable[[int], Any] = smtp
) -> None:
    """The sender that the product uses."""
    job = Job(run_id, "email", "email", MARKETING, "p" * 64)
    done = deliver(
        store,
        job,
        adapter=by(port),
        render=render,
        clock=clock,
        lease_seconds=lease,
        wait_seconds=lease * 2,
    )
    print(done.state, done.reason, flush=True)


def coupons(store: Store, run_id: int, port: int, lease: float, clock: Clock) -> None:
    """The sender that the product uses, for messages that each show a code of a pool; it writes down what it shows."""
    offer = Offer("25% off", pool="spring25", ends=Duration(14, Unit.DAY))
    job = Job(
        run_id, "email", "email", MARKETING, "p" * 64, terms=Terms(promise=Promise("spring", offer, "UTC"))
    )
    log = os.open(shown_file(store.url, run_id), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def shown(message: Claimed) -> Outgoing:
        os.write(log, f"{message.message_id} {message.variables['offer_code']}\n".encode())
        return render(message)

    done = deliver(
        store, job, adapter=smtp(port), render=shown, clock=clock, lease_seconds=lease, wait_seconds=lease * 2
    )
    print(done.state, done.reason, flush=True)


def shown_file(url: str, run_id: int) -> Path:
    """Return where a sender writes down the codes that it shows."""
    return (
        Path(tempfile.gettempdir()) / f"tidings-{sha256(f'{url} {run_id}'.encode()).hexdigest()[:16]}.shown"
    )


def mark_after_batch(store: Store, run_id: int, port: int, lease: float, clock: Clock) -> None:
    """Send a batch, then mark it sent: a kill in between sends the batch again."""
    connection, messages = smtp(port).connect(), sending.messages
    while True:
        with store.read() as reading:
            batch = reading.execute(
                sa.select(messages.c.id, messages.c.customer_id)
                .where(messages.c.run_id == run_id, messages.c.state == "planned")
                .order_by(messages.c.id)
                .limit(BATCH)
            ).all()
        if not batch:
            break
        for row in batch:
            connection.submit(_letter(row))
        _accepted(store, [row.id for row in batch], clock)
    _finished(store, run_id, clock)


def cursor_at_fetch(store: Store, run_id: int, port: int, lease: float, clock: Clock) -> None:
    """Move the cursor when a batch is fetched: after a kill the rest of the batch is passed over."""
    connection, messages, runs = smtp(port).connect(), sending.messages, sending.runs
    while True:
        with store.durable("cursor") as writing:
            bounds = writing.execute(sa.select(runs.c.bounds).where(runs.c.id == run_id)).scalar_one()
            batch = writing.execute(
                sa.select(messages.c.id, messages.c.customer_id)
                .where(messages.c.run_id == run_id, messages.c.id > bounds.get("cursor", 0))
                .order_by(messages.c.id)
                .limit(BATCH)
            ).all()
            if not batch:
                break
            writing.execute(
                sa.update(runs).where(runs.c.id == run_id).values(bounds={"cursor": batch[-1].id})
            )
        for row in batch:
            connection.submit(_letter(row))
        _accepted(store, [row.id for row in batch], clock)
    _finished(store, run_id, clock)


def _letter(row: sa.Row) -> Outgoing:
    return Outgoing(
        row.id, "shop@shop.example", address_of(row.customer_id), b"Subject: hello\r\n\r\nhello\r\n"
    )


def _accepted(store: Store, ids: list[int], clock: Clock) -> None:
    at = to_micros(clock.now())
    with store.durable("batch") as connection:
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id.in_(ids))
            .values(state="accepted", started_at=at, accepted_at=at, attempt=1)
        )


def _finished(store: Store, run_id: int, clock: Clock) -> None:
    with store.durable("run") as connection:
        connection.execute(
            sa.update(sending.runs)
            .where(sending.runs.c.id == run_id)
            .values(state="finished", finished_at=to_micros(clock.now()))
        )
    print("finished", flush=True)


SENDERS: dict[str, Callable[[Store, int, int, float, Clock], None]] = {
    "real": real,
    "coupons": coupons,
    "api": partial(real, by=api),
    "centre": partial(real, by=centre),
    "mark_after_batch": mark_after_batch,
    "cursor_at_fetch": cursor_at_fetch,
}
