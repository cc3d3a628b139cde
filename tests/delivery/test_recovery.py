"""Claims of senders that are gone: taken over by lease and fence, and by certainty, never by age."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.components import missing
from support.ledger_channel import Answer, Channel, Letter, render
from support.ledger_world import World, attempt_rows, seed, states
from support.stores import open_store
from tidings.clock import FixedClock, to_micros
from tidings.delivery import sender
from tidings.delivery.claiming import look, take
from tidings.delivery.marks import Marker
from tidings.delivery.ownership import own_name, provably_dead
from tidings.delivery.recovery import Recovered, recover
from tidings.delivery.sender import deliver
from tidings.delivery.standing import finish
from tidings.delivery.starting import StartMark, Word
from tidings.delivery.verify import verify
from tidings.store.boot import boot_id
from tidings.store.database import Store
from tidings.store.tables import sending


def _claimed(
    store: Store, world: World, *, owner: str, boot: str | None, lease: float = 60, started: int = 0
) -> int:
    """Claim five messages for an owner and mark some started; return the fence."""
    found = look(store, world.job, after=0, limit=5).ids
    taken = take(store, world.job, owner=owner, boot_id=boot, found=found, lease_seconds=lease)
    assert taken.lease is not None
    with store.durable("test") as connection:
        answer = StartMark(world.job).mark(connection, taken.messages[:started], to_micros(store.clock.now()))
    assert set(answer.words.values()) <= {Word.GO}
    return taken.lease.fence


def test_a_claim_of_a_living_sender_is_left_alone(store: Store) -> None:
    world, here = seed(store, 8), boot_id()
    _claimed(store, world, owner=own_name(), boot=here, started=2)
    assert recover(store, world.job, owner="me:1:1:x", boot_id=here) == Recovered()


def test_a_claim_whose_lease_ran_out_is_taken_over(store: Store) -> None:
    world, here = seed(store, 8), boot_id()
    fence = _claimed(store, world, owner=own_name(), boot=here, lease=-1, started=2)
    assert recover(store, world.job, owner="me:1:1:x", boot_id=here) == Recovered(1, 3, 2)
    assert list(states(store, world.run_id).values()) == ["in_doubt"] * 2 + ["planned"] * 6
    assert [row.outcome for row in attempt_rows(store)] == ["in_doubt"] * 2
    with store.read() as connection:
        assert (
            connection.execute(sa.select(sending.claims.c.state).where(sending.claims.c.id == fence)).scalar()
            == "lost"
        )
    assert verify(store).broken == ()


def test_a_claim_of_a_process_that_is_gone_is_taken_over_before_its_lease_ends(store: Store) -> None:
    if boot_id() is None:
        missing("this machine has no boot id")
    script = "from tidings.delivery.ownership import own_name; print(own_name())"
    owner = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.strip()
    world, here = seed(store, 8), boot_id()
    _claimed(store, world, owner=owner, boot=here, started=1)
    assert recover(store, world.job, owner="me:1:1:x", boot_id=here) == Recovered(1, 4, 1)


def test_death_is_certain_only_on_the_same_boot_of_the_same_machine() -> None:
    me = own_name()
    host, pid, started, name = me.rsplit(":", 3)
    gone = f"{host}:{2**22 + 1}:5:{name}"
    assert not provably_dead(me, "b", here="b")
    assert provably_dead(gone, "b", here="b")
    assert not provably_dead(gone, "b", here="c")
    assert not provably_dead(gone, None, here=None)
    assert not provably_dead(gone.replace(host, "elsewhere/1"), "b", here="b")
    # The same number, given to a process that started later: the owner is gone.
    assert provably_dead(f"{host}:{pid}:{int(started) - 1}:{name}", "b", here="b")
    assert not provably_dead("nonsense", "b", here="b")


@pytest.mark.parametrize("boot", ["of-another-boot", None])
def test_after_a_restart_of_the_machine_sqlite_doubts_the_whole_claim(
    make_store: Callable[..., Store], boot: str | None
) -> None:
    store = make_store("sqlite")
    world = seed(store, 8)
    _claimed(store, world, owner="gone/1:1:1:x", boot=boot, lease=-1, started=2)
    assert recover(store, world.job, owner=own_name(), boot_id=boot_id()) == Recovered(1, 0, 5)
    assert all("machine restarted" in row.detail for row in attempt_rows(store))
    assert verify(store).broken == ()


def test_postgresql_has_flushed_every_start_and_trusts_it(make_store: Callable[..., Store]) -> None:
    store = make_store("postgresql")
    world = seed(store, 8)
    _claimed(store, world, owner="gone/1:1:1:x", boot="of-another-boot", lease=-1, started=2)
    assert recover(store, world.job, owner=own_name(), boot_id=boot_id()) == Recovered(1, 3, 2)


def test_starts_are_committed_synchronously_on_postgresql(make_store: Callable[..., Store]) -> None:
    store = make_store("postgresql")
    with store.durable("test") as durable:
        assert durable.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    with store.marks() as marks:
        assert marks.exec_driver_sql("SHOW synchronous_commit").scalar() == "off"


def test_a_sender_that_lost_its_claim_hands_nothing_over(store: Store, clock: FixedClock) -> None:
    world = seed(store, 40)
    taken_over: list[Recovered] = []

    def steal(letter: Letter) -> None:
        if not taken_over:
            with store.durable("test") as connection:
                connection.execute(sa.update(sending.claims).values(leased_until=0))
                # Not due for a long time, so that nobody claims them anew while we look.
                connection.execute(sa.update(sending.messages).values(due_at=2**62))
            taken_over.append(recover(store, world.job, owner="thief:1:1:x", boot_id=boot_id()))

    channel = Channel(before=steal)
    deliver(store, world.job, adapter=channel, render=render, clock=clock, connections=1)
    assert taken_over == [Recovered(1, 39, 1)]
    assert channel.given.total() == 1
    # The answer came after the doubt, from the very attempt that was doubted: it settles it.
    assert sorted(states(store, world.run_id).values()) == ["accepted"] + ["planned"] * 39


def test_two_senders_share_a_run_without_a_copy(store: Store, clock: FixedClock) -> None:
    world, channel = seed(store, 400), Channel()
    threads = [
        threading.Thread(
            target=deliver,
            args=(store, world.job),
            kwargs={"adapter": channel, "render": render, "clock": clock, "connections": 2, "batch": 20},
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = deliver(store, world.job, adapter=channel, render=render, clock=clock)
    assert done.state == "finished"
    assert done.accepted == 400
    assert set(channel.given.values()) == {1}
    assert verify(store).broken == ()


@pytest.mark.parametrize("cut", range(20))
def test_a_power_cut_at_any_byte_doubts_at_most_the_claim_and_repeats_nothing(
    make_store: Callable[..., Store],
    tmp_path: Path,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    cut: int,
) -> None:
    store = make_store("sqlite")
    world, batch = seed(store, 60), 20
    path = Path(store.url.removeprefix("sqlite:///"))
    log = path.with_name(path.name + "-wal")
    copy = tmp_path / "after.sqlite"
    synced = 0

    class Claiming(Marker):
        """Notes how long the log is after each claim: that was committed in full, so it is on the disk up to there."""

        def take(self, found, *, owner, boot_id):
            nonlocal synced
            taken = super().take(found, owner=owner, boot_id=boot_id)
            synced = log.stat().st_size
            return taken

    monkeypatch.setattr(sender, "Marker", Claiming)

    def pull_the_plug(letter: Letter) -> None:
        number = int(letter.recipient.partition("@")[0])
        if number == 21 + (cut * 7) % 20:
            shutil.copyfile(path, copy)
            content = log.read_bytes()
            keep = synced + (len(content) - synced) * cut // 19
            copy.with_name(copy.name + "-wal").write_bytes(content[:keep])
            raise TimeoutError("the power is gone")

    channel = Channel(before=pull_the_plug)
    stop = threading.Event()
    monkeypatch.setattr(
        "tidings.delivery.handing.Hands._fail", lambda _self, why, **_: stop.set() if why else None
    )
    deliver(
        store, world.job, adapter=channel, render=render, clock=clock, connections=1, batch=batch, stop=stop
    )
    before = set(channel.given)
    assert copy.exists()
    monkeypatch.setattr(sender, "boot_id", lambda: "the next boot")
    given_before = {one for one in before if int(one.partition("@")[0]) < 21 + (cut * 7) % 20}
    with open_store(f"sqlite:///{copy}", clock) as after:
        with after.durable("test") as connection:
            connection.execute(sa.update(sending.claims).values(leased_until=0))
        again = Channel()
        done = deliver(after, world.job, adapter=again, render=render, clock=clock, connections=1)
        assert not given_before & set(again.given)
        assert done.in_doubt <= batch
        assert done.accepted + done.in_doubt == 60
        assert {one for one, state in states(after, world.run_id).items() if state == "accepted"} <= {
            int(one.partition("@")[0]) for one in given_before | set(again.given)
        }
        assert verify(after).broken == ()


def test_a_killed_process_leaves_no_zombie_that_looks_alive(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from tidings.delivery.ownership import own_name; print(own_name(), flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    owner = child.stdout.readline().strip()
    assert not provably_dead(owner, "b", here="b")
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    # Dead and not yet collected by its parent.
    assert provably_dead(owner, "b", here="b")
    child.communicate()


def test_answers_in_doubt_are_counted_by_their_attempt(store: Store, clock: FixedClock) -> None:
    world = seed(store, 1)
    channel = Channel(lambda _letter, _copies: Answer("in_doubt", detail="?"))
    deliver(store, world.job, adapter=channel, render=render, clock=clock, connections=1)
    assert [(row.number, row.outcome) for row in attempt_rows(store)] == [(1, "in_doubt")]


def test_a_message_held_back_at_the_last_instant_opens_a_run_that_another_sender_finished(
    store: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, channel = seed(store, 1), Channel()
    asked: list[str] = []

    def wakes_too_late(_marker: object, _fence: int) -> bool:
        if asked:
            return True
        # Stopped between the mark and the hand-over for longer than the lease: another sender doubts and finishes.
        with store.durable("test") as connection:
            connection.execute(sa.update(sending.claims).values(leased_until=0))
        assert recover(store, world.job, owner="other:1:1:x", boot_id=boot_id()) == Recovered(1, 0, 1)
        assert finish(store, world.run_id, now=1)
        asked.append("too late")
        return False

    monkeypatch.setattr("tidings.delivery.marks.Marker.in_time", wakes_too_late)
    done = deliver(store, world.job, adapter=channel, render=render, clock=clock, connections=1)
    if done.state == "sending":
        done = deliver(store, world.job, adapter=channel, render=render, clock=clock, connections=1)
    assert (done.state, done.accepted) == ("finished", 1)
    assert set(channel.given.values()) == {1}
    assert verify(store).broken == ()


def test_no_more_is_in_hand_than_a_power_cut_may_doubt(
    make_store: Callable[..., Store], clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a claim brings counts together with what is left of those before it."""
    store = make_store("sqlite")
    world, in_hand = seed(store, 120), []

    class Counting(Marker):
        def hold(self, lease, size):
            super().hold(lease, size)
            in_hand.append(self.unsettled)

    monkeypatch.setattr(sender, "Marker", Counting)
    slow = Channel(before=lambda _: time.sleep(0.002))
    done = deliver(store, world.job, adapter=slow, render=render, clock=clock, connections=2, batch=20)
    assert done.accepted == 120
    assert max(in_hand) <= 20
    # It claims before it has run out of work.
    assert len(in_hand) > 6
