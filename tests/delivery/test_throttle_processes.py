"""The rate of a channel holds for processes that know nothing of each other."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tidings.delivery import throttle
from tidings.store.database import Store

RATE = 50.0
SECONDS = 2.5
# Takes from the bucket of a channel as often as it can from a word on its input until its time is over; prints how many it got.
TAKER = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).resolve().parents[1])!r})
from support.stores import START, open_store
from tidings.clock import FixedClock
from tidings.delivery import throttle
with open_store(sys.argv[1], FixedClock(START)) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    ends, got = time.monotonic() + {SECONDS}, 0
    while time.monotonic() < ends:
        with store.durable("test") as connection:
            got += throttle.reserve(store, connection, "email", {RATE}, 7)
        time.sleep(0.01)
print(got)
"""


def test_two_processes_take_no_more_from_a_channel_together_than_one_may(store: Store) -> None:
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, store.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        for taker in takers:
            assert taker.stdout is not None
            assert taker.stdout.readline() == "ready\n"
        with store.durable("test") as connection:
            emptied = time.monotonic()
            throttle.reserve(store, connection, "email", RATE, 1_000)
        for taker in takers:
            assert taker.stdin is not None
            taker.stdin.write("go\n")
            taker.stdin.flush()
        got = [int(taker.communicate(timeout=60)[0]) for taker in takers]
        took = time.monotonic() - emptied
    finally:
        for taker in takers:
            if taker.poll() is None:
                taker.kill()
            taker.communicate()
    # Each by itself would have got as much.
    assert SECONDS * RATE / 2 < sum(got) <= took * RATE + 1
    assert min(got) > 0
