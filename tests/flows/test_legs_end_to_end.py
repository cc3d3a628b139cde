"""One campaign through `tidings serve`: an e-mail that comes back, a text that is not delivered, a fax that arrives.

The mail server, the provider of texts and the fax line are real servers of this machine; the tracker and the worker are
the processes that people run.
"""

from __future__ import annotations

import email
import os
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from channels.bounce_corpus import BEGIN, recipient, report
from delivery.test_three_channels import TEMPLATES, people_with_everything
from support.components import missing
from support.serving import children_of, production_of, serving, until
from support.shop import SALT, copy_workspace
from support.smtp_servers import Scripted, aiosmtpd_server, free_port
from support.tracking import rows_of
from support.twilio_stage import signed
from tidings.campaigns.planning import make_plan
from tidings.campaigns.runs import start_run
from tidings.channels.sandbox.twilio import ACCOUNT, TOKEN, TwilioSandbox
from tidings.channels.t30.library import library
from tidings.clock import to_micros
from tidings.config.settings import load_settings
from tidings.customers.identity import address_hash
from tidings.delivery.reference import Referrer
from tidings.delivery.verify import verify
from tidings.errors import TidingsError
from tidings.store.tables import people, sending

# Several servers and processes at once.
pytestmark = pytest.mark.alone

CAMPAIGN = """\
campaign: Autumn offer
purpose: marketing
to: everybody
send: autumn
via: [email, sms, fax]
holdout: none
"""
# The mail comes back; the mailbox is refused at once; nothing is heard, which is well.
RETURNED, REFUSED, WELL = "c1", "c2", "c3"
ADDRESS = {key: f"{key}@customers.example" for key in (RETURNED, REFUSED, WELL)}
# Undelivered by the network, delivered, delivered.
PHONE = {RETURNED: "+886911003005", REFUSED: "+886911000011", WELL: "+886911000012"}
FAX = {key: f"+88622200001{n}" for n, key in enumerate(ADDRESS)}


class World:
    """The workspace, its production store and the servers around it."""

    def __init__(
        self, root: Path, variables: dict[str, str], store, port: int, mail: Scripted, twilio
    ) -> None:
        self.root, self.variables, self.store = root, variables, store
        self.port, self.mail, self.twilio = port, mail, twilio
        self.settings = load_settings(root, variables=variables)

    @property
    def public(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def maildir(self) -> Path:
        return self.root / "bounces"

    def start(self) -> int:
        now = self.store.clock.now()
        plan = make_plan(self.store, self.settings.definitions, "autumn", now=now)
        return start_run(self.store, self.settings.definitions, plan.hash, approved_by="ann", now=now).id

    def states(self) -> dict[tuple[str, str], str]:
        messages, customers = sending.messages, people.customers
        with self.store.read() as connection:
            rows = connection.execute(
                sa.select(customers.c.key, messages.c.channel, messages.c.state).join(
                    customers, customers.c.id == messages.c.customer_id
                )
            )
            return {(row.key, row.channel): row.state for row in rows}

    def bounce(self, key: str) -> None:
        """Put the report into the Maildir that a mail server writes for an address that does not exist."""
        (content,) = [content for _, to, content in self.mail.envelopes if to == [ADDRESS[key]]]
        head = email.message_from_bytes(content)
        returned = "".join(f"{name}: {head[name]}\n" for name in ("To", "Message-ID", "X-Tidings-Reference"))
        mail = report(
            BEGIN
            + "\n"
            + recipient("failed", "5.1.1", "smtp; 550 5.1.1 no such user", final=f"rfc822; {ADDRESS[key]}"),
            returned=returned,
        )
        (self.maildir / "tmp" / key).write_bytes(mail)
        (self.maildir / "tmp" / key).rename(self.maildir / "new" / key)


@pytest.fixture
def world(tmp_path, dialect, stores):
    try:
        library()
    except TidingsError as error:
        missing(error.message)
    with ExitStack() as stack:
        port = free_port()
        mail = Scripted(rcpt={ADDRESS[REFUSED]: "550 5.1.1 nobody of that name"})
        smtp = stack.enter_context(aiosmtpd_server(mail))
        twilio = stack.enter_context(
            TwilioSandbox(hook_url=f"http://127.0.0.1:{port}/h/sms", duplicate=True, reorder=True)
        )
        root = copy_workspace(
            tmp_path / "shop",
            campaigns__autumn=CAMPAIGN,
            segments__everybody="segment: Everybody\nwhere:\n  - last_order_at: known\n",
            channels__email="channel: E-mail\nadapter: smtp\nkind: email\n"
            "sender: Nordic Garden <hello@nordicgarden.example>\n"
            f"options: {{host: 127.0.0.1, port: {smtp}, tls: none, bounces: {tmp_path / 'shop' / 'bounces'}}}\n",
            channels__sms='channel: SMS\nadapter: twilio\nkind: sms\nsender: "+15005550006"\n'
            f"options: {{account_sid: {ACCOUNT}, base_url: '{twilio.url}', status_callback: 'http://127.0.0.1:{port}'}}\n"
            "secrets: {auth_token: TIDINGS_TWILIO_TOKEN}\n",
            channels__fax="channel: Fax\nadapter: t30\nkind: fax\nsender: Nordic Garden <+886233333333>\n"
            f"options: {{received: {tmp_path / 'faxes'}}}\n",
        )
        for name in ("tmp", "new", "cur"):
            (root / "bounces" / name).mkdir(parents=True)
        (root / "templates" / "autumn").mkdir()
        for name, text in TEMPLATES.items():
            (root / "templates" / "autumn" / name).write_text(text)
        config = root / "config" / "workspace.yaml"
        config.write_text(config.read_text().replace("http://127.0.0.1:8200", f"http://127.0.0.1:{port}"))
        variables, store = stack.enter_context(production_of(root, stores(dialect), dialect))
        variables["TIDINGS_TWILIO_TOKEN"] = TOKEN
        people_with_everything(store, 3)
        with store.durable("test") as connection:
            for key in ADDRESS:
                changed = {"phone": PHONE[key], "fax": FAX[key]}
                changed |= {
                    "phone_hash": address_hash(SALT, "sms", PHONE[key]),
                    "fax_hash": address_hash(SALT, "fax", FAX[key]),
                }
                connection.execute(
                    sa.update(people.customers).where(people.customers.c.key == key).values(**changed)
                )
        yield World(root, variables, store, port, mail, twilio)


@contextmanager
def never_two_at_once(store):
    """Look at the ledger again and again: nobody may have two messages that are open at the same moment."""
    stop, seen = threading.Event(), []
    messages = sending.messages

    def look() -> None:
        while not stop.wait(0.02):
            with store.read() as connection:
                seen.append(
                    connection.execute(
                        sa.select(messages.c.customer_id)
                        .where(messages.c.is_open)
                        .group_by(messages.c.customer_id)
                        .having(sa.func.count() > 1)
                    ).all()
                )

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert len(seen) > 20
    assert not any(seen)


def test_who_is_not_reached_by_mail_gets_a_text_and_then_a_fax(world: World) -> None:
    run_id = world.start()
    with (
        serving(world.root, "--port", str(world.port), **world.variables) as (_, address, lines),
        never_two_at_once(world.store),
    ):
        assert address == world.public
        until(lambda: len(world.mail.envelopes) == 2)
        # The one whose mailbox was refused at once gets the text without anybody's word.
        until(lambda: world.states().get((REFUSED, "sms")) == "delivered", 60)
        assert world.states()[RETURNED, "email"] == "accepted"
        forged = signed(f"{world.public}/h/sms?r=abc123-1", {"AccountSid": ACCOUNT}, token="another")
        refused = httpx.post(forged.url, content=forged.body, headers=dict(forged.headers), timeout=60)
        assert refused.status_code == 403
        assert httpx.post(f"{world.public}/h/nothing", timeout=60).status_code == 404
        world.bounce(RETURNED)
        # The text is not delivered, as the provider calls back; the fax arrives, as the machine wrote down.
        until(lambda: world.states().get((RETURNED, "fax")) == "delivered", 120)
        # In a language that the provider does not know, told twice: one confirmation, from us.
        before = len(world.twilio.messages)
        world.twilio.hear(PHONE[REFUSED], "退訂")
        until(lambda: len(world.twilio.messages) > before, 30)
        world.twilio.settle()
        time.sleep(2.5)
        confirmations = [one for one in world.twilio.messages[before:] if one["to"] == PHONE[REFUSED]]
        assert len(confirmations) == 1
    assert "Traceback" not in "".join(lines)
    assert world.states() == {
        (RETURNED, "email"): "bounced",
        (RETURNED, "sms"): "bounced",
        (RETURNED, "fax"): "delivered",
        (REFUSED, "email"): "rejected",
        (REFUSED, "sms"): "delivered",
        (WELL, "email"): "accepted",
    }
    reached = Counter(to[0] for _, to, _ in world.mail.envelopes)
    assert reached == {ADDRESS[RETURNED]: 1, ADDRESS[WELL]: 1}
    texts = Counter(one["to"] for one in world.twilio.messages[:before])
    assert texts == {PHONE[RETURNED]: 1, PHONE[REFUSED]: 1}
    suppressed = {row.address_hash for row in rows_of(world.store, people.suppressions)}
    assert address_hash(SALT, "email", ADDRESS[RETURNED]) in suppressed
    assert address_hash(SALT, "sms", PHONE[RETURNED]) in suppressed
    assert address_hash(SALT, "email", ADDRESS[WELL]) not in suppressed
    left = [row for row in rows_of(world.store, people.consents) if row.state == "withdrawn"]
    assert {row.channel for row in left} == {"sms"}
    assert len({row.customer_id for row in left}) == 1
    assert [run.state for run in rows_of(world.store, sending.runs)] == ["finished"]
    assert run_id
    assert verify(world.store).broken == ()
    assert list((world.maildir / "new").iterdir()) == []
    again = load_settings(world.root, variables=world.variables).definitions
    # Today all of them have got what the cap allows.
    plan = make_plan(world.store, again, "autumn", now=world.store.clock.now())
    assert dict(plan.refusals).get("frequency_cap") == 3
    plan = make_plan(world.store, again, "autumn", now=world.store.clock.now() + timedelta(days=1))
    assert dict(plan.messages) == {"email": 1, "fax": 2}


def test_what_was_answered_survives_the_death_of_everything_before_it_was_stored(world: World) -> None:
    """The tracker takes a receipt, and is killed with nobody there to drain it; the next `serve` stores it, once."""
    world.start()
    (message,) = [row for row in rows_of(world.store, sending.messages) if row.channel == "email"][:1]
    with world.store.durable("test") as connection:
        connection.execute(sa.update(sending.messages).values(**sending.in_state("cancelled"), finished_at=1))
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id == message.id)
            .values(
                **sending.in_state("accepted"),
                finished_at=None,
                channel="sms",
                attempt=1,
                started_at=to_micros(world.store.clock.now()),
                accepted_at=to_micros(world.store.clock.now()),
                provider_ref="SM" + "1" * 32,
            )
        )
        connection.execute(sa.update(sending.runs).values(state="finished"))
    referrer = Referrer(world.store.workspace, world.store.environment, SALT)
    url = f"{world.public}/h/sms?r={referrer.of(message.id)}"
    fields = {
        "AccountSid": ACCOUNT,
        "MessageSid": "SM" + "1" * 32,
        "MessageStatus": "delivered",
        "To": PHONE[RETURNED],
    }
    call = signed(url, fields)
    with serving(world.root, "--web-only", "--port", str(world.port), **world.variables) as (process, _, _):
        for _ in range(3):
            assert (
                httpx.post(url, content=call.body, headers=dict(call.headers), timeout=60).status_code == 204
            )
        children = children_of(process.pid)
        for one in (process.pid, *children):
            os.kill(one, signal.SIGKILL)
        process.wait()
    assert rows_of(world.store, sending.receipts) == []
    with serving(world.root, "--port", str(world.port), **world.variables):
        until(lambda: rows_of(world.store, sending.receipts))
        time.sleep(1)
    (receipt,) = rows_of(world.store, sending.receipts)
    assert receipt.message_id == message.id
    (row,) = rows_of(world.store, sending.messages, sending.messages.c.id == message.id)
    assert row.state == "delivered"
