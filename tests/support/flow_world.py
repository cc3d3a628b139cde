"""A live flow in a store: its recorded files, customers who may be written to, enrolments with journeys, and messages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from support.ledger_legs import number
from support.ledger_world import SALT, address_of
from tidings.clock import to_micros
from tidings.customers.identity import address_hash
from tidings.definitions.loader import load
from tidings.flows.journeys.bounds import bounds_of
from tidings.store.artifacts import put
from tidings.store.database import Store
from tidings.store.tables import journeys, people, sending

ROOT = Path(__file__).resolve().parents[2]
DAY = 24 * 3600 * 1_000_000
FLOW = """
flow: Care after the purchase
owner: crm@nordicgarden.example
starts:
  did: order_placed
steps:
  letter:
    send: care/letter
    via: [email, sms]
    say:
      opening: Thank you for buying
  answer:
    wait_for:
      did: clicked
      of: letter
    up_to: 3 days
  paper:
    purpose: contract_service
    send: care/paper
    via: [email]
  sheet:
    to: last_name
    group: one sheet a dealer
    send: care/sheet
    via: [email]
goal:
  did: order_placed
  within: 30 days
"""
TEMPLATES = {
    "letter/email.txt": "Subject: {{ opening }}\n\nHello {{ full_name or 'there' }}\n\nhttps://shop.example/letter\n\n{{ postal_address }}\n{{ unsubscribe_url }}\n",
    "letter/sms.txt": "{{ opening }}: https://shop.example/text {{ unsubscribe_url }}\n",
    "paper/email.txt": "Subject: Your papers\n\nOrders so far: {{ orders or 'none' }}\n\nhttps://shop.example/paper\n",
    "sheet/email.txt": "Subject: Your customers\n\n{% for one in group %}{{ one.key }} {{ one.full_name or '?' }}\n{% endfor %}\n{{ postal_address }}\n{{ unsubscribe_url }}\n",
}


@dataclass(frozen=True)
class Live:
    """A live flow: the ids of its run."""

    run_id: int


def flow_workspace(folder: Path) -> Path:
    """Copy the rules and channels of the workspace, and write a flow that sends three messages."""
    for name in ("config", "segments", "channels"):
        shutil.copytree(
            ROOT / name,
            folder / name,
            ignore=shutil.ignore_patterns("schemas", "imports", "attribution.yaml"),
        )
    (folder / "flows").mkdir()
    (folder / "flows" / "care.yaml").write_text(FLOW)
    for name, text in TEMPLATES.items():
        path = folder / "templates" / "care" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    policies = folder / "config" / "policies.yaml"
    text = policies.read_text()
    found = re.sub(r"(contract_service:.*\n    class: service\n)", r"\1    in_doubt: resend\n", text)
    assert found != text
    policies.write_text(found)
    return folder


def populate(store: Store, count: int) -> None:
    """Add customers 1 to `count`, who agreed to e-mail and SMS for marketing; all write as `n@shop.example`."""
    now, ids = to_micros(store.clock.now()), range(1, count + 1)
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(people.customers),
            [
                {
                    "id": one,
                    "key": f"c{one}",
                    "u": one,
                    "email": address_of(one),
                    "email_hash": address_hash(SALT, "email", address_of(one)),
                    "phone": number(one),
                    "phone_hash": address_hash(SALT, "sms", number(one)),
                    "locale": "en",
                    "created_at": now,
                }
                for one in ids
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
                for one in ids
                for kind in ("email", "sms")
            ],
        )


def record(store: Store, root: Path, run_id: int, version: int) -> None:
    """Record the files as they are now as a version of the flow, which is then the latest."""
    at = to_micros(store.clock.now())
    role = "file:" if version == 1 else f"{version}/file:"
    with store.durable("test") as connection:
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.relative_to(root).parts[0].startswith("."):
                sha = put(connection, "file", path.read_bytes(), at)
                connection.execute(
                    sa.insert(sending.run_artifacts).values(
                        run_id=run_id, role=f"{role}{path.relative_to(root)}", sha256=sha
                    )
                )
        connection.execute(
            sa.insert(journeys.flow_versions).values(
                run_id=run_id,
                version=version,
                definition_hash=f"{version}" * 64,
                policy_hash="p" * 64,
                approved_by="ann",
                approved_at=at,
            )
        )
        connection.execute(sa.update(sending.runs).where(sending.runs.c.id == run_id).values(version=version))


def go_live(store: Store, root: Path, flow: str = "care") -> Live:
    """Make the run of a flow, with the files of `root` as its first version."""
    at, definitions = to_micros(store.clock.now()), load(root)
    with store.durable("test") as connection:
        run_id = connection.execute(
            sa.insert(sending.runs)
            .values(
                campaign=flow,
                occurrence="flow",
                kind="flow",
                definition_hash="d" * 64,
                policy_hash="p" * 64,
                salt=flow,
                state="sending",
                approved_by="ann",
                approved_at=at,
                anchor_at=at,
                created_at=at,
                bounds=bounds_of(definitions.flows[flow], definitions),
            )
            .returning(sending.runs.c.id)
        ).scalar_one()
    record(store, root, run_id, 1)
    return Live(run_id)


def enter(
    store: Store,
    live: Live,
    customers: Iterable[int],
    *,
    arm: str = "treated",
    entry: int = 0,
    step: str = "letter",
) -> dict[int, int]:
    """Let customers enter; return the enrolment of each. Their journeys wait before `step`."""
    at = to_micros(store.clock.now())
    found = {}
    with store.durable("test") as connection:
        for one in customers:
            found[one] = connection.execute(
                sa.insert(sending.enrolments)
                .values(
                    run_id=live.run_id, customer_id=one, entry=entry, arm=arm, anchor_at=at, planned_at=at
                )
                .returning(sending.enrolments.c.id)
            ).scalar_one()
            connection.execute(
                sa.insert(journeys.journeys).values(
                    enrolment_id=found[one],
                    run_id=live.run_id,
                    customer_id=one,
                    start_ref=f"test{entry}/{one}",
                    state="walking",
                    step=step,
                    due_at=at,
                    reached_at=at,
                )
            )
    return found


def plan(
    store: Store,
    live: Live,
    entered: dict[int, int],
    step: str,
    *,
    channel: str = "email",
    version: int = 1,
    due_at: int | None = None,
) -> dict[int, int]:
    """Plan a message of a step for everybody who entered, and let them wait for an answer; return each one's message."""
    at = to_micros(store.clock.now())
    made = {}
    with store.durable("test") as connection:
        for customer, enrolment in entered.items():
            made[customer] = connection.execute(
                sa.insert(sending.messages)
                .values(
                    run_id=live.run_id,
                    enrolment_id=enrolment,
                    customer_id=customer,
                    step=step,
                    leg=0,
                    channel=channel,
                    version=version,
                    state="planned",
                    due_at=at if due_at is None else due_at,
                    expires_at=at + DAY,
                )
                .returning(sending.messages.c.id)
            ).scalar_one()
            connection.execute(
                sa.insert(journeys.journey_steps).values(
                    enrolment_id=enrolment, step=step, what="reached", at=at
                )
            )
            connection.execute(
                sa.update(journeys.journeys)
                .where(journeys.journeys.c.enrolment_id == enrolment)
                .values(step="answer")
            )
    return made
