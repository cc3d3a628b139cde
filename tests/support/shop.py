"""The workspace at the root of the repository, copied and changed for a test, and customers to fill it with."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import sqlalchemy as sa

from support.stores import ATTRIBUTES
from tidings.clock import to_micros
from tidings.customers.identity import address_hash, customer_u
from tidings.store.database import Store
from tidings.store.table_statistics import analyse
from tidings.store.tables import people
from tidings.store.vocabulary import attributes_table

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("segments", "campaigns", "flows", "templates", "channels", "config")
SALT = "nordic-garden-2027"
DAY = 86_400_000_000


def copy_workspace(target: Path, **files: str) -> Path:
    """Copy the six folders to `target` and write more files: keys name them with __ for / (campaigns__x).

    The win-back goes out by e-mail alone there: nothing in these tests answers for a provider of texts or faxes. There are
    no quiet hours: many of these tests go by the machine's clock, and they are to pass at night.
    """
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, target / folder, dirs_exist_ok=True)
    by_email = target / "campaigns" / "spring_winback.yaml"
    text = by_email.read_text(encoding="utf-8")
    by_email.write_text(re.sub(r"(?m)^via: .*$", "via: email", text), encoding="utf-8")
    policies = target / "config" / "policies.yaml"
    without = re.sub(r"(?m)^quiet: .*\n", "", policies.read_text(encoding="utf-8"))
    policies.write_text(without, encoding="utf-8")
    for name, content in files.items():
        path = target / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return target


def seed(
    store: Store,
    count: int,
    *,
    lapsed: int | None = None,
    consented: int | None = None,
    order_every: int = 10,
) -> None:
    """Insert `count` customers c1 … with e-mail; the first `lapsed` have two old orders, the first `consented` agree.

    Every `order_every`-th customer also ordered 5 days ago, for 50 EUR as all orders are.
    """
    now = to_micros(store.clock.now())
    lapsed = count if lapsed is None else lapsed
    consented = count if consented is None else consented
    with store.durable("seed") as connection:
        connection.execute(
            people.customers.insert(),
            [
                {
                    "key": f"c{n}",
                    "u": customer_u(SALT, f"c{n}"),
                    "email": f"c{n}@customers.example",
                    "email_hash": address_hash(SALT, "email", f"c{n}@customers.example"),
                    "locale": ("en", "zh-TW", "ru")[n % 3],
                    "created_at": now,
                }
                for n in range(1, count + 1)
            ],
        )
        ids = dict(connection.execute(sa.select(people.customers.c.key, people.customers.c.id)).all())
        connection.execute(
            attributes_table(ATTRIBUTES).insert(),
            [
                {
                    "customer_id": ids[f"c{n}"],
                    "full_name": f"Customer {n}",
                    "last_order_at": store.clock.now().date().replace(year=2026)
                    if n <= lapsed
                    else store.clock.now().date(),
                }
                for n in range(1, count + 1)
            ],
        )
        name = connection.execute(
            people.event_names.insert().values(name="order_placed")
        ).inserted_primary_key[0]
        orders = [(n, days) for n in range(1, lapsed + 1) for days in (300, 400)]
        orders += [(n, 5) for n in range(1, count + 1) if n % order_every == 0]
        connection.execute(
            people.events.insert(),
            [
                {
                    "name_id": name,
                    "customer_id": ids[f"c{n}"],
                    "occurred_at": now - days * DAY,
                    "received_at": now,
                    "source": "seed",
                    "dedupe_key": f"{n}/{days}",
                    "amount": 5000,
                    "currency": "EUR",
                }
                for n, days in orders
            ],
        )
        if consented:
            connection.execute(
                people.consents.insert(),
                [
                    {
                        "customer_id": ids[f"c{n}"],
                        "channel": "email",
                        "purpose": "marketing",
                        "state": "granted",
                        "basis": "test",
                        "source": "seed",
                        "at": now,
                        "received_at": now,
                    }
                    for n in range(1, consented + 1)
                ],
            )
    analyse(store, "customers", "customer_attributes", "events", "consents")
