"""DKIM and bounces as options of the SMTP adapter."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from channels.bounce_corpus import CORPUS
from support.smtp_servers import RawServer
from tidings.channels.conformance import outgoing
from tidings.channels.protocol import ChannelUnavailable, InBand, Receipt
from tidings.channels.registry import load_adapter
from tidings.channels.smtp import SmtpAdapter
from tidings.definitions.kinds.channel import Channel
from tidings.errors import DefinitionErrors

EMAIL = Channel("email", "E-mail", "channels/email.yaml", "smtp", sender="Shop <shop@nordicgarden.example>")


def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def test_every_message_is_signed_before_its_dots_are_doubled() -> None:
    payload = b"From: shop@nordicgarden.example\r\nTo: anna@example.com\r\nSubject: hi\r\n\r\n.hidden dot\r\n"
    with RawServer() as server:
        channel = Channel(
            "email",
            "E-mail",
            "channels/email.yaml",
            "smtp",
            sender="Shop <shop@nordicgarden.example>",
            options=(
                ("host", "127.0.0.1"),
                ("port", server.port),
                ("tls", "none"),
                ("dkim_domain", "nordicgarden.example"),
                ("dkim_selector", "s1"),
            ),
            secrets=(("dkim_key", "DKIM_KEY"),),
        )
        connection = load_adapter(channel, variables={"DKIM_KEY": pem()}).connect()
        message = outgoing()
        assert (
            connection.submit(type(message)(1, message.sender, message.recipient, payload)).kind == "accepted"
        )
        connection.close()
        (received,) = server.messages
    header, rest = received[: -len(payload)], received[-len(payload) :]
    assert rest == payload
    assert header.startswith(b"DKIM-Signature:")
    assert b"d=nordicgarden.example" in header
    assert b"s=s1" in header


@pytest.mark.parametrize("left_out", ["dkim_domain", "dkim_selector", "dkim_key"])
def test_half_a_signature_is_refused_by_name(left_out: str) -> None:
    given = {"dkim_domain": "nordicgarden.example", "dkim_selector": "s1", "dkim_key": "a key"}
    with pytest.raises(DefinitionErrors) as raised:
        SmtpAdapter(EMAIL, {"host": "127.0.0.1", **given, left_out: ""})
    (problem,) = raised.value.problems
    assert problem.code == "CHN04"
    assert problem.message.endswith(f"missing: {left_out}")


def test_bounces_stay_in_their_maildir_until_they_are_stored(tmp_path: Path) -> None:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "new" / "1.eml").write_bytes(CORPUS["postfix, no such user"][0])
    options = {"host": "127.0.0.1", "bounces": str(tmp_path)}
    assert [one.kind for one in SmtpAdapter(EMAIL, options).take_events()] == ["bounced"]
    adapter = SmtpAdapter(EMAIL, options)
    (event,) = adapter.take_events()
    assert isinstance(event, Receipt)
    assert (event.kind, event.permanent, event.address) == ("bounced", True, "anna@example.com")
    assert adapter.take_events() == []
    adapter.events_stored(1)
    assert SmtpAdapter(EMAIL, options).take_events() == []
    assert isinstance(adapter, InBand)


def test_without_a_maildir_there_is_nothing_to_take() -> None:
    adapter = SmtpAdapter(EMAIL, {"host": "127.0.0.1"})
    assert adapter.take_events() == adapter.poll([]) == []
    adapter.events_stored(0)


def test_a_maildir_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    adapter = SmtpAdapter(EMAIL, {"host": "127.0.0.1", "bounces": str(tmp_path / "nowhere")})
    assert adapter.take_events() == []
    with pytest.raises(ChannelUnavailable, match="cannot be read"):
        adapter.poll([])
