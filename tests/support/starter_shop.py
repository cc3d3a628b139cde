"""The starter flows on a store: people of the shop, what they do, hours that pass, and who got what at which hour."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from support.shop import ROOT, SALT, copy_workspace
from tidings.channels.outbox import OutboxAdapter
from tidings.clock import FixedClock, from_micros, to_micros
from tidings.config.settings import Settings, load_settings
from tidings.customers.identity import address_hash, customer_u
from tidings.delivery.kept import Kept
from tidings.delivery.notices import Carrier
from tidings.delivery.running import deliver_run
from tidings.delivery.verify import verify
from tidings.flows.journeys.planning import plan_flow
from tidings.flows.journeys.task_mails import tend_tasks
from tidings.flows.journeys.tasks import list_tasks
from tidings.flows.journeys.versions import start_flow
from tidings.flows.round import do_round
from tidings.store.database import Store
from tidings.store.tables import answers, journeys, people, sending
from tidings.store.vocabulary import attributes_table
from tidings.tokens.keyring import KeyRing

RING = KeyRing.from_text("k1:" + "ab" * 32)
STOCKHOLM = ZoneInfo("Europe/Stockholm")
_DAY = 86_400_000_000


def starter_workspace(folder: Path) -> Path:
    """Copy the workspace at the root as it is, its quiet hours too; messages become files."""
    root = copy_workspace(folder)
    shutil.copy(ROOT / "config" / "policies.yaml", root / "config" / "policies.yaml")
    return root


def load_starter(folder: Path) -> Settings:
    """Load a fresh copy of the starter workspace."""
    return load_settings(starter_workspace(folder), "development", variables={})


@dataclass
class StarterShop:
    """A store, a clock that jumps, and the flows of the starter. Hours are written "03-02 10:00", on Stockholm's clock."""

    store: Store
    clock: FixedClock
    settings: Settings
    kept: Kept = field(default_factory=Kept)
    numbers: int = 0

    def person(
        self,
        key: str,
        *,
        agreed: Sequence[str] = ("email", "sms", "fax"),
        reached_by: Sequence[str] = ("email", "sms", "fax"),
        zone: str | None = "Europe/Stockholm",
        **attributes: Any,
    ) -> int:
        """Add a customer who agreed to marketing by some kinds of channel and has addresses of some kinds."""
        now = to_micros(self.clock.now())
        number = f"+4670{customer_u(SALT, key) % 10_000_000:07}"
        addresses = {"email": f"{key}@customers.example", "sms": number, "fax": f"+468{number[5:]}"}
        columns = {"email": "email", "sms": "phone", "fax": "fax"}
        fixed = {columns[kind]: addresses[kind] for kind in reached_by}
        fixed |= {f"{columns[kind]}_hash": address_hash(SALT, kind, addresses[kind]) for kind in reached_by}
        with self.store.durable("test") as connection:
            customer = connection.execute(
                people.customers.insert()
                .values(key=key, u=customer_u(SALT, key), locale="en", zone=zone, created_at=now, **fixed)
                .returning(people.customers.c.id)
            ).scalar_one()
            connection.execute(
                attributes_table(self.settings.definitions.attributes)
                .insert()
                .values(customer_id=customer, full_name=key.title(), **attributes)
            )
            for kind in agreed:
                connection.execute(
                    people.consents.insert().values(
                        customer_id=customer, channel=kind, purpose="marketing", state="granted",
                        basis="opt-in", source="form", at=now - _DAY, received_at=now - _DAY,
                    )
                )  # fmt: skip
        return int(customer)

    def did(self, key: str, event: str, *, ago: timedelta = timedelta(), **properties: Any) -> None:
        """Let something happen now (or so long ago, told of then); money is in cents."""
        at, self.numbers = to_micros(self.clock.now() - ago), self.numbers + 1
        names = people.event_names
        with self.store.durable("test") as connection:
            name = connection.execute(sa.select(names.c.id).where(names.c.name == event)).scalar()
            if name is None:
                name = connection.execute(
                    names.insert().values(name=event).returning(names.c.id)
                ).scalar_one()
            connection.execute(
                people.events.insert().values(
                    name_id=name, customer_id=self._id(key), occurred_at=at, received_at=at, source="shop",
                    dedupe_key=str(self.numbers), amount=properties.pop("order_total", None), currency="EUR",
                    properties=properties or None,
                )
            )  # fmt: skip

    def list_into(self, key: str, segment: str) -> None:
        """Put a customer on a list, as `tidings import --into` does."""
        with self.store.durable("test") as connection:
            connection.execute(
                people.segment_members.insert().values(
                    segment=segment, customer_id=self._id(key), valid_from=to_micros(self.clock.now())
                )
            )

    def click(self, key: str, step: str) -> None:
        """Let a customer follow a link of the message of a step, now."""
        messages = sending.messages
        with self.store.durable("test") as connection:
            message = connection.execute(
                sa.select(messages.c.id)
                .where(messages.c.customer_id == self._id(key), messages.c.step == step)
                .order_by(messages.c.id.desc())
            ).scalars().first()  # fmt: skip
            assert message is not None, f"{key} has no message of {step}"
            connection.execute(
                answers.responses.insert().values(
                    kind="clicked", judged="human", rule_version=1, customer_id=self._id(key),
                    message_id=message, at=to_micros(self.clock.now()),
                )
            )  # fmt: skip

    def live(self, flow: str) -> None:
        """Plan a flow and let it go live, as `tidings plan` and `tidings run` do."""
        definitions, now = self.settings.definitions, self.clock.now()
        plan = plan_flow(self.store, definitions, flow, now=now)
        assert plan.kind == "new"
        start_flow(self.store, definitions, flow, approved_by="anna", now=now)

    def at(self, *instants: str) -> None:
        """Go on to each instant ("03-04 10:00" of 2027, Stockholm), and do there what is due."""
        for written in instants:
            then = datetime.strptime(f"2027-{written}", "%Y-%m-%d %H:%M").replace(tzinfo=STOCKHOLM)
            self.clock.advance(then - self.clock.now())
            self.tick()

    def tick(self) -> None:
        """Do one round, then send what is due."""
        result = do_round(self.settings, self.store, clock=self.clock, owner="test")
        assert result.troubles == ()
        with self.store.read() as connection:
            runs = (
                connection.execute(sa.select(sending.runs.c.id).order_by(sending.runs.c.id)).scalars().all()
            )
        for run_id in runs:
            deliver_run(self.settings, self.store, run_id, clock=self.clock, ring=RING, kept=self.kept)

    def mail_tasks(self) -> list[tuple[str, str]]:
        """Mail what there is to tell about tasks; return whom was written to, and the subject, of every mail so far."""
        import email
        import email.policy

        folder = self.settings.data_dir / "staff"
        adapter = OutboxAdapter(self.settings.definitions.channels["email"], {"folder": str(folder)})
        tend_tasks(self.store, Carrier(adapter, "s@shop.example"), self.clock, salt=SALT, kept=self.kept)
        read = [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in folder.glob("*.eml")
        ]
        return sorted((str(one["To"]), str(one["Subject"])) for one in read)

    def sent(self, *keys: str) -> list[tuple[str, str, str, str]]:
        """Return what was accepted: customer, step, channel, and the hour on Stockholm's clock, in the order of the hours."""
        return [row[:4] for row in self.ledger(*keys) if row[4] == "accepted"]

    def refused(self, *keys: str) -> list[tuple[str, str, str, str]]:
        """Return what was refused: customer, step, channel and code."""
        return [(*row[:3], row[5]) for row in self.ledger(*keys) if row[4] == "refused"]

    def ledger(self, *keys: str) -> list[tuple[Any, ...]]:
        """Return every message of some customers (or all): customer, step, channel, hour, state, refusal."""
        messages, customers = sending.messages, people.customers
        with self.store.read() as connection:
            rows = connection.execute(
                sa.select(
                    customers.c.key, messages.c.step, messages.c.channel,
                    sa.func.coalesce(messages.c.accepted_at, messages.c.due_at), messages.c.state, messages.c.refusal_code,
                )
                .join(customers, customers.c.id == messages.c.customer_id)
                .where(customers.c.key.in_(keys) if keys else sa.true())
                .order_by(sa.func.coalesce(messages.c.accepted_at, messages.c.due_at), customers.c.key, messages.c.id)
            ).all()  # fmt: skip
        return [(row[0], row[1], row[2], self.hour(row[3]), row[4], row[5]) for row in rows]

    def hour(self, micros: int) -> str:
        return from_micros(micros).astimezone(STOCKHOLM).strftime("%m-%d %H:%M")

    def arms(self) -> dict[str, str]:
        """Return the arm of each customer in a flow (the last, for those who entered again)."""
        enrolments, customers = sending.enrolments, people.customers
        with self.store.read() as connection:
            rows = connection.execute(
                sa.select(customers.c.key, enrolments.c.arm)
                .join(customers, customers.c.id == enrolments.c.customer_id)
                .order_by(enrolments.c.id)
            ).all()
        return {row[0]: row[1] for row in rows}

    def outcomes(self, *keys: str) -> list[tuple[str, str, str | None]]:
        """Return the journeys: customer, the step waited before (or the last), and the outcome."""
        walks, customers = journeys.journeys, people.customers
        with self.store.read() as connection:
            rows = connection.execute(
                sa.select(customers.c.key, walks.c.step, walks.c.outcome)
                .join(customers, customers.c.id == walks.c.customer_id)
                .where(customers.c.key.in_(keys) if keys else sa.true())
                .order_by(customers.c.key, walks.c.enrolment_id)
            ).all()
        return [(row[0], row[1], row[2]) for row in rows]

    def tasks(self) -> list[tuple[str, str, str, str]]:
        """Return every task: customer, person, state, and when it is due, in the order they were set."""
        rows = sorted(list_tasks(self.store, everything=True), key=lambda one: one.id)
        with self.store.read() as connection:
            due = dict(connection.execute(sa.select(journeys.tasks.c.id, journeys.tasks.c.due_at)).all())
        return [(one.customer, one.person, one.state, self.hour(due[one.id] or 0)) for one in rows]

    def attribute(self, key: str, name: str) -> Any:
        table = attributes_table(self.settings.definitions.attributes)
        with self.store.read() as connection:
            return connection.execute(
                sa.select(table.c[name]).where(table.c.customer_id == self._id(key))
            ).scalar()

    def listed(self, segment: str) -> list[str]:
        members, customers = people.segment_members, people.customers
        with self.store.read() as connection:
            return list(
                connection.execute(
                    sa.select(customers.c.key)
                    .join(members, members.c.customer_id == customers.c.id)
                    .where(members.c.segment == segment, members.c.valid_to.is_(None))
                    .order_by(customers.c.key)
                ).scalars()
            )

    def pieces(self, ending: str) -> list[bytes]:
        """Return the files of the outbox with an ending: eml, txt or tif."""
        folder = self.settings.data_dir / "outbox"
        return [path.read_bytes() for path in sorted(folder.glob(f"*.{ending}"), key=_by_number)]

    def sound(self) -> bool:
        """Tell whether the ledger holds all its rules."""
        verdict = verify(self.store)
        assert verdict.broken == (), verdict.broken
        return True

    def _id(self, key: str) -> int:
        with self.store.read() as connection:
            return int(
                connection.execute(
                    sa.select(people.customers.c.id).where(people.customers.c.key == key)
                ).scalar_one()
            )


def _by_number(path: Path) -> int:
    found = re.search(r"\d+", path.name)
    return int(found.group()) if found else 0
