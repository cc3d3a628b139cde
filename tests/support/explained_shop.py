"""A small shop with two campaigns to the same people, planned and sent for real, for tests that ask why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from support.shop import SALT, copy_workspace
from tidings.campaigns.planning import make_plan
from tidings.campaigns.runs import Run, start_run
from tidings.clock import to_micros
from tidings.config.settings import Settings, load_settings
from tidings.customers.identity import address_hash, customer_u
from tidings.customers.zones import fill_areas
from tidings.definitions.workspace import Definitions
from tidings.delivery.running import deliver_run
from tidings.flows.explaining.answering import explain
from tidings.flows.explaining.facts import Explanation, Fact
from tidings.store.database import Store
from tidings.store.tables import people
from tidings.store.vocabulary import attributes_table
from tidings.tokens.keyring import KeyRing

RING = KeyRing.from_text("k1:" + "ab" * 32)
DAY = 86_400_000_000
LETTER = """\
campaign: {title}
purpose: marketing
to: gold_people
send: spring_winback
via: {via}
holdout: {holdout}
expires: 3 days
variants:
  warm:
    say: {{headline: Warm}}
  direct:
    say: {{headline: Direct}}
goal:
  did: order_placed
  within: 14 days
"""
GOLD = """\
segment: Gold customers
where:
  - member_level: gold
except:
  - did: order_returned
    within: last 90 days
"""


@dataclass
class ExplainedShop:
    """The shop on a store; `definitions` and `settings` are those of its files."""

    store: Store
    root: Path
    settings: Settings

    @property
    def definitions(self) -> Definitions:
        return self.settings.definitions

    def people(self, *keys: str, level: str = "gold", agreed: tuple[str, ...] = ("email", "sms"), **columns: object) -> None:  # fmt: skip
        """Add customers with an e-mail address and a telephone number in Moscow; `agreed` to marketing by these kinds."""
        now = to_micros(self.store.clock.now())
        with self.store.durable("test") as connection:
            for key in keys:
                number = f"+7495{customer_u(SALT, key) % 10_000_000:07}"
                email = f"{key}@customers.example"
                customer = connection.execute(
                    people.customers.insert()
                    .values(
                        **{
                            "key": key,
                            "u": customer_u(SALT, key),
                            "email": email,
                            "email_hash": address_hash(SALT, "email", email),
                            "phone": number,
                            "phone_hash": address_hash(SALT, "sms", number),
                            "zone": "Europe/Moscow",
                            "locale": "en",
                            "created_at": now - 30 * DAY,
                            **columns,
                        }
                    )
                    .returning(people.customers.c.id)
                ).scalar_one()
                connection.execute(
                    attributes_table(self.definitions.attributes)
                    .insert()
                    .values(customer_id=customer, member_level=level)
                )
                for kind in agreed:
                    self.say(connection, customer, kind)
        fill_areas(self.store)

    def say(self, connection: sa.Connection, customer: int, kind: str, state: str = "granted", ago: int = 7, **more: object) -> None:  # fmt: skip
        """Append to the consent ledger what was said so many days ago."""
        at = to_micros(self.store.clock.now()) - ago * DAY
        values = {"customer_id": customer, "channel": kind, "purpose": "marketing", "state": state, "basis": "opt-in", "source": "web form", "at": at, "received_at": at}  # fmt: skip
        connection.execute(people.consents.insert().values(**{**values, **more}))

    def id_of(self, key: str) -> int:
        with self.store.read() as connection:
            return int(
                connection.execute(
                    sa.select(people.customers.c.id).where(people.customers.c.key == key)
                ).scalar_one()
            )

    def plan(self, name: str) -> str:
        return make_plan(self.store, self.definitions, name, now=self.store.clock.now()).hash

    def start(self, plan_hash: str) -> Run:
        return start_run(
            self.store, self.definitions, plan_hash, approved_by="anna", now=self.store.clock.now()
        )

    def send(self, run: Run) -> None:
        deliver_run(self.settings, self.store, run.id, clock=self.store.clock, ring=RING)

    def run(self, name: str) -> Run:
        """Plan, start and send a campaign."""
        started = self.start(self.plan(name))
        self.send(started)
        return started

    def why(self, key: str, name: str = "", **more: int) -> Explanation:
        return explain(self.store, self.definitions, key, name, clock=self.store.clock, **more)


def open_shop(store: Store, folder: Path, *, holdout: str = "none", via: str = "[email, sms]", **files: str) -> ExplainedShop:  # fmt: skip
    """Return a shop with the campaigns `letter` and `second`, both to gold customers."""
    root = copy_workspace(
        folder,
        campaigns__letter=LETTER.format(title="Letter", via=via, holdout=holdout),
        campaigns__second=LETTER.format(title="Second letter", via=via, holdout="none"),
        segments__gold_people=GOLD,
        **files,
    )
    # Those of the starter that come again by themselves would stand on days of every month.
    for name in ("birthday", "newsletter"):
        (root / "campaigns" / f"{name}.yaml").unlink()
    policies = root / "config" / "policies.yaml"
    written = re.sub(r"(?m)^quiet:.*\n", "", policies.read_text(encoding="utf-8"))
    policies.write_text(f"{written}quiet: {{sms: 20:00 to 09:00}}\n", encoding="utf-8")
    return ExplainedShop(store, root, load_settings(root, "development", variables={}))


def fact(found: Explanation, what: str, place: int = 0) -> Fact:
    """Return the fact of that name, of several the one at a place."""
    every = facts(found, what)
    assert every, f"nothing is said of {what}: {said(found)}"
    return every[place]


def facts(found: Explanation, what: str) -> list[Fact]:
    return [one for chapter in found.chapters for one in chapter.facts if one.what == what]


def said(found: Explanation) -> str:
    """Return all that is said, a line a fact."""
    lines = [f"{one.what} [{one.verdict}] {one.text}" for chapter in found.chapters for one in chapter.facts]
    return "\n".join([found.headline, *lines])
