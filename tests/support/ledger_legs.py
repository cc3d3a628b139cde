"""A run by e-mail, SMS and fax, whose first messages went out by e-mail: what fallback is tested with."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from support.ledger_world import SALT, World, seed
from tidings.clock import to_micros
from tidings.customers.identity import address_hash
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.loader import load
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.delivery.recorded import Recorded
from tidings.store.database import Store
from tidings.store.tables import people, sending

ROOT = Path(__file__).resolve().parents[2]
CAMPAIGN = "spring_winback"
VIA = ("email", "sms", "fax")


@cache
def _workspace() -> Definitions:
    return load(ROOT)


def definitions(via: tuple[str, ...] = VIA, patience: int | None = None, **changes: object) -> Definitions:
    """Return the workspace with a campaign by these channels; `patience` in hours."""
    found = _workspace()
    channels = {
        "email": found.channels["email"],
        "mail2": replace(found.channels["email"], id="mail2", path="channels/mail2.yaml"),
        "sms": Channel("sms", "SMS", "channels/sms.yaml", "outbox", "sms", "+886222222222"),
        "fax": Channel("fax", "Fax", "channels/fax.yaml", "outbox", "fax", "Shop <+886233333333>"),
    }
    waits = None if patience is None else Duration(patience, Unit.HOUR)
    campaign = replace(
        found.campaigns[CAMPAIGN],
        via=via,
        copies_to=(),
        patience=waits,
        **changes,  # type: ignore[arg-type]
    )
    return replace(found, channels=channels, campaigns={CAMPAIGN: campaign})


def run_by(store: Store, count: int, via: tuple[str, ...] = VIA, **changes: object) -> tuple[World, Recorded]:
    """Seed a run whose customers may be written to on every kind of channel; all their e-mails are planned."""
    world = seed(store, count, campaign=CAMPAIGN)
    now = to_micros(store.clock.now())
    with store.durable("test") as connection:
        for column, kind in (("phone", "sms"), ("fax", "fax")):
            connection.execute(
                sa.update(people.customers)
                .where(people.customers.c.id == sa.bindparam("one"))
                .values({column: sa.bindparam("address"), f"{column}_hash": sa.bindparam("hashed")}),
                [
                    {"one": one, "address": number(one), "hashed": address_hash(SALT, kind, number(one))}
                    for one in range(1, count + 1)
                ],
            )
            connection.execute(
                sa.insert(people.consents),
                [
                    {
                        "customer_id": one,
                        "channel": kind,
                        "purpose": "marketing",
                        "state": "granted",
                        "basis": "opt_in",
                        "source": "form",
                        "at": now - 1,
                        "received_at": now - 1,
                    }
                    for one in range(1, count + 1)
                ],
            )
        bounds = {"via": list(via), "expires_at": now + 24 * 3600 * 1_000_000}
        connection.execute(sa.update(sending.runs).values(bounds=bounds))
    made = definitions(via, **changes)  # type: ignore[arg-type]
    return world, Recorded(world.run_id, CAMPAIGN, "once", "d" * 64, "p" * 64, made, {})


def number(customer: int) -> str:
    """The telephone and fax number of a seeded customer."""
    return f"+8869{customer:08d}"


def settle(store: Store, world: World, customer: int, state: str, code: str | None = None) -> None:
    """Put a customer's last message into a state, as the sender or a receipt would."""
    messages, now = sending.messages, to_micros(store.clock.now())
    handed = state not in ("planned", "refused", "cancelled")
    with store.durable("test") as connection:
        last = connection.execute(
            sa.select(sa.func.max(messages.c.id)).where(
                messages.c.run_id == world.run_id, messages.c.customer_id == customer
            )
        ).scalar_one()
        connection.execute(
            sa.update(messages)
            .where(messages.c.id == last)
            .values(
                **sending.in_state(state),
                refusal_code=code,
                refusal_rule="test" if code else None,
                started_at=now if handed else None,
                attempt=1 if handed else 0,
                accepted_at=now if state in ("accepted", "delivered", "bounced", "complained") else None,
            )
        )
        if state in ("rejected", "in_doubt", "deferred"):
            connection.execute(
                sa.insert(sending.attempts).values(message_id=last, number=1, ended_at=now, outcome=state)
            )


def legs(store: Store, world: World) -> dict[int, list[tuple[int, str, str]]]:
    """Customer id to leg, channel and state of the messages, in order."""
    messages = sending.messages
    found: dict[int, list[tuple[int, str, str]]] = {}
    with store.read() as connection:
        for row in connection.execute(
            sa.select(messages).where(messages.c.run_id == world.run_id).order_by(messages.c.id)
        ):
            found.setdefault(row.customer_id, []).append((row.leg, row.channel, row.state))
    return found
