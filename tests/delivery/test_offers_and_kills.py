"""Kill -9 at random instants: no code is shown to two customers, and none that was shown is ever free again."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import sqlalchemy as sa

from support.ledger_harness import Harness
from support.ledger_senders import shown_file
from support.ledger_sink import running_sink
from support.ledger_world import message_rows, seed
from tidings.campaigns.pools import make_codes, pools
from tidings.delivery.verify import verify
from tidings.store.database import Store
from tidings.store.tables import money

PEOPLE, KILLS = 2_000, 12


def test_kills_give_no_code_twice_and_lose_none(store: Store, tmp_path: Path) -> None:
    world = seed(store, PEOPLE)
    make_codes(store, "spring25", PEOPLE, actor="ann", now=store.clock.now())
    log = shown_file(store.url, world.run_id)
    log.unlink(missing_ok=True)
    with running_sink(tmp_path) as sink:
        findings = Harness(store, world, sink, "coupons", seed=5).storm(KILLS)
    shown = [line.split() for line in log.read_text().splitlines()]
    log.unlink()
    assert (findings.kills, findings.lost, findings.sent_twice, findings.denied) == (
        KILLS,
        set(),
        set(),
        set(),
    )
    of_code: dict[str, set[int]] = defaultdict(set)
    for message_id, code in shown:
        of_code[code].add(int(message_id))
    assert all(len(those) == 1 for those in of_code.values())
    with store.read() as connection:
        given = dict(connection.execute(sa.select(money.codes.c.message_id, money.codes.c.code)).all())
        (pool,) = pools(connection)
    kept = {row.id: row.variables["offer_code"] for row in message_rows(store, world.run_id)}
    # The pool is just large enough: a code lost at a kill would leave somebody without one.
    assert kept == given == {next(iter(those)): code for code, those in of_code.items()}
    assert (pool.free, pool.reserved) == (0, PEOPLE)
    assert verify(store).broken == ()
