"""MAIL, RCPT and DATA in one write: every answer means what it means one by one, and no text goes out too early."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.smtp_groups import GroupServer, group_server
from support.smtp_servers import Scripted, aiosmtpd_server
from tidings.channels.conformance import outgoing
from tidings.channels.protocol import Outcome
from tidings.channels.smtp import SmtpAdapter
from tidings.channels.smtp_connection import _TAKES_ALL
from tidings.channels.wire import Wire, WireLost
from tidings.definitions.kinds.channel import Channel

EMAIL = Channel("email", "E-mail", "channels/email.yaml", "smtp", sender="Shop <shop@nordicgarden.example>")
TAKEN = (b"250 2.1.0 sender noted", b"250-2.1.5 recipient\r\n250 2.1.5 noted", b"354 go on")
NO_SENDER = b"550 5.1.8 sender domain does not exist"
NO_MAILBOX = b"550-5.1.1 no such\r\n550 5.1.1 mailbox"
OUT_OF_ORDER = b"503 5.5.1 bad sequence"
NOBODY = b"554 5.5.1 no valid recipients"


def adapter(port: int) -> SmtpAdapter:
    short = {"connect_timeout": 0.5, "command_timeout": 0.5, "data_timeout": 0.5}
    return SmtpAdapter(EMAIL, {"host": "127.0.0.1", "port": port, "tls": "none"} | short)


def submitted(server: GroupServer, count: int = 1) -> list[Outcome]:
    connection = adapter(server.port).connect()
    outcomes = [connection.submit(outgoing(number)) for number in range(count)]
    connection.close()
    return outcomes


def test_the_three_commands_are_one_write_and_the_text_waits_for_the_go_ahead() -> None:
    with group_server(GroupServer(TAKEN)) as server:
        assert [one.kind for one in submitted(server, 3)] == ["accepted"] * 3
        assert server.connections == 1
    group = b"MAIL FROM:<shop@example.com>\r\nRCPT TO:<anna@example.com>\r\nDATA\r\n"
    assert server.chunks.count(group) == 3
    assert server.texts == [outgoing().payload] * 3


@pytest.mark.parametrize("byte_by_byte", [False, True], ids=["one packet", "byte by byte"])
@pytest.mark.parametrize(
    ("replies", "kind", "scope", "detail", "connections", "texts"),
    [
        ((NO_SENDER, OUT_OF_ORDER, OUT_OF_ORDER), "rejected", "config", "MAIL 550 5.1.8", 1, []),
        ((NO_SENDER, OUT_OF_ORDER, b"354 go on"), "rejected", "config", "MAIL 550 5.1.8", 1, [b""]),
        # A recipient without a sender: whoever takes it may take an empty text too, so the line is cut instead.
        ((NO_SENDER, b"250 ok", b"354 go on"), "rejected", "config", "MAIL 550 5.1.8", 2, []),
        ((b"452 4.3.1 disk full", OUT_OF_ORDER, NOBODY), "transient", None, "MAIL 452 4.3.1", 1, []),
        ((b"250 ok", NO_MAILBOX, NOBODY), "rejected", "recipient", "RCPT 550 5.1.1", 1, []),
        ((b"250 ok", NO_MAILBOX, b"451 4.5.1 no"), "rejected", "recipient", "RCPT 550 5.1.1", 1, []),
        ((b"250 ok", NO_MAILBOX, b"354 go on"), "rejected", "recipient", "RCPT 550 5.1.1", 1, [b""]),
        ((b"250 ok", NO_MAILBOX, b"421 4.3.2 bye"), "rejected", "recipient", "RCPT 550 5.1.1", 2, []),
        ((b"250 ok", NO_MAILBOX, b"250 odd"), "rejected", "recipient", "RCPT 550 5.1.1", 2, []),
        ((b"250 ok", b"450 4.7.1 greylisted", b"354 go on"), "transient", "recipient", "RCPT 450", 1, [b""]),
        ((b"250 ok", b"451 4.7.28 slow down", NOBODY), "throttled", None, "RCPT 451 4.7.28", 1, []),
        ((b"250 ok", b"421 4.3.2 bye", NOBODY), "transient", None, "RCPT 421", 2, []),
        ((b"250 ok", b"354 odd", b"354 go on"), "transient", None, "RCPT 354", 2, []),
        ((b"250 ok", b"250 ok", b"451 4.3.0 local"), "transient", None, "DATA 451 4.3.0", 1, []),
        ((b"250 ok", b"250 ok", b"554 5.6.0 no"), "rejected", "content", "DATA 554 5.6.0", 1, []),
        ((b"250 ok", b"250 ok", b"250 odd"), "transient", None, "DATA 250", 2, []),
        ((b"250 ok", b"250 ok", b"421 4.3.2 bye"), "transient", None, "DATA 421", 2, []),
    ],
)
def test_a_refusal_in_a_group_is_the_outcome_and_the_next_message_gets_through(
    replies, kind, scope, detail, connections, texts, byte_by_byte
) -> None:
    server = GroupServer(replies, TAKEN, after=b"250 2.0.0 kept", byte_by_byte=byte_by_byte)
    with group_server(server):
        refused, accepted = submitted(server, 2)
    assert (refused.kind, refused.scope) == (kind, scope)
    assert refused.detail.startswith(detail)
    assert accepted.kind == "accepted"
    # An empty text for nobody ends a transaction; a real one went out only for the message that was taken.
    assert server.texts == [*texts, outgoing().payload]
    assert server.connections == connections


@pytest.mark.parametrize("after", [b"554 5.5.1 no valid recipients", b"250 2.0.0 dropped"])
def test_a_text_for_nobody_leaves_the_refusal_whatever_is_answered_to_it(after) -> None:
    with group_server(GroupServer((b"250 ok", NO_MAILBOX, b"354 go on"), after=after)) as server:
        outcomes = submitted(server, 2)
    assert [(one.kind, one.scope) for one in outcomes] == [("rejected", "recipient")] * 2
    assert server.texts == [b"", b""]
    assert server.connections == 1
    assert server.resets == 2


def test_a_goodbye_to_a_group_costs_no_message_when_a_new_connection_takes_it() -> None:
    with group_server(GroupServer(TAKEN, (b"421 4.4.2 idle", b"421 bye", b"421 bye"), TAKEN)) as server:
        assert [one.kind for one in submitted(server, 3)] == ["accepted"] * 3
    assert server.connections == 2
    assert len(server.texts) == 3


def test_a_connection_cut_anywhere_in_the_answers_is_transient_and_no_text_was_sent() -> None:
    whole = b"".join(reply + b"\r\n" for reply in TAKEN)
    for cut in range(0, len(whole), 3):
        with group_server(GroupServer(TAKEN, cut=cut)) as server:
            (outcome,) = submitted(server)
        assert (outcome.kind, outcome.scope) == ("transient", None), cut
        assert "closed the connection" in outcome.detail or "broke" in outcome.detail
        assert server.texts == []


@pytest.mark.parametrize(
    ("replies", "detail"),
    [((b"250 ok", NO_MAILBOX, NOBODY), "RCPT 550"), ((NO_SENDER, OUT_OF_ORDER, NOBODY), "MAIL 550")],
)
def test_a_refusal_that_was_read_stands_when_the_connection_is_cut_behind_it(replies, detail) -> None:
    until = replies.index(NO_MAILBOX) + 1 if NO_MAILBOX in replies else 1
    read = sum(len(reply) + 2 for reply in replies[:until])
    for more in (0, 5):
        with group_server(GroupServer(replies, cut=read + more)) as server:
            (outcome,) = submitted(server)
        assert outcome.kind == "rejected"
        assert outcome.detail.startswith(detail)


def test_a_server_that_does_not_offer_it_gets_one_command_at_a_time() -> None:
    script = (TAKEN, (b"250 ok", NO_MAILBOX, NOBODY), TAKEN)
    with group_server(GroupServer(*script, pipelining=False)) as server:
        assert [one.kind for one in submitted(server, 3)] == ["accepted", "rejected", "accepted"]
    assert not [chunk for chunk in server.chunks if b"\r\nRCPT" in chunk or b"\r\nDATA" in chunk]
    assert b"RCPT TO:<anna@example.com>\r\n" in server.chunks
    assert b"DATA\r\n" in server.chunks


def test_aiosmtpd_takes_groups_and_refuses_in_them() -> None:
    handler = Scripted(rcpt={"gone@example.com": "550 5.1.1 no such user"}, pipelining=True)
    with aiosmtpd_server(handler) as port:
        connection = adapter(port).connect()
        first = [
            connection.submit(outgoing(recipient=to))
            for to in ("a@b.example", "gone@example.com", "c@d.example")
        ]
        handler.mail = "550 5.1.8 not this sender"
        second = connection.submit(outgoing())
        handler.mail = None
        third = connection.submit(outgoing())
        connection.close()
    assert [one.kind for one in (*first, third)] == ["accepted", "rejected", "accepted", "accepted"]
    assert (second.kind, second.scope) == ("rejected", "config")
    assert [to for _, to, _ in handler.envelopes] == [["a@b.example"], ["c@d.example"], ["anna@example.com"]]


@contextmanager
def _wired() -> Iterator[tuple[Wire, socket.socket]]:
    """Give a wire and the other end of it."""
    listening = socket.create_server(("127.0.0.1", 0))
    ours = socket.create_connection(listening.getsockname())
    theirs, _ = listening.accept()
    with ours, theirs, listening:
        yield Wire(ours), theirs


def _filled(wire: Wire) -> bool:
    """Wait for what was sent to it and read it."""
    return bool(select.select([wire.fileno()], [], [], 5)[0]) and wire.fill()


def test_a_line_break_within_a_group_sends_nothing() -> None:
    with _wired() as (wire, theirs):
        for lines in ((b"MAIL", b"RCPT\r\nDATA"), (b"MAIL\n",), (b"MAIL", b"\rRCPT")):
            with pytest.raises(WireLost):
                wire.commands(lines, 0.5)
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


@pytest.mark.parametrize(
    ("came", "all_taken", "left"),
    [
        (b"250 a\r\n250\r\n354 go on\r\n", True, None),
        (b"250 a\r\n250 b\n354 go on\r\n250 next\r\n", True, (250, "next")),
        (b"250 a\r\n250 b\r\n354 go", False, (250, "a")),
        (b"250-a\r\n250 a\r\n250 b\r\n354 go on\r\n", False, (250, "a a")),
        (b"250 a\r\n550 b\r\n354 go on\r\n", False, (250, "a")),
        (b"250 a\r\n250 b\r\n250 c\r\n", False, (250, "a")),
        (b"2500 a\r\n250 b\r\n354 go on\r\n", False, None),
    ],
)
def test_replies_are_taken_at_once_where_all_are_as_wished_and_else_none(came, all_taken, left) -> None:
    with _wired() as (wire, theirs):
        theirs.sendall(came)
        assert _filled(wire)
        assert wire.take_all(_TAKES_ALL) is all_taken
        if came.startswith(b"2500"):
            with pytest.raises(WireLost):
                wire.take()
        else:
            assert wire.take() == left


def test_half_a_reply_is_finished_before_others_are_taken_at_once() -> None:
    with _wired() as (wire, theirs):
        theirs.sendall(b"250-a\r\n")
        assert _filled(wire) and wire.take() is None
        theirs.sendall(b"250 b\r\n250 c\r\n354 d\r\n")
        assert _filled(wire) and not wire.take_all(_TAKES_ALL)
        assert wire.take() == (250, "a b")
