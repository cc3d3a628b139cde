"""Records as the tracker keeps them, written straight into a spool, and what a store holds of them."""

from __future__ import annotations

from support.tracking import BROWSER, rows_of, url
from tidings.responses.spool import SpoolWriter, encode
from tidings.store.tables import answers, people


def spooled(folder, clock, records, *, close=True):
    """Write records into a spool as the tracker would; return its writer."""
    writer = SpoolWriter(folder, clock)
    writer.append([encode(record) for record in records])
    if close:
        writer.close()
    return writer


def click(message, at, *, to=0, ip="198.51.100.0/24", ua=BROWSER["user-agent"], **more):
    """Return the record of a click on a link of a message."""
    return {"k": "click", "at": at, "m": message, "method": "GET", "url": url(to), "ip": ip, "ua": ua, **more}


def gone(message, at, by="one-click"):
    """Return the record of an unsubscription."""
    return {"k": "unsubscribe", "at": at, "m": message, "by": by, "method": "POST"}


def order(customer, **more):
    """Return the record of an order that a shop sent."""
    return {
        "k": "event",
        "at": 5,
        "event": "order_placed",
        "customer": customer,
        "occurred": 4,
        "source": "api:shop",
        "amount": 1250,
        "currency": "EUR",
        "properties": {"order_total": 1250},
        **more,
    }


def everything(store):
    """All rows that draining writes, without what says when it was drained."""
    return [
        [tuple(row) for row in rows_of(store, table)]
        for table in (answers.hits, answers.responses, people.consents, people.events, people.customers)
    ]
