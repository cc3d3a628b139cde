"""A message that takes for ever to render costs itself alone: everybody else is written to, once, and in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.ledger_workspace import CAMPAIGN, copy_workspace, recorded_run
from support.ledger_world import message_rows
from tidings.clock import FixedClock
from tidings.config.settings import Settings, load_settings
from tidings.delivery import making, wordings
from tidings.delivery.running import deliver_run
from tidings.delivery.verify import verify
from tidings.delivery.work import Claimed, Refusal
from tidings.errors import TidingsError
from tidings.store.database import Store
from tidings.store.tables import people
from tidings.tokens.keyring import KeyRing

RING = KeyRing.from_text("k1:" + "ab" * 32)
LOOPS = (
    "{% for a in interests %}{% for b in interests %}"
    + "{% if a | upper | lower | title == b | upper | lower | title %}{% endif %}" * 20
    + "{% endfor %}{% endfor %}"
)
POISONED = 7


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A campaign whose text has a loop in a loop; a message may take a second."""
    root = copy_workspace(tmp_path / "workspace")
    for path in (root / "templates" / CAMPAIGN).glob("email.*.txt"):
        path.write_text(path.read_text() + LOOPS)
    monkeypatch.setattr(wordings, "RENDER_SECONDS", 1.0)
    return load_settings(root, "development", variables={})


def _poison(store: Store, customer_id: int) -> None:
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(people.customer_lists),
            [
                {"customer_id": customer_id, "attribute": "interests", "value": f"entry {n} " * 400}
                for n in range(200)
            ],
        )


def test_a_template_that_never_ends_for_one_customer_costs_that_one_message(
    store: Store, clock: FixedClock, settings: Settings
) -> None:
    world = recorded_run(store, Path(settings.definitions.root), 60)
    _poison(store, POISONED)
    began = time.monotonic()
    done = deliver_run(settings, store, world.run_id, clock=clock, ring=RING)
    assert time.monotonic() - began < 30
    assert (done.state, done.accepted, done.refused) == ("finished", 59, 1)
    refused = [row for row in message_rows(store, world.run_id) if row.state != "accepted"]
    assert [(row.customer_id, row.state, row.refusal_code) for row in refused] == [
        (POISONED, "refused", "render_error")
    ]
    letters = list((settings.data_dir / "outbox").glob("*.eml"))
    assert len(letters) == 59
    assert verify(store).broken == ()
    assert not [one for one in threading.enumerate() if one.name == "tidings-making"]


def test_a_process_that_does_not_start_refuses_nobody(
    store: Store, clock: FixedClock, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = recorded_run(store, Path(settings.definitions.root), 5)
    monkeypatch.setattr("sys.executable", "/bin/false")
    done = deliver_run(settings, store, world.run_id, clock=clock, ring=RING)
    assert done.paused and "does not start" in done.reason
    assert {row.state for row in message_rows(store, world.run_id)} == {"planned"}


def _claimed(number: int) -> Claimed:
    return Claimed(
        number, 1, number, f"C-{number}", f"c{number}@example.com", None, "email", None, "message", 0
    )


def test_batches_are_made_in_a_thread_of_their_own_and_told_in_the_callers() -> None:
    told: list[tuple[int, str]] = []
    left: list = []
    arrived = threading.Event()

    def many(batch: Sequence[Claimed]) -> list[Refusal]:
        assert threading.current_thread().name == "tidings-making"
        return [Refusal("render_error", f"no {one.message_id}") for one in batch]

    def leave(work) -> None:
        left.append(work)
        arrived.set()

    maker = making.Maker(
        lambda _: Refusal("render_error", "alone"), many, lambda one, made: told.append((one.message_id, made.detail)),
        lambda *_: pytest.fail("the batch could be made"), leave,
    )  # fmt: skip
    waiting = making.deque(_claimed(n) for n in range(1, 4))
    assert maker.make(waiting, 0) is False and len(waiting) == 3
    assert maker.make(waiting, 1) is False and (maker.pending, len(waiting)) == (3, 0)
    assert arrived.wait(5)
    assert told == []
    left.pop()()
    assert told == [(1, "no 1"), (2, "no 2"), (3, "no 3")] and maker.pending == 0
    maker.close()


@pytest.mark.parametrize("results", [[], TidingsError("no memory is left")])
def test_a_batch_that_nobody_could_make_is_no_customers_fault(results: list | TidingsError) -> None:
    failed: list[tuple[int, str]] = []
    arrived = threading.Event()

    def many(batch: Sequence[Claimed]) -> list[Refusal]:
        if isinstance(results, TidingsError):
            raise results
        return results

    def leave(work) -> None:
        work()
        arrived.set()

    maker = making.Maker(
        lambda _: Refusal("render_error", ""), many, lambda *_: pytest.fail("nothing was made"),
        lambda batch, why: failed.append((len(batch), why)), leave,
    )  # fmt: skip
    maker.make(making.deque([_claimed(1), _claimed(2)]), 2)
    assert arrived.wait(5)
    maker.close()
    assert failed[0][0] == 2
    assert failed[0][1] in ("no memory is left", "0 messages made of 2")
