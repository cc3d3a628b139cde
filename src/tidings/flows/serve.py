"""`tidings serve`: one listening socket, one lock, two children."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tidings.clock import Clock
from tidings.config.settings import Settings
from tidings.errors import TidingsError, UsageError
from tidings.flows.supervisor import Child, Say, Supervisor
from tidings.tokens.api_keys import ApiKeys
from tidings.tokens.keyring import KeyRing

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8200


def serve(
    settings: Settings,
    *,
    clock: Clock,
    say: Say,
    announce: Say,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    web_only: bool = False,
) -> None:
    """Run the tracker and (unless `web_only`) the worker until SIGTERM or Ctrl-C.

    `announce` gets the address once the socket listens; port 0 takes a free one. Raises TidingsError when the port is taken,
    another `serve` runs for this workspace and environment, or there are no keys.
    """
    environment = settings.environment.name
    KeyRing.load(settings.data_dir, environment=environment)
    ApiKeys.load()
    listening = open_socket(host, port)
    try:
        address = address_of(listening)
        if web_only:
            announce(address)
            _supervise([_web(settings, listening)], clock, say)
            return
        with _only_one(settings.data_dir / f"serve-{environment}.lock", address):
            announce(address)
            _supervise([_web(settings, listening), _child(settings, "worker")], clock, say)
    finally:
        listening.close()


def open_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises UsageError or TidingsError with the way out when that is impossible."""
    if not 0 <= port <= 65535:
        raise UsageError(
            f"{port} is no port", what_to_do="Choose one from 1024 to 65535, or 0 for a free one."
        )
    try:
        family, kind, _, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):
        raise UsageError(
            f'"{host}" port {port} is no address of this machine',
            what_to_do="Leave --host out to listen here only.",
        ) from None
    # With the protocol named, asyncio sets TCP_NODELAY; without, head and body of an answer wait 40 ms apart.
    listening = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(2048)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise TidingsError(
                f"port {port} of {host} is taken by another program, perhaps another `tidings serve`",
                what_to_do=f"Stop it, or choose another port: tidings serve --port {port + 1 if port < 65535 else 0}",
                code="port-taken",
            ) from None
        raise TidingsError(
            f"port {port} of {host} cannot be opened: {error.strerror}",
            what_to_do="Choose a port above 1023 and an address of this machine.",
            code="port-refused",
        ) from None
    return listening


def address_of(listening: socket.socket) -> str:
    """Return the address of a listening socket as people type it."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _web(settings: Settings, listening: socket.socket) -> Child:
    return _child(settings, "web", listening)


def _child(settings: Settings, name: str, listening: socket.socket | None = None) -> Child:
    command = [sys.executable, "-m", "tidings.cli.main", "serve", "--child", name, "--lifeline", "{lifeline}"]
    command += ["--environment", settings.environment.name]
    # The children load the same workspace as we did, wherever this was called from.
    variables = (("TIDINGS_WORKSPACE", str(settings.root.resolve())),)
    if listening is None:
        return Child(name, tuple(command), variables=variables)
    command += ["--socket", str(listening.fileno())]
    return Child(name, tuple(command), (listening.fileno(),), variables)


def _supervise(children: list[Child], clock: Clock, say: Say) -> None:
    with stopping() as stop:
        Supervisor(children, clock=clock, say=say).run(stop)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and Ctrl-C set; the handlers before are put back at the end."""
    stop = threading.Event()

    def ask(signum: int, frame: Any) -> None:
        stop.set()

    before = [(number, signal.signal(number, ask)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield stop
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextmanager
def _only_one(path: Path, address: str) -> Iterator[None]:
    """Hold the lock of one workspace and environment; the kernel gives it up when this process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _already(file) from None
        file.truncate(0)
        file.write(json.dumps({"process": os.getpid(), "address": address}))
        file.flush()
        yield


def _already(file: IO[str]) -> TidingsError:
    file.seek(0)
    try:
        other = json.loads(file.read())
        who = f" (process {other['process']}, {other['address']})"
    except (ValueError, KeyError, TypeError):
        who = ""
    return TidingsError(
        f"`tidings serve` is already running for this workspace and environment{who}",
        what_to_do="One is enough. To start it anew, stop that process first.",
        code="already-serving",
    )
