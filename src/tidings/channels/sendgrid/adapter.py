"""The SendGrid channel: its options, what it can do, and the way in."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from tidings.channels.protocol import (
    Capabilities,
    ChannelEvent,
    ChannelUnavailable,
    Form,
    HookRequest,
    NotLetIn,
    Option,
)
from tidings.channels.sendgrid.connection import SendGridConnection
from tidings.definitions.kinds.channel import Channel

if TYPE_CHECKING:
    from tidings.channels.sendgrid.events import Hook

_HOSTS = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}
# A call carries a whole window: more connections than this only meet the rate limit sooner.
_CONNECTIONS = 4


class SendGridAdapter:
    """Hands messages to the v3 mail/send call, and reads its signed event webhook."""

    name: ClassVar[str] = "sendgrid"
    options: ClassVar[tuple[Option, ...]] = (
        Option("api_key", "text", "the key with the right to send mail", required=True, secret=True),
        Option(
            "webhook_key",
            "text",
            "the public key of the signed event webhook; two with a comma between while it changes",
            secret=True,
        ),
        Option("region", "choice", "where the account's data stay", "global", choices=("global", "eu")),
        Option(
            "base_url", "text", "another place to call instead of the region's, a sandbox for example", ""
        ),
        Option("batch", "whole", "the most messages in one call", 100, lowest=1, highest=1000),
        Option("connect_timeout", "number", "seconds to connect", 10.0, lowest=0.1),
        Option("answer_timeout", "number", "seconds to wait for each piece of an answer", 60.0, lowest=0.1),
        Option("ip_pool", "text", "the pool of addresses to send from", ""),
        Option("tracking", "flag", "let the provider rewrite links and count opens, too", default=False),
        Option(
            "max_bytes",
            "whole",
            "the largest message: its subject, text and HTML",
            5_000_000,
            lowest=1000,
            highest=20_000_000,
        ),
    )

    def __init__(self, channel: Channel, values: Mapping[str, Any]) -> None:
        self._values = {option.name: option.default for option in self.options} | dict(values)
        self._path = channel.path
        self._host = str(self._values["base_url"] or _HOSTS[str(self._values["region"])]).rstrip("/")
        self._hook: Hook | None = None
        self.capabilities = Capabilities(
            kind="email",
            window=int(self._values["batch"]),
            connections=min(channel.connections, _CONNECTIONS),
            receipts="webhook" if self._values["webhook_key"] else "none",
            form=Form.PARTS,
            max_bytes=int(self._values["max_bytes"]),
        )

    def connect(self) -> SendGridConnection:
        """Ask the service whether it knows the key; raises ChannelUnavailable with one sentence."""
        from tidings.channels.sendgrid.wire import NotAnswered, NotSent, api_client

        self._guard_key()
        values = self._values
        api = api_client(
            str(values["api_key"] or ""),
            self._host,
            float(values["connect_timeout"]),
            float(values["answer_timeout"]),
        )
        try:
            status = int(api.client.scopes.get().status_code)
        except (NotSent, NotAnswered, OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ChannelUnavailable(
                f"SendGrid cannot be reached at {self._host}: {reason}",
                what_to_do=f"try again later, or correct region and base_url in {self._path}",
            ) from error
        if status == 401:
            raise NotLetIn(
                f"SendGrid at {self._host} does not know the key",
                what_to_do=f"check the variable that `secrets:` names for api_key in {self._path}",
            )
        if status >= 500:
            raise ChannelUnavailable(
                f"SendGrid at {self._host} answers {status}", what_to_do="try again later"
            )
        return SendGridConnection(
            api,
            most=int(values["max_bytes"]),
            batch=int(values["batch"]),
            ip_pool=str(values["ip_pool"]),
            tracking=bool(values["tracking"]),
        )

    def parse_webhook(self, request: HookRequest, now: datetime) -> list[ChannelEvent]:
        """Return the events of a signed webhook call; raises Forged for anything that does not verify."""
        from tidings.channels.sendgrid.events import Hook

        if self._hook is None:
            self._hook = Hook(str(self._values["webhook_key"] or ""))
        return self._hook.parse(request, now)

    def _guard_key(self) -> None:
        parts = urlsplit(self._host)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ChannelUnavailable(
                f"base_url is not a web address: {self._host}", what_to_do=f"correct it in {self._path}"
            )
        if parts.scheme == "http" and not _loopback(parts.hostname):
            raise ChannelUnavailable(
                f"the key would go to {self._host} in the clear",
                what_to_do=f"write https:// in base_url of {self._path}",
            )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
