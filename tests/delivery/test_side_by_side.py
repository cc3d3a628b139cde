"""The channels of a run at the same time: a slow one, a throttled one and a broken one hold up none of the others."""

# The fixtures `root` and `settings` are those of the run by three channels.
# ruff: noqa: F811

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from delivery.test_three_channels import (
    CAMPAIGN,
    RING,
    Carrier,
    carriers,
    people_with_everything,
    root,  # noqa: F401
    settings,  # noqa: F401
    start,
)
from support.sendgrid_stage import values
from support.tracking import rows_of
from tidings.channels.outbox import OutboxAdapter
from tidings.channels.protocol import Capabilities, ChannelUnavailable, Form, Kind, Outcome, Scope
from tidings.channels.sandbox.sendgrid import SendGridSandbox
from tidings.channels.sendgrid import SendGridAdapter
from tidings.clock import FixedClock
from tidings.config.settings import Settings
from tidings.delivery.pause import resume_channel
from tidings.delivery.running import deliver_run
from tidings.delivery.verify import verify
from tidings.errors import StoreError
from tidings.store.database import Store
from tidings.store.tables import people, sending


def _one_channel_each(store: Store, count: int) -> None:
    """The first half can only be reached by e-mail, the other half only by fax."""
    people_with_everything(store, count)
    customers = people.customers
    with store.durable("test") as connection:
        connection.execute(sa.update(customers).values(phone=None, phone_hash=None))
        first = customers.c.id <= count // 2
        connection.execute(sa.update(customers).where(first).values(fax=None, fax_hash=None))
        connection.execute(sa.update(customers).where(~first).values(email=None, email_hash=None))


def _by_channel(store: Store) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in rows_of(store, sending.messages):
        found.setdefault(row.channel, set()).add(row.state)
    return found


class Refusing(Carrier):
    def submit(self, outgoing):
        return Outcome(Kind.REJECTED, Scope.CONFIG, "401 wrong key")


class Down(Carrier):
    def connect(self):
        raise ChannelUnavailable("nobody answers at mail.example:25", what_to_do="start it")


def test_a_wrong_key_of_the_mail_does_not_hold_the_faxes(
    store: Store,
    clock: FixedClock,
    settings: Settings,
) -> None:
    _one_channel_each(store, 6)
    run_id = start(store, settings, clock)
    ways = carriers(set(), set())
    good = ways["email"]
    ways["email"] = Refusing(Capabilities("email"))
    done = deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=ways)
    assert (done.state, done.accepted, done.pending) == ("sending", 3, 3)
    assert done.reason == "the channel email refuses to send: 401 wrong key"
    assert _by_channel(store) == {"email": {"planned"}, "fax": {"accepted"}}
    ways["email"] = good
    held = deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=ways)
    assert held.reason == "the channel email is paused: it refuses to send: 401 wrong key"
    resume_channel(store, "email", actor="ann", now=clock.now())
    done = deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=ways)
    assert (done.state, done.accepted, done.reason) == ("finished", 6, "")
    assert verify(store).broken == ()


def test_a_server_that_is_down_pauses_the_run_when_the_other_channels_are_through(
    store: Store,
    clock: FixedClock,
    settings: Settings,
) -> None:
    _one_channel_each(store, 4)
    run_id = start(store, settings, clock)
    ways = {**carriers(set(), set()), "email": Down(Capabilities("email"))}
    done = deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=ways)
    assert done.paused
    assert "nobody answers at mail.example:25" in done.reason
    assert _by_channel(store) == {"email": {"planned"}, "fax": {"accepted"}}
    assert rows_of(store, sending.channel_pauses) == []


def test_faxes_are_out_at_once_while_the_mail_is_throttled(
    store: Store,
    clock: FixedClock,
    settings: Settings,
    tmp_path: Path,
) -> None:
    _one_channel_each(store, 8)
    run_id = start(store, settings, clock)
    begun = time.monotonic()
    done: list[object] = []
    stop = threading.Event()
    with SendGridSandbox(limit=1) as sandbox:
        email = settings.definitions.channels["email"]
        fax = settings.definitions.channels["fax"]
        ways = {
            "email": SendGridAdapter(replace(email, connections=1), values(sandbox.url, batch=1)),
            "sms": Carrier(Capabilities("sms", form=Form.TEXT)),
            "fax": OutboxAdapter(fax, {"folder": str(tmp_path / "out")}),
        }

        def deliver_all() -> None:
            done.append(
                deliver_run(
                    settings, store, run_id, clock=clock, ring=RING, adapters=ways, stop=stop, wait_seconds=3
                )
            )

        thread = threading.Thread(target=deliver_all)
        thread.start()
        try:
            while len(list((tmp_path / "out").glob("*.tif"))) < 4:
                assert time.monotonic() - begun < 20
                time.sleep(0.02)
            # The window of the limit is a minute: they did not wait for the mail.
            assert len(_accepted(store, "email")) < 4
            assert thread.is_alive()
        finally:
            stop.set()
            thread.join()
    assert len(_accepted(store, "fax")) == 4
    assert verify(store).broken == ()


def _accepted(store: Store, channel: str) -> list[int]:
    rows = rows_of(store, sending.messages)
    return [row.id for row in rows if (row.channel, row.state) == (channel, "accepted")]


def test_one_that_fails_stops_none_of_the_others_and_is_raised_at_the_end(
    store: Store,
    clock: FixedClock,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tidings.delivery import running

    _one_channel_each(store, 4)
    run_id = start(store, settings, clock)
    really = running.deliver

    def deliver(store, job, **more):
        if job.channel == "email":
            raise StoreError("the disk is full")
        time.sleep(0.1)
        return really(store, job, **more)

    monkeypatch.setattr(running, "deliver", deliver)
    with pytest.raises(StoreError, match="the disk is full"):
        deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=carriers(set(), set()))
    assert _by_channel(store) == {"email": {"planned"}, "fax": {"accepted"}}


def test_progress_is_told_for_the_whole_run_and_the_spool_is_drained_by_one_at_a_time(
    store: Store,
    clock: FixedClock,
    settings: Settings,
) -> None:
    _one_channel_each(store, 8)
    run_id = start(store, settings, clock)
    told: list[tuple[int, int]] = []
    inside, most = [0], [0]

    def drain() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.05)
        inside[0] -= 1

    ways = carriers(set(), set())
    deliver_run(
        settings,
        store,
        run_id,
        clock=clock,
        ring=RING,
        adapters=ways,
        progress=lambda done, total: told.append((done, total)),
        before_claim=drain,
    )
    assert told[-1] == (8, 8)
    assert {total for _, total in told} == {8}
    assert most == [1]


def test_told_to_stop_every_channel_stops(
    store: Store,
    clock: FixedClock,
    settings: Settings,
) -> None:
    assert "via: [email, sms, fax]" in CAMPAIGN
    _one_channel_each(store, 8)
    run_id = start(store, settings, clock)
    stop = threading.Event()
    stop.set()
    ways = carriers(set(), set())
    done = deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=ways, stop=stop)
    assert (done.reason, done.pending) == ("it was asked to stop", 8)
