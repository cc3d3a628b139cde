"""Campaigns that come again or go by the recipient's clock, and customers in several zones, for the tests here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from support.shop import SALT, copy_workspace
from tidings.clock import from_micros, to_micros
from tidings.config.settings import Settings, load_settings
from tidings.customers.identity import address_hash, customer_u
from tidings.definitions.loader import load
from tidings.store.database import Store
from tidings.store.tables import journeys, people, sending

CAMPAIGN = """\
campaign: Letter
purpose: {purpose}
to:
  where:
    - {where}
send: {send}
via: {via}
holdout: {holdout}
{more}"""


def workspace(
    tmp_path: Path,
    more: str = "",
    *,
    holdout: str = "none",
    purpose: str = "service",
    via: str = "email",
    send: str = "spring_winback",
    where: str = "country: known",
    **files: str,
):
    """Return the definitions of a workspace with the campaign `letter`."""
    text = CAMPAIGN.format(more=more, holdout=holdout, purpose=purpose, via=via, send=send, where=where)
    return load(copy_workspace(tmp_path / "shop", campaigns__letter=text, **files))


def settings_of(tmp_path: Path) -> Settings:
    """Return the settings of the workspace that `workspace` wrote."""
    return load_settings(tmp_path / "shop", None)


def utc(*parts: int) -> datetime:
    """Return an instant."""
    return datetime(*parts, tzinfo=UTC)


def people_in(store: Store, **zones: tuple[str | None, str | None, int]) -> None:
    """Insert so many customers for each name: (zone, country, how many); each has an e-mail address and a phone."""
    now = to_micros(store.clock.now())
    rows = []
    for name, (zone, country, count) in zones.items():
        for number in range(count):
            key = f"{name}{number}"
            phone = f"+4670{len(rows):07}" if zone else None
            rows.append(
                {
                    "key": key,
                    "u": customer_u(SALT, key),
                    "email": f"{key}@customers.example",
                    "email_hash": address_hash(SALT, "email", f"{key}@customers.example"),
                    "phone": phone,
                    "phone_hash": address_hash(SALT, "sms", phone) if phone else None,
                    "zone": zone,
                    "country": country,
                    "locale": "en",
                    "created_at": now,
                }
            )
    with store.durable("seed") as connection:
        connection.execute(people.customers.insert(), rows)


def message_rows(store: Store, run_id: int) -> dict[str, tuple[datetime, datetime, str]]:
    """Return when each customer's message is due and ends, and its state, by the customer's key."""
    messages, customers = sending.messages, people.customers
    with store.read() as connection:
        return {
            row.key: (from_micros(row.due_at), from_micros(row.expires_at), row.state)
            for row in connection.execute(
                sa.select(customers.c.key, messages.c.due_at, messages.c.expires_at, messages.c.state)
                .join(customers, customers.c.id == messages.c.customer_id)
                .where(messages.c.run_id == run_id)
            )
        }


def decided(store: Store) -> dict[str, str]:
    """Return the state of every occurrence put down, by its date."""
    table = journeys.occurrences
    with store.read() as connection:
        rows = connection.execute(sa.select(table.c.occurrence, table.c.state).order_by(table.c.occurrence))
        return {row.occurrence: row.state for row in rows}


def enrolled(store: Store, run_id: int) -> dict[str, str]:
    """Return the arm of every customer enrolled in a run, by key."""
    enrolments, customers = sending.enrolments, people.customers
    with store.read() as connection:
        return dict(
            connection.execute(
                sa.select(customers.c.key, enrolments.c.arm)
                .join(customers, customers.c.id == enrolments.c.customer_id)
                .where(enrolments.c.run_id == run_id)
            ).all()
        )


def changed(definitions, **fields):
    """Return the definitions with other fields of the campaign, as if the file had been edited."""
    letter = replace(definitions.campaigns["letter"], **fields)
    return replace(definitions, campaigns={**definitions.campaigns, "letter": letter})
