"""The demo's telephones as a process of their own: the Twilio sandbox, whose owners follow links and say stop.

Started as `python -m tidings.cli.demo.phones HOOK`; prints its port and takes texts. For each line that comes in it
finishes its calls back and what its owners are still doing and prints what happened so far as JSON; at the end of its
input it ends. Receipts and answers go to the tracker, signed as the provider signs them.
"""

from __future__ import annotations

import http.client
import json
import queue
import re
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

from tidings.channels.sandbox.twilio import TwilioSandbox
from tidings.channels.sandbox.twilio_calls import Caller
from tidings.channels.sandbox.twilio_fates import TAKE, Fate, keyword_of
from tidings.cli.demo.people import person
from tidings.cli.demo.reaching import Reached, number_in, reached
from tidings.cli.demo.shop import ClockBehind

_LINK = re.compile(r"https?://[^\s/]+/s/\S+")
_AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
)
_INVALID = Fate(status=400, code=21614, message="'To' number {to} is not a valid mobile number")
_DEAD = Fate(last="undelivered", error=30005)
_LINES, _CALLS = 6, 4


class Phones(TwilioSandbox):
    """The provider with all telephones behind it."""

    def __init__(self, hook_url: str) -> None:
        super().__init__(hook_url=hook_url, fates={}, clock=ClockBehind())
        self.caller.close()
        self.caller = _SeveralLines(self.auth_token)
        self.did: Counter[str] = Counter()
        # Our name of each text on a telephone, and what each telephone has got since it said stop.
        self.kept: list[str] = []
        self.after_stop: dict[str, list[str]] = {}
        self._texts: Counter[str] = Counter()
        self._hands = threading.Lock()
        self._links: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._follow, name="owners", daemon=True).start()

    def judge(self, fields: dict[str, str]) -> Fate:
        """Return the fate of a text: by the number that it goes to."""
        fate = super().judge(fields)
        if fate is not TAKE:
            return fate
        way = _way(fields["To"]).number
        if way == "invalid":
            with self._hands:
                self.did["refused"] += 1
            return _INVALID
        return _DEAD if way == "dead" else TAKE

    def take(self, fields: dict[str, str], fate: Fate = TAKE) -> dict[str, Any]:
        """Keep a text and let its owner do what they do."""
        made = super().take(fields, fate)
        to, body = fields["To"], fields["Body"]
        with self._hands:
            self.did["taken"] += 1
            if fate.last != "delivered":
                self.did["undelivered"] += 1
                return made
            self._texts[to] += 1
            first = self._texts[to] == 1
            self.kept.append(parse_qs(urlsplit(fields.get("StatusCallback", "")).query).get("r", [""])[0])
            if to in self.after_stop:
                self.after_stop[to].append(body)
        way = _way(to)
        if first and way.follows:
            for link in _LINK.findall(body):
                self._links.put(link.rstrip(".,。，"))
        if first and way.stops:
            self._stop(to, way)
        return made

    def _stop(self, phone: str, way: Reached) -> None:
        with self._hands:
            self.after_stop[phone] = []
            if keyword_of(way.stops) == "STOP":
                # A word that the provider knows by itself it also answers by itself.
                self.after_stop[phone].append("You have been unsubscribed. Reply START to resubscribe.")
                self.did["confirmed by the provider"] += 1
        for _ in range(2 if way.insists else 1):
            self.hear(phone, way.stops)

    def settle(self) -> None:
        """Wait until nobody has anything left to do."""
        self._links.join()
        super().settle()

    def so_far(self) -> dict[str, Any]:
        """Return what arrived and what was done."""
        with self._hands:
            after = self.after_stop.values()
            refused = [status for status, _ in self.caller.answers if not 200 <= status < 300]
            return {
                **self.did,
                "kept": list(self.kept),
                "said stop": len(self.after_stop),
                "confirmed once": sum(
                    1 for texts in after if len([one for one in texts if not _LINK.search(one)]) == 1
                ),
                "texts after stop": sum(1 for texts in after for one in texts if _LINK.search(one)),
                "calls back refused": len(refused),
            }

    def _follow(self) -> None:
        while True:
            link = self._links.get()
            try:
                parts = urlsplit(link)
                connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
                connection.request("GET", parts.path, headers={"User-Agent": _AGENT})
                status = connection.getresponse().status
                connection.close()
                with self._hands:
                    self.did["followed" if status == 302 else f"answered {status}"] += 1
            except OSError as error:
                with self._hands:
                    self.did[f"failed: {type(error).__name__}"] += 1
            finally:
                self._links.task_done()


class _Patient(Caller):
    """Calls again where nobody answered, as providers do."""

    def _made(self, url: str, fields: dict[str, str]) -> int:
        status = 0
        for _ in range(_CALLS):
            status = super()._made(url, fields)
            if 0 < status < 500:
                break
        return status


class _SeveralLines(Caller):
    """Several callers side by side; what is told of one message stays in order."""

    def __init__(self, token: str) -> None:
        self._lines = [_Patient(token) for _ in range(_LINES)]

    @property
    def answers(self) -> list[tuple[int, dict[str, str]]]:  # type: ignore[override]
        return [one for line in self._lines for one in line.answers]

    def call(self, url: str, fields: Mapping[str, str]) -> None:
        self._lines[crc32(fields["MessageSid"].encode()) % _LINES].call(url, fields)

    def settle(self) -> None:
        for line in self._lines:
            line.settle()

    def close(self) -> None:
        for line in self._lines:
            line.close()


def _way(phone: str) -> Reached:
    return reached(person(number_in(phone)))


def serve(hook_url: str) -> None:
    """Take texts until the input ends; for each line of it say what happened so far."""
    with Phones(hook_url) as phones:
        print(f"port {phones.port}", flush=True)
        # When the demo dies its input ends, and its telephones do not stay behind.
        while sys.stdin.readline():
            phones.settle()
            print(json.dumps(phones.so_far()), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
