"""Processor time of judging hits: of a drain with it and without it, and of judging everything again.

    python benchmarks/bench_judging.py [recipients]

Traffic of people and filters on one campaign (tests/support/traffic_mixes.py) is drained into SQLite twice, once with every hit
taken for human unseen; the difference is what judging costs. Each is done three times, and the least counts.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.spooled import spooled
from support.stores import START
from support.tracking import SALT, sent_run, url
from support.traffic_mixes import HELD_OUT
from tidings.clock import FixedClock, to_micros
from tidings.responses import storing
from tidings.responses.classify import verdict
from tidings.responses.drain import drain
from tidings.responses.judging import Judgement
from tidings.responses.reclassifying import reclassify
from tidings.responses.traffic import traffic
from tidings.store.database import Store
from tidings.store.tables import metadata, sending

TIMES = 3
# Microseconds of processor time for each hit.
TARGET_JUDGING, TARGET_AGAIN = 100, 300


def unseen(connection, new, networks):
    """Take every hit for human."""
    return Judgement({hit.id: verdict(hit.kind, frozenset()) for hit in new}, {})


def once(recipients: int, *, judging: bool) -> tuple[int, float, float]:
    """Return how many hits were drained, the processor seconds of that, and those of judging all of them again."""
    clock = FixedClock(START)
    mix = replace(HELD_OUT[1], recipients=recipients)
    made = traffic(mix, to_micros(START), url, lambda place: f"K{place}")
    with tempfile.TemporaryDirectory() as name:
        place, folder = Path(name) / "store.sqlite", Path(name) / "spool"
        place.touch()
        folder.mkdir()
        with Store.unchecked(f"sqlite:///{place}", clock=clock, workspace="w", environment="e") as store:
            with store.durable("bench") as connection:
                metadata.create_all(connection)
            ids = sent_run(store, recipients, links=mix.links, accepted_at=to_micros(START))
            accepted = [{"of": ids[one.place], "at": one.accepted_at} for one in made.sent]
            table = sending.messages
            with store.durable("bench") as connection:
                connection.execute(
                    sa.update(table)
                    .where(table.c.id == sa.bindparam("of"))
                    .values(accepted_at=sa.bindparam("at")),
                    accepted,
                )
            records = [one.record for one in made.made]
            spooled(folder, clock, [one | ({"m": ids[one["m"]]} if "m" in one else {}) for one in records])
            judge = storing.judge_new if judging else unseen
            with patch.object(storing, "judge_new", judge):
                begun = time.process_time()
                hits = drain(store, folder, salt=SALT).hits
                drained = time.process_time() - begun
            begun = time.process_time()
            reclassify(store, dry_run=True)
            return hits, drained, time.process_time() - begun


def main() -> None:
    """Measure and print one line each."""
    recipients = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    once(500, judging=True)
    pairs = [(once(recipients, judging=True), once(recipients, judging=False)) for _ in range(TIMES)]
    hits = pairs[0][0][0]
    with_it, without, again = (
        min(seconds) / hits * 1e6
        for seconds in zip(*((judged[1], plain[1], judged[2]) for judged, plain in pairs), strict=True)
    )
    print(f"{hits:,} hits of {recipients:,} recipients, microseconds of processor time for each")
    print(f"drain {with_it:6.1f}, without judging {without:6.1f}")
    for what, took, target in (
        ("judging", with_it - without, TARGET_JUDGING),
        ("again", again, TARGET_AGAIN),
    ):
        print(f"{what:8} {took:6.1f} us/hit (target {target}: {'met' if took <= target else 'missed'})")


if __name__ == "__main__":
    main()
