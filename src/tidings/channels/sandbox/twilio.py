"""A Twilio to try things against: it takes calls on loopback, keeps what it took, fails on demand, and calls back.

What it does with a message stands in `twilio_fates`, by the last four digits of the number. Nobody gets a text.

    POST /2010-04-01/Accounts/AC…/Messages.json      as the provider's own
    GET  /2010-04-01/Accounts/AC…/Messages[/SM…].json
    GET  /sandbox/messages                           what was taken
    POST /sandbox/inbound   From=…&Body=STOP         somebody answers
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import blake2b
from typing import Any, Self

from tidings import gsm
from tidings.channels.sandbox.twilio_calls import Caller
from tidings.channels.sandbox.twilio_fates import FATES, TAKE, Fate, fate_of, keyword_of, wrong_in
from tidings.channels.sandbox.twilio_server import Server
from tidings.clock import Clock, SystemClock

ACCOUNT = "AC" + "5a" * 16
TOKEN = "sandbox-token"  # noqa: S105
NUMBER = "+15005550006"
_PRICE = "-0.00790"
_VERSION = "2010-04-01"


class TwilioSandbox:
    """The server; use it as a context manager, or call `close`.

    `answer` is the fate of every message from now on and may be set while it runs; None leaves it to the number. `fates`
    are fates by the last four digits. `hook_url` is where answers of people go (statuses go where each message says). `duplicate`: every call back is made
    twice; `reorder`: the last status is told first. `limit` messages are taken in each second; more get 429.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        account_sid: str = ACCOUNT,
        auth_token: str = TOKEN,
        hook_url: str = "",
        fates: Mapping[str, Fate] | None = None,
        answer: Fate | None = None,
        limit: int = 0,
        duplicate: bool = False,
        reorder: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.account_sid, self.auth_token = account_sid, auth_token
        self.hook_url = hook_url
        self.answer = answer
        self.fates = dict(FATES if fates is None else fates)
        self.duplicate, self.reorder = duplicate, reorder
        self.clock = clock or SystemClock()
        self.caller = Caller(auth_token)
        # What was asked, in the provider's names, and the messages taken, in the order of taking.
        self.requests: list[dict[str, str]] = []
        self.messages: list[dict[str, Any]] = []
        self.opted_out: set[str] = set()
        self._login = "Basic " + b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._limit, self._second, self._taken = limit, 0, 0
        self._lock = threading.Lock()
        self._server = Server(port, self)
        self.port = self._server.port

    @property
    def url(self) -> str:
        """Return what stands as `base_url` in a channel."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop taking calls and making them; may be called twice."""
        self._server.close()
        self.caller.close()

    def settle(self) -> None:
        """Wait until every call back has been made."""
        self.caller.settle()

    def knows(self, authorization: str | None) -> bool:
        """Tell whether a call carries the account and its token."""
        return authorization == self._login

    def judge(self, fields: dict[str, str]) -> Fate:
        """Note a call and return its fate."""
        with self._lock:
            self.requests.append(fields)
            wrong = wrong_in(fields)
            if wrong is not None:
                return wrong
            if self._over_limit():
                return Fate(status=429, code=20429, message="Too Many Requests")
            if self.answer is not None:
                return self.answer
            if fields["To"] in self.opted_out:
                return self.fates.get("0004", FATES["0004"])
            return fate_of(fields["To"], self.fates)

    def _over_limit(self) -> bool:
        second = int(self.clock.now().timestamp())
        if second != self._second:
            self._second, self._taken = second, 0
        self._taken += 1
        return bool(self._limit) and self._taken > self._limit

    def take(self, fields: dict[str, str], fate: Fate = TAKE) -> dict[str, Any]:
        """Keep a message, tell what becomes of it, and return it as the call is answered: queued."""
        with self._lock:
            made = self._resource(fields, len(self.messages) + 1)
            self.messages.append(made)
            answer = dict(made)
            # The line of time is short here: the message has its last status before anybody asks for it.
            made |= {"status": fate.last, "error_code": fate.error, "price": _PRICE, "price_unit": "USD"}
            made["date_sent"] = made["date_created"]
        callback = fields.get("StatusCallback", "")
        if callback:
            self._tell(callback, answer, fate)
        return answer

    def _tell(self, callback: str, message: Mapping[str, Any], fate: Fate) -> None:
        steps: list[tuple[str, int | None]] = [("queued", None), ("sent", None), (fate.last, fate.error)]
        for status, error in reversed(steps) if self.reorder else steps:
            fields = {
                "AccountSid": self.account_sid,
                "ApiVersion": _VERSION,
                "From": str(message["from"] or NUMBER),
                "MessageSid": str(message["sid"]),
                "MessageStatus": status,
                "SmsSid": str(message["sid"]),
                "SmsStatus": status,
                "To": str(message["to"]),
            }
            if error is not None:
                fields["ErrorCode"] = str(error)
            for _ in range(2 if self.duplicate else 1):
                self.caller.call(callback, fields)

    def hear(self, sender: str, text: str, recipient: str = NUMBER) -> str:
        """Take an answer of somebody, act on STOP and START as the provider does, and pass it on; return its name."""
        keyword = keyword_of(text)
        with self._lock:
            if keyword == "STOP":
                self.opted_out.add(sender)
            elif keyword == "START":
                self.opted_out.discard(sender)
            digest = blake2b(f"{sender}{text}{len(self.requests)}".encode(), digest_size=8)
            self.requests.append({"From": sender, "Body": text})
        fields = {
            "AccountSid": self.account_sid,
            "ApiVersion": _VERSION,
            "Body": text,
            "From": sender,
            "MessageSid": "SM" + digest.hexdigest().rjust(32, "0"),
            "NumMedia": "0",
            "NumSegments": str(_segments(text)),
            "SmsStatus": "received",
            "To": recipient,
        }
        fields["SmsSid"] = fields["MessageSid"]
        if keyword:
            fields["OptOutType"] = keyword
        if self.hook_url:
            for _ in range(2 if self.duplicate else 1):
                self.caller.call(self.hook_url, fields)
        return fields["MessageSid"]

    def found(self, sid: str) -> dict[str, Any] | None:
        """Return a message by its name."""
        with self._lock:
            return next((one for one in self.messages if one["sid"] == sid), None)

    def listed(self, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the messages to and from a number and sent within a time, the newest first."""
        with self._lock:
            return [
                one
                for one in reversed(self.messages)
                if all(one[name.lower()] == asked[name] for name in ("To", "From") if asked.get(name))
                and _within(str(one["date_sent"]), asked)
            ]

    def _resource(self, fields: Mapping[str, str], number: int) -> dict[str, Any]:
        now = format_datetime(self.clock.now())
        sid = "SM" + blake2b(f"{self.port}.{number}".encode(), digest_size=16).hexdigest()
        path = f"/{_VERSION}/Accounts/{self.account_sid}/Messages/{sid}"
        service = fields.get("MessagingServiceSid")
        return {
            "account_sid": self.account_sid,
            "api_version": _VERSION,
            "body": fields["Body"],
            "date_created": now,
            "date_sent": None,
            "date_updated": now,
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": fields.get("From") or (NUMBER if service else None),
            "messaging_service_sid": service,
            "num_media": "0",
            "num_segments": str(_segments(fields["Body"])),
            "price": None,
            "price_unit": "USD",
            "sid": sid,
            "status": "accepted" if service else "queued",
            "subresource_uris": {"media": f"{path}/Media.json"},
            "to": fields["To"],
            "uri": f"{path}.json",
        }


def _within(sent: str, asked: Mapping[str, str]) -> bool:
    """Tell whether a message was sent within the time asked for."""
    at = parsedate_to_datetime(sent)
    low, high = asked.get("DateSent>"), asked.get("DateSent<")
    return (not low or at >= datetime.fromisoformat(low)) and (not high or at <= datetime.fromisoformat(high))


def _segments(text: str) -> int:
    """Return about how many segments a text takes; the provider bills what it cuts, which this does not do."""
    if gsm.fits(text):
        units, one, many = len(gsm.encode(text)), 160, 153
    else:
        units, one, many = len(text.encode("utf-16-le", "replace")) // 2, 70, 67
    return 1 if units <= one else -(-units // many)
