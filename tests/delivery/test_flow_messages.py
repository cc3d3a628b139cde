"""The messages of a flow go out by the sender of campaigns: each step in its own words, by its own rules and version."""

from __future__ import annotations

import email
import email.policy
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.flow_world import enter, flow_workspace, go_live, plan, populate, record
from support.ledger_workspace import rewrite
from support.ledger_world import address_of, attempt_rows, message_rows
from tidings.campaigns.steps import as_campaign, with_named_step
from tidings.clock import FixedClock, to_micros
from tidings.config.settings import Settings, load_settings
from tidings.definitions.loader import load
from tidings.delivery.kept import Kept
from tidings.delivery.pause import pause, resume
from tidings.delivery.recorded import recorded
from tidings.delivery.running import deliver_run
from tidings.delivery.standing import finish, run_counts
from tidings.delivery.verify import verify
from tidings.errors import UsageError
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending
from tidings.tokens.keyring import KeyRing

RING = KeyRing.from_text("k1:" + "ab" * 32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return flow_workspace(tmp_path / "workspace")


@pytest.fixture
def settings(root: Path) -> Settings:
    return load_settings(root, "development", variables={})


def letters(settings: Settings) -> list[EmailMessage]:
    return [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in sorted((settings.data_dir / "outbox").glob("*.eml"))
    ]


def subjects(settings: Settings) -> Counter[tuple[str, str]]:
    return Counter((str(one["To"]), str(one["Subject"])) for one in letters(settings))


def test_a_step_is_a_campaign_of_its_own(root: Path) -> None:
    definitions = load(root)
    flow = definitions.flows["care"]
    letter, paper, sheet = (flow.step(name) for name in ("letter", "paper", "sheet"))
    assert letter and paper and sheet
    one = as_campaign(flow, letter, definitions)
    assert (one.id, one.send, one.via, one.purpose) == ("care", "care/letter", ("email", "sms"), "marketing")
    assert one.say == (("opening", "Thank you for buying"),)
    assert one.goal == flow.goal
    assert as_campaign(flow, paper, definitions).purpose == "contract_service"
    assert as_campaign(flow, sheet, definitions).group == "party"


def test_a_step_without_via_goes_out_by_every_channel_it_has_words_for(root: Path) -> None:
    definitions = load(root)
    flow = definitions.flows["care"]
    step = replace(flow.steps[0], via=())
    assert as_campaign(flow, step, definitions).via == ("email", "sms")


def test_a_step_is_found_by_the_name_of_its_flow_and_its_own(root: Path) -> None:
    definitions = load(root)
    assert with_named_step(definitions, "care.paper").campaigns["care.paper"].send == "care/paper"
    assert with_named_step(definitions, "care").campaigns["care"].send == "care/letter"
    assert with_named_step(definitions, "birthday") is definitions
    with pytest.raises(UsageError, match='no step "answer" that sends') as raised:
        with_named_step(definitions, "care.answer")
    assert "care.letter" in str(raised.value.what_to_do)


def test_each_step_goes_out_in_its_own_words_and_the_run_goes_on(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    populate(store, 3)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2, 3))
    plan(store, live, entered, "letter")
    plan(store, live, {1: entered[1]}, "paper")
    done = deliver_run(settings, store, live.run_id, clock=clock, ring=RING)
    assert (done.state, done.accepted, done.sent_now, done.reason) == ("sending", 4, 4, "")
    assert subjects(settings) == {
        (address_of(1), "Thank you for buying"): 1,
        (address_of(2), "Thank you for buying"): 1,
        (address_of(3), "Thank you for buying"): 1,
        (address_of(1), "Your papers"): 1,
    }
    # A message keeps the values that its own template names, and no other.
    kept = {row.step: set(row.variables or {}) for row in message_rows(store, live.run_id)}
    assert kept == {"letter": {"full_name"}, "paper": {"orders"}}
    assert not finish(store, live.run_id, now=to_micros(clock.now()))
    assert run_counts(store, live.run_id)["accepted"] == 4
    again = deliver_run(settings, store, live.run_id, clock=clock, ring=RING)
    assert (again.state, again.sent_now) == ("sending", 0)
    assert verify(store).broken == ()


def test_the_purpose_of_the_step_decides_who_may_be_written_to(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    populate(store, 2)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2))
    plan(store, live, entered, "letter")
    plan(store, live, entered, "paper")
    at = to_micros(clock.now())
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(people.consents),
            [
                {
                    "customer_id": 1,
                    "channel": kind,
                    "purpose": "marketing",
                    "state": "withdrawn",
                    "basis": "reply",
                    "source": "test",
                    "at": at,
                    "received_at": at,
                }
                for kind in ("email", "sms")
            ],
        )
    deliver_run(settings, store, live.run_id, clock=clock, ring=RING)
    states = {
        (row.customer_id, row.step): (row.state, row.refusal_rule) for row in message_rows(store, live.run_id)
    }
    assert states[1, "letter"] == ("refused", "consent/email/marketing")
    assert states[1, "paper"] == states[2, "paper"] == states[2, "letter"] == ("accepted", None)


def test_whoever_was_sent_to_by_a_version_is_written_to_in_its_words(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    populate(store, 2)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2))
    plan(store, live, {1: entered[1]}, "letter", version=1)
    rewrite(root / "flows" / "care.yaml", "Thank you for buying", "Many thanks")
    template = root / "templates" / "care" / "letter" / "email.txt"
    rewrite(template, "shop.example/letter", "shop.example/second")
    record(store, root, live.run_id, 2)
    plan(store, live, {2: entered[2]}, "letter", version=2)
    kept = Kept()
    done = deliver_run(settings, store, live.run_id, clock=clock, ring=RING, kept=kept)
    assert done.accepted == 2
    assert subjects(settings) == {
        (address_of(1), "Thank you for buying"): 1,
        (address_of(2), "Many thanks"): 1,
    }
    links = answers.links
    with store.read() as connection:
        rows = connection.execute(sa.select(links.c.step, links.c.version, links.c.url)).all()
    assert {("letter", 1, "https://shop.example/letter"), ("letter", 2, "https://shop.example/second")} <= {
        tuple(row) for row in rows
    }
    assert recorded(store, live.run_id).version == 2
    assert recorded(store, live.run_id, 1).campaign_of("letter").say == (("opening", "Thank you for buying"),)
    with pytest.raises(UsageError, match="no version 3"):
        recorded(store, live.run_id, 3)


def test_what_is_due_later_waits_and_a_pause_of_the_flow_holds_everything(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    populate(store, 2)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2))
    later = to_micros(clock.now() + timedelta(hours=2))
    plan(store, live, {1: entered[1]}, "letter", due_at=later)
    plan(store, live, {2: entered[2]}, "letter")
    pause(store, "care", reason="stock", actor="ann", now=clock.now())
    held = deliver_run(settings, store, live.run_id, clock=clock, ring=RING)
    assert (held.sent_now, held.reason) == (0, "the run is paused: stock")
    resume(store, "care", actor="ann", now=clock.now())
    assert deliver_run(settings, store, live.run_id, clock=clock, ring=RING).sent_now == 1
    clock.advance(timedelta(hours=2))
    assert deliver_run(settings, store, live.run_id, clock=clock, ring=RING).sent_now == 1


def test_a_step_that_cannot_be_written_holds_up_no_other(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    populate(store, 2)
    (root / "templates" / "care" / "letter" / "email.txt").write_text("Subject: x\n\n{{ no_such_thing }}\n")
    live = go_live(store, root)
    entered = enter(store, live, (1, 2))
    plan(store, live, entered, "letter")
    plan(store, live, entered, "paper")
    done = deliver_run(settings, store, live.run_id, clock=clock, ring=RING)
    assert done.sent_now == 2
    assert "letter: " in done.reason
    states = {(row.step, row.state) for row in message_rows(store, live.run_id)}
    assert states == {("letter", "planned"), ("paper", "accepted")}


def test_a_doubt_is_settled_by_the_purpose_of_its_step(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    populate(store, 1)
    live = go_live(store, root)
    entered = enter(store, live, (1,))
    ids = {step: plan(store, live, entered, step)[1] for step in ("letter", "paper")}
    at = to_micros(clock.now())
    with store.durable("test") as connection:
        claim = connection.execute(
            sa.insert(sending.claims)
            .values(
                run_id=live.run_id,
                owner="host:1:gone",
                boot_id="another",
                claimed_at=at,
                leased_until=1,
                size=2,
                state="open",
            )
            .returning(sending.claims.c.id)
        ).scalar_one()
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id.in_(ids.values()))
            .values(state="started", claim_id=claim, started_at=at, attempt=1)
        )
    deliver_run(settings, store, live.run_id, clock=clock, ring=RING)
    states = {row.step: row.state for row in message_rows(store, live.run_id)}
    # `in_doubt: resend` of contract_service; marketing holds what is in doubt.
    assert states == {"letter": "in_doubt", "paper": "deferred"}
    assert [row.outcome for row in attempt_rows(store)].count("resolved_resend") == 1


def test_old_messages_of_a_long_flow_are_not_looked_through_again(
    store: Store, clock: FixedClock, root: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(store, 3)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2, 3))
    old = plan(store, live, {1: entered[1]}, "letter")[1]
    kept, at = Kept(), [1_000.0]
    monkeypatch.setattr("tidings.delivery.kept.time.monotonic", lambda: at[0])
    deliver_run(settings, store, live.run_id, clock=clock, ring=RING, kept=kept)
    assert kept.first(store, live.run_id) == 0
    clock.advance(timedelta(days=2))
    at[0] += 61
    assert kept.first(store, live.run_id) == old
    new = plan(store, live, {2: entered[2]}, "letter")[2]
    at[0] += 61
    kept.first(store, live.run_id)
    at[0] += 61
    assert kept.first(store, live.run_id) == new
    assert deliver_run(settings, store, live.run_id, clock=clock, ring=RING, kept=kept).sent_now == 1
