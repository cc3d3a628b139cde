"""The SMTP adapter against servers that answer, misbehave, hang, ask for TLS and for a login."""

from __future__ import annotations

import re
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from support.smtp_servers import (
    RawServer,
    Scripted,
    aiosmtpd_server,
    certificate,
    free_port,
    smtp_sink,
    wait_for,
)
from tidings.channels import registry
from tidings.channels.conformance import outgoing
from tidings.channels.protocol import Adapter, ChannelUnavailable, Connection, Outgoing
from tidings.channels.registry import adapter_names, load_adapter
from tidings.channels.smtp import SmtpAdapter
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.rules import Environment
from tidings.errors import DefinitionErrors

EMAIL = Channel("email", "E-mail", "channels/email.yaml", "smtp", sender="Shop <shop@nordicgarden.example>")


def adapter(port: int, **values: Any) -> SmtpAdapter:
    short = {"connect_timeout": 0.5, "command_timeout": 0.5, "data_timeout": 0.5}
    return SmtpAdapter(EMAIL, {"host": "127.0.0.1", "port": port, "tls": "none"} | short | values)


def test_the_adapters_of_the_package_are_installed_and_fit_the_protocol() -> None:
    assert {"smtp", "outbox"} <= set(adapter_names())
    made = adapter(1)
    assert isinstance(made, Adapter)


def test_an_accepted_message_carries_the_servers_queue_id() -> None:
    with aiosmtpd_server(Scripted()) as port:
        connection = adapter(port).connect()
        assert isinstance(connection, Connection)
        assert connection.submit(outgoing()).provider_ref == "Q1"
        connection.close()


def test_the_envelope_is_ours_and_the_greeting_is_the_senders_domain() -> None:
    with RawServer() as server:
        connection = adapter(server.port).connect()
        connection.submit(outgoing(recipient="anna@bücher.example"))
        connection.close()
        assert server.commands[:4] == [
            b"ehlo nordicgarden.example",
            b"MAIL FROM:<shop@example.com>",
            b"RCPT TO:<anna@xn--bcher-kva.example>",
            b"DATA",
        ]


def test_a_rejected_recipient_leaves_the_connection_for_the_next() -> None:
    handler = Scripted(rcpt={"gone@example.com": "550 5.1.1 no such user"})
    with aiosmtpd_server(handler) as port:
        connection = adapter(port).connect()
        kinds = [
            connection.submit(outgoing(n, recipient=to)).kind
            for n, to in enumerate(["a@b.example", "gone@example.com", "c@d.example"])
        ]
        connection.close()
    assert kinds == ["accepted", "rejected", "accepted"]
    assert [to for _, to, _ in handler.envelopes] == [["a@b.example"], ["c@d.example"]]


def test_a_connection_is_made_anew_after_so_many_messages() -> None:
    with RawServer() as server:
        connection = adapter(server.port, recycle_after=3).connect()
        outcomes = [connection.submit(outgoing(number)).kind for number in range(8)]
        connection.close()
        assert outcomes == ["accepted"] * 8
        assert server.connections == 3
        assert len(server.messages) == 8


def test_a_message_larger_than_the_server_says_is_not_sent() -> None:
    with RawServer(size=2000) as server:
        connection = adapter(server.port).connect()
        outcome = connection.submit(outgoing(payload=b"x" * 2001))
        assert (outcome.kind, outcome.scope) == ("rejected", "content")
        assert connection.submit(outgoing(payload=b"x" * 1900)).kind == "accepted"
        connection.close()
        assert len(server.messages) == 1


@pytest.mark.parametrize(
    ("trouble", "kind", "words"),
    [
        ("silent at rcpt", "transient", "did not answer within 0.5 s"),
        ("drip", "transient", "did not finish its answer"),
        ("endless", "transient", "does not end"),
        ("garbage", "transient", "no SMTP"),
        ("cut at rcpt", "transient", "closed the connection"),
        (
            "silent after body",
            "in_doubt",
            "the whole message was sent, but the server did not answer within 0.5 s",
        ),
        ("cut after body", "in_doubt", "the whole message was sent, but the server closed the connection"),
    ],
)
def test_trouble_on_the_line_is_one_sentence_in_time(trouble: str, kind: str, words: str) -> None:
    with RawServer(trouble) as server:
        connection = adapter(server.port).connect()
        began = time.monotonic()
        outcome = connection.submit(outgoing())
        assert time.monotonic() - began < 5
        connection.close()
        assert outcome.kind == kind
        assert words in outcome.detail
        assert not server.messages


@pytest.mark.parametrize("reply", [b"250 fine\r\n", b"220 odd\r\n"])
def test_a_server_out_of_step_before_the_body_gets_no_body(reply: bytes) -> None:
    with RawServer(replies={"data": reply}) as server:
        connection = adapter(server.port).connect()
        assert connection.submit(outgoing()).kind == "transient"
        connection.close()
        assert not server.messages


def test_an_odd_reply_after_the_body_is_in_doubt_and_the_connection_is_not_used_again() -> None:
    with RawServer(replies={"body": b"354 again?\r\n"}) as server:
        connection = adapter(server.port).connect()
        assert connection.submit(outgoing()).kind == "in_doubt"
        connection.submit(outgoing(2))
        connection.close()
        assert server.connections == 2


def test_after_a_lost_connection_the_next_message_gets_a_new_one() -> None:
    with RawServer("cut at rcpt") as server:
        connection = adapter(server.port).connect()
        assert connection.submit(outgoing()).kind == "transient"
        server.trouble = ""
        assert connection.submit(outgoing()).kind == "accepted"
        connection.close()


def test_a_goodbye_for_idleness_costs_no_message() -> None:
    with RawServer("421 when idle") as server:
        connection = adapter(server.port).connect()
        assert [connection.submit(outgoing(number)).kind for number in range(3)] == ["accepted"] * 3
        connection.close()
        assert server.connections == 3
        assert len(server.messages) == 3


def test_a_goodbye_on_every_connection_is_transient() -> None:
    with RawServer(replies={"mail": b"421 4.3.2 shutting down\r\n"}) as server:
        connection = adapter(server.port).connect()
        assert connection.submit(outgoing()).kind == "transient"
        connection.close()
        assert server.connections == 2


def test_a_server_that_goes_away_makes_every_submit_transient_with_a_sentence() -> None:
    with RawServer("close when idle") as server:
        connection = adapter(server.port).connect()
        assert connection.submit(outgoing()).kind == "accepted"
    outcome = connection.submit(outgoing())
    assert outcome.kind == "transient"
    assert "no mail server answers" in outcome.detail
    connection.close()


def test_nothing_listening_is_one_clear_sentence() -> None:
    port = free_port()
    with pytest.raises(ChannelUnavailable) as raised:
        adapter(port).connect()
    assert raised.value.message == f"no mail server answers at 127.0.0.1:{port}"
    assert raised.value.what_to_do == "start it, or correct host, port and tls in channels/email.yaml"


def test_a_hanging_server_is_one_clear_sentence_after_the_timeout() -> None:
    with RawServer("silent at start") as server:
        with pytest.raises(ChannelUnavailable) as raised:
            adapter(server.port).connect()
        assert (
            raised.value.message == f"the mail server at 127.0.0.1:{server.port} did not answer within 0.5 s"
        )


def test_an_unknown_host_is_one_clear_sentence() -> None:
    with pytest.raises(ChannelUnavailable) as raised:
        SmtpAdapter(
            EMAIL, {"host": "mail.invalid", "port": 25, "tls": "none", "connect_timeout": 2.0}
        ).connect()
    assert raised.value.message.startswith("the mail server at mail.invalid:25 cannot be reached: ")


def test_a_server_that_is_busy_at_the_greeting_is_named() -> None:
    with RawServer("garbage"):
        pass
    with aiosmtpd_server(Scripted()) as port, pytest.raises(ChannelUnavailable) as raised:
        adapter(port, tls="tls", connect_timeout=2.0).connect()
    assert "does not speak TLS there" in raised.value.message


def test_starttls_is_not_given_up_when_the_server_lacks_it() -> None:
    with aiosmtpd_server(Scripted()) as port, pytest.raises(ChannelUnavailable) as raised:
        adapter(port, tls="starttls").connect()
    assert "STARTTLS" in raised.value.message


def _server_context(folder: Path) -> tuple[ssl.SSLContext, Path]:
    certificate_file, key_file = certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate_file, key_file)
    return context, certificate_file


def _password(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"shop", b"secret words"), handled=False)


def test_starttls_and_login_protect_and_open_the_connection(tmp_path: Path) -> None:
    context, ca_file = _server_context(tmp_path)
    handler = Scripted()
    with aiosmtpd_server(
        handler, tls_context=context, require_starttls=True, auth_required=True, authenticator=_password
    ) as port:
        secure = {"tls": "starttls", "ca_file": str(ca_file), "username": "shop", "connect_timeout": 2.0}
        connection = adapter(port, **secure, password="secret words").connect()
        assert connection.submit(outgoing()).kind == "accepted"
        connection.close()
        with pytest.raises(ChannelUnavailable) as raised:
            adapter(port, **secure, password="wrong words").connect()
        assert "refuses the login: 535" in raised.value.message
        assert "wrong words" not in str(raised.value)
        with pytest.raises(ChannelUnavailable) as raised:
            adapter(port, **secure | {"ca_file": ""}, password="secret words").connect()
        assert "certificate that is not trusted" in raised.value.message
    assert len(handler.envelopes) == 1


def test_a_password_never_goes_out_in_the_clear_to_another_machine() -> None:
    with pytest.raises(ChannelUnavailable) as raised:
        adapter(25, host="mail.example.com", username="shop", password="secret words").connect()
    assert "in the clear" in raised.value.message


def test_a_thousand_messages_reach_postfix_smtp_sink(tmp_path: Path) -> None:
    dump = tmp_path / "sink-"
    with smtp_sink("-D", f"{dump}%M.") as port:
        connection = adapter(port).connect()
        outcomes = [
            connection.submit(
                Outgoing(n, "s@example.com", f"c{n}@example.com", b"Subject: %d\r\n\r\n.x\r\n" % n)
            )
            for n in range(1000)
        ]
        connection.close()
        assert {one.kind for one in outcomes} == {"accepted"}

        def taken() -> list[bytes]:
            return re.findall(
                rb"^Subject: (\d+)", b"".join(f.read_bytes() for f in tmp_path.glob("sink-*")), re.MULTILINE
            )

        wait_for(lambda: len(taken()) >= 1000, "smtp-sink has written all")
        assert sorted(map(int, taken())) == list(range(1000))


def test_postfix_temporary_failures_are_transient() -> None:
    with smtp_sink("-r", "RCPT") as port:
        connection = adapter(port).connect()
        assert connection.submit(outgoing()).kind == "transient"
        connection.close()


def test_secrets_come_from_the_environment_by_name() -> None:
    channel = Channel(
        "email",
        "E-mail",
        "channels/email.yaml",
        "smtp",
        sender="Shop <shop@example.com>",
        options=(("host", "127.0.0.1"), ("port", 2525)),
        secrets=(("username", "MAIL_USER"), ("password", "MAIL_PASSWORD")),
    )
    made = load_adapter(channel, variables={"MAIL_USER": "shop", "MAIL_PASSWORD": "secret words"})
    assert isinstance(made, SmtpAdapter)
    assert made.option("username") == "shop"
    with pytest.raises(DefinitionErrors) as raised:
        load_adapter(channel, variables={"MAIL_USER": "shop"})
    assert "MAIL_PASSWORD is not set" in raised.value.problems[0].message


@pytest.mark.parametrize(
    ("options", "secrets", "code", "words"),
    [
        ((("host", "h"), ("prot", 25)), (), "CHN02", 'no option "prot"'),
        ((("port", 25),), (), "CHN04", "needs `host`"),
        ((("host", "h"), ("port", 99999)), (), "CHN03", "at most 65535"),
        ((("host", "h"), ("port", True)), (), "CHN03", "is a number"),
        ((("host", "h"), ("tls", "ssl")), (), "CHN03", "one of none, starttls, tls"),
        ((("host", 5),), (), "CHN03", "is a text"),
        ((("host", "h"), ("password", "x")), (), "SEC01", "may not stand in a file"),
        ((("host", "h"),), (("password", "p4ss word!"),), "SEC01", "not the name"),
        ((("host", "h"),), (("host", "HOST"),), "CHN02", 'no secret "host"'),
    ],
)
def test_wrong_options_are_named(options: Any, secrets: Any, code: str, words: str) -> None:
    channel = Channel("email", "E-mail", "channels/email.yaml", "smtp", options=options, secrets=secrets)
    with pytest.raises(DefinitionErrors) as raised:
        load_adapter(channel, variables={})
    problem = raised.value.problems[0]
    assert problem.code == code
    assert words in problem.message
    assert problem.at.path == "channels/email.yaml"


def test_an_unknown_adapter_names_the_nearest() -> None:
    with pytest.raises(DefinitionErrors) as raised:
        load_adapter(Channel("email", "E-mail", "channels/email.yaml", "smpt"))
    assert raised.value.problems[0].hint == 'did you mean "smtp"?'


def test_the_adapters_known_without_looking_are_those_that_the_package_declares() -> None:
    ours = {
        name: entry.value
        for name, entry in registry._entries().items()
        if entry.dist is not None and entry.dist.name == "tidings"
    }
    assert ours == registry.BUILT_IN
    assert set(adapter_names()) >= set(ours)


def test_an_environment_with_an_outbox_sends_nothing(tmp_path: Path) -> None:
    channel = Channel(
        "email", "E-mail", "channels/email.yaml", "smtp", options=(("host", "mail.example.com"),)
    )
    made = load_adapter(channel, environment=Environment("development", outbox=True), data_dir=tmp_path)
    connection = made.connect()
    assert [connection.submit(outgoing(7)).provider_ref for _ in range(2)] == ["m7.eml", "m7.again-1.eml"]
    assert sorted(one.name for one in (tmp_path / "outbox").iterdir()) == ["m7.again-1.eml", "m7.eml"]
    assert not made.capabilities.delivers
