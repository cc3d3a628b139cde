"""`tidings run` with real channels and nobody else: receipts, answers and the next channel within one command.

And what it says where a channel does not let us in: one sentence with the channel's name, nobody written to, and the
run goes on after the correction.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiosmtpd.smtp import AuthResult

from support.command_line import Said, Shop
from support.shop import SALT
from support.smpp_centre import Centre, npm_centre
from support.smtp_servers import Scripted, aiosmtpd_server
from tidings.channels.sandbox.twilio import ACCOUNT, TOKEN, TwilioSandbox
from tidings.cli.session import target_of
from tidings.clock import SystemClock, to_micros
from tidings.config.settings import load_settings
from tidings.customers.identity import address_hash
from tidings.store.database import Store
from tidings.store.tables import people, sending

Run = Callable[..., Said]
CAMPAIGN = """\
campaign: Texts
purpose: marketing
to: few
send: texts
via: {via}
holdout: none
"""
SEGMENT = "segment: A few\nwhere:\n  - full_name: known\n"


def texts(shop: Shop, channel: str, via: str = "sms") -> None:
    """Write a campaign by text, and its channel; 20 customers agreed to texts and have numbers that the servers like."""
    production(shop)
    store = opened(shop)
    customers, consents = people.customers, people.consents
    with store.durable("test") as connection:
        now = to_micros(store.clock.now())
        ids = list(
            connection.execute(
                sa.select(customers.c.id).order_by(customers.c.id).where(customers.c.email.is_not(None))
            ).scalars()
        )
        for number, customer in enumerate(ids[:20], 60):
            phone = f"+467011122{number}"
            changed = sa.update(customers).where(customers.c.id == customer)
            connection.execute(
                changed.values(locale="en", phone=phone, phone_hash=address_hash(SALT, "sms", phone))
            )
            for kind in ("sms", "email"):
                granted = {"channel": kind, "purpose": "marketing", "state": "granted", "basis": "test"}
                connection.execute(
                    sa.insert(consents).values(
                        customer_id=customer, source="test", at=now, received_at=now, **granted
                    )
                )
    store.close()
    # These tests go by the machine's clock, and they are to pass at night.
    policies = shop.root / "config" / "policies.yaml"
    policies.write_text("".join(line for line in policies.open() if not line.startswith("quiet:")))
    (shop.root / "segments" / "few.yaml").write_text(SEGMENT)
    (shop.root / "channels" / "sms.yaml").write_text(channel)
    (shop.root / "campaigns" / "texts.yaml").write_text(CAMPAIGN.format(via=via))
    folder = shop.root / "templates" / "texts"
    folder.mkdir()
    for locale in ("en", "ru", "zh-TW", "zh-CN"):
        (folder / f"sms.{locale}.txt").write_text("25% off https://shop.example/sms Reply STOP to end\n")
        (folder / f"email.{locale}.txt").write_text(
            "Subject: 25% off\n\nCome and see.\n{{ postal_address }}\n{{ unsubscribe_url }}\n"
        )


def production(shop: Shop) -> None:
    """Let messages go out for real."""
    config = shop.root / "config" / "workspace.yaml"
    text = config.read_text()
    line = next(line for line in text.splitlines() if line.strip().startswith("outbox: true"))
    config.write_text(text.replace(line + "\n", ""))


def opened(shop: Shop) -> Store:
    target = target_of(load_settings(shop.root, variables={}), SystemClock())
    return Store.open(
        target.url,
        clock=target.clock,
        workspace=target.workspace,
        environment=target.environment,
        salt=target.salt,
    )


def of(shop: Shop, *columns: sa.Column, where: sa.ColumnElement[bool] = sa.true()) -> list[sa.Row]:
    store = opened(shop)
    try:
        with store.read() as connection:
            return list(connection.execute(sa.select(*columns).where(where)).all())
    finally:
        store.close()


def smpp(port: int) -> str:
    return (
        "channel: SMS\nadapter: smpp\nkind: sms\nsender: NordicGardn\nconnections: 1\n"
        f"options: {{host: 127.0.0.1, port: {port}, system_id: shop, timeout: 5}}\n"
        "secrets: {password: TIDINGS_SMPP_PASSWORD}\n"
    )


def twilio(url: str) -> str:
    return (
        'channel: SMS\nadapter: twilio\nkind: sms\nsender: "+15005550006"\n'
        f"options: {{account_sid: {ACCOUNT}, base_url: '{url}'}}\n"
        "secrets: {auth_token: TIDINGS_TWILIO_TOKEN}\n"
    )


@pytest.fixture
def centre():
    with npm_centre() as found:
        yield found


def test_receipts_and_a_stop_come_in_on_the_connections_of_a_single_command(
    shop: Shop, run: Run, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts(shop, smpp(centre.port))
    monkeypatch.setenv("TIDINGS_SMPP_PASSWORD", "secret")
    done = run(shop, "run", "texts", "--yes", "--json", "--wait", "10")
    assert done.code == 0, done
    counts = done.data["messages"]
    assert counts["delivered"] > 10
    assert counts.get("accepted", 0) == done.data["waiting"] == 0
    sent = [one["to"] for one in centre.submitted(counts["delivered"])]
    assert max(Counter(sent).values()) == 1
    again = run(shop, "run", "texts", "--yes", "--json")
    assert again.data["already"] is True
    centre.settle(0.5)
    assert [one["to"] for one in centre.submitted(1)] == sent


def test_stop_while_the_command_waits_withdraws_and_is_confirmed_once(
    shop: Shop, run: Run, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts(shop, smpp(centre.port))
    monkeypatch.setenv("TIDINGS_SMPP_PASSWORD", "secret")
    heard: list[str] = []

    def answer() -> None:
        first = centre.until(lambda one: one["event"] == "submitted" and not one["status"], 60)
        for _ in range(2):
            centre.tell(do="write", **{"from": first["to"]}, to="NordicGardn", text="STOP")
        heard.append(first["to"])

    person = threading.Thread(target=answer)
    person.start()
    done = run(shop, "run", "texts", "--yes", "--json", "--wait", "10")
    person.join(60)
    assert done.code == 0, done
    centre.settle(1)
    (number,) = heard
    sent = Counter(one["to"] for one in centre.events if one["event"] == "submitted")
    # The message itself, and one confirmation.
    assert sent.pop(number) == 2
    assert set(sent.values()) == {1}
    withdrawn = of(
        shop,
        people.customers.c.phone,
        where=sa.and_(
            people.consents.c.customer_id == people.customers.c.id,
            people.consents.c.state == "withdrawn",
            people.consents.c.channel == "sms",
        ),
    )
    assert {row.phone.lstrip("+") for row in withdrawn} == {number.lstrip("+")}
    (shop.root / "campaigns" / "later.yaml").write_text(CAMPAIGN.format(via="sms"))
    planned = run(shop, "plan", "later", "--json").data
    assert {one["code"]: one["customers"] for one in planned["refusals"]}["stop_sms"] == 1


@pytest.mark.parametrize("channel", ["twilio", "smpp", "smtp"])
def test_wrong_credentials_pause_the_channel_and_cost_nobody_anything(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch, channel: str
) -> None:
    taken: Callable[[], int]
    if channel == "twilio":
        server = TwilioSandbox()
        variable, right, name = "TIDINGS_TWILIO_TOKEN", TOKEN, "sms"
        texts(shop, twilio(server.url))
        taken = lambda: len(server.messages)  # noqa: E731
    elif channel == "smpp":
        server = npm_centre()
        found = server.__enter__()
        variable, right, name = "TIDINGS_SMPP_PASSWORD", "secret", "sms"
        texts(shop, smpp(found.port))

        def taken() -> int:
            found.settle(0.3)
            return sum(one["event"] == "submitted" for one in found.events)

    else:
        mail = Scripted()

        def login(_: object, __: object, ___: object, ____: str, data: object) -> AuthResult:
            return AuthResult(success=getattr(data, "password", b"") == b"right", handled=False)

        server = aiosmtpd_server(mail, authenticator=login, auth_require_tls=False)
        port = server.__enter__()
        variable, right, name = "TIDINGS_SMTP_PASSWORD", "right", "email"
        texts(shop, smpp(1), via="email")
        (shop.root / "channels" / "email.yaml").write_text(
            "channel: E-mail\nadapter: smtp\nkind: email\nsender: Nordic Garden <hello@nordicgarden.example>\n"
            f"options: {{host: 127.0.0.1, port: {port}, tls: none}}\n"
            "secrets: {username: TIDINGS_SMTP_USER, password: TIDINGS_SMTP_PASSWORD}\n"
        )
        monkeypatch.setenv("TIDINGS_SMTP_USER", "shop")
        taken = lambda: len(mail.envelopes)  # noqa: E731
    try:
        monkeypatch.setenv(variable, "open-sesame")
        stopped = run(shop, "run", "texts", "--yes")
        assert stopped.code == 1, stopped
        assert [row.state for row in of(shop, sending.runs.c.state)] == ["sending"], stopped
        (row,) = of(shop, sending.channel_pauses.c.channel, sending.channel_pauses.c.reason)
        assert row.channel == name
        assert f"the channel {name} is paused: {row.reason}" in stopped.out
        # The way out: which setting, and which command.
        assert "password" in row.reason or "secrets:" in row.reason
        assert f"tidings resume --channel {name}" in stopped.out
        assert "sesame" not in row.reason
        assert {one.state for one in of(shop, sending.messages.c.state)} == {"planned"}
        assert of(shop, people.suppressions.c.id) == []
        assert taken() == 0
        monkeypatch.setenv(variable, right)
        assert run(shop, "resume", "--channel", name).code == 0
        done = run(shop, "run", "texts", "--yes", "--json", "--wait", "2")
        assert done.code == 0, done
        expected = sum(done.data["messages"].get(one, 0) for one in ("accepted", "delivered"))
        assert taken() == expected > 10
        assert run(shop, "verify").code == 0
    finally:
        if isinstance(server, TwilioSandbox):
            server.close()
        else:
            server.__exit__(None, None, None)


def test_a_campaign_with_keys_that_nothing_acts_on_is_refused_by_name(shop: Shop, run: Run) -> None:
    path: Path = shop.root / "campaigns" / "spring_winback.yaml"
    path.write_text(path.read_text() + "guard:\n  - unsubscribed: at most 0.5%\nissues: by month\n")
    planned = run(shop, "plan", "spring_winback")
    assert "decide" in planned.out
    assert "Run it:" not in planned.out
    refused = run(shop, "run", "spring_winback", "--yes")
    assert refused.code == 3
    assert "nothing acts on" in refused.err
    assert of(shop, sending.runs.c.id) == []
    assert run(shop, "plan", "spring_winback", "--json").data["not_acted_on"] == ["guard", "issues"]
