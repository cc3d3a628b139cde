"""A flow from its YAML to mailboxes: it starts by an event, waits for an answer, writes to a dealer, and asks a person."""

from __future__ import annotations

import email
import email.policy
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.flow_world import flow_workspace, populate
from support.ledger_world import address_of, message_rows
from tidings.channels.outbox import OutboxAdapter
from tidings.clock import FixedClock, to_micros
from tidings.config.settings import Settings, load_settings
from tidings.delivery.kept import Kept
from tidings.delivery.notices import Carrier
from tidings.delivery.running import deliver_run
from tidings.delivery.verify import verify
from tidings.flows.journeys.task_mails import tend_tasks
from tidings.flows.journeys.tasks import answer_task, list_tasks
from tidings.flows.journeys.versions import start_flow
from tidings.flows.round import do_round
from tidings.measurement.report import make_report
from tidings.store.database import Store
from tidings.store.tables import journeys, people
from tidings.store.vocabulary import attributes_table
from tidings.tokens.keyring import KeyRing

RING = KeyRing.from_text("k1:" + "ab" * 32)
CALL = """
  call:
    when:
      - account_type: business
    notify: sales
    due: 2 workdays
  taken:
    wait_for:
      did: task_accepted
    up_to: 5 days
    if_not: late_paper
  thanks:
    purpose: contract_service
    send: care/paper
    via: [email]
    then: end
  late_paper:
    purpose: contract_service
    send: care/paper
    via: [email]
goal:
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    root = flow_workspace(tmp_path / "workspace")
    flow = root / "flows" / "care.yaml"
    flow.write_text(
        flow.read_text()
        .replace("starts:\n", "holdout: none\nstarts:\n")
        .replace("goal:\n", CALL.lstrip("\n"))
    )
    return load_settings(root, "development", variables={})


def people_with_a_dealer(store: Store, settings: Settings) -> None:
    populate(store, 4)
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(attributes_table(settings.definitions.attributes)),
            [
                {
                    "customer_id": one,
                    "full_name": f"Name {one}",
                    "last_name": "c4",
                    "account_type": "business" if one == 1 else "person",
                }
                for one in (1, 2)
            ],
        )


def order(store: Store, *customers: int) -> None:
    at = to_micros(store.clock.now())
    with store.durable("test") as connection:
        name = connection.execute(
            sa.insert(people.event_names).values(name="order_placed").returning(people.event_names.c.id)
        ).scalar_one()
        connection.execute(
            sa.insert(people.events),
            [
                {
                    "name_id": name,
                    "customer_id": one,
                    "occurred_at": at,
                    "received_at": at,
                    "source": "test",
                    "dedupe_key": str(one),
                }
                for one in customers
            ],
        )


def subjects(folder: Path) -> Counter[tuple[str, str]]:
    letters = [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in folder.glob("*.eml")
    ]
    return Counter((str(one["To"]), str(one["Subject"])) for one in letters)


def test_a_flow_goes_from_its_file_to_mailboxes_to_a_dealer_and_to_a_person(
    store: Store, clock: FixedClock, settings: Settings, tmp_path: Path
) -> None:
    people_with_a_dealer(store, settings)
    run_id = start_flow(store, settings.definitions, "care", approved_by="ann", now=clock.now())
    kept = Kept()
    outbox = settings.data_dir / "outbox"

    def tick() -> int:
        result = do_round(settings, store, clock=clock, owner="test")
        assert result.troubles == ()
        return deliver_run(settings, store, run_id, clock=clock, ring=RING, kept=kept).sent_now

    clock.advance(timedelta(minutes=1))
    order(store, 1, 2)
    assert tick() == 2
    assert subjects(outbox) == {(address_of(one), "Thank you for buying"): 1 for one in (1, 2)}
    assert tick() == 0
    clock.advance(timedelta(days=3, minutes=1))
    # Nobody clicked: the papers go out, and one sheet about both to their dealer.
    assert tick() == 3
    assert subjects(outbox) == {
        **{(address_of(one), "Thank you for buying"): 1 for one in (1, 2)},
        **{(address_of(one), "Your papers"): 1 for one in (1, 2)},
        (address_of(4), "Your customers"): 1,
    }
    (task,) = list_tasks(store)
    assert (task.customer, task.person) == ("c1", "sales")
    carrier = Carrier(
        OutboxAdapter(settings.definitions.channels["email"], {"folder": tmp_path / "staff"}),
        "s@shop.example",
    )
    assert tend_tasks(store, carrier, clock, salt="s", kept=kept).sent == 1
    clock.advance(timedelta(hours=1))
    answer_task(store, task.id, "accept", note="", actor="ann", now=clock.now())
    # Whoever was accepted gets thanks, the other one was asked nothing and waits.
    assert tick() == 1
    assert subjects(outbox)[address_of(1), "Your papers"] == 2
    clock.advance(timedelta(days=6))
    assert tick() == 1
    with store.read() as connection:
        states = connection.execute(
            sa.select(journeys.journeys.c.state, journeys.journeys.c.outcome).distinct()
        ).all()
    assert [tuple(row) for row in states] == [("ended", "finished")]
    assert {row.state for row in message_rows(store, run_id)} == {"accepted"}
    report = make_report(store, settings.definitions, "care", as_of=clock.now())
    assert {arm.name: arm.customers for arm in report.arms} == {"treated": 2}
    assert verify(store).broken == ()
