"""The service's own client with what it lacks: two timeouts, no redirects, and knowing whether the request went out.

Imported only when a connection is made, because the client is slow to load.
"""

from __future__ import annotations

import http.client
import logging
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from python_http_client.client import Client
from sendgrid import SendGridAPIClient

_MOST = 65_536

# At this level the client writes down headers with the key, and bodies with addresses.
logging.getLogger("python_http_client.client").setLevel(logging.INFO)


class NotSent(Exception):
    """The request did not go out whole: the service cannot have acted on it."""


class NotAnswered(Exception):
    """The request went out whole and no answer came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the service; `headers` with names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class _Exchange:
    """One request on its way."""

    connect_timeout: float
    answer_timeout: float
    written: bool = field(default=False)


def api_client(key: str, host: str, connect_timeout: float, answer_timeout: float) -> SendGridAPIClient:
    """Return the client for `host` (scheme and name, without a slash at the end); both timeouts in seconds.

    The client's own setter for regions is never used: it would drop the host.
    """
    api = SendGridAPIClient(key, host=host)
    api.client = _PatientClient(
        host=host, request_headers=api._default_headers, version=3, timeout=answer_timeout
    )
    api.client.connect_timeout = connect_timeout
    return api


class _PatientClient(Client):  # type: ignore[misc]
    """Answers with an `Answer` for every status, or raises NotSent or NotAnswered."""

    connect_timeout: float = 10.0

    def _build_client(self, name: str | None = None) -> _PatientClient:
        made = _PatientClient(
            host=self.host,
            version=self._version,
            # A copy: the plain client shares one dictionary between threads and writes to it.
            request_headers=dict(self.request_headers),
            url_path=[*self._url_path, name] if name else self._url_path,
            timeout=self.timeout,
        )
        made.connect_timeout = self.connect_timeout
        return made

    def _make_request(
        self, opener: object, request: urllib.request.Request, timeout: Any = None
    ) -> _Response:
        exchange = _Exchange(self.connect_timeout, float(timeout or self.timeout))
        ours = urllib.request.build_opener(_NoRedirect, _Http(exchange), _Https(exchange))
        try:
            reply: Any = ours.open(request, timeout=exchange.connect_timeout)
        except urllib.error.HTTPError as error:
            reply = error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            text = str(reason) or type(reason).__name__
            raise (NotAnswered(text) if exchange.written else NotSent(text)) from error
        with reply:
            return _Response(reply)


class _Response:
    """What the client expects of an answer, read to a limit; a status that came counts even where the rest is lost."""

    def __init__(self, reply: Any) -> None:
        self._status = int(reply.status)
        self._headers: Message = reply.headers
        try:
            self._body = bytes(reply.read(_MOST))
        except (OSError, http.client.HTTPException):
            self._body = b""

    def getcode(self) -> int:
        return self._status

    def read(self) -> bytes:
        return self._body

    def info(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self._headers.items()}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host and turn the POST into a GET."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Watched(http.client.HTTPConnection):
    """Waits one time to connect and another to be answered, and says when the whole request has been written."""

    exchange: _Exchange

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(self.exchange.answer_timeout)

    def request(self, *words: Any, **named: Any) -> None:
        super().request(*words, **named)
        self.exchange.written = True


class _WatchedTls(http.client.HTTPSConnection):
    exchange: _Exchange

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(self.exchange.answer_timeout)

    def request(self, *words: Any, **named: Any) -> None:
        super().request(*words, **named)
        self.exchange.written = True


class _Http(urllib.request.HTTPHandler):
    def __init__(self, exchange: _Exchange) -> None:
        super().__init__()
        self._kind: Any = type("_Connection", (_Watched,), {"exchange": exchange})

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._kind, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, exchange: _Exchange) -> None:
        super().__init__()
        self._kind: Any = type("_Connection", (_WatchedTls,), {"exchange": exchange})

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._kind, req)
