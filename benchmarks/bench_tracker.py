"""Requests per processor second of the tracker, beside an ASGI application that only answers.

    python benchmarks/bench_tracker.py [seconds]

Each server runs in a process of its own on the same uvicorn; its processor time is read from the kernel, so that the
load of the machine hardly matters. The clients keep connections open. Every redirect and pixel counted was durable in the
spool when it was answered; the number of records found there is printed beside the number of answers.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from tidings.clock import SystemClock
from tidings.responses.group import GroupCommit
from tidings.responses.spool import SpoolWriter, read_chunk, waiting_files
from tidings.responses.tracker import make_app
from tidings.tokens.keyring import KeyRing
from tidings.tokens.links import Minter, Verifier

RING = KeyRing.from_text("bench:" + "5a" * 32)
CONNECTIONS = 64
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"


async def bare(scope, receive, send):
    """Answer everything with the size of a pixel, and know nothing."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [(b"content-type", b"image/gif"), (b"content-length", b"43")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * 43})


def serve(listening: socket.socket, folder: str | None, pipe) -> None:
    """Serve in this process until the pipe is written to; answer with the processor seconds used meanwhile."""
    import uvicorn

    app = bare
    if folder is not None:
        spool = GroupCommit(SpoolWriter(Path(folder), SystemClock()))
        app = make_app(RING, spool, clock=SystemClock(), title="Bench")
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, server_header=False))

    def watch() -> None:
        pipe.recv()
        begun = resource.getrusage(resource.RUSAGE_SELF)
        pipe.send(None)
        pipe.recv()
        ended = resource.getrusage(resource.RUSAGE_SELF)
        pipe.send(ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime)
        pipe.recv()
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    server.run(sockets=[listening])


async def load(port: int, requests: list[bytes], seconds: float) -> int:
    """Send requests over connections kept open and return how many were answered."""
    deadline = time.monotonic() + seconds
    answered = 0

    async def client(number: int) -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        place = number
        while time.monotonic() < deadline:
            writer.write(requests[place % len(requests)])
            place += 1
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            if length:
                await reader.readexactly(length)
            assert head.split()[1] in (b"200", b"302"), head
            answered += 1
        writer.close()

    await asyncio.gather(*[client(number) for number in range(CONNECTIONS)])
    return answered


def measure(paths: list[str], seconds: float, *, tracked: bool) -> tuple[int, float, int]:
    """Return answers, processor seconds of the server, and records in the spool."""
    context = multiprocessing.get_context("spawn")
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    port = listening.getsockname()[1]
    head = f"HTTP/1.1\r\nHost: t\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\nAccept-Language: en\r\n\r\n"
    requests = [f"GET {path} {head}".encode() for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(listening, folder if tracked else None, theirs))
        process.start()
        asyncio.run(load(port, requests, 0.5))
        kept = records(Path(folder))
        ours.send(None)
        ours.recv()
        answered = asyncio.run(load(port, requests, seconds))
        ours.send(None)
        used = ours.recv()
        ours.send(None)
        process.join()
        listening.close()
        return answered, used, records(Path(folder)) - kept


def records(folder: Path) -> int:
    """Count the records of a spool."""
    found = 0
    for path in waiting_files(folder):
        offset = 0
        while (chunk := read_chunk(path, offset, 10_000)).records:
            found += len(chunk.records)
            offset = chunk.next_offset
    return found


def main() -> None:
    """Measure and print one line each."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    minter, verifier = Minter(RING), Verifier(RING)
    target = "https://shop.example/garden?utm_source=mail"
    opens = [f"/o/{minter.mint('open', n)}.gif" for n in range(1, 2_000)]
    clicks = [f"/c/{minter.mint('click', n, target)}" for n in range(1, 2_000)]
    import uvicorn
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    print(
        f"uvicorn {uvicorn.__version__} ({AutoHTTPProtocol.__name__}), {os.cpu_count()} cores, {seconds:g} s each"
    )
    print(f"{'':10}{'answers':>10}{'us/request':>12}{'per cpu-s':>11}{'durable':>10}")
    for name, paths, tracked in (
        ("bare ASGI", opens, False),
        ("pixel", opens, True),
        ("click", clicks, True),
    ):
        answered, used, kept = measure(paths, seconds, tracked=tracked)
        durable = f"{kept:>10,}" if tracked else ""
        print(f"{name:10}{answered:>10,}{used / answered * 1e6:>12.1f}{answered / used:>11,.0f}{durable}")
        assert not tracked or kept >= answered, "an answer was not durable"
    begun = time.process_time()
    tokens = [minter.mint("click", n, target) for n in range(20_000)]
    minted = time.process_time()
    for token in tokens:
        verifier.verify("click", token)
    print(
        f"mint {(minted - begun) / 20_000 * 1e6:.2f} us, verify {(time.process_time() - minted) / 20_000 * 1e6:.2f} us"
    )


if __name__ == "__main__":
    main()
