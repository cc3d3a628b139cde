"""Kill -9 at random instants: nothing lost, nothing sent twice, at most one doubt a connection, each named.

The same harness finds two well-known wrong senders guilty; without that its silence would prove nothing.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from support.ledger_child import CONNECTIONS
from support.ledger_harness import Findings, Harness
from support.ledger_sink import running_sink
from support.ledger_windows import CONNECTIONS as WINDOW_CONNECTIONS
from support.ledger_world import seed
from tidings.cli.main import execute
from tidings.delivery.verify import verify
from tidings.store.database import Store
from tidings.store.tables import sending

# Processes that are killed by the clock.
pytestmark = pytest.mark.alone

PEOPLE = 5_000
# `make shown-02` asks for more of them.
KILLS = int(os.environ.get("TIDINGS_KILLS", "12"))
WINDOW_KILLS = 4
NIGHTLY_ROUNDS, NIGHTLY_KILLS = 40, 50


@pytest.fixture
def listed(store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what `tidings in-doubt CAMPAIGN --json` prints about this store."""

    @contextmanager
    def this_store(*_: object, **__: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(store=store, clock=store.clock)

    monkeypatch.setattr("tidings.cli.session.open_session", this_store)

    def ask(campaign: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert execute(["in-doubt", campaign, "--json"]) == 0
        rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return rows

    return ask


def _judge(findings: Findings, kills: int, rows: list[dict[str, Any]], *, bound: int = CONNECTIONS) -> None:
    assert findings.kills == kills
    assert findings.sent_twice == set()
    assert findings.lost == set()
    assert findings.denied == set()
    assert findings.run_state == "finished"
    assert max(findings.open_at_kill) <= bound
    assert len(findings.in_doubt) <= sum(findings.open_at_kill)
    assert {int(row["customer"].removeprefix("c")) for row in rows} == findings.in_doubt
    assert all(row["attempted_at"] and "between hand-over and answer" in row["detail"] for row in rows)


def test_kills_lose_nothing_and_repeat_nothing(store: Store, tmp_path: Path, listed: Any) -> None:
    world = seed(store, PEOPLE)
    with running_sink(tmp_path) as sink:
        findings = Harness(store, world, sink, "real", seed=1).storm(KILLS)
    _judge(findings, KILLS, listed("spring"))
    assert verify(store).broken == ()
    print(f"\n{store.dialect}: {findings}")


@pytest.mark.parametrize(("kind", "window", "people"), [("api", 100, 8_000), ("centre", 10, 5_000)])
def test_kills_of_a_channel_with_a_window_doubt_at_most_its_connections_times_the_window(
    store: Store, tmp_path: Path, listed: Any, kind: str, window: int, people: int
) -> None:
    world = seed(store, people)
    with running_sink(tmp_path, "calls") as sink:
        findings = Harness(store, world, sink, kind, seed=window).storm(WINDOW_KILLS)
    _judge(findings, WINDOW_KILLS, listed("spring"), bound=WINDOW_CONNECTIONS * window)
    # Otherwise the kills never met a window that was under way.
    assert max(findings.open_at_kill) > WINDOW_CONNECTIONS
    assert verify(store).broken == ()
    print(f"\n{store.dialect}, {kind}: {findings}")


def test_a_sender_that_marks_after_the_batch_is_found_guilty(store: Store, tmp_path: Path) -> None:
    world = seed(store, 1_500)
    with running_sink(tmp_path) as sink:
        findings = Harness(store, world, sink, "mark_after_batch", seed=2).storm(6)
    assert not findings.kept_its_word
    assert findings.sent_twice
    assert findings.worst >= 2
    print(f"\n{store.dialect}: found guilty, marks after the batch: {findings}")


def test_a_sender_that_moves_its_cursor_when_it_fetches_is_found_guilty(store: Store, tmp_path: Path) -> None:
    world = seed(store, 1_500)
    with running_sink(tmp_path) as sink:
        findings = Harness(store, world, sink, "cursor_at_fetch", seed=2).storm(6)
    assert not findings.kept_its_word
    assert findings.lost
    print(f"\n{store.dialect}: found guilty, moves its cursor when it fetches: {findings}")


@pytest.mark.parametrize("state", sending.MESSAGE_STATES)
@pytest.mark.parametrize("copies", [0, 1, 2])
def test_the_harness_lets_only_one_copy_of_an_accepted_message_or_a_named_doubt_pass(
    make_store: Callable[..., Store], state: str, copies: int
) -> None:
    store = make_store("sqlite")
    world = seed(store, 3)
    with store.durable("test") as connection:
        messages = sending.messages
        connection.execute(sa.update(messages).values(state="accepted"))
        connection.execute(
            sa.update(messages).where(messages.c.customer_id == 2).values(**sending.in_state(state))
        )
        connection.execute(sa.update(sending.runs).values(state="finished"))
    sink: Any = SimpleNamespace(copies=lambda: Counter({1: 1, 3: 1} | ({2: copies} if copies else {})))
    findings = Harness(store, world, sink, "real", seed=1).judge(Findings())
    answered = state in ("accepted", "in_doubt")
    assert findings.lost == ({2} if copies == 0 and state != "in_doubt" else set())
    assert findings.denied == ({2} if copies and not answered else set())
    assert findings.sent_twice == ({2} if copies == 2 else set())
    assert findings.kept_its_word == ((state, copies) in {("accepted", 1), ("in_doubt", 0), ("in_doubt", 1)})


def test_the_harness_misses_a_treated_customer_without_a_message(make_store: Callable[..., Store]) -> None:
    store = make_store("sqlite")
    world = seed(store, 3)
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.messages).values(state="accepted"))
        connection.execute(sa.delete(sending.messages).where(sending.messages.c.customer_id == 2))
    sink: Any = SimpleNamespace(copies=lambda: Counter({1: 1, 3: 1}))
    assert Harness(store, world, sink, "real", seed=1).judge(Findings()).lost == {2}


@pytest.mark.nightly
@pytest.mark.timeout(3 * 3600)
def test_two_thousand_kills_lose_nothing_and_repeat_nothing(
    store: Store, tmp_path: Path, listed: Any
) -> None:
    for number in range(NIGHTLY_ROUNDS):
        world = seed(store, PEOPLE, campaign=f"night{number}")
        folder = tmp_path / str(number)
        folder.mkdir()
        with running_sink(folder) as sink:
            findings = Harness(store, world, sink, "real", seed=1_000 + number).storm(NIGHTLY_KILLS)
        _judge(findings, NIGHTLY_KILLS, listed(f"night{number}"))
        print(f"{store.dialect} {number}: {findings}", flush=True)
    assert verify(store).broken == ()
