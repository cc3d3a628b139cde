"""The rules in config/policies.yaml hold for a run as it recorded them: quiet hours, caps, and imports that must be fresh."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.ledger_workspace import copy_workspace, recorded_run, rewrite
from support.ledger_world import message_rows, states
from tidings.clock import FixedClock, from_micros, to_micros
from tidings.config.settings import Settings, load_settings
from tidings.definitions.kinds.rules import Attributes
from tidings.delivery.running import deliver_run
from tidings.store.database import Store
from tidings.store.tables import people, sending
from tidings.store.vocabulary import attributes_table
from tidings.tokens.keyring import KeyRing

RING = KeyRing.from_text("k1:" + "ab" * 32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy_workspace(tmp_path / "workspace")


def settings_of(root: Path) -> Settings:
    return load_settings(root, "development", variables={})


def _named(store: Store, attributes: Attributes) -> None:
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(attributes_table(attributes)),
            [
                {"customer_id": one, "full_name": f"Name {one}", "lifetime_value": 1, "orders": 1}
                for one in (1, 2, 3)
            ],
        )


def test_quiet_hours_of_the_policies_put_a_run_off_to_the_morning_of_its_recipients(
    store: Store, clock: FixedClock, root: Path, attributes: Attributes
) -> None:
    rewrite(root / "config" / "policies.yaml", "quiet: {sms: ", "quiet: {email: 18:00 to 08:00, sms: ")
    world = recorded_run(store, root, 3)
    _named(store, attributes)
    with store.durable("test") as connection:
        for customer, zone in ((1, "Europe/London"), (2, "Asia/Tokyo"), (3, "America/New_York")):
            connection.execute(
                sa.update(people.customers).where(people.customers.c.id == customer).values(zone=zone)
            )
    done = deliver_run(settings_of(root), store, world.run_id, clock=clock, ring=RING)
    assert (done.state, done.accepted, done.pending) == ("sending", 1, 2)
    due = {
        row.customer_id: from_micros(row.due_at) - clock.now() for row in message_rows(store, world.run_id)
    }
    # It is 18:00 in Tokyo and 04:00 in New York.
    assert due == {1: timedelta(0), 2: timedelta(hours=14), 3: timedelta(hours=4)}
    for hours, accepted in ((4, 2), (10, 3)):
        clock.advance(timedelta(hours=hours))
        done = deliver_run(settings_of(root), store, world.run_id, clock=clock, ring=RING)
        assert done.accepted == accepted
    assert done.state == "finished"


def test_the_cap_of_the_policies_holds_over_two_runs(
    store: Store, clock: FixedClock, root: Path, attributes: Attributes
) -> None:
    first = recorded_run(store, root, 3)
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.runs).where(sending.runs.c.id == first.run_id).values(occurrence="first")
        )
        connection.execute(sa.update(sending.plans).values(hash="first"))
    second = recorded_run(store, root, 3)
    _named(store, attributes)
    for world in (first, second):
        deliver_run(settings_of(root), store, world.run_id, clock=clock, ring=RING)
    assert set(states(store, first.run_id).values()) == {"accepted"}
    assert {row.refusal_code for row in message_rows(store, second.run_id)} == {"frequency_cap"}


def test_an_import_that_must_be_fresh_holds_up_what_it_chooses_for(
    store: Store, clock: FixedClock, root: Path, attributes: Attributes
) -> None:
    world = recorded_run(store, root, 3)
    _named(store, attributes)
    mapping = root / "config" / "imports" / "orders.yaml"
    mapping.write_text(f"{mapping.read_text()}fresh: 26 hours\n")
    done = deliver_run(settings_of(root), store, world.run_id, clock=clock, ring=RING)
    assert (done.state, done.accepted, done.pending) == ("sending", 0, 3)
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(people.imports).values(
                mapping="orders", file="orders.csv", fingerprint="f", state="finished", counts={},
                started_at=to_micros(clock.now()), updated_at=to_micros(clock.now()),
            )
        )  # fmt: skip
    clock.advance(timedelta(minutes=15))
    done = deliver_run(settings_of(root), store, world.run_id, clock=clock, ring=RING)
    assert (done.state, done.accepted) == ("finished", 3)
