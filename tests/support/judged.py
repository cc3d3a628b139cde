"""Judgements in a store, and those that earlier rules would have left."""

from __future__ import annotations

import sqlalchemy as sa

from support.spooled import click, spooled
from support.tracking import BROWSER, SALT, rows_of, sent_run
from tidings.clock import to_micros
from tidings.responses.drain import drain
from tidings.store.tables import answers

SECOND = 1_000_000
MINUTE = 60 * SECOND
OFFICE, AMAZON, HOME = "198.51.100.0/24", "3.8.1.0/24", "203.0.113.0/24"


def opened(message, at, **more):
    return {
        "k": "open",
        "at": at,
        "m": message,
        "method": "GET",
        "ip": HOME,
        "ua": BROWSER["user-agent"],
        **more,
    }


def arrive(store, folder, clock, records):
    spooled(folder, clock, records)
    drain(store, folder, salt=SALT)


def judged(store):
    return [
        (row.hit_id, row.judged, row._mapping["class"], row.reason, row.signals, row.rule_version)
        for row in rows_of(store, answers.responses)
    ]


def by_earlier_rules(store):
    """Leave the judgements that version 2 would have left: no classes, no signals, more people."""
    with store.durable("test") as connection:
        connection.execute(
            sa.update(answers.responses).values(
                {"judged": "human", "class": None, "reason": None, "signals": None, "rule_version": 2}
            )
        )


def mixed(store, folder, clock, count=60):
    """A run with people, and machines of three sorts."""
    messages = sent_run(store, count, links=4, accepted_at=1)
    now = to_micros(clock.now())
    records = []
    for n, message in enumerate(messages):
        records.append(opened(message, now + n * SECOND, **({"ua": "Mozilla/5.0"} if n % 3 == 0 else {})))
        records.append(
            click(message, now + n * MINUTE, to=n % 4, ip=AMAZON if n % 5 == 0 else f"81.2.{n}.0/24")
        )
    records.append(click(messages[1], now, ua="curl/8"))
    arrive(store, folder, clock, sorted(records, key=lambda one: one["at"]))
    return messages
