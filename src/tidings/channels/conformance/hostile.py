"""Checks with messages that mean harm, are too large, or come in another script."""

from __future__ import annotations

from dataclasses import replace

from tidings.channels.conformance.stage import (
    BODY,
    Behaviour,
    Stage,
    kind_of,
    message,
    need,
    same,
    submit,
)
from tidings.channels.protocol import Connection, EmailParts, Form, Kind, Outgoing, Scope

_ADDRESSES = {
    "email": ("a@b.example\r\nRCPT TO:<c@d.example>", "a@b.example>\n", "a b@c.example", "a@b\0.example", ""),
    "sms": ("+46701112233\r\nTo: +4670", "+4670 111 22 33", "+46701112233;123", "+4670\0", "٤٦٧٠١١١٢٢٣٣", ""),
    "fax": ("+46812345678\r\nJSUBM", "T+46812345678,,123", "+46812345678;ATH", "+468\0", "＋46812345678", ""),
}
_MARK = "X-Injected"
_TEXTS = ("Скидка 25% до 16-го, 七五折 🌷", "Grüße für €5 [bis 16.3.] {neu}", "回覆 T 退訂")


def refuses_injection(stage: Stage) -> None:
    """An address that would start another command or header is refused and says nothing to the other side."""
    for address in _ADDRESSES[kind_of(stage)]:
        outcome = submit(stage, Behaviour.ACCEPTS, message(stage, recipient=address))
        wanted = outcome.kind == Kind.REJECTED and outcome.scope == Scope.RECIPIENT
        need(wanted, f"the address {address!r} is rejected for the recipient, not {outcome}")
        need(not stage.received(), f"the address {address!r} let a message through")


def refuses_injection_in_every_field(stage: Stage) -> None:
    """No field of a message becomes a header or a command: it is refused, or arrives as the text that it is."""
    for name, bad in _hostile(message(stage)).items():
        outcome = submit(stage, Behaviour.ACCEPTS, bad)
        taken = stage.received()
        if outcome.kind == Kind.REJECTED:
            need(not taken, f"{name} was rejected and a message went through")
            continue
        need(outcome.kind == Kind.ACCEPTED and len(taken) == 1, f"a line end in {name}: {outcome}")
        lines = taken[0].replace(b"\r", b"\n").split(b"\n")
        need(
            not any(line.startswith(_MARK.encode()) for line in lines),
            f"a line end in {name} became a header",
        )


def _hostile(good: Outgoing) -> dict[str, Outgoing]:
    line = f"\r\n{_MARK}: yes"
    made = {
        "the sender": replace(good, sender=good.sender + line),
        "the reference": replace(good, reference=good.reference + line),
    }
    if good.parts is not None:
        parts: EmailParts = good.parts
        changed = {
            "the sender's name": replace(parts, sender=f"Shop{line} <{good.sender}>"),
            "the subject": replace(parts, subject=parts.subject + line),
            "the reply address": replace(parts, reply_to=f"a@b.example{line}"),
            "a header": replace(parts, headers=(*parts.headers, ("X-Shop", f"1{line}"))),
            "a header's name": replace(parts, headers=(*parts.headers, (f"X-Shop: 1{line}\r\nX-Two", "1"))),
        }
        made |= {name: replace(good, parts=one) for name, one in changed.items()}
    return made


def does_not_smuggle(stage: Stage) -> None:
    """No end of message within a body is one on the wire."""
    if stage.adapter(Behaviour.ACCEPTS).capabilities.form != Form.MIME:
        return
    for trick in (b"\n.\n", b"\r.\r", b"\r\n.\r\n", b"\n.\r\n", b"\r\n.\n"):
        sent = message(stage, payload=BODY + trick + b"MAIL FROM:<x@y.example>\r\n")
        outcome = submit(stage, Behaviour.ACCEPTS, sent)
        taken = stage.received()
        need(
            outcome.kind == Kind.ACCEPTED and len(taken) == 1,
            f"a body with {trick!r}: {outcome}, {len(taken)} taken",
        )
        need(b"MAIL FROM:<x@y.example>" in taken[0], f"the body was cut at {trick!r}")


def carries_unicode(stage: Stage) -> None:
    """E-mail: a foreign domain goes in punycode, a foreign local part is refused. SMS: every script arrives as written."""
    kind = kind_of(stage)
    if kind == "email":
        outcome = submit(stage, Behaviour.ACCEPTS, message(stage, recipient="anna@bücher.example"))
        need(outcome.kind == Kind.ACCEPTED, f"anna@bücher.example is accepted, not {outcome}")
        outcome = submit(stage, Behaviour.ACCEPTS, message(stage, recipient="аня@example.com"))
        need(
            outcome.kind == Kind.REJECTED and outcome.scope == Scope.RECIPIENT, f"аня@example.com: {outcome}"
        )
    elif kind == "sms":
        for text in _TEXTS:
            sent = message(stage, payload=text.encode())
            outcome = submit(stage, Behaviour.ACCEPTS, sent)
            need(outcome.kind == Kind.ACCEPTED, f"{text!r}: {outcome}")
            taken = stage.received()
            need(len(taken) == 1 and same(stage, sent, taken[0]), f"{text!r} arrived as {taken!r}")


def refuses_oversize(stage: Stage) -> None:
    """A message over the limit is refused for its content before it is sent."""
    adapter = stage.adapter(Behaviour.ACCEPTS)
    own = getattr(stage, "oversize", None)
    large = own() if own else message(stage, payload=b"x" * (adapter.capabilities.max_bytes + 1))
    connection: Connection = adapter.connect()
    outcome = connection.submit(large)
    connection.close()
    need(outcome.kind == Kind.REJECTED and outcome.scope == Scope.CONTENT, f"an oversize message: {outcome}")
    need(not stage.received(), "an oversize message was sent")
