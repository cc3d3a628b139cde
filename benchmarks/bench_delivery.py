"""What the ledger costs beside the sending itself: processor time a message at 8 connections, on SQLite.

`bare`: 8 threads hand messages to an SMTP server in another process, nothing is written down.
`sent`: the same through the ledger: claim, gate, started, accepted. `ledger`: the ledger with a channel that
answers at once. Microseconds of this process; the server's own time is not in it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.ledger_channel import Channel, Letter, render
from support.ledger_senders import smtp
from support.ledger_sink import running_sink
from support.ledger_world import World, address_of, seed
from support.stores import START, open_store
from tidings.clock import FixedClock
from tidings.delivery.sender import deliver
from tidings.delivery.work import Claimed
from tidings.store.database import Store

CONNECTIONS = 8
PAYLOAD = b"Subject: hello\r\n\r\n" + b"x" * 70 + (b"\r\n" + b"y" * 70) * 110 + b"\r\n"


def measure(people: int = 8_000) -> dict[str, float]:
    """Return microseconds of processor time a message, and messages a second, for each way of sending."""
    result: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, running_sink(Path(name)) as sink:
        clock = FixedClock(START)
        with open_store(f"sqlite:///{name}/bench.sqlite", clock, create=True) as store:
            _timed(result, "bare", people, lambda: _bare(sink.port, people))
            worlds = [seed(store, people, campaign=campaign) for campaign in ("a", "b")]
            _timed(result, "sent", people, lambda: _through(store, worlds[0], smtp(sink.port), clock))
            _timed(result, "ledger", people, lambda: _through(store, worlds[1], Channel(), clock))
    result["ledger_share"] = round(result["ledger_us"] / result["bare_us"], 2)
    return result


def _timed(result: dict[str, float], name: str, people: int, work: Callable[[], None]) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    result[f"{name}_us"] = round((time.process_time() - cpu) / people * 1e6, 1)
    result[f"{name}_per_second"] = round(people / (time.perf_counter() - wall))


def _letter(message: Claimed) -> Letter:
    made = render(message)
    return Letter(made.message_id, made.sender, made.recipient, PAYLOAD)


def _through(store: Store, world: World, adapter: object, clock: FixedClock) -> None:
    done = deliver(store, world.job, adapter=adapter, render=_letter, clock=clock, connections=CONNECTIONS)
    assert done.accepted == world.treated, done


def _bare(port: int, people: int) -> None:
    def work(first: int) -> None:
        connection = smtp(port).connect()
        for number in range(first, people + 1, CONNECTIONS):
            connection.submit(Letter(number, "shop@shop.example", address_of(number), PAYLOAD))
        connection.close()

    threads = [threading.Thread(target=work, args=(first,)) for first in range(1, CONNECTIONS + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
