"""New clicks near stored ones: judged as everything at once would be, and read only where a burst begins or ends."""

from __future__ import annotations

import random

import pytest
import sqlalchemy as sa

from support.spooled import click, spooled
from support.tracking import SALT, rows_of, sent_run
from tidings.clock import to_micros
from tidings.responses import neighbours
from tidings.responses.crowds import BURST_SPAN
from tidings.responses.drain import drain
from tidings.responses.reclassifying import reclassify
from tidings.store.tables import answers

SECOND = 1_000_000
BUSY = "10.0.0.0/24"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "spool"
    path.mkdir()
    return path


@pytest.fixture
def read(monkeypatch):
    """The clicks around which stored ones were read one by one, drain by drain."""
    found = []
    original = neighbours._bursts_read

    def spy(connection, clicks):
        found.append(list(clicks))
        return original(connection, clicks)

    monkeypatch.setattr(neighbours, "_bursts_read", spy)
    return found


def judged(store):
    return [(row.hit_id, row.judged, row.reason) for row in rows_of(store, answers.responses)]


def arrive(store, folder, clock, records):
    spooled(folder, clock, records)
    drain(store, folder, salt=SALT)


def test_a_network_with_few_recipients_is_not_read(store, folder, clock, read) -> None:
    messages = sent_run(store, 9, accepted_at=1)
    now = to_micros(clock.now())
    for n, message in enumerate(messages):
        arrive(store, folder, clock, [click(message, now + n * SECOND, ip=BUSY)] * 3)
    assert not any(read)
    assert {reason for _, _, reason in judged(store)} == {None}


def test_a_burst_that_is_known_is_not_read_again_and_takes_in_new_clicks(store, folder, clock, read) -> None:
    messages = sent_run(store, 40, accepted_at=1)
    now = to_micros(clock.now())
    arrive(store, folder, clock, [click(one, now + n, ip=BUSY) for n, one in enumerate(messages[:9])])
    arrive(store, folder, clock, [click(messages[9], now + 9, ip=BUSY)])
    # The tenth completes the burst with nine that were people so far.
    assert len(read) == 2
    assert [hit.at for hit in read[1]] == [now + 9]
    for n, message in enumerate(messages[10:], start=10):
        arrive(store, folder, clock, [click(message, now + n * SECOND, ip=BUSY)])
    assert not any(read[2:])
    assert {(told, reason) for _, told, reason in judged(store)} == {("machine", "network_burst")}
    assert reclassify(store).changed == 0


def test_a_click_after_a_burst_is_a_person_and_one_between_two_crowds_is_read(store, folder, clock) -> None:
    messages = sent_run(store, 30, accepted_at=1)
    now = to_micros(clock.now())
    arrive(store, folder, clock, [click(one, now, ip=BUSY) for one in messages[:10]])
    arrive(store, folder, clock, [click(messages[10], now + BURST_SPAN + 1, ip=BUSY)])
    assert [told for _, told, _ in judged(store)] == ["machine"] * 10 + ["human"]
    arrive(store, folder, clock, [click(messages[11], now + BURST_SPAN, ip=BUSY)])
    assert [told for _, told, _ in judged(store)] == ["machine"] * 10 + ["human", "machine"]


@pytest.mark.parametrize("seed", range(6))
def test_small_batches_in_the_order_of_time_judge_as_everything_at_once(store, folder, clock, seed) -> None:
    chance = random.Random(seed)
    now = at = to_micros(clock.now())
    messages = sent_run(store, 30, links=4, accepted_at=now - 3_600 * SECOND)
    for _ in range(25):
        records = []
        for _ in range(chance.randrange(1, 9)):
            at += chance.choice((0, SECOND // 2, SECOND, 9 * SECOND))
            late = chance.choice((0, 0, 0, 70 * SECOND))
            records.append(
                click(
                    chance.choice(messages),
                    max(at - late, now),
                    to=chance.randrange(4),
                    ip=f"10.0.{chance.choice((0, 0, 0, 1))}.0/24",
                    ua=chance.choice(("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",) * 4 + ("curl/8",)),
                )
            )
        arrive(store, folder, clock, records)
    told = judged(store)
    assert {"network_burst", None} <= {reason for _, _, reason in told}
    with store.durable("test") as connection:
        connection.execute(
            sa.update(answers.responses).values(judged="unknown", reason=None, signals=None, rule_version=0)
        )
    reclassify(store)
    assert judged(store) == told
