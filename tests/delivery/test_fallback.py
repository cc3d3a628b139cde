"""The next channel is tried only after evidence that the one before did not reach, and never beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.ledger_legs import definitions, legs, number, run_by, settle
from support.ledger_world import SALT, World, address_of
from tidings.clock import FixedClock, to_micros
from tidings.customers.identity import address_hash
from tidings.customers.refusals import REFUSALS
from tidings.definitions.values import Duration, Unit
from tidings.delivery.fallback import fall_back, waiting_runs
from tidings.delivery.recorded import Recorded
from tidings.delivery.verify import verify
from tidings.store.database import Store
from tidings.store.tables import people, sending

FIRST = (0, "email")


def _run_state(store: Store, world: World) -> str:
    with store.read() as connection:
        return connection.execute(
            sa.select(sending.runs.c.state).where(sending.runs.c.id == world.run_id)
        ).scalar_one()


def _change(store: Store, table: sa.Table, where: sa.ColumnElement[bool], **values: object) -> None:
    with store.durable("test") as connection:
        connection.execute(sa.update(table).where(where).values(**values))


def _withdraw(store: Store, clock: FixedClock, kind: str, customer: int) -> None:
    at = to_micros(clock.now())
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(people.consents).values(
                customer_id=customer,
                channel=kind,
                purpose="marketing",
                state="withdrawn",
                basis="reply",
                source="test",
                at=at,
                received_at=at,
            )
        )


# State of the first leg, why it was refused, and whether the next one is tried.
EVIDENCE = [
    ("rejected", None, True),
    ("bounced", None, True),
    ("unconfirmed", None, True),
    *[("refused", one.code, one.of == "channel") for one in REFUSALS.values()],
    ("refused", "from_a_newer_tidings", False),
    ("planned", None, False),
    ("accepted", None, False),
    ("delivered", None, False),
    ("complained", None, False),
    ("in_doubt", None, False),
    ("deferred", None, False),
    ("cancelled", None, False),
]


def test_only_evidence_about_the_channel_leads_to_the_next(store: Store, clock: FixedClock) -> None:
    world, run = run_by(store, len(EVIDENCE))
    for customer, (state, code, _) in enumerate(EVIDENCE, 1):
        settle(store, world, customer, state, code)
    # What is given up as unconfirmed was accepted before.
    at = to_micros(clock.now())
    _change(store, sending.messages, sending.messages.c.state == "unconfirmed", accepted_at=at)
    assert fall_back(store, run, world.run_id, now=clock.now()) == sum(goes_on for *_, goes_on in EVIDENCE)
    assert fall_back(store, run, world.run_id, now=clock.now()) == 0
    found = legs(store, world)
    for customer, (state, code, goes_on) in enumerate(EVIDENCE, 1):
        expected = [(*FIRST, state)] + ([(1, "sms", "planned")] if goes_on else [])
        assert found[customer] == expected, (state, code)
    assert verify(store).broken == ()


def test_the_words_for_customers_are_never_about_a_channel() -> None:
    of_customers = {one.code for one in REFUSALS.values() if one.of == "customer"}
    assert of_customers >= {"unsubscribed_all", "unsubscribed_list", "suppressed_erased", "expired"}
    assert {one.code for one in REFUSALS.values() if one.of == "channel"} >= {
        "no_address",
        "suppressed_bounce",
    }


def test_a_channel_that_does_not_reach_is_passed_over_and_the_last_is_the_last(
    store: Store, clock: FixedClock
) -> None:
    world, run = run_by(store, 3)
    for customer in (1, 2, 3):
        settle(store, world, customer, "bounced")
    _withdraw(store, clock, "sms", 1)
    _change(store, people.customers, people.customers.c.id == 2, phone=None, phone_hash=None)
    assert fall_back(store, run, world.run_id, now=clock.now()) == 3
    assert {one: rows[-1] for one, rows in legs(store, world).items()} == {
        1: (2, "fax", "planned"),
        2: (2, "fax", "planned"),
        3: (1, "sms", "planned"),
    }
    for customer in (1, 3):
        settle(store, world, customer, "rejected")
    assert fall_back(store, run, world.run_id, now=clock.now()) == 1
    assert legs(store, world)[3][-1] == (2, "fax", "planned")
    settle(store, world, 3, "rejected")
    assert fall_back(store, run, world.run_id, now=clock.now()) == 0
    assert verify(store).broken == ()


def test_a_second_channel_of_the_same_kind_may_take_over(store: Store, clock: FixedClock) -> None:
    world, run = run_by(store, 1, ("email", "mail2"))
    settle(store, world, 1, "rejected")
    assert fall_back(store, run, world.run_id, now=clock.now()) == 1
    assert legs(store, world)[1][-1] == (1, "mail2", "planned")


def test_nothing_is_written_after_the_message_expired(store: Store, clock: FixedClock) -> None:
    world, run = run_by(store, 2)
    settle(store, world, 1, "rejected")
    settle(store, world, 2, "rejected")
    _change(store, sending.messages, sending.messages.c.customer_id == 1, expires_at=to_micros(clock.now()))
    assert fall_back(store, run, world.run_id, now=clock.now()) == 1
    assert [len(legs(store, world)[one]) for one in (1, 2)] == [1, 2]
    assert waiting_runs(store, now=clock.now()) == [world.run_id]
    assert waiting_runs(store, now=clock.now() + timedelta(days=2)) == []


@pytest.mark.parametrize(
    ("before", "written", "after"),
    [
        ("finished", 1, "sending"),
        ("sending", 1, "sending"),
        ("paused", 0, "paused"),
        ("cancelled", 0, "cancelled"),
    ],
)
def test_a_finished_run_is_opened_again_and_one_that_is_held_is_left_alone(
    store: Store, clock: FixedClock, before: str, written: int, after: str
) -> None:
    world, run = run_by(store, 1)
    settle(store, world, 1, "bounced")
    _change(store, sending.runs, sending.runs.c.id == world.run_id, state=before, finished_at=1)
    assert fall_back(store, run, world.run_id, now=clock.now()) == written
    assert _run_state(store, world) == after


def test_an_address_that_another_customer_is_written_to_is_not_used_again(
    store: Store, clock: FixedClock
) -> None:
    world, run = run_by(store, 4)
    shared = {"phone": number(9), "phone_hash": address_hash(SALT, "sms", number(9))}
    _change(store, people.customers, people.customers.c.id.in_([1, 2, 3]), **shared)
    for customer in (2, 3):
        settle(store, world, customer, "bounced")
    assert fall_back(store, run, world.run_id, now=clock.now()) == 2
    # Both failed at once: the lower id gets the SMS, the other the next channel.
    assert legs(store, world)[2][-1] == (1, "sms", "planned")
    assert legs(store, world)[3][-1] == (2, "fax", "planned")
    settle(store, world, 1, "bounced")
    assert fall_back(store, run, world.run_id, now=clock.now()) == 1
    assert legs(store, world)[1][-1] == (2, "fax", "planned")


def test_each_customer_may_be_asked_for_with_a_shared_address(store: Store, clock: FixedClock) -> None:
    world, run = run_by(store, 2, one_each="customer")
    shared = {"phone": number(9), "phone_hash": address_hash(SALT, "sms", number(9))}
    _change(store, people.customers, people.customers.c.id > 0, **shared)
    for customer in (1, 2):
        settle(store, world, customer, "bounced")
    assert fall_back(store, run, world.run_id, now=clock.now()) == 2
    assert {rows[-1] for rows in legs(store, world).values()} == {(1, "sms", "planned")}


def test_copies_for_staff_do_not_fall_back(store: Store, clock: FixedClock) -> None:
    world, run = run_by(store, 1)
    settle(store, world, 1, "bounced")
    _change(store, sending.enrolments, sending.enrolments.c.customer_id == 1, arm="copy")
    assert fall_back(store, run, world.run_id, now=clock.now()) == 0


def test_patience_ends_only_where_there_are_receipts_and_another_channel_reaches(
    store: Store, clock: FixedClock
) -> None:
    world, run = run_by(store, 4, patience=2)
    for customer in (1, 2, 3):
        settle(store, world, customer, "accepted")
    settle(store, world, 4, "delivered")
    for kind in ("sms", "fax"):
        _withdraw(store, clock, kind, 2)
    clock.advance(timedelta(hours=2) - timedelta(microseconds=1))
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts={"email": clock.now()}) == 0
    clock.advance(timedelta(microseconds=1))
    _change(store, sending.messages, sending.messages.c.customer_id == 3, accepted_at=to_micros(clock.now()))
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts={"sms": clock.now()}) == 0
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts={"email": clock.now()}) == 1
    assert legs(store, world) == {
        1: [(0, "email", "unconfirmed"), (1, "sms", "planned")],
        2: [(0, "email", "accepted")],
        3: [(0, "email", "accepted")],
        4: [(0, "email", "delivered")],
    }
    assert verify(store).broken == ()


def test_the_patience_of_the_channel_holds_where_the_campaign_says_nothing(
    store: Store, clock: FixedClock
) -> None:
    world, run = run_by(store, 1)
    settle(store, world, 1, "accepted")
    made = run.definitions
    email = replace(made.channels["email"], patience=Duration(30, Unit.MINUTE))
    run = replace(run, definitions=replace(made, channels={**made.channels, "email": email}))
    clock.advance(timedelta(minutes=29))
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts={"email": clock.now()}) == 0
    clock.advance(timedelta(minutes=1))
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts={"email": clock.now()}) == 1


def test_a_leg_whose_receipt_came_late_counts_and_nothing_follows(store: Store, clock: FixedClock) -> None:
    world, run = run_by(store, 1)
    settle(store, world, 1, "unconfirmed")
    assert fall_back(store, run, world.run_id, now=clock.now()) == 1
    settle(store, world, 1, "bounced")
    now = to_micros(clock.now())
    arrived = {**sending.in_state("delivered"), "accepted_at": now}
    _change(store, sending.messages, sending.messages.c.leg == 0, **arrived)
    assert fall_back(store, run, world.run_id, now=clock.now()) == 0
    assert verify(store).broken == ()


def _fail_everybody(store: Store, world: World, state: str) -> int:
    """Let every planned message of the run fail at once."""
    messages, now = sending.messages, to_micros(store.clock.now())
    with store.durable("test") as connection:
        return connection.execute(
            sa.update(messages)
            .where(messages.c.run_id == world.run_id, messages.c.state == "planned")
            .values(**sending.in_state(state), started_at=now, accepted_at=now, attempt=1)
        ).rowcount


def _no_two(store: Store, world: World) -> None:
    for rows in legs(store, world).values():
        assert sum(state in sending.OPEN_STATES for _, _, state in rows) <= 1
        assert len({leg for leg, _, _ in rows}) == len(rows)
    assert verify(store).broken == ()


def test_eight_workers_at_once_write_each_leg_once(store: Store, clock: FixedClock) -> None:
    world, run = run_by(store, 300)
    for leg, state in ((1, "bounced"), (2, "bounced")):
        assert _fail_everybody(store, world, state) == 300
        counts: list[int] = []
        together = threading.Barrier(8)

        def work(counts: list[int] = counts, together: threading.Barrier = together) -> None:
            together.wait()
            counts.append(fall_back(store, run, world.run_id, now=clock.now()))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(counts) == 300
        assert {rows[-1][0] for rows in legs(store, world).values()} == {leg}
        _no_two(store, world)


_CHILD = """
import sys
from support.ledger_legs import definitions
from support.stores import open_store
from tidings.delivery.fallback import fall_back
from tidings.delivery.recorded import Recorded
store = open_store(sys.argv[1])
run = Recorded(int(sys.argv[2]), "spring_winback", "once", "d" * 64, "p" * 64, definitions(), {})
print("ready", flush=True)
sys.stdin.readline()
print(fall_back(store, run, run.run_id, now=store.clock.now()), flush=True)
"""


def test_workers_killed_in_the_middle_leave_nothing_twice(store: Store, clock: FixedClock) -> None:
    world, run = run_by(store, 1_500)
    _fail_everybody(store, world, "bounced")
    tests = str(Path(__file__).resolve().parents[1])
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, store.url, str(world.run_id)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": tests},
            text=True,
        )
        for _ in range(3)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        deadline = threading.Event()
        written = 0
        for _ in range(2_000):
            with store.read() as connection:
                written = connection.execute(
                    sa.select(sa.func.count()).where(sending.messages.c.leg == 1)
                ).scalar_one()
            if written:
                break
            deadline.wait(0.005)
        assert written
        for child in children[:2]:
            child.send_signal(signal.SIGKILL)
    finally:
        for child in children[:2]:
            child.kill()
        for child in children:
            child.communicate(timeout=60)
    fall_back(store, run, world.run_id, now=clock.now())
    assert {rows[-1] for rows in legs(store, world).values()} == {(1, "sms", "planned")}
    _no_two(store, world)


def test_a_campaign_by_one_channel_has_nothing_to_fall_back_on(store: Store, clock: FixedClock) -> None:
    world, _ = run_by(store, 1)
    settle(store, world, 1, "bounced")
    run = Recorded(world.run_id, "spring_winback", "once", "d", "p", definitions(("email",)), {})
    assert fall_back(store, run, world.run_id, now=clock.now()) == 0
    assert address_of(1)


def test_no_transaction_of_a_big_fallback_holds_the_write_lock_for_long(
    make_store: Callable[..., Store], clock: FixedClock
) -> None:
    store = make_store("sqlite")
    world, run = run_by(store, 4_000)
    assert _fail_everybody(store, world, "bounced") == 4_000
    assert fall_back(store, run, world.run_id, now=clock.now()) == 4_000
    held = next(one for one in store.lock_report() if one.purpose == "fallback")
    # A plan that goes through the whole run for each part takes many times as long.
    assert held.longest_busy_ms < 200
    # How large a part is depends on how busy the machine is; forty at a time are few even then.
    assert held.count <= 100
