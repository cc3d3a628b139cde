"""The steps of a flow fall back to their next channel, each by itself and by evidence alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.flow_world import enter, flow_workspace, go_live, plan, populate
from support.ledger_sink import running_sink
from support.ledger_workspace import rewrite
from support.ledger_world import message_rows
from tidings.channels.outbox import OutboxAdapter
from tidings.clock import FixedClock, to_micros
from tidings.config.settings import Settings, load_settings
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.loader import load
from tidings.delivery.hearing import Heard
from tidings.delivery.kept import Kept
from tidings.delivery.running import deliver_run, follow_up
from tidings.delivery.verify import verify
from tidings.delivery.work import Delivered
from tidings.store.database import Store
from tidings.store.tables import people, sending
from tidings.tokens.keyring import KeyRing

RING = KeyRing.from_text("k1:" + "ab" * 32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return flow_workspace(tmp_path / "workspace")


@pytest.fixture
def settings(root: Path) -> Settings:
    return load_settings(root, "development", variables={})


def test_a_step_falls_back_to_its_next_channel_by_evidence_alone(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    populate(store, 3)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2, 3))
    plan(store, live, entered, "letter")
    plan(store, live, entered, "paper")
    deliver_run(settings, store, live.run_id, clock=clock, ring=RING)
    messages = sending.messages
    with store.durable("test") as connection:
        connection.execute(
            sa.update(messages)
            .where(messages.c.customer_id == 2)
            .values(**sending.in_state("bounced"), finished_at=to_micros(clock.now()))
        )
    kept = Kept()
    assert follow_up(settings, store, live.run_id, clock=clock, kept=kept) == 1
    assert follow_up(settings, store, live.run_id, clock=clock, kept=kept) == 0
    done = deliver_run(settings, store, live.run_id, clock=clock, ring=RING, kept=kept)
    assert done.sent_now == 1
    rows = {
        (row.customer_id, row.step, row.leg): (row.channel, row.state, row.version)
        for row in message_rows(store, live.run_id)
    }
    assert rows[2, "letter", 1] == ("sms", "accepted", 1)
    # `paper` has one channel, and nobody else is written to again.
    assert len(rows) == 7
    assert verify(store).broken == ()


def test_a_flow_goes_out_over_smtp_with_fallback_by_evidence(
    store: Store, clock: FixedClock, root: Path, tmp_path: Path
) -> None:
    rewrite(root / "config" / "workspace.yaml", "    outbox: true ", "    outbox: false ")
    populate(store, 4)
    texts = OutboxAdapter(replace(load(root).channels["sms"], options=()), {"folder": tmp_path / "texts"})
    with running_sink(tmp_path) as sink:
        rewrite(root / "channels" / "email.yaml", "port: 2525", f"port: {sink.port}")
        settings = load_settings(root, variables={})
        live = go_live(store, root)
        entered = enter(store, live, (1, 2, 3))
        plan(store, live, entered, "letter")
        # One of them has no mailbox any more, which is known before the claim.
        plan(store, live, enter(store, live, (4,)), "letter")
        with store.durable("test") as connection:
            connection.execute(
                sa.update(people.customers)
                .where(people.customers.c.id == 4)
                .values(email=None, email_hash=None)
            )
        heard = Heard()

        def deliver() -> Delivered:
            return deliver_run(
                settings,
                store,
                live.run_id,
                clock=clock,
                ring=RING,
                adapters={"sms": texts},
                heard=heard,
            )

        done = deliver()
        assert (done.state, done.sent_now, done.reason) == ("sending", 4, "")
        assert sink.copies() == {1: 1, 2: 1, 3: 1}
        # A bounce is told by the mail server; the text goes out, once, and by the same step.
        with store.durable("test") as connection:
            connection.execute(
                sa.update(sending.messages)
                .where(sending.messages.c.customer_id == 2)
                .values(**sending.in_state("bounced"), finished_at=to_micros(clock.now()))
            )
        assert deliver().sent_now == 1
        assert deliver().sent_now == 0
    rows = {
        (row.customer_id, row.leg): (row.channel, row.state, row.step)
        for row in message_rows(store, live.run_id)
    }
    assert rows == {
        (1, 0): ("email", "accepted", "letter"),
        (2, 0): ("email", "bounced", "letter"),
        (2, 1): ("sms", "accepted", "letter"),
        (3, 0): ("email", "accepted", "letter"),
        (4, 0): ("email", "refused", "letter"),
        (4, 1): ("sms", "accepted", "letter"),
    }
    assert len(list((tmp_path / "texts").glob("*.txt"))) == 2
    assert verify(store).broken == ()


class Telling(OutboxAdapter):
    """Files in a folder, from a channel that is asked what became of its messages."""

    def __init__(self, channel: Channel, values: dict[str, Path]) -> None:
        super().__init__(channel, values)
        self.capabilities = replace(self.capabilities, receipts="poll", delivers=True)


def test_the_patience_of_a_step_ends_with_what_was_heard_of_its_channel(
    store: Store, clock: FixedClock, root: Path, tmp_path: Path
) -> None:
    rewrite(
        root / "flows" / "care.yaml",
        "    via: [email, sms]\n",
        "    via: [email, sms]\n    patience: 1 hour\n",
    )
    settings = load_settings(root, "development", variables={})
    populate(store, 2)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2))
    plan(store, live, {1: entered[1]}, "letter")
    plan(store, live, {2: entered[2]}, "paper")
    channels, heard = settings.definitions.channels, Heard()
    telling = {"email": Telling(channels["email"], {"folder": tmp_path / "mails"})}

    def deliver() -> Delivered:
        return deliver_run(
            settings, store, live.run_id, clock=clock, ring=RING, adapters=telling, heard=heard
        )

    assert deliver().sent_now == 2
    clock.advance(timedelta(hours=2))
    # Nothing was heard since: no receipt may have come, or nobody has asked.
    assert deliver().sent_now == 0
    heard.note("email", clock.now())
    assert deliver().sent_now == 1
    rows = {(row.customer_id, row.leg): (row.channel, row.state) for row in message_rows(store, live.run_id)}
    assert rows == {
        (1, 0): ("email", "unconfirmed"),
        (1, 1): ("sms", "accepted"),
        # Its step has no patience.
        (2, 0): ("email", "accepted"),
    }


def test_a_patience_that_could_never_end_is_said_and_holds_up_no_other_evidence(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    rewrite(
        root / "flows" / "care.yaml",
        "    via: [email, sms]\n",
        "    via: [email, sms]\n    patience: 1 hour\n",
    )
    populate(store, 1)
    live = go_live(store, root)
    plan(store, live, enter(store, live, (1,)), "letter")
    deaf = Telling(settings.definitions.channels["email"], {"folder": settings.data_dir / "mails"})
    deaf.capabilities = replace(deaf.capabilities, receipts="none")

    def deliver() -> Delivered:
        return deliver_run(settings, store, live.run_id, clock=clock, ring=RING, adapters={"email": deaf})

    assert "never says what became of a message" in deliver().reason
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.messages).values(**sending.in_state("bounced"), finished_at=0))
    assert deliver().sent_now == 1
