"""A step of a flow makes an offer as a campaign does: a code each, under the name of the step, and no more than it says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.flow_world import enter, flow_workspace, go_live, plan, populate
from support.ledger_workspace import rewrite
from support.ledger_world import message_rows
from tidings.campaigns.pools import make_codes
from tidings.clock import FixedClock
from tidings.config.settings import Settings, load_settings
from tidings.delivery.running import deliver_run
from tidings.store.database import Store
from tidings.store.tables import money
from tidings.tokens.keyring import KeyRing

RING = KeyRing.from_text("k1:" + "ab" * 32)
LETTER = (
    "Subject: {{ offer }}\n\nUse {{ code }} ({{ offer.code }}) for {{ offer.gives }} until {{ offer.ends }}\n\n"
    "{{ postal_address }}\n{{ unsubscribe_url }}\n"
)
OFFER = (
    "    offer:\n      gives: 5% off\n      codes: one each from basket5\n      ends: 48 hours after sending\n"
    "      at_most: 1 each per 90 days\n"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    root = flow_workspace(tmp_path / "workspace")
    (root / "templates/care/letter/email.txt").write_text(LETTER)
    rewrite(
        root / "flows/care.yaml",
        "    via: [email, sms]\n    say:\n      opening: Thank you for buying\n",
        "    via: email\n" + OFFER,
    )
    (root / "templates/care/letter/sms.txt").unlink()
    return load_settings(root, "development", variables={})


def test_the_message_of_a_step_shows_a_code_of_its_pool_and_the_step_is_remembered(
    store: Store, clock: FixedClock, settings: Settings
) -> None:
    populate(store, 3)
    live = go_live(store, Path(settings.root))
    make_codes(store, "basket5", 5, actor="ann", now=clock.now())
    plan(store, live, enter(store, live, (1, 2, 3)), "letter")
    assert deliver_run(settings, store, live.run_id, clock=clock, ring=RING).accepted == 3
    codes = {row.customer_id: row.variables["offer_code"] for row in message_rows(store, live.run_id)}
    assert len(set(codes.values())) == 3
    letters = [path.read_text() for path in (settings.data_dir / "outbox").glob("*.eml")]
    for code in codes.values():
        (letter,) = (one for one in letters if code in one)
        assert f"Use {code} ({code}) for 5% off until" in letter and "Subject: 5% off" in letter
    with store.read() as connection:
        names = set(connection.execute(sa.select(money.offers_given.c.offer)).scalars())
    assert names == {"care.letter"}


def test_who_comes_back_within_the_time_is_not_promised_it_again(
    store: Store, clock: FixedClock, settings: Settings
) -> None:
    populate(store, 2)
    live = go_live(store, Path(settings.root))
    make_codes(store, "basket5", 5, actor="ann", now=clock.now())
    plan(store, live, enter(store, live, (1,)), "letter")
    assert deliver_run(settings, store, live.run_id, clock=clock, ring=RING).accepted == 1
    clock.advance(timedelta(days=30))
    plan(store, live, enter(store, live, (1, 2), entry=1), "letter")
    deliver_run(settings, store, live.run_id, clock=clock, ring=RING)
    told = [
        (row.customer_id, row.state, row.refusal_code, row.refusal_rule)
        for row in message_rows(store, live.run_id)
    ]
    assert told == [
        (1, "accepted", None, None),
        (1, "refused", "again", "at_most"),
        (2, "accepted", None, None),
    ]
    with store.read() as connection:
        free = connection.execute(
            sa.select(sa.func.count()).select_from(money.codes).where(money.codes.c.state == "free")
        ).scalar_one()
    assert free == 3
