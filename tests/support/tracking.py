"""Tests of the tracker and the drain: a small ledger of sent messages, and a real server on the loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
import uvicorn

from tidings.clock import Clock, to_micros
from tidings.customers.consent import ConsentRow, record
from tidings.customers.identity import customer_u
from tidings.definitions.kinds.rules import Event, EventProperty, Events
from tidings.responses.group import GroupCommit
from tidings.responses.spool import read_chunk, waiting_files
from tidings.responses.tracker import make_app
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending
from tidings.tokens.api_keys import ApiKeys, new_api_key
from tidings.tokens.keyring import KeyRing

RING = KeyRing.from_text("k1:" + "7e" * 32)
SALT = "test-salt"
API_KEY, API_ENTRY = new_api_key("shop")
KEY = {"authorization": f"Bearer {API_KEY}"}
BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
EVENTS = Events(
    (
        Event(
            "order_placed",
            properties=(
                EventProperty("order_total", "money"),
                EventProperty("category", "text"),
                EventProperty("items", "number"),
                EventProperty("gift", "flag"),
                EventProperty("wanted_on", "date"),
            ),
            revenue="order_total",
        ),
        Event("page_viewed", properties=(EventProperty("page", "text"),)),
        Event("basket_updated", properties=(EventProperty("basket_total", "money"),)),
    )
)


def sent_run(
    store: Store,
    people_count: int,
    *,
    purpose: str | None = "marketing",
    links: int = 0,
    accepted_at: int | None = None,
) -> list[int]:
    """Store a run whose message every one of `people_count` customers got; return the message ids in their order.

    Everyone has granted consent; the message has `links` links.
    """
    now = to_micros(store.clock.now())
    accepted = now if accepted_at is None else accepted_at
    with store.durable("test") as connection:
        base = connection.execute(sa.select(sa.func.count()).select_from(people.customers)).scalar_one()
        run_id = connection.execute(
            sa.insert(sending.runs)
            .values(
                campaign=f"c{base}",
                occurrence="once",
                kind="campaign",
                definition_hash="d",
                policy_hash="p",
                salt="s",
                state="sending",
                anchor_at=now,
                created_at=now,
                bounds={} if purpose is None else {"purpose": purpose},
            )
            .returning(sending.runs.c.id)
        ).scalar_one()
        customers = _ids(
            connection,
            people.customers,
            [
                {
                    "key": f"K{base + i}",
                    "u": customer_u(SALT, f"K{base + i}"),
                    "email": f"k{base + i}@example.com",
                    "created_at": now,
                }
                for i in range(people_count)
            ],
        )
        enrolments = _ids(
            connection,
            sending.enrolments,
            [
                {"run_id": run_id, "customer_id": one, "arm": "treated", "anchor_at": now, "planned_at": now}
                for one in customers
            ],
        )
        messages = _ids(
            connection,
            sending.messages,
            [
                {
                    "run_id": run_id,
                    "enrolment_id": enrolment,
                    "customer_id": customer,
                    "channel": "email",
                    "state": "accepted",
                    "due_at": now,
                    "accepted_at": accepted,
                }
                for customer, enrolment in zip(customers, enrolments, strict=True)
            ],
        )
        record(
            connection,
            [
                ConsentRow(one, "email", purpose or "all", "granted", "form", "test", 1, 1)
                for one in customers
            ],
        )
        if links:
            connection.execute(
                sa.insert(answers.links),
                [{"run_id": run_id, "position": i, "url": url(i)} for i in range(links)],
            )
    return messages


def url(position: int) -> str:
    """Return the address of the link at a position."""
    return f"https://shop.example/{position}"


def _ids(connection: sa.Connection, table: sa.Table, rows: list[dict]) -> list[int]:
    for start in range(0, len(rows), 1_000):
        connection.execute(sa.insert(table), rows[start : start + 1_000])
    select = sa.select(table.c.id).order_by(table.c.id.desc()).limit(len(rows))
    return sorted(connection.execute(select).scalars())


def rows_of(store: Store, table: sa.Table, *where: sa.ColumnElement[bool]) -> list[sa.Row]:
    """Return the rows of a table by id."""
    order = [table.c.id] if "id" in table.c else []
    with store.read() as connection:
        return list(connection.execute(sa.select(table).where(*where).order_by(*order)))


def withdrawn(store: Store) -> set[int]:
    """Return the customers who have withdrawn."""
    return {
        row.customer_id for row in rows_of(store, people.consents, people.consents.c.state == "withdrawn")
    }


@contextmanager
def served(app) -> Iterator[str]:
    """Serve an ASGI application on a free port of the loopback; give its address."""
    # With the protocol named, asyncio sets TCP_NODELAY; without, head and body of an answer wait 40 ms apart.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    # From here on a client waits for the server instead of being refused.
    listening.listen(128)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
        assert not thread.is_alive()


@contextmanager
def tracker(folder: Path, clock: Clock, **writer) -> Iterator[str]:
    """Serve a tracker whose spool stands in `folder`; `writer` are arguments of SpoolWriter."""
    from tidings.responses.spool import SpoolWriter

    patience = writer.pop("patience", 2.0)
    folder.mkdir(parents=True, exist_ok=True)
    spool = GroupCommit(SpoolWriter(folder, clock, **writer), patience=patience)
    app = make_app(
        RING,
        spool,
        clock=clock,
        title="Nordic <Garden>",
        events=EVENTS,
        currency="EUR",
        api_keys=ApiKeys.from_text(API_ENTRY),
    )
    with served(app) as address:
        yield address


def records(folder):
    """Return every record that waits in a spool, in order."""
    return [record for path in waiting_files(folder) for _, record in read_chunk(path, 0, 10_000).records]
