"""The envelope of the next message goes out behind the text of this one, and never costs more than a connection."""

from __future__ import annotations

import select

import pytest

from support.smtp_groups import GroupServer, group_server
from support.smtp_servers import RawServer
from tidings.channels.conformance import outgoing
from tidings.channels.protocol import Outgoing
from tidings.channels.smtp import SmtpAdapter
from tidings.channels.smtp_connection import SmtpConnection
from tidings.channels.stepwise import run
from tidings.definitions.kinds.channel import Channel

EMAIL = Channel("email", "E-mail", "channels/email.yaml", "smtp", sender="Shop <shop@nordicgarden.example>")
TAKEN = (b"250 2.1.0 sender noted", b"250 2.1.5 noted", b"354 go on")


def connected(port: int, **options: object) -> SmtpConnection:
    short = {"connect_timeout": 0.5, "command_timeout": 0.5, "data_timeout": 0.5}
    return SmtpAdapter(EMAIL, {"host": "127.0.0.1", "port": port, "tls": "none"} | short | options).connect()


def letters(count: int) -> list[Outgoing]:
    return [outgoing(number, recipient=f"p{number}@example.com") for number in range(count)]


def heard(connection: SmtpConnection) -> bool:
    """Wait until the answers to an envelope that went ahead are here; tell whether there were any."""
    wire = connection.wire
    assert wire is not None
    while wire._rest.count(b"\n") < 3 and select.select([wire.fileno()], [], [], 0.3)[0]:
        wire.fill()
    return wire._rest.count(b"\n") == 3


def test_each_message_but_the_first_costs_one_write() -> None:
    first, second, third = letters(3)
    with group_server(GroupServer(TAKEN)) as server:
        connection = connected(server.port)
        kinds = [
            run(connection, first, second).kind,
            run(connection, second, third).kind,
            run(connection, third).kind,
        ]
        connection.close()
    assert kinds == ["accepted"] * 3
    assert server.texts == [first.payload, second.payload, third.payload]
    assert server.connections == 1


def test_a_message_that_is_held_back_in_the_meantime_is_never_delivered() -> None:
    first, held_back, third = letters(3)
    with RawServer(pipelining=True) as server:
        connection = connected(server.port)
        assert run(connection, first, held_back).kind == "accepted"
        assert heard(connection)
        assert run(connection, third).kind == "accepted"
        connection.close()
        assert server.messages == [first.payload, third.payload]
        assert server.connections == 2


def test_a_connection_that_waits_for_a_text_is_closed_without_a_word() -> None:
    first, held_back = letters(2)
    with RawServer(pipelining=True) as server:
        connection = connected(server.port)
        run(connection, first, held_back)
        connection.close()
        assert server.messages == [first.payload]
    assert b"QUIT" not in server.commands


@pytest.mark.parametrize(
    "later",
    [
        (b"250 ok", b"550 5.1.1 no such mailbox", b"554 5.5.1 nobody"),
        (b"250 ok", b"550 5.1.1 no such mailbox", b"354 go on"),
    ],
)
def test_a_refusal_that_came_ahead_belongs_to_its_own_message(later: tuple[bytes, ...]) -> None:
    first, refused, third = letters(3)
    with group_server(GroupServer(TAKEN, later, TAKEN)) as server:
        connection = connected(server.port)
        assert run(connection, first, refused).kind == "accepted"
        outcome = run(connection, refused, third)
        assert (outcome.kind, outcome.scope) == ("rejected", "recipient")
        assert run(connection, third).kind == "accepted"
        connection.close()
    assert [text for text in server.texts if text] == [first.payload, third.payload]


def test_a_connection_lost_before_the_text_is_made_anew_and_the_message_gets_through() -> None:
    first, second = letters(2)
    with RawServer("close when idle", pipelining=True) as server:
        connection = connected(server.port)
        assert run(connection, first, second).kind == "accepted"
        assert run(connection, second).kind == "accepted"
        connection.close()
        assert server.messages == [first.payload, second.payload]
        assert server.connections == 2


def test_the_envelope_does_not_go_ahead_of_a_connection_that_is_to_be_made_anew() -> None:
    first, second = letters(2)
    with RawServer(pipelining=True) as server:
        connection = connected(server.port, recycle_after=1)
        assert run(connection, first, second).kind == "accepted"
        assert run(connection, second).kind == "accepted"
        assert server.commands.count(b"QUIT") == 1
        connection.close()
        assert server.messages == [first.payload, second.payload]


def test_what_is_signed_is_signed_although_its_envelope_was_taken_before() -> None:
    first, second = letters(2)
    with RawServer(pipelining=True) as server:
        connection = connected(server.port)
        connection._sign = lambda payload: b"X-Signed: yes\r\n" + payload
        assert run(connection, first, second).kind == "accepted"
        assert heard(connection)
        assert run(connection, second).kind == "accepted"
        connection.close()
        assert server.messages == [b"X-Signed: yes\r\n" + one.payload for one in (first, second)]
        assert server.connections == 1


@pytest.mark.parametrize("odd", [b"nul \0", b"long " * 2_000], ids=["nul", "long"])
def test_nothing_that_may_not_travel_goes_ahead(odd: bytes) -> None:
    first, second = letters(2)
    second.payload += odd + b"\r\n"
    with RawServer(pipelining=True) as server:
        connection = connected(server.port, max_bytes=8_000)
        assert run(connection, first, second).kind == "accepted"
        assert not heard(connection)
        outcome = run(connection, second)
        connection.close()
        assert (outcome.kind, outcome.scope) == ("rejected", "content")
        assert server.messages == [first.payload]
        assert server.connections == 1


def test_a_text_waits_while_the_answers_to_its_envelope_have_not_all_come() -> None:
    first, second = letters(2)
    slow = (b"250 ok", b"250-2.1.5 recipient\r\n250 2.1.5 noted", b"354 go on")
    with group_server(GroupServer(TAKEN, slow, byte_by_byte=True)) as server:
        connection = connected(server.port)
        assert [run(connection, first, second).kind, run(connection, second).kind] == ["accepted"] * 2
        connection.close()
    assert server.texts == [first.payload, second.payload]


def test_a_text_that_is_not_ascii_is_announced_as_such_and_so_never_goes_ahead() -> None:
    first, second = letters(2)
    second.payload += b"\xe2\x82\xac in a word\r\n"
    with RawServer(pipelining=True) as server:
        connection = connected(server.port)
        assert run(connection, first, second).kind == "accepted"
        assert not heard(connection)
        assert run(connection, second).kind == "accepted"
        connection.close()
        assert server.messages == [first.payload, second.payload]
        assert [b"BODY=8BITMIME" in one for one in server.commands if b"MAIL" in one] == [False, True]
