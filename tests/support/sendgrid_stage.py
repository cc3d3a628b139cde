"""SendGrid played by the sandbox, for the conformance kit and for tests of the adapter."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from support.hooks import hooks
from support.smtp_servers import free_port
from tidings.channels.conformance import Behaviour
from tidings.channels.protocol import Adapter, ChannelEvent, EmailParts, HookRequest, Outgoing
from tidings.channels.sandbox.sendgrid import SendGridSandbox
from tidings.channels.sandbox.sendgrid_events import EventKey, Received
from tidings.channels.sandbox.sendgrid_rules import Answer
from tidings.channels.sendgrid import SendGridAdapter
from tidings.definitions.kinds.channel import Channel

CHANNEL = Channel("email", "E-mail", "channels/email.yaml", "sendgrid", sender="Shop <shop@example.com>")
SENDER = "Shop <shop@example.com>"

ANSWERS = {
    Behaviour.ACCEPTS: Answer.TAKE,
    Behaviour.REJECTS_RECIPIENT: Answer.REJECT_RECIPIENT,
    Behaviour.REJECTS_CONTENT: Answer.REJECT_CONTENT,
    Behaviour.REJECTS_CONFIG: Answer.REJECT_SENDER,
    Behaviour.THROTTLES: Answer.THROTTLE,
    Behaviour.FAILS_FOR_NOW: Answer.UNAVAILABLE,
    Behaviour.CUTS_IN_BODY: Answer.CUT_IN_BODY,
    Behaviour.CUTS_AFTER_BODY: Answer.CUT_AFTER_BODY,
    Behaviour.SILENT_AFTER_BODY: Answer.SILENT_AFTER_BODY,
    # Every call is a connection of its own.
    Behaviour.CLOSES_WHEN_IDLE: Answer.TAKE,
    Behaviour.HANGS: Answer.SILENT,
}


def values(base_url: str, **more: Any) -> dict[str, Any]:
    """Return option values for a server on this machine, with short timeouts."""
    return {
        "api_key": "SG.sandbox",
        "base_url": base_url,
        "connect_timeout": 0.5,
        "answer_timeout": 0.5,
        "max_bytes": 10_000_000,
        **more,
    }


class SendGridStage:
    """The sandbox behaving as told.

    Whether a call was cut before or after its body was read cannot be told from this side once it is written, so what
    happens before the body is left out: the adapter says in doubt there, too.
    """

    kind = "email"
    behaviours = frozenset(
        {*ANSWERS, Behaviour.DOWN, Behaviour.TELLS, Behaviour.TELLS_TWICE, Behaviour.FORGES}
    )

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._sandbox: SendGridSandbox | None = None

    def adapter(self, behaviour: Behaviour) -> Adapter:
        self._sandbox = None
        if behaviour is Behaviour.DOWN:
            return SendGridAdapter(CHANNEL, values(f"http://127.0.0.1:{free_port()}"))
        self._sandbox = self._stack.enter_context(SendGridSandbox(answer=ANSWERS[behaviour]))
        return SendGridAdapter(CHANNEL, values(self._sandbox.url, webhook_key=self._sandbox.public_key))

    def received(self) -> list[bytes]:
        return [] if self._sandbox is None else [_written(one) for one in self._sandbox.received]

    def outgoing(self, number: int, recipient: str, payload: bytes | None) -> Outgoing:
        text = f"Dear customer {number}" if payload is None else payload.decode()
        headers = (("List-Unsubscribe", f"<https://t.shop.example/u/{number}>"),)
        parts = EmailParts(
            SENDER, f"Spring {number}", text, f"<p>Dear customer {number}</p>", headers=headers
        )
        reference = f"abc123-{number}"
        return Outgoing(number, "shop@example.com", recipient, text.encode(), parts, reference)

    def same(self, sent: Outgoing, got: bytes) -> bool:
        parts = sent.parts
        assert parts is not None
        head = {"Subject": parts.subject, **dict(parts.headers)}
        return got == _written_out(head, sent.reference, parts.text, parts.html or "")

    def told(self, behaviour: Behaviour) -> list[ChannelEvent]:
        """Submit one message; return what the webhook told the adapter about it."""
        twice = behaviour is Behaviour.TELLS_TWICE
        with hooks() as (url, kept):
            sandbox = SendGridSandbox(hook_url=url, duplicate=1.0 if twice else 0.0, reorder=twice)
            self._stack.enter_context(sandbox)
            adapter = SendGridAdapter(CHANNEL, values(sandbox.url, webhook_key=sandbox.public_key))
            adapter.connect().submit(self.outgoing(1, "anna@example.com", None))
            assert sandbox.caller is not None
            assert sandbox.caller.flush()
            return kept.events(adapter)

    def forgeries(self) -> list[HookRequest]:
        """Return calls that do not verify at 2 March 2027, 09:00 UTC, although some are signed."""
        assert self._sandbox is not None
        stamp, old = "1803978000", "1803977600"
        body = b'[{"event":"delivered","mid":"abc123-1","sg_event_id":"x"}]\r\n'
        key, other = self._sandbox.key, EventKey()

        def call(signature: str, at: str = stamp, told: bytes = body) -> HookRequest:
            headers = {
                "x-twilio-email-event-webhook-signature": signature,
                "x-twilio-email-event-webhook-timestamp": at,
            }
            return HookRequest("https://t.shop.example/h/email", headers, told)

        return [
            call(key.sign(body, stamp), told=body.replace(b"abc123-1", b"abc123-2")),
            call(key.sign(body, old), at=old),
            call(key.sign(body, old)),
            call(other.sign(body, stamp)),
            call("no base64 !"),
            call(""),
            call(key.sign(b"{", stamp), told=b"{"),
            HookRequest("https://t.shop.example/h/email", {}, body),
        ]


def _written(one: Received) -> bytes:
    return _written_out({"Subject": one.subject, **one.headers}, one.custom_args["mid"], one.text, one.html)


def _written_out(head: dict[str, str], reference: str, text: str, html: str) -> bytes:
    lines = [f"{name}: {value}" for name, value in head.items()]
    return "\n".join([*lines, reference, text, html]).encode()
