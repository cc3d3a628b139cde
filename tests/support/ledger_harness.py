"""Kills a sender again and again, then compares what the server took with what the ledger says."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

import sqlalchemy as sa

from support import ledger_child
from support.forked import Forked
from support.ledger_sink import Sink
from support.ledger_world import World, states
from tidings.store.database import Store
from tidings.store.tables import sending

PROBE_SECONDS = 0.002


@dataclass
class Findings:
    """What the comparison says. Customers by id."""

    kills: int = 0
    # Handed over and not answered when each kill struck, as the ledger knows it.
    open_at_kill: list[int] = field(default_factory=list)
    in_doubt: set[int] = field(default_factory=set)
    sent_twice: set[int] = field(default_factory=set)
    worst: int = 0
    # Nobody sent it, and the ledger does not name it as doubtful: accepted without a copy, or left in any other state.
    # The sink takes everything and everybody may be written to, so here nothing can be refused or rejected.
    lost: set[int] = field(default_factory=set)
    # The server has it and the ledger says neither that it went out nor that it may have.
    denied: set[int] = field(default_factory=set)
    run_state: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        took = f" in {self.seconds:.0f} s" if self.seconds else ""
        at_most = f" ({max(self.open_at_kill)} at most per kill)" if self.open_at_kill else ""
        return (
            f"{self.kills} kills{took}: {len(self.lost)} lost, {len(self.sent_twice)} sent twice"
            f" (worst {self.worst} copies), {len(self.in_doubt)} in doubt{at_most}"
        )

    @property
    def kept_its_word(self) -> bool:
        return not (self.sent_twice or self.lost or self.denied)


class Harness:
    """One run, one sink, one kind of sender."""

    def __init__(self, store: Store, world: World, sink: Sink, kind: str, seed: int) -> None:
        self.store = store
        self.world = world
        self.sink = sink
        self.kind = kind
        self.random = random.Random(seed)
        self.lease = 60.0

    def spawn(self, *more: str) -> Forked:
        """Start a sender and wait until it has opened the store."""
        child = Forked(
            ledger_child.main,
            *(self.kind, self.store.url, str(self.world.run_id), str(self.sink.port), str(self.lease), *more),
        )
        if child.stdout.readline() != "open\n":
            raise AssertionError(f"the sender did not start: {child.communicate()[1]}")
        return child

    def storm(self, kills: int) -> Findings:
        """Kill senders at random instants, let a last one finish, and judge."""
        begun, findings = time.monotonic(), Findings()
        # A third die within moments of starting: in recovery, in the claim, before the first hand-over.
        early = set(self.random.sample(range(kills), kills // 3))
        marks = sorted(
            self.random.randint(1, int(self.world.treated * 0.97)) for _ in range(kills - len(early))
        )
        for number in range(kills):
            child = self.spawn()
            if number in early:
                time.sleep(self.random.uniform(0, 0.08))
            else:
                self.wait_for(child, marks.pop(0))
                time.sleep(self.random.uniform(0, 0.004))
            if child.poll() is not None:
                # It believes that it has finished; how many kills there were is in the findings.
                self.finish(child)
                break
            child.kill()
            child.communicate()
            findings.kills += 1
            findings.open_at_kill.append(self.open_hand_overs())
        else:
            self.finish(self.spawn())
        findings.seconds = time.monotonic() - begun
        return self.judge(findings)

    def wait_for(self, child: Forked, count: int) -> None:
        """Wait until the sink has taken so many messages, or the sender ended."""
        while self.sink.count < count and child.poll() is None:
            time.sleep(PROBE_SECONDS)

    def finish(self, child: Forked) -> None:
        """Let a sender end by itself."""
        out, err = child.communicate(timeout=120)
        assert child.returncode == 0, f"{out}\n{err}"

    def open_hand_overs(self) -> int:
        messages = sending.messages
        with self.store.read() as connection:
            return connection.execute(
                sa.select(sa.func.count()).where(
                    messages.c.run_id == self.world.run_id, messages.c.state == "started"
                )
            ).scalar_one()

    def judge(self, findings: Findings) -> Findings:
        """Compare the server's log with the ledger: at the end everybody treated is accepted or in doubt."""
        copies = self.sink.copies()
        ledger = states(self.store, self.world.run_id)
        with self.store.read() as connection:
            findings.run_state = connection.execute(
                sa.select(sending.runs.c.state).where(sending.runs.c.id == self.world.run_id)
            ).scalar_one()
        findings.in_doubt = {one for one, state in ledger.items() if state == "in_doubt"}
        findings.sent_twice = {one for one, count in copies.items() if count > 1}
        findings.worst = max(copies.values(), default=0)
        accepted = {one for one, state in ledger.items() if state == "accepted"}
        due = set(range(1, self.world.treated + 1)) | set(ledger)
        findings.lost = {one for one in due - findings.in_doubt if copies[one] == 0}
        findings.denied = set(copies) - accepted - findings.in_doubt
        return findings
