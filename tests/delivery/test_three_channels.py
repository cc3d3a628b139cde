"""One campaign by e-mail, SMS and fax: each message in its own form, and the next channel where one did not reach."""

from __future__ import annotations

import email
import email.policy
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image

from support.shop import SALT, copy_workspace, seed
from tidings.campaigns.planning import make_plan
from tidings.campaigns.runs import start_run
from tidings.channels.protocol import Capabilities, Form, Kind, Outcome, Outgoing, Scope
from tidings.clock import FixedClock, to_micros
from tidings.config.settings import Settings, load_settings
from tidings.customers.identity import address_hash
from tidings.delivery import variables
from tidings.delivery.hearing import Heard
from tidings.delivery.reference import Referrer
from tidings.delivery.running import deliver_run, follow_up
from tidings.delivery.verify import verify
from tidings.errors import UsageError
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending
from tidings.tokens.keyring import KeyRing
from tidings.tokens.short import ShortVerifier

RING = KeyRing.from_text("k1:" + "ab" * 32)
CAMPAIGN = """\
campaign: Autumn offer
purpose: marketing
to: everybody
send: autumn
via: [email, sms, fax]
holdout: none
"""
SMS = 'channel: SMS\nadapter: outbox\nkind: sms\nsender: "+886222222222"\ncost: 0.05 EUR per segment\n'
FAX = """\
channel: Fax
adapter: outbox
kind: fax
sender: Nordic Garden <+886233333333>
cost: 0.10 EUR per page
"""
TEMPLATES = {
    "email.en.txt": "Subject: Autumn\n\nHello {{ full_name }}, look: https://shop.example/autumn\n"
    "{{ unsubscribe_url }}\n{{ postal_address }}\n",
    "sms.en.txt": "{{ full_name }}: 25% off https://shop.example/sms Reply STOP to end\n",
    "fax.en.html": "<html><body><h1>Autumn</h1><p>{{ full_name }}</p>"
    '<p>https://shop.example/fax</p><div class="opt-out"><p>{{ opt_out_notice }}</p></div></body></html>\n',
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = copy_workspace(
        tmp_path / "shop",
        campaigns__autumn=CAMPAIGN,
        channels__sms=SMS,
        channels__fax=FAX,
        segments__everybody="segment: Everybody\nwhere:\n  - last_order_at: known\n",
    )
    (folder / "templates" / "autumn").mkdir()
    for name, text in TEMPLATES.items():
        (folder / "templates" / "autumn" / name).write_text(text)
    return folder


@pytest.fixture
def settings(root: Path) -> Settings:
    return load_settings(root, "development", variables={})


@dataclass
class Carrier:
    """An adapter that keeps what it was given and rejects some recipients."""

    capabilities: Capabilities
    rejects: frozenset[str] = frozenset()
    given: dict[str, list[Outgoing]] = field(default_factory=lambda: defaultdict(list))
    guard: threading.Lock = field(default_factory=threading.Lock)
    name: str = "carrier"

    def connect(self) -> Carrier:
        return self

    def submit(self, outgoing: Outgoing) -> Outcome:
        with self.guard:
            self.given[outgoing.recipient].append(outgoing)
        if outgoing.recipient in self.rejects:
            return Outcome(Kind.REJECTED, Scope.RECIPIENT, "550 5.7.1 not here")
        return Outcome(Kind.ACCEPTED, provider_ref=f"p{outgoing.message_id}")

    def close(self) -> None:
        return


def people_with_everything(store: Store, count: int) -> None:
    """Seed customers with an e-mail address, a telephone and a fax who agreed to all of it."""
    seed(store, count)
    now = to_micros(store.clock.now())
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(locale="en", zone="Europe/London"))
        for n, (one,) in enumerate(
            connection.execute(sa.select(people.customers.c.id).order_by(people.customers.c.id)).all(), 1
        ):
            columns = {"phone": f"+88691100000{n}", "fax": f"+88622200000{n}"}
            hashes = {
                f"{name}_hash": address_hash(SALT, {"phone": "sms"}.get(name, name), value)
                for name, value in columns.items()
            }
            connection.execute(
                sa.update(people.customers).where(people.customers.c.id == one).values(**columns, **hashes)
            )
            for kind in ("sms", "fax"):
                connection.execute(
                    sa.insert(people.consents).values(
                        customer_id=one,
                        channel=kind,
                        purpose="marketing",
                        state="granted",
                        basis="form",
                        source="test",
                        at=now,
                        received_at=now,
                    )
                )


def start(store: Store, settings: Settings, clock: FixedClock) -> int:
    plan = make_plan(store, settings.definitions, "autumn", now=clock.now())
    return start_run(store, settings.definitions, plan.hash, approved_by="ann", now=clock.now()).id


def carriers(email_rejects: set[str], sms_rejects: set[str]) -> dict[str, Carrier]:
    return {
        "email": Carrier(Capabilities("email"), frozenset(email_rejects)),
        "sms": Carrier(Capabilities("sms", form=Form.TEXT), frozenset(sms_rejects)),
        "fax": Carrier(Capabilities("fax", form=Form.PAGES)),
    }


def test_each_channel_gets_its_own_form_and_the_next_one_takes_over(
    store: Store, clock: FixedClock, settings: Settings
) -> None:
    people_with_everything(store, 3)
    run_id = start(store, settings, clock)
    ways = carriers({"c2@customers.example", "c3@customers.example"}, {"+886911000003"})
    done = deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=ways)
    assert (done.state, done.accepted, done.rejected) == ("finished", 3, 3)
    assert set(ways["email"].given) == {f"c{n}@customers.example" for n in (1, 2, 3)}
    assert set(ways["sms"].given) == {"+886911000002", "+886911000003"}
    assert set(ways["fax"].given) == {"+886222000003"}
    letter = email.message_from_bytes(
        ways["email"].given["c1@customers.example"][0].payload, policy=email.policy.default
    )
    assert letter["Subject"] == "Autumn"
    text = ways["sms"].given["+886911000002"][0]
    assert (text.sender, text.parts) == ("+886222222222", None)
    words = text.payload.decode()
    assert words.startswith("Customer 2: 25% off ")
    token = words.split("/s/")[1].split()[0]
    said = ShortVerifier(RING).read(token)
    assert said.message_id == text.message_id
    with store.read() as connection:
        link = connection.execute(sa.select(answers.links).where(answers.links.c.id == said.link_id)).one()
        urls = set(connection.execute(sa.select(answers.links.c.url)).scalars())
    assert link.url == "https://shop.example/sms"
    assert {"https://shop.example/autumn", "https://shop.example/sms", "https://shop.example/fax"} <= urls
    page = ways["fax"].given["+886222000003"][0]
    assert page.sender == "+886233333333"
    with Image.open(BytesIO(page.payload)) as image:
        assert image.format == "TIFF"
        assert image.info["compression"] == "group4"
    referrer = Referrer(store.workspace, store.environment, settings.definitions.workspace.salt)
    for way in ways.values():
        for copies in way.given.values():
            assert len(copies) == 1
            assert referrer.message_of(copies[0].reference) == copies[0].message_id
    assert verify(store).broken == ()


def test_an_adapter_that_wants_fields_gets_them(store: Store, clock: FixedClock, settings: Settings) -> None:
    people_with_everything(store, 1)
    run_id = start(store, settings, clock)
    way = Carrier(Capabilities("email", form=Form.PARTS))
    deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters={"email": way})
    parts = way.given["c1@customers.example"][0].parts
    assert parts is not None
    assert parts.subject == "Autumn"
    assert "Customer 1" in parts.text
    assert way.given["c1@customers.example"][0].payload == parts.text.encode()
    assert parts.headers[0][0] == "List-Unsubscribe"


def test_where_the_environment_says_outbox_every_kind_becomes_a_file(
    store: Store, clock: FixedClock, settings: Settings
) -> None:
    people_with_everything(store, 3)
    with store.durable("test") as connection:
        customers = people.customers
        connection.execute(
            sa.update(customers).where(customers.c.key != "c1").values(email=None, email_hash=None)
        )
        connection.execute(sa.update(customers).where(customers.c.key == "c3").values(phone=None))
    run_id = start(store, settings, clock)
    done = deliver_run(settings, store, run_id, clock=clock, ring=RING)
    assert (done.state, done.accepted) == ("finished", 3)
    found = sorted(path.suffix for path in (settings.data_dir / "outbox").iterdir())
    assert found == [".eml", ".tif", ".txt"]


@pytest.mark.parametrize(
    "wrong",
    [Capabilities("email"), Capabilities("sms", form=Form.MIME), Capabilities("fax", form=Form.PAGES)],
)
def test_an_adapter_that_cannot_carry_the_kind_claims_nothing(
    store: Store, clock: FixedClock, settings: Settings, wrong: Capabilities
) -> None:
    people_with_everything(store, 1)
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(email=None, email_hash=None))
    run_id = start(store, settings, clock)
    with pytest.raises(UsageError, match='channel "sms" is of kind sms, and its adapter carrier carries'):
        deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters={"sms": Carrier(wrong)})
    with store.read() as connection:
        assert connection.execute(sa.select(sending.messages.c.state)).scalars().all() == ["planned"]


def test_a_run_that_is_out_is_taken_up_again_when_a_bounce_comes(
    store: Store, clock: FixedClock, settings: Settings
) -> None:
    people_with_everything(store, 2)
    run_id = start(store, settings, clock)
    ways = carriers(set(), set())
    assert deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=ways).state == "finished"
    assert follow_up(settings, store, run_id, clock=clock, adapters=ways) == 0
    messages = sending.messages
    with store.durable("test") as connection:
        connection.execute(
            sa.update(messages).where(messages.c.customer_id == 1).values(**sending.in_state("bounced"))
        )
    assert follow_up(settings, store, run_id, clock=clock, adapters=ways) == 1
    done = deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=ways)
    assert (done.state, done.sent_now) == ("finished", 1)
    assert set(ways["sms"].given) == {"+886911000001"}
    assert verify(store).broken == ()


def test_a_patience_that_could_never_end_claims_nothing(store: Store, clock: FixedClock, root: Path) -> None:
    channel = root / "channels" / "sms.yaml"
    channel.write_text(channel.read_text() + "patience: 2 hours\n")
    settings = load_settings(root, "development", variables={})
    people_with_everything(store, 1)
    run_id = start(store, settings, clock)
    with pytest.raises(UsageError, match='"sms" is given `patience`, and its adapter never says'):
        deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=carriers(set(), set()))
    with store.read() as connection:
        assert connection.execute(sa.select(sending.messages.c.state)).scalars().all() == ["planned"]
    # Files of an outbox wait for nothing.
    assert deliver_run(settings, store, run_id, clock=clock, ring=RING).state == "finished"


def test_unconfirmed_for_longer_than_patience_goes_to_the_next_channel(
    store: Store, clock: FixedClock, root: Path
) -> None:
    campaign = root / "campaigns" / "autumn.yaml"
    campaign.write_text(campaign.read_text() + "patience: 2 hours\n")
    settings = load_settings(root, "development", variables={})
    people_with_everything(store, 2)
    run_id = start(store, settings, clock)
    ways = carriers(set(), set())
    ways["email"].capabilities = Capabilities("email", receipts="webhook")
    assert deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=ways).state == "finished"
    messages = sending.messages
    with store.durable("test") as connection:
        connection.execute(sa.update(messages).where(messages.c.customer_id == 1).values(state="delivered"))
    drained = clock.now()
    heard = Heard(spool=lambda: drained)
    clock.advance(timedelta(hours=2))
    # Nobody has looked into the spool since: a receipt may lie there.
    assert follow_up(settings, store, run_id, clock=clock, adapters=ways) == 0
    assert follow_up(settings, store, run_id, clock=clock, adapters=ways, heard=heard) == 0
    deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=ways, heard=heard)
    assert ways["sms"].given == {}
    drained = clock.now()
    assert follow_up(settings, store, run_id, clock=clock, adapters=ways, heard=heard) == 1
    deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=ways)
    assert set(ways["sms"].given) == {"+886911000002"}
    assert verify(store).broken == ()


def test_the_members_of_an_account_come_together(store: Store, clock: FixedClock, root: Path) -> None:
    campaign = root / "campaigns" / "autumn.yaml"
    campaign.write_text(campaign.read_text() + "unit: account\n")
    settings = load_settings(root, "development", variables={})
    people_with_everything(store, 5)
    customers = people.customers
    with store.durable("test") as connection:
        for key, account in (("c1", "Oak"), ("c2", "Elm"), ("c3", "Oak"), ("c4", "Oak")):
            connection.execute(sa.update(customers).where(customers.c.key == key).values(account=account))
        connection.execute(sa.update(customers).where(customers.c.key == "c4").values(email=None))
    run_id = start(store, settings, clock)
    ways = carriers(set(), set())
    assert deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters=ways).accepted == 3
    assert set(ways["email"].given) == {f"c{n}@customers.example" for n in (1, 2, 5)}
    attributes = settings.definitions.attributes
    with store.read() as connection:
        groups = variables.load_groups(connection, attributes, run_id, [1, 2, 5], ["full_name"])
    assert groups == {
        1: [{"key": f"c{n}", "full_name": f"Customer {n}"} for n in (1, 3, 4)],
        2: [{"key": "c2", "full_name": "Customer 2"}],
        5: [{"key": "c5", "full_name": "Customer 5"}],
    }
    assert verify(store).broken == ()
