"""A campaign by SMS through the Twilio adapter and back: texts, short links, receipts, a doubt that ends, and STOP."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from support.shop import SALT, copy_workspace, seed
from support.twilio_stage import catcher, values
from tidings.campaigns.planning import make_plan
from tidings.campaigns.runs import start_run
from tidings.channels.sandbox.twilio import TwilioSandbox
from tidings.channels.twilio import TwilioAdapter
from tidings.clock import FixedClock, to_micros
from tidings.config.settings import Settings, load_settings
from tidings.customers.identity import address_hash
from tidings.delivery.running import deliver_run
from tidings.delivery.verify import verify
from tidings.responses.incoming import Incoming, house_of
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
via: sms
holdout: none
"""
CHANNEL = """\
channel: SMS
adapter: twilio
kind: sms
sender: "+15005550006"
cost: 0.05 EUR per segment
options: {account_sid: AC00000000000000000000000000000000}
secrets: {auth_token: TIDINGS_TWILIO_TOKEN}
"""
TEXT = "{{ full_name }}: it’s 25% off https://shop.example/sms\n"
ENDINGS = ("0000", "3005", "5001", "0009", "0001")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    root = copy_workspace(
        tmp_path / "shop",
        campaigns__autumn=CAMPAIGN,
        channels__sms=CHANNEL,
        segments__everybody="segment: Everybody\nwhere:\n  - last_order_at: known\n",
    )
    (root / "templates" / "autumn").mkdir()
    (root / "templates" / "autumn" / "sms.en.txt").write_text(TEXT)
    return load_settings(root, "development", variables={})


def number_of(ending: str) -> str:
    return f"+88691100{ending}"


def start(store: Store, settings: Settings, clock: FixedClock) -> int:
    seed(store, len(ENDINGS))
    now = to_micros(clock.now())
    with store.durable("test") as connection:
        customers = people.customers
        connection.execute(sa.update(customers).values(locale="en"))
        found = connection.execute(sa.select(customers.c.id).order_by(customers.c.id)).scalars().all()
        for customer, ending in zip(found, ENDINGS, strict=True):
            phone = number_of(ending)
            hashed = address_hash(SALT, "sms", phone)
            changed = sa.update(customers).where(customers.c.id == customer)
            connection.execute(changed.values(phone=phone, phone_hash=hashed))
            consent = {"customer_id": customer, "channel": "sms", "purpose": "marketing", "state": "granted"}
            consent |= {"basis": "form", "source": "test", "at": now, "received_at": now}
            connection.execute(sa.insert(people.consents).values(consent))
    plan = make_plan(store, settings.definitions, "autumn", now=clock.now())
    return start_run(store, settings.definitions, plan.hash, approved_by="ann", now=clock.now()).id


def states(store: Store) -> dict[str, str]:
    messages, customers = sending.messages, people.customers
    with store.read() as connection:
        rows = connection.execute(
            sa.select(customers.c.phone, messages.c.state).join(
                messages, messages.c.customer_id == customers.c.id
            )
        )
        return {phone[-4:]: state for phone, state in rows}


def test_texts_go_out_and_what_becomes_of_them_comes_back(
    store: Store, clock: FixedClock, settings: Settings
) -> None:
    run_id = start(store, settings, clock)
    incoming = Incoming(store, house_of(settings.definitions))
    with (
        catcher() as caught,
        TwilioSandbox(hook_url=f"{caught.url}/h/sms", duplicate=True, reorder=True) as twilio,
    ):
        channel = settings.definitions.channels["sms"]
        adapter = TwilioAdapter(channel, values(twilio.url, status_callback=caught.url))
        done = deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters={"sms": adapter})
        assert (done.accepted, done.rejected, done.in_doubt) == (2, 2, 1)
        assert states(store) == {
            "0000": "accepted",
            "3005": "accepted",
            "5001": "in_doubt",
            "0009": "rejected",
            "0001": "rejected",
        }
        twilio.settle()

        def take() -> None:
            for call in caught.calls:
                incoming.take("sms", adapter.name, adapter.parse_webhook(call, clock.now()), now=clock.now())

        take()
        ends = {
            "0000": "delivered",
            "3005": "bounced",
            "5001": "delivered",
            "0009": "rejected",
            "0001": "rejected",
        }
        assert states(store) == ends
        take()
        assert states(store) == ends
        bodies = {one["to"][-4:]: one["body"] for one in twilio.messages}
        assert set(bodies) == {"0000", "3005", "5001"}
        first, last = bodies["0000"].split("\n")
        assert ": it's 25% off " in first and last == "Reply STOP to opt out"
        said = ShortVerifier(RING).read(first.rpartition("/s/")[2])
        twilio.hear(number_of("0000"), "STOP")
        twilio.settle()
        take()
    with store.read() as connection:
        link = connection.execute(
            sa.select(answers.links.c.url).where(answers.links.c.id == said.link_id)
        ).scalar_one()
        withdrawn = connection.execute(
            sa.select(people.customers.c.phone)
            .join(people.consents, people.consents.c.customer_id == people.customers.c.id)
            .where(people.consents.c.state == "withdrawn", people.consents.c.channel == "sms")
            .distinct()
        ).scalars()
        assert list(withdrawn) == [number_of("0000")]
        suppressed = set(connection.execute(sa.select(people.suppressions.c.address_hash)).scalars())
    assert link == "https://shop.example/sms"
    assert address_hash(SALT, "sms", number_of("3005")) in suppressed
    assert verify(store).broken == ()
