"""The provider's own client with what it lacks: another host, two timeouts, and knowing whether the request went out.

Imported only when a connection is made, because the client is slow to load.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

# Below this level the client writes down numbers and texts.
logging.getLogger("twilio.http_client").setLevel(logging.WARNING)


class NotSent(Exception):
    """The request did not go out whole: the provider cannot have acted on it."""


class NotAnswered(Exception):
    """The request went out whole and no usable answer came."""


class PatientHttp(TwilioHttpClient):  # type: ignore[misc]
    """Sends every request to `base_url`; raises NotSent or NotAnswered. One for each thread.

    `last_status` and `last_retry_after` are those of the last answer, 0 and None where there was none.
    """

    def __init__(self, base_url: str, connect_timeout: float, answer_timeout: float) -> None:
        super().__init__()
        self._base = urlsplit(base_url.rstrip("/"))
        # Requests takes two: to connect, and for each piece of the answer.
        self.timeout = (connect_timeout, answer_timeout)
        self.last_status = 0
        self.last_retry_after: float | None = None
        self._sent = _Sent()
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, _Adapter(self._sent))

    def request(self, method: str, url: str, *words: Any, **named: Any) -> Any:
        """Make one call to our host instead of the one in `url`."""
        asked = urlsplit(url)
        path = self._base.path + asked.path
        target = urlunsplit((self._base.scheme, self._base.netloc, path, asked.query, ""))
        self._sent.whole, self.last_status, self.last_retry_after = False, 0, None
        try:
            response = super().request(method, target, *words, **named)
        except (RequestException, OSError) as error:
            reason = _reason(error)
            raise (NotAnswered(reason) if self._sent.whole else NotSent(reason)) from error
        self.last_status = int(response.status_code)
        wait = str((response.headers or {}).get("Retry-After", ""))
        self.last_retry_after = float(wait) if wait.isascii() and wait.isdigit() else None
        return response

    def close(self) -> None:
        """Close what is kept open; never raises."""
        self.session.close()


def api_client(account: str, token: str, http: PatientHttp) -> Client:
    """Return the client of an account; nothing of it comes from variables of the process."""
    return Client(account, token, http_client=http, environment={"TWILIO_ACCOUNT_SID": account})


class _Sent:
    """Whether the request on its way has been written whole."""

    whole = False


class _Adapter(HTTPAdapter):
    """One kept connection that says when a request has been written; never tries anything again by itself."""

    def __init__(self, sent: _Sent) -> None:
        mark = {"sent": sent}
        plain = type("_Plain", (_Watched, HTTPConnection), mark)
        tls = type("_Tls", (_Watched, HTTPSConnection), mark)
        self._pools = {
            "http": type("_PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("_TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *words: Any, **named: Any) -> None:
        super().init_poolmanager(*words, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *words: Any, **named: Any) -> Any:
        manager = super().proxy_manager_for(*words, **named)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _Watched:
    """Notes when the last octet of a request has been handed to the machine."""

    sent: _Sent

    def request(self, *words: Any, **named: Any) -> None:
        super().request(*words, **named)  # type: ignore[misc]
        self.sent.whole = True


def _reason(error: Exception) -> str:
    """Return the innermost reason in one line, without the address that was called."""
    seen: BaseException = error
    while seen.__cause__ is not None or seen.__context__ is not None:
        seen = seen.__cause__ or seen.__context__ or seen
    words = seen.strerror if isinstance(seen, OSError) and seen.strerror else str(seen)
    return " ".join(words.split())[:200] or type(seen).__name__
