"""A shop whose customers live in several countries, and whose policies keep the rules of some."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from support.shop import SALT, copy_workspace, seed
from tidings.campaigns.planning import load_plan, make_plan
from tidings.campaigns.runs import start_run
from tidings.clock import FixedClock, to_micros
from tidings.config.settings import Settings, load_settings
from tidings.customers.identity import address_hash
from tidings.delivery.running import deliver_run
from tidings.store.database import Store
from tidings.store.tables import people, sending
from tidings.tokens.keyring import KeyRing

RING = KeyRing.from_text("k1:" + "ab" * 32)
LETTER = "Subject: News\n\nHello.\n{{ postal_address }}\n{{ unsubscribe_url }}\n"
TEXT = "Roses are here"
_CAMPAIGN = "campaign: News\npurpose: PURPOSE\nto: everybody\nsend: news\nvia: VIA\nholdout: none\n"
_EVERYBODY = "segment: Everybody\nwhere:\n  - last_order_at: known\n"
_SMS = 'channel: SMS\nadapter: outbox\nkind: sms\nsender: "+886222222222"\n'


@dataclass
class CountryShop:
    """A store, its clock and the files; `plan` and `send` do what the commands do, in the store alone."""

    store: Store
    clock: FixedClock
    root: Path

    @property
    def settings(self) -> Settings:
        """The files as they are now."""
        return load_settings(self.root, "development", variables={})

    def rules(self, written: str) -> None:
        """Add lines to config/policies.yaml."""
        path = self.root / "config" / "policies.yaml"
        path.write_text(path.read_text(encoding="utf-8") + written + "\n", encoding="utf-8")

    def letter(self, text: str, name: str = "email.en.txt") -> None:
        """Write a file of the message."""
        (self.root / "templates" / "news" / name).write_text(text, encoding="utf-8")

    def give(self, key: str, **columns: str | None) -> None:
        """Change columns of a customer; an address brings its hash, and a number the consent to it."""
        for column, kind in (("email", "email"), ("phone", "sms"), ("fax", "fax")):
            if columns.get(column):
                columns[f"{column}_hash"] = address_hash(SALT, kind, str(columns[column]))
        now = to_micros(self.clock.now())
        with self.store.durable("test") as connection:
            customers = people.customers
            connection.execute(sa.update(customers).where(customers.c.key == key).values(**columns))
            one = connection.execute(sa.select(customers.c.id).where(customers.c.key == key)).scalar_one()
            if columns.get("phone"):
                connection.execute(
                    sa.insert(people.consents).values(
                        customer_id=one, channel="sms", purpose="marketing", state="granted", basis="form",
                        source="test", at=now, received_at=now,
                    )
                )  # fmt: skip

    def plan(self) -> tuple[str, dict[str, tuple[str | None, str | None]]]:
        """Return the hash of a plan made now, and of each member the channel and the refusal."""
        plan = make_plan(self.store, self.settings.definitions, "news", now=self.clock.now())
        plan_id, _, _ = load_plan(self.store, plan.hash)
        members, customers = sending.plan_members, people.customers
        with self.store.read() as connection:
            rows = connection.execute(
                sa.select(customers.c.key, members.c.channel, members.c.refusal_code)
                .join(customers, customers.c.id == members.c.customer_id)
                .where(members.c.plan_id == plan_id)
            ).all()
        return plan.hash, {
            row.key: (None if row.refusal_code else row.channel, row.refusal_code) for row in rows
        }

    def start(self) -> int:
        """Plan and start a run; nothing is sent yet."""
        plan_hash, _ = self.plan()
        settings = self.settings
        return start_run(
            self.store, settings.definitions, plan_hash, approved_by="ann", now=self.clock.now()
        ).id

    def deliver(self, run_id: int) -> dict[str, list[tuple[str, str, str | None, str | None]]]:
        """Send a run and return, by customer, channel, state, refusal and rule of every message."""
        deliver_run(self.settings, self.store, run_id, clock=self.clock, ring=RING)
        messages, customers = sending.messages, people.customers
        found: dict[str, list[tuple[str, str, str | None, str | None]]] = {}
        with self.store.read() as connection:
            for row in connection.execute(
                sa.select(customers.c.key, messages)
                .join(customers, customers.c.id == messages.c.customer_id)
                .where(messages.c.run_id == run_id)
                .order_by(messages.c.id)
            ):
                found.setdefault(row.key, []).append(
                    (row.channel, row.state, row.refusal_code, row.refusal_rule)
                )
        return found


def open_shop(
    store: Store,
    clock: FixedClock,
    root: Path,
    *,
    customers: int,
    via: str = "email",
    purpose: str = "marketing",
    sms: Iterable[str] = (),
) -> CountryShop:
    """Open a shop with customers c1 …, who have an e-mail address, speak English and have agreed; `sms` are lines of its channel."""
    campaign = _CAMPAIGN.replace("VIA", via).replace("PURPOSE", purpose)
    copy_workspace(
        root,
        campaigns__news=campaign,
        segments__everybody=_EVERYBODY,
        channels__sms="".join([_SMS, *(f"{line}\n" for line in sms)]),
    )
    (root / "templates" / "news").mkdir()
    shop = CountryShop(store, clock, root)
    shop.letter(LETTER)
    shop.letter(TEXT, "sms.en.txt")
    seed(store, customers)
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(locale="en", zone="Europe/London"))
    return shop
