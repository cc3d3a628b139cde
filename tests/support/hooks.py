"""A tracker in small: a server on this machine that keeps the calls of a provider."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tidings.channels.protocol import ChannelEvent, Hooked, HookRequest
from tidings.clock import SystemClock


class Hooks:
    """A tracker in small: keeps the calls it gets; refuses the first `refuse` of them."""

    def __init__(self, refuse: int = 0) -> None:
        self.calls: list[HookRequest] = []
        self.refuse = refuse

    def events(self, adapter: Hooked) -> list[ChannelEvent]:
        now = SystemClock().now()
        return [one for call in self.calls for one in adapter.parse_webhook(call, now)]


@contextmanager
def hooks(refuse: int = 0) -> Iterator[tuple[str, Hooks]]:
    kept = Hooks(refuse)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if kept.refuse:
                kept.refuse -= 1
                self.send_response(503)
            else:
                kept.calls.append(HookRequest("", headers, body))
                self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/h/email", kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
