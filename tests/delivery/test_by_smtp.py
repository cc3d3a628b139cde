"""The sender over real SMTP connections that one thread drives: what goes ahead, what hangs, what is protected."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.ledger_channel import Letter, render
from support.ledger_world import World, message_rows, seed, states
from support.smtp_servers import RawServer, Scripted, aiosmtpd_server, certificate
from tidings.channels.smtp import SmtpAdapter
from tidings.channels.smtp_connection import SmtpConnection
from tidings.clock import FixedClock, to_micros
from tidings.customers.consent import ConsentRow, record
from tidings.customers.suppression import suppress
from tidings.definitions.kinds.channel import Channel
from tidings.delivery.marks import Marker
from tidings.delivery.pause import pause
from tidings.delivery.recovery import recover
from tidings.delivery.sender import deliver
from tidings.delivery.verify import verify
from tidings.delivery.work import Claimed
from tidings.store.boot import boot_id
from tidings.store.database import Store
from tidings.store.tables import people, sending

EMAIL = Channel("email", "E-mail", "channels/email.yaml", "smtp", sender="Shop <shop@shop.example>")


def adapter(port: int, **options: object) -> SmtpAdapter:
    plain = {"host": "127.0.0.1", "port": port, "tls": "none", "command_timeout": 5.0, "data_timeout": 5.0}
    return SmtpAdapter(EMAIL, plain | options)


class Ahead(RawServer):
    """Calls `between` when the first text is there and the next envelope too, before it answers that text."""

    def __init__(self, between: Callable[[], None]) -> None:
        self.between = between
        self.envelope_first = False
        super().__init__(pipelining=True)

    def _body(self, client: socket.socket, lines) -> bool:
        if self.messages:
            return super()._body(client, lines)
        client.sendall(b"354 go on\r\n")
        body = lines.until(b"\r\n.\r\n")
        while b"DATA\r\n" not in lines._rest:
            lines._rest += lines.some()
        self.envelope_first = b"RCPT TO:<2@shop.example>" in lines._rest
        self.messages.append(body)
        self.between()
        client.sendall(b"250 2.0.0 Ok: queued as R1\r\n")
        return True


def _withdraw(store: Store, world: World, clock: FixedClock) -> None:
    now = to_micros(clock.now())
    with store.durable("test") as connection:
        record(connection, [ConsentRow(2, "email", "marketing", "withdrawn", "", "link", now, now)])


def _suppress(store: Store, world: World, clock: FixedClock) -> None:
    customers = people.customers
    with store.durable("test") as connection:
        hashed = connection.execute(sa.select(customers.c.email_hash).where(customers.c.id == 2)).scalar_one()
        suppress(connection, "email", hashed, "complaint", "test", to_micros(clock.now()))


def _erase(store: Store, world: World, clock: FixedClock) -> None:
    with store.durable("test") as connection:
        connection.execute(
            sa.update(people.customers)
            .where(people.customers.c.id == 2)
            .values(tombstoned_at=to_micros(clock.now()))
        )


@pytest.mark.parametrize("speaks_against", [_withdraw, _suppress, _erase])
def test_a_text_whose_mark_is_refused_never_goes_out_though_its_envelope_did(
    store: Store, clock: FixedClock, speaks_against: Callable[..., None]
) -> None:
    world = seed(store, 4)
    with Ahead(lambda: speaks_against(store, world, clock)) as server:
        done = deliver(
            store, world.job, adapter=adapter(server.port), render=render, clock=clock, connections=1
        )
        assert server.envelope_first
        assert len(server.messages) == 3
    assert (done.accepted, done.refused, done.in_doubt) == (3, 1, 0)
    assert states(store, world.run_id)[2] == "refused"


def test_a_text_that_expired_behind_its_envelope_stays_here(store: Store, clock: FixedClock) -> None:
    world = seed(store, 4)
    with Ahead(lambda: clock.advance(timedelta(days=1))) as server:
        done = deliver(
            store, world.job, adapter=adapter(server.port), render=render, clock=clock, connections=1
        )
        assert server.envelope_first
        assert len(server.messages) == 1
    assert (done.accepted, done.refused) == (1, 3)
    assert {row.refusal_code for row in message_rows(store, world.run_id)} == {None, "expired"}


@pytest.mark.parametrize("campaign", ["spring", None])
def test_a_pause_between_envelope_and_mark_keeps_the_text_here(
    store: Store, clock: FixedClock, campaign: str | None
) -> None:
    world = seed(store, 4)
    with Ahead(
        lambda: pause(store, campaign, reason="a typo", actor="ann", now=clock.now()) and None
    ) as server:
        done = deliver(
            store, world.job, adapter=adapter(server.port), render=render, clock=clock, connections=1
        )
        assert server.envelope_first
        assert len(server.messages) == 1
    assert (done.accepted, done.pending, done.in_doubt) == (1, 3, 0)
    assert "a typo" in done.reason


def test_a_claim_taken_over_between_envelope_and_mark_keeps_the_text_here(
    store: Store, clock: FixedClock
) -> None:
    world = seed(store, 4)

    def steal() -> None:
        with store.durable("test") as connection:
            connection.execute(sa.update(sending.claims).values(leased_until=0))
            connection.execute(sa.update(sending.messages).values(due_at=2**62))
        recover(store, world.job, owner="thief:1:1:x", boot_id=boot_id())

    with Ahead(steal) as server:
        deliver(store, world.job, adapter=adapter(server.port), render=render, clock=clock, connections=1)
        assert server.envelope_first
        assert len(server.messages) == 1
    assert sorted(states(store, world.run_id).values()) == ["accepted", "planned", "planned", "planned"]


def test_a_lease_that_ends_in_the_instant_before_the_hand_over_keeps_the_text_here(
    store: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, lost = seed(store, 4), threading.Event()
    really = Marker.in_time
    monkeypatch.setattr(Marker, "in_time", lambda self, fence: not lost.is_set() and really(self, fence))

    with Ahead(lost.set) as server:
        stop = threading.Event()

        def stops_later() -> None:
            # The sender looks for its lease some times first, however slow the machine is.
            lost.wait(20)
            time.sleep(0.3)
            stop.set()

        thread = threading.Thread(target=stops_later)
        thread.start()
        done = deliver(
            store,
            world.job,
            adapter=adapter(server.port),
            render=render,
            clock=clock,
            connections=1,
            stop=stop,
        )
        thread.join()
        assert server.envelope_first
        assert len(server.messages) == 1
    assert (done.accepted, done.pending, done.in_doubt) == (1, 3, 0)


def test_a_stop_between_envelope_and_mark_keeps_the_text_here(store: Store, clock: FixedClock) -> None:
    world, stop = seed(store, 4), threading.Event()

    def stops() -> None:
        stop.set()
        # Until the sender has heard it.
        time.sleep(0.3)

    with Ahead(stops) as server:
        done = deliver(
            store,
            world.job,
            adapter=adapter(server.port),
            render=render,
            clock=clock,
            connections=1,
            stop=stop,
        )
        assert server.envelope_first
        assert len(server.messages) == 1
    assert (done.accepted, done.pending, done.in_doubt) == (1, 3, 0)


class FirstHangs(RawServer):
    """Takes the first text it gets and says nothing more on that connection."""

    def __init__(self) -> None:
        self.hung = threading.Event()
        self.answered: list[float] = []
        super().__init__(pipelining=True)

    def _body(self, client: socket.socket, lines) -> bool:
        if not self.hung.is_set():
            self.hung.set()
            client.sendall(b"354 go on\r\n")
            lines.wait()
        went_on = super()._body(client, lines)
        self.answered.append(time.monotonic())
        return went_on


def test_one_connection_that_hangs_does_not_hold_up_the_others(store: Store, clock: FixedClock) -> None:
    world, begun = seed(store, 60), time.monotonic()
    with FirstHangs() as server:
        done = deliver(
            store,
            world.job,
            adapter=adapter(server.port, data_timeout=2.5),
            render=render,
            clock=clock,
            connections=4,
        )
        assert max(server.answered) - begun < 2.4
    assert time.monotonic() - begun > 2.5
    assert (done.accepted, done.in_doubt) == (59, 1)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest.mark.parametrize("pipelining", [True, False])
def test_protected_connections_carry_large_messages_each_once(
    make_store: Callable[..., Store], clock: FixedClock, tmp_path: Path, tls: str, pipelining: bool
) -> None:
    store = make_store("sqlite")
    world = seed(store, 40)
    files = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    handler = Scripted(pipelining=pipelining)
    body = (b"0123456789" * 7 + b"\r\n") * 8_000

    def large(message: Claimed) -> Letter:
        text = f"Subject: number {message.message_id}\r\n\r\n".encode() + body
        return Letter(message.message_id, "shop@shop.example", message.address, text)

    options = (
        {"tls_context": context, "require_starttls": True} if tls == "starttls" else {"ssl_context": context}
    )
    with aiosmtpd_server(handler, **options) as port:
        done = deliver(
            store,
            world.job,
            adapter=adapter(port, tls=tls, ca_file=str(files[0])),
            render=large,
            clock=clock,
            connections=3,
        )
    assert (done.state, done.accepted) == ("finished", 40)
    assert sorted(to[0] for _, to, _ in handler.envelopes) == sorted(
        f"{n}@shop.example" for n in range(1, 41)
    )
    assert {len(content) for *_, content in handler.envelopes} <= {len(body) + 21, len(body) + 22}


def test_a_hand_over_that_breaks_our_own_code_costs_one_doubt_and_stops_nobody(
    store: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, really = seed(store, 60), SmtpConnection.steps

    def steps(self: SmtpConnection, outgoing: Letter, following: Letter | None = None):
        if outgoing.recipient == "7@shop.example":
            raise RuntimeError("a mistake of ours")
        return (yield from really(self, outgoing, following))

    monkeypatch.setattr(SmtpConnection, "steps", steps)
    with RawServer(pipelining=True) as server:
        done = deliver(
            store, world.job, adapter=adapter(server.port), render=render, clock=clock, connections=3
        )
        assert len(server.messages) == 59
    assert (done.state, done.accepted, done.in_doubt) == ("finished", 59, 1)
    assert states(store, world.run_id)[7] == "in_doubt"


def test_when_the_sender_itself_fails_what_was_answered_is_kept_and_the_rest_given_back(
    store: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, marks = seed(store, 60), []
    really = Marker.write

    def fails_at_the_tenth(self: Marker, *given):
        marks.append(1)
        if len(marks) == 10:
            raise RuntimeError("a mistake of ours")
        return really(self, *given)

    monkeypatch.setattr(Marker, "write", fails_at_the_tenth)
    with RawServer(pipelining=True) as server:
        done = deliver(
            store, world.job, adapter=adapter(server.port), render=render, clock=clock, connections=1
        )
        sent = len(server.messages)
    assert (done.state, done.reason) == ("paused", "the sender failed: RuntimeError: a mistake of ours")
    assert done.accepted == sent
    assert done.accepted + done.pending == 60
    assert verify(store).broken == ()


def test_nothing_is_left_open_behind_a_sender(store: Store, clock: FixedClock) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with RawServer(pipelining=True) as server:
        # The first time opens the store's own connections.
        deliver(
            store,
            seed(store, 30, campaign="first").job,
            adapter=adapter(server.port),
            render=render,
            clock=clock,
            connections=4,
        )
        files, threads = open_files(), threading.active_count()
        for number in range(3):
            deliver(
                store,
                seed(store, 30, campaign=f"c{number}").job,
                adapter=adapter(server.port),
                render=render,
                clock=clock,
                connections=4,
            )
        assert not [one.name for one in threading.enumerate() if one.name.startswith("tidings-")]
        deadline = time.monotonic() + 5
        while open_files() > files + 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert open_files() <= files + 2
        assert threading.active_count() <= threads + 13


def test_an_adapter_that_sends_is_asked_for_bounces_at_the_same_time(
    make_store: Callable[..., Store], clock: FixedClock, tmp_path: Path
) -> None:
    store, folder = make_store("sqlite"), tmp_path / "bounces"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    report = (
        b"From: MAILER-DAEMON@mx.example\r\nTo: shop@shop.example\r\nSubject: failed\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nno\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        b"Final-Recipient: rfc822; %d@shop.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\n"
        b"Content-Type: text/rfc822-headers\r\n\r\nTo: %d@shop.example\r\n"
        b"Message-ID: <m%d.f00dbabe@shop.example>\r\n\r\n--b--\r\n"
    )
    world, ended, heard = seed(store, 200), threading.Event(), []

    def collect() -> None:
        number = 0
        while number < 20 or not ended.is_set():
            number += 1
            if number <= 20:
                (folder / "new" / f"{number}").write_bytes(report % (number, number, number))
            events = carrier.take_events()
            heard.extend(events)
            carrier.events_stored(len(events))

    with RawServer(pipelining=True) as server:
        carrier = adapter(server.port, bounces=str(folder))
        thread = threading.Thread(target=collect)
        thread.start()
        try:
            done = deliver(store, world.job, adapter=carrier, render=render, clock=clock, connections=4)
        finally:
            ended.set()
            thread.join()
        assert len(server.messages) == 200
    assert (done.state, done.accepted) == ("finished", 200)
    assert {one.address for one in heard} == {f"{number}@shop.example" for number in range(1, 21)}
    assert len({one.event_id for one in heard}) == 20
