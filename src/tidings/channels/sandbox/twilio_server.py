"""The HTTP side of the Twilio sandbox: paths, login, answers, and the ways of not answering."""

from __future__ import annotations

import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tidings.channels.sandbox.twilio_fates import Fate, Manner

if TYPE_CHECKING:
    from tidings.channels.sandbox.twilio import TwilioSandbox

_PATH = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})/Messages(?:/((?:SM|MM)[0-9a-fA-F]{32}))?\.json")
_SILENCE = 30.0
_PATIENCE = 10.0


class Server:
    """Listens on loopback in threads of its own."""

    def __init__(self, port: int, sandbox: TwilioSandbox) -> None:
        self.ended = threading.Event()
        self._http = _Http(("127.0.0.1", port), _handler(sandbox, self.ended))
        self.port = int(self._http.server_address[1])
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="twilio-sandbox", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        if not self.ended.is_set():
            self.ended.set()
            self._http.shutdown()
            self._http.server_close()
            self._thread.join(_PATIENCE)


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is what some tests are about: no word of it."""


def _handler(sandbox: TwilioSandbox, ended: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _PATIENCE

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if self._silent_at_once():
                return
            if asked.path == "/sandbox/messages":
                self._reply(200, sandbox.listed({}))
                return
            sid = self._place(asked.path)
            if sid is None:
                return
            if not sid:
                query = dict(parse_qsl(asked.query))
                self._page(asked.path, sandbox.listed(query), int(query.get("PageSize", "50")))
                return
            found = sandbox.found(sid)
            if found is None:
                self._error(
                    Fate(status=404, code=20404, message=f"The requested resource {asked.path} was not found")
                )
            else:
                self._reply(200, found)

        def do_POST(self) -> None:
            if self._silent_at_once():
                return
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fields = dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
            asked = urlsplit(self.path)
            if asked.path == "/sandbox/inbound":
                self._reply(200, {"sid": sandbox.hear(fields.get("From", ""), fields.get("Body", ""))})
                return
            sid = self._place(asked.path)
            if sid is None:
                return
            if sid:
                self._error(Fate(status=405, code=20004, message="Method not allowed"))
            else:
                self._create(fields)

        def _create(self, fields: dict[str, str]) -> None:
            fate = sandbox.judge(fields)
            if fate.code:
                self._error(fate, fields.get("To", ""))
                return
            kept = fate.manner not in (Manner.SILENT_AFTER, Manner.CUT_AFTER)
            made = sandbox.take(fields, fate) if kept else {}
            if fate.manner in (Manner.SILENT_AFTER, Manner.TAKE_AND_SILENT):
                self._silence()
            elif fate.manner in (Manner.CUT_AFTER, Manner.TAKE_AND_CUT):
                self._cut()
            elif fate.manner is Manner.TAKE_AND_FAIL:
                self._error(Fate(status=500, code=20500, message="Internal server error"))
            else:
                self._reply(201, made)
                if fate.manner is Manner.TAKE_AND_CLOSE:
                    self._cut()

        def _silent_at_once(self) -> bool:
            silent = sandbox.answer is not None and sandbox.answer.manner is Manner.SILENT_AT_ONCE
            if silent:
                self._silence()
            return silent

        def _place(self, path: str) -> str | None:
            """Return the message that a path names, empty for all of them; None when an error was answered."""
            found = _PATH.fullmatch(path)
            if not sandbox.knows(self.headers.get("Authorization")):
                self._error(Fate(status=401, code=20003, message="Authenticate"))
            elif found is None or found[1] != sandbox.account_sid:
                self._error(
                    Fate(status=404, code=20404, message=f"The requested resource {path} was not found")
                )
            else:
                return found[2] or ""
            return None

        def _page(self, path: str, messages: list[dict[str, Any]], size: int) -> None:
            shown = messages[: max(size, 1)]
            page = {"end": len(shown) - 1, "first_page_uri": path, "next_page_uri": None, "page": 0}
            page |= {"page_size": size, "previous_page_uri": None, "start": 0, "uri": path, "messages": shown}
            self._reply(200, page)

        def _silence(self) -> None:
            ended.wait(_SILENCE)
            self.close_connection = True

        def _cut(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def _error(self, fate: Fate, to: str = "") -> None:
            body = {
                "code": fate.code,
                "message": fate.message.replace("{to}", to),
                "more_info": f"https://www.twilio.com/docs/errors/{fate.code}",
                "status": fate.status,
            }
            self._reply(fate.status, body, {"Retry-After": "2"} if fate.status == 429 else {})

        def _reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """What was asked stands in the sandbox itself."""

    return Handler
