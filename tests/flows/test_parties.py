"""A step writes to another party of the customer: one message a customer, or one for all customers of the party."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.flow_world import DAY, Live, enter, flow_workspace, go_live, populate
from support.ledger_workspace import rewrite
from support.ledger_world import address_of, message_rows
from tidings.clock import FixedClock, to_micros
from tidings.config.settings import load_settings
from tidings.definitions.loader import load
from tidings.delivery.running import deliver_run
from tidings.delivery.verify import verify
from tidings.flows.journeys.parties import PartyMessages, ToParty, send_to_party
from tidings.measurement.report import make_report
from tidings.store.database import Store
from tidings.store.tables import journeys, people, sending
from tidings.store.vocabulary import attributes_table
from tidings.tokens.keyring import KeyRing

RING = KeyRing.from_text("k1:" + "ab" * 32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return flow_workspace(tmp_path / "workspace")


def reaching(
    store: Store, root: Path, live: Live, about: dict[int, str | None], group: str = "party", later: int = 0
) -> PartyMessages:
    """Let enrolments (by id, with the key of their party) come to the step `sheet` in one tick."""
    definitions = load(root)
    flow = definitions.flows["care"]
    step = flow.step("sheet")
    assert step is not None
    at = to_micros(store.clock.now()) + later
    what = ToParty(flow, replace(step, group=group), definitions, live.run_id, 1, at, at, at + DAY, "p" * 64)
    came = sa.union_all(
        *(
            sa.select(
                sa.literal(one, sa.BigInteger).label("enrolment_id"), sa.literal(key, sa.Text).label("party")
            )
            for one, key in about.items()
        )
    ).subquery("came")
    with store.durable("test") as connection:
        return send_to_party(connection, came, what)


def subjects(store: Store) -> list[tuple[int, int]]:
    table = journeys.message_subjects
    with store.read() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.message_id, table.c.enrolment_id))
        return [(row.message_id, row.enrolment_id) for row in rows]


def test_all_customers_of_a_dealer_who_come_in_one_tick_share_one_message(
    store: Store, root: Path, clock: FixedClock
) -> None:
    populate(store, 6)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2, 3, 4))
    came = {entered[1]: "c5", entered[2]: "c5", entered[3]: "c6"}
    assert reaching(store, root, live, came) == PartyMessages(planned=2)
    # The next part of the same tick joins it.
    assert reaching(store, root, live, {entered[4]: "c5"}) == PartyMessages(joined=1)
    first, second = message_rows(store, live.run_id)
    assert (first.customer_id, first.state, first.step, first.leg) == (5, "planned", "sheet", 0)
    assert second.customer_id == 6
    assert subjects(store) == [
        (first.id, entered[1]),
        (first.id, entered[2]),
        (first.id, entered[4]),
        (second.id, entered[3]),
    ]
    with store.read() as connection:
        arms = connection.execute(
            sa.select(sending.enrolments.c.customer_id, sending.enrolments.c.entry).where(
                sending.enrolments.c.arm == "party"
            )
        ).all()
    assert sorted(map(tuple, arms)) == [(5, 0), (6, 0)]


def test_those_of_the_next_tick_get_a_message_of_their_own(
    store: Store, root: Path, clock: FixedClock
) -> None:
    populate(store, 3)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2))
    reaching(store, root, live, {entered[1]: "c3"})
    assert reaching(store, root, live, {entered[2]: "c3"}, later=1) == PartyMessages(planned=1)
    assert [row.customer_id for row in message_rows(store, live.run_id)] == [3, 3]


def test_without_a_group_each_customer_has_a_message_of_its_own(
    store: Store, root: Path, clock: FixedClock
) -> None:
    populate(store, 3)
    live = go_live(store, root)
    # The dealer walks the flow too: as a customer, counted.
    entered = enter(store, live, (1, 2, 3))
    came = {entered[1]: "c3", entered[2]: "c3"}
    assert reaching(store, root, live, came, group="") == PartyMessages(planned=2)
    with store.read() as connection:
        entries = connection.execute(
            sa.select(sending.enrolments.c.entry, sending.enrolments.c.arm)
            .where(sending.enrolments.c.customer_id == 3)
            .order_by(sending.enrolments.c.entry)
        ).all()
    assert list(map(tuple, entries)) == [(0, "treated"), (1, "party"), (2, "party")]


def test_a_party_that_is_not_known_or_cannot_be_written_to_is_a_refusal_in_the_ledger(
    store: Store, root: Path, clock: FixedClock
) -> None:
    populate(store, 3)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2))
    with store.durable("test") as connection:
        connection.execute(
            sa.update(people.customers).where(people.customers.c.id == 3).values(email=None, email_hash=None)
        )
    came = {entered[1]: "nobody", entered[2]: "c3"}
    assert reaching(store, root, live, came) == PartyMessages(refused=2)
    rows = {row.customer_id: row for row in message_rows(store, live.run_id)}
    assert (rows[1].enrolment_id, rows[1].refusal_code, rows[1].refusal_rule) == (
        entered[1],
        "no_address",
        "party/last_name",
    )
    assert (rows[3].state, rows[3].refusal_code, rows[3].refusal_rule) == (
        "refused",
        "no_address",
        "address/email",
    )


def test_the_party_reads_of_its_customers_as_a_table_and_counts_nowhere(
    store: Store, root: Path, clock: FixedClock
) -> None:
    populate(store, 3)
    settings = load_settings(root, "development", variables={})
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(attributes_table(settings.definitions.attributes)),
            [{"customer_id": 1, "full_name": "Ann Lee"}, {"customer_id": 2, "full_name": "Bo Ek"}],
        )
    live = go_live(store, root)
    entered = enter(store, live, (1, 2))
    reaching(store, root, live, {entered[1]: "c3", entered[2]: "c3"})
    assert deliver_run(settings, store, live.run_id, clock=clock, ring=RING).sent_now == 1
    (path,) = (settings.data_dir / "outbox").glob("*.eml")
    letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    body = letter.get_body(("plain",))
    assert body is not None
    assert str(letter["To"]) == address_of(3)
    assert [line for line in body.get_content().splitlines() if line.startswith("c")] == [
        "c1 Ann Lee",
        "c2 Bo Ek",
    ]
    report = make_report(store, settings.definitions, "care", as_of=clock.now())
    assert {arm.name: arm.customers for arm in report.arms}["treated"] == 2
    assert verify(store).broken == ()


def test_by_the_next_channel_the_message_is_about_the_same_customers(
    store: Store, root: Path, clock: FixedClock
) -> None:
    rewrite(
        root / "flows" / "care.yaml",
        "    send: care/sheet\n    via: [email]",
        "    send: care/sheet\n    via: [email, sms]",
    )
    (root / "templates" / "care" / "sheet" / "sms.txt").write_text(
        "{% for one in group %}{{ one.key }} {% endfor %}{{ unsubscribe_url }}\n"
    )
    populate(store, 3)
    settings = load_settings(root, "development", variables={})
    live = go_live(store, root)
    entered = enter(store, live, (1, 2))
    reaching(store, root, live, {entered[1]: "c3", entered[2]: "c3"})
    deliver_run(settings, store, live.run_id, clock=clock, ring=RING)
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.messages).values(**sending.in_state("bounced"), finished_at=0))
    assert deliver_run(settings, store, live.run_id, clock=clock, ring=RING).sent_now == 1
    (text,) = (settings.data_dir / "outbox").glob("*.txt")
    assert text.read_text().startswith("c1 c2 ")
    assert verify(store).broken == ()
