"""The Twilio channel: its options, what it can do, and the way in."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from tidings.channels.protocol import (
    Capabilities,
    ChannelEvent,
    ChannelUnavailable,
    Form,
    HookRequest,
    NotLetIn,
    Option,
    Outgoing,
    Outstanding,
    Receipt,
)
from tidings.channels.twilio.connection import LONGEST, TwilioConnection
from tidings.channels.twilio.hooks import Hook
from tidings.definitions.kinds.channel import Channel

# A message that cannot be: asked for only to learn whether the provider knows us.
_NOBODYS = "SM" + "0" * 32


class TwilioAdapter:
    """Hands text messages to Twilio's Messages call, and reads its signed webhooks."""

    name: ClassVar[str] = "twilio"
    options: ClassVar[tuple[Option, ...]] = (
        Option("account_sid", "text", "the account, AC and 32 hexadecimal digits", required=True),
        Option("auth_token", "text", "the token of the account", required=True, secret=True),
        Option(
            "messaging_service",
            "text",
            "a messaging service (MG…) that picks the number, instead of `sender`",
            "",
        ),
        Option(
            "status_callback",
            "text",
            "the public address of this workspace, where receipts come back; without it they are asked for",
            "",
        ),
        Option("signature", "text", "the name in 【】 that texts for China begin with", ""),
        Option(
            "validity", "whole", "seconds after which an unsent text is given up", lowest=1, highest=36000
        ),
        Option("base_url", "text", "another place to call, a region or a sandbox", "https://api.twilio.com"),
        Option("connect_timeout", "number", "seconds to connect", 10.0, lowest=0.1),
        Option("answer_timeout", "number", "seconds to wait for an answer", 30.0, lowest=0.1),
    )

    def __init__(self, channel: Channel, values: Mapping[str, Any]) -> None:
        self._values = {option.name: option.default for option in self.options} | dict(values)
        self._path = channel.path
        self._base = str(self._values["base_url"]).rstrip("/")
        public = str(self._values["status_callback"]).rstrip("/")
        self._callback = f"{public}/h/{quote(channel.id, safe='')}" if public else ""
        self._hook: Hook | None = None
        self.capabilities = Capabilities(
            kind="sms",
            window=1,
            connections=channel.connections,
            receipts="webhook" if public else "poll",
            form=Form.TEXT,
            inbound=True,
            max_bytes=LONGEST * 4,
        )

    def connect(self) -> TwilioConnection:
        """Ask the provider whether it knows us; raises ChannelUnavailable with one sentence."""
        from twilio.base.exceptions import TwilioRestException

        from tidings.channels.twilio.wire import NotAnswered, NotSent, PatientHttp, api_client

        self._guard_token()
        values = self._values
        http = PatientHttp(self._base, float(values["connect_timeout"]), float(values["answer_timeout"]))
        client = api_client(str(values["account_sid"]), str(values["auth_token"] or ""), http)
        try:
            client.messages(_NOBODYS).fetch()
        except (NotSent, NotAnswered) as error:
            http.close()
            raise ChannelUnavailable(
                f"Twilio cannot be reached at {self._base}: {error}",
                what_to_do=f"try again later, or correct base_url in {self._path}",
            ) from error
        except TwilioRestException as error:
            # It knows us and has no such message: all is well.
            if int(error.status) != 404:
                http.close()
                raise self._refused(int(error.status)) from error
        except Exception as error:
            http.close()
            raise ChannelUnavailable(
                f"what answers at {self._base} is not Twilio ({type(error).__name__})",
                what_to_do=f"correct base_url in {self._path}",
            ) from error
        return TwilioConnection(
            client,
            http,
            messaging_service=str(values["messaging_service"]),
            callback=self._callback,
            validity=int(values["validity"]) if values["validity"] else None,
        )

    def parse_webhook(self, request: HookRequest, now: datetime) -> list[ChannelEvent]:
        """Return the events of a signed call; raises Forged for anything that does not verify."""
        del now  # The provider signs no time.
        if self._hook is None:
            self._hook = Hook(str(self._values["account_sid"]), str(self._values["auth_token"] or ""))
        return self._hook.parse(request)

    def poll(self, outstanding: Sequence[Outstanding]) -> list[ChannelEvent]:
        """Return what the provider says of messages whose name of its own is known.

        A message in doubt has no such name, and the provider's list does not tell our reference: for those there is
        `look_up`, which needs number and text, and the status callback, which carries the reference.
        """
        named = {one.provider_ref: one.reference for one in outstanding if one.provider_ref}
        if not named:
            return []
        times = [one.started_at for one in outstanding if one.provider_ref and one.started_at is not None]
        connection = self.connect()
        try:
            return list(connection.told(named, min(times, default=None), max(times, default=None)))
        except Exception as error:
            raise ChannelUnavailable(
                f"Twilio at {self._base} stopped answering: {type(error).__name__}",
                what_to_do="try again later",
            ) from error
        finally:
            connection.close()

    def look_up(self, outgoing: Outgoing, started_at: datetime) -> Receipt | None:
        """Return what the provider has for a message in doubt, found by number, whole text and time.

        Answered only where exactly one message fits; None proves nothing. Raises ChannelUnavailable.
        """
        connection = self.connect()
        try:
            return connection.looked_up(outgoing, started_at)
        except Exception as error:
            raise ChannelUnavailable(
                f"Twilio at {self._base} stopped answering: {type(error).__name__}",
                what_to_do="try again later",
            ) from error
        finally:
            connection.close()

    def _refused(self, status: int) -> ChannelUnavailable:
        if status in (401, 403):
            return NotLetIn(
                f"Twilio at {self._base} does not know the account or its token",
                what_to_do=f"check account_sid in {self._path} and the variable that `secrets:` names for auth_token",
            )
        return ChannelUnavailable(f"Twilio at {self._base} answers {status}", what_to_do="try again later")

    def _guard_token(self) -> None:
        parts = urlsplit(self._base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ChannelUnavailable(
                f"base_url is not a web address: {self._base}", what_to_do=f"correct it in {self._path}"
            )
        if parts.scheme == "http" and not _loopback(parts.hostname):
            raise ChannelUnavailable(
                f"the token would go to {self._base} in the clear",
                what_to_do=f"write https:// in base_url of {self._path}",
            )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
