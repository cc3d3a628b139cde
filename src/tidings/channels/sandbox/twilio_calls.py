"""Calls of the Twilio sandbox to our webhooks: signed as the provider signs them, one after the other, never beyond loopback."""

from __future__ import annotations

import hmac
import http.client
import queue
import threading
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

_SECONDS = 5.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def signature(token: str, url: str, fields: Mapping[str, str]) -> str:
    """Return the value of X-Twilio-Signature: HMAC-SHA1 over the URL and the sorted fields, in base64."""
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    return b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()


class Caller:
    """Makes the calls in a thread of its own. `answers` holds the status of each (0: none), with its fields."""

    def __init__(self, token: str) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []
        self._token = token
        self._waiting: queue.Queue[tuple[str, dict[str, str]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="twilio-calls", daemon=True)
        self._thread.start()

    def call(self, url: str, fields: Mapping[str, str]) -> None:
        """Make a call soon; a URL that leads away from this machine is left alone."""
        if urlsplit(url).hostname in _LOOPBACK:
            self._waiting.put((url, dict(fields)))

    def settle(self) -> None:
        """Wait until every call has been made."""
        self._waiting.join()

    def close(self) -> None:
        """Make no further calls."""
        self._waiting.put(None)
        self._thread.join(_SECONDS * 2)

    def _work(self) -> None:
        while True:
            task = self._waiting.get()
            try:
                if task is None:
                    return
                self.answers.append((self._made(*task), task[1]))
            finally:
                self._waiting.task_done()

    def _made(self, url: str, fields: dict[str, str]) -> int:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_SECONDS)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Twilio-Signature": signature(self._token, url, fields),
        }
        try:
            connection.request("POST", target, urlencode(fields).encode(), headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
