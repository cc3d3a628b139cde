"""No stranger holds the tracker: neither with a head without an end nor with one that never comes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tidings.flows.web_guard import LONGEST_HEAD, GuardedProtocol

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]


class _Quick(GuardedProtocol):
    head_seconds = 0.15


class _Slow(GuardedProtocol):
    head_seconds = 30.0


async def _app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def _talk(client: Client, protocol: type[GuardedProtocol] = _Quick) -> bytes:
    async def both() -> bytes:
        config = uvicorn.Config(_app, http=protocol, ws="none", lifespan="off", log_config=None)
        config.load()
        state = ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: protocol(config, state, {}, loop), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(5):
                return await client(reader, writer)
        finally:
            writer.close()
            server.close()

    return asyncio.run(both())


def test_a_head_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
        sent = 0
        while sent < 50 * LONGEST_HEAD and not reader.at_eof():
            writer.write(b"a" * 16_384)
            sent += 16_384
            try:
                await writer.drain()
            except ConnectionError:
                break
            await asyncio.sleep(0)
        assert sent < 50 * LONGEST_HEAD
        return await reader.read()

    with contextlib.suppress(ConnectionResetError):  # closed while the rest was on its way
        assert _talk(client).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "beginning", [b"", b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_a_connection_that_does_not_come_to_a_request_is_ended(beginning: bytes) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(beginning)
        if beginning.endswith(b"\r\n\r\n"):
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK")
            writer.write(b"\r\n")
        return await reader.read()

    assert _talk(client) == (
        b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        if beginning.endswith(b"x\r\n")
        else b""
    )


def test_a_body_that_nobody_reads_does_not_keep_a_connection() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        answer = await reader.readuntil(b"ok")
        while not reader.at_eof():
            writer.write(b"a")
            await asyncio.sleep(0.02)
        return answer

    assert _talk(client).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("around", [b"1;" + b"x" * 4_000_000, b"0\r\nX: " + b"y" * 4_000_000])
def test_what_stands_around_a_body_has_an_end(around: bytes) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + around)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            return await reader.read()
        return b""

    started = time.monotonic()
    assert len(_talk(client, _Slow)) < 200
    assert time.monotonic() - started < 3, "it was ended for its size, not for its time"


def test_a_large_body_is_taken_whole() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n" + b"a" * 3_000_000)
        await writer.drain()
        await reader.readuntil(b"ok")
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return await reader.readuntil(b"ok")

    assert _talk(client, _Slow).startswith(b"HTTP/1.1 200 OK")


def test_who_asks_for_another_protocol_gets_the_answer_of_this_one() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        return await reader.readuntil(b"ok")

    assert _talk(client).startswith(b"HTTP/1.1 200 OK")


def test_requests_go_on_over_one_connection() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        answer = b""
        for _ in range(4):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await reader.readuntil(b"ok")
            await asyncio.sleep(0.06)
        return answer

    assert _talk(client).endswith(b"ok")
