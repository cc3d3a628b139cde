"""Why a customer got what they got of a campaign, or nothing: each rule with its value, from stored rows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.explained_shop import DAY, ExplainedShop, fact, facts, open_shop, said
from tidings.campaigns.assignment import bucket, salt_for
from tidings.clock import FixedClock, to_micros
from tidings.delivery.pause import pause, pause_channel
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending


@pytest.fixture
def shop(store: Store, tmp_path: Path) -> ExplainedShop:
    return open_shop(store, tmp_path / "shop")


def message_of(shop: ExplainedShop, key: str, run_id: int) -> int:
    messages = sending.messages
    with shop.store.read() as connection:
        return int(
            connection.execute(
                sa.select(messages.c.id).where(
                    messages.c.customer_id == shop.id_of(key), messages.c.run_id == run_id
                )
            ).scalar_one()
        )


def test_somebody_who_got_it_is_told_every_rule_with_its_value(
    shop: ExplainedShop, clock: FixedClock
) -> None:
    shop.people("anna")
    run = shop.run("letter")
    found = shop.why("anna", "letter")
    assert found.headline.startswith("The message by e-mail was accepted by the provider on 2027-03-02 10:00")
    consent = fact(found, "consent")
    assert "agreed to marketing by e-mail on 2027-02-23 10:00 (basis opt-in, from web form)" in consent.text
    assert consent.data["source"] == "web form"
    assert fact(found, "address").text == "anna@customers.example, not suppressed"
    assert (
        "1 per day and 4 per week, for all messages of class marketing; counted on 2027-03-02: nothing else"
        in fact(found, "cap").text
    )
    assert "until 2027-03-05 10:00" in fact(found, "expiry").text
    assert fact(found, "case").text == "no case was opened"
    assert fact(found, "variant").data["variant"] in ("warm", "direct")
    assert facts(found, "message")[0].data["provider_ref"]
    assert fact(found, "goal").text == "order_placed within 14 days (until 2027-03-16 10:00): not yet"
    assert f"run {run.id}, finished; approved by anna" in fact(found, "run").text
    assert not [one for one in found.chapters for one in one.facts if one.verdict == "against"], said(found)


def test_the_arm_is_told_with_the_bucket_that_decided(store: Store, tmp_path: Path) -> None:
    shop = open_shop(store, tmp_path / "shop", holdout="50%")
    keys = [f"p{number}" for number in range(6)]
    shop.people(*keys)
    shop.run("letter")
    arms = {key: shop.why(key, "letter") for key in keys}
    held = [key for key, one in arms.items() if fact(one, "arm").data["arm"] == "holdout"]
    assert 0 < len(held) < len(keys)
    for key, one in arms.items():
        arm = fact(one, "arm")
        with store.read() as connection:
            u = connection.execute(
                sa.select(people.customers.c.u).where(people.customers.c.key == key)
            ).scalar_one()
        assert arm.data["bucket"] == bucket(
            u, salt_for(shop.definitions.workspace.salt, "letter/once", "holdout")
        )
        assert (arm.data["bucket"] < 5000) is (key in held)
        assert arm.verdict == ("against" if key in held else "passed")
    assert arms[held[0]].headline == "Got nothing: held out for comparison."
    assert "50% (below 5,000) are held out (written in the campaign)" in fact(arms[held[0]], "arm").text


def test_the_global_control_is_told_with_its_bucket(store: Store, tmp_path: Path) -> None:
    shop = open_shop(store, tmp_path / "shop")
    policies = shop.root / "config" / "policies.yaml"
    policies.write_text(
        policies.read_text(encoding="utf-8").replace("global_control: 0%", "global_control: 50%"),
        encoding="utf-8",
    )
    shop = ExplainedShop(
        store, shop.root, type(shop.settings)(**{**_fields(shop.settings), "definitions": _load(shop)})
    )
    keys = [f"p{number}" for number in range(8)]
    shop.people(*keys)
    shop.run("letter")
    control = [key for key in keys if fact(shop.why(key, "letter"), "arm").data["arm"] == "control"]
    assert control
    found = shop.why(control[0], "letter")
    assert found.headline.startswith("Got nothing: in the global control")
    assert fact(found, "global control").verdict == "against"
    assert "50% (below 5,000) are kept out of every campaign" in fact(found, "global control").text


def _fields(settings: object) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}  # type: ignore[attr-defined]


def _load(shop: ExplainedShop) -> object:
    from tidings.definitions.loader import load

    return load(shop.root)


def test_who_never_agreed_is_told_so_for_each_channel(shop: ExplainedShop) -> None:
    shop.people("anna", "boris")
    shop.people("carl", agreed=())
    shop.run("letter")
    found = shop.why("carl", "letter")
    assert found.headline == "Got nothing: the purpose needs consent, and none is granted."
    assert [one.text for one in facts(found, "consent")] == [
        "e-mail: never agreed to marketing by e-mail, and it needs consent",
        "SMS: never agreed to marketing by SMS, and it needs consent",
    ]
    assert fact(found, "refused").data == {"code": "no_consent", "rule": "reach", "planning": True}
    assert fact(found, "to do").text.startswith("Ask for consent")


def test_a_withdrawal_is_told_with_when_how_and_from_where_and_what_came_after(
    shop: ExplainedShop, clock: FixedClock
) -> None:
    shop.people("anna", "boris")
    with shop.store.durable("test") as connection:
        for kind in ("email", "sms"):
            shop.say(connection, shop.id_of("boris"), kind, "withdrawn", 3, basis="link in the message", source="tracker")  # fmt: skip
    shop.run("letter")
    clock.advance(timedelta(days=1))
    with shop.store.durable("test") as connection:
        shop.say(connection, shop.id_of("boris"), "email", ago=0)
    found = shop.why("boris", "letter")
    assert fact(found, "consent").text == (
        "e-mail: withdrew marketing by e-mail on 2027-02-27 10:00 (basis link in the message, from tracker); "
        "since then, on 2027-03-03 10:00: agreed"
    )
    assert fact(found, "refused").data["code"] == "unsubscribed_list"


def test_who_was_not_in_the_audience_is_told_which_condition_failed_as_of_now(shop: ExplainedShop) -> None:
    shop.people("anna")
    shop.people("dora", level="silver")
    shop.run("letter")
    found = shop.why("dora", "letter")
    assert found.headline == "Got nothing: was not in the audience."
    assert fact(found, "segment").text.startswith("is not in the segment “Gold customers” (gold_people) as of now (and was not on 2027-03-02 10:00")  # fmt: skip
    level, returned = facts(found, "condition")
    assert level.text == "“Member level” is gold: does not hold now (Member level is silver)"
    assert level.verdict == "against"
    assert returned.verdict == "passed"
    assert "as of now" in fact(found, "as of now").text


def test_the_conditions_are_those_that_the_run_recorded_whatever_the_files_say_by_now(
    shop: ExplainedShop,
) -> None:
    shop.people("anna")
    shop.people("dora", level="silver")
    shop.run("letter")
    segment = shop.root / "segments" / "gold_people.yaml"
    segment.write_text(segment.read_text(encoding="utf-8").replace("gold", "silver"), encoding="utf-8")
    shop.settings = type(shop.settings)(**{**_fields(shop.settings), "definitions": _load(shop)})  # type: ignore[arg-type]
    assert facts(shop.why("dora", "letter"), "condition")[0].text.startswith("“Member level” is gold: does not hold")  # fmt: skip


def test_a_cap_is_told_with_the_reservations_that_filled_it(shop: ExplainedShop) -> None:
    shop.people("anna", "boris")
    # Both are planned before anything goes out, so the claim decides.
    first, second = shop.start(shop.plan("letter")), shop.start(shop.plan("second"))
    shop.send(first)
    shop.send(second)
    found = shop.why("anna", "second")
    assert found.headline == "Got nothing: the frequency cap left no room."
    cap = fact(found, "cap")
    assert cap.text == (
        "1 per day and 4 per week, for all messages of class marketing; filled by letter by e-mail on 2027-03-02"
    )
    assert cap.verdict == "against"
    assert cap.data["reservations"][0]["campaign"] == "letter"
    verdicts = {one.what: one.verdict for one in found.chapters[3].facts}
    assert verdicts["consent"] == "passed"
    assert verdicts["budget"] == "", "what stands behind the refusal was not asked"


def test_why_the_next_leg_followed_what_the_provider_said_and_how_people_answered(
    shop: ExplainedShop, clock: FixedClock
) -> None:
    shop.people("anna")
    run = shop.run("letter")
    now, message = to_micros(clock.now()), message_of(shop, "anna", run.id)
    messages = sending.messages
    with shop.store.durable("test") as connection:
        connection.execute(
            sa.update(messages).where(messages.c.id == message).values(**sending.in_state("bounced"))
        )
        connection.execute(
            sending.receipts.insert().values(
                provider="smtp", event_id="r1", kind="bounced", message_id=message, at=now, received_at=now,
                code="5.1.1", detail="no such user", permanent=True,
            )
        )  # fmt: skip
        enrolment = connection.execute(sa.select(messages.c.enrolment_id).where(messages.c.id == message)).scalar_one()  # fmt: skip
        text = connection.execute(
            messages.insert()
            .values(
                run_id=run.id, enrolment_id=enrolment, customer_id=shop.id_of("anna"), leg=1, channel="sms",
                state="delivered", due_at=now, started_at=now, accepted_at=now, finished_at=now, attempt=2,
            )
            .returning(messages.c.id)
        ).scalar_one()  # fmt: skip
        connection.execute(
            sending.attempts.insert().values(
                message_id=text, number=1, ended_at=now, outcome="transient", detail="busy"
            )  # fmt: skip
        )
        connection.execute(
            answers.responses.insert().values(
                kind="clicked", judged="human", rule_version=1, customer_id=shop.id_of("anna"), message_id=text, at=now
            )
        )  # fmt: skip
    found = shop.why("anna", "letter")
    first, second = facts(found, "message")
    assert "bounced: the provider could not deliver it" in first.text
    assert second.text.startswith("by SMS, because the message by e-mail bounced: was delivered on 2027-03-02 10:00")  # fmt: skip
    assert fact(found, "provider").text == "the provider could not deliver it (5.1.1: no such user)"
    assert fact(found, "try").text == "try 1: the provider asked to try again later: busy"
    assert fact(found, "response").text == "followed a link"
    assert [one.data["channel"] for one in facts(found, "message")] == ["email", "sms"]


def test_quiet_hours_are_told_with_the_zone_and_until_when_they_put_it_off(
    store: Store, tmp_path: Path, clock: FixedClock
) -> None:
    shop = open_shop(store, tmp_path / "shop", via="sms")
    shop.people("anna", "boris")
    clock.advance(timedelta(hours=10))
    shop.start(shop.plan("letter"))
    found = shop.why("anna", "letter")
    hours = fact(found, "hours")
    # 20:00 in Stockholm is 22:00 in Moscow, where 09:00 is 07:00 in Stockholm.
    assert hours.text == (
        "quiet from 20:00 to 09:00, on the recipient's clock: Europe/Moscow (written); "
        "put off from 2027-03-02 20:00 to 2027-03-03 07:00"
    )
    assert hours.data["put_off_to"] == "2027-03-03 07:00"
    assert found.headline == "The message by SMS waits to be sent."


def test_a_suppressed_address_is_told_with_its_reason(shop: ExplainedShop, clock: FixedClock) -> None:
    shop.people("anna", "boris", agreed=("email",))
    with shop.store.durable("test") as connection:
        hashed = connection.execute(sa.select(people.customers.c.email_hash).where(people.customers.c.key == "boris")).scalar_one()  # fmt: skip
        connection.execute(
            people.suppressions.insert().values(
                channel="email", address_hash=hashed, reason="bounce", source="smtp", at=to_micros(clock.now()) - DAY
            )
        )  # fmt: skip
    shop.run("letter")
    found = shop.why("boris", "letter")
    assert fact(found, "address").text == (
        "e-mail: boris@customers.example is suppressed since 2027-03-01 10:00: it bounced (from smtp)"
    )
    assert fact(found, "refused").data["code"] == "suppressed_bounce"


def test_who_paused_and_resumed_it_is_told_from_the_audit_trail(
    shop: ExplainedShop, clock: FixedClock
) -> None:
    shop.people("anna")
    shop.start(shop.plan("letter"))
    pause(shop.store, "letter", reason="wrong price", actor="boris", now=clock.now())
    found = shop.why("anna", "letter")
    assert facts(found, "audit")[-1].text == "paused by boris on 2027-03-02 10:00: wrong price"
    assert "paused" in fact(found, "run").text
    pause(shop.store, None, reason="holiday", actor="boris", now=clock.now())
    pause_channel(shop.store, "email", reason="new key", actor="boris", now=clock.now())
    assert [one.text for one in facts(shop.why("anna", "letter"), "paused")] == [
        "its run is paused: wrong price",
        "the channel email is paused since 2027-03-02 10:00: new key",
        "all sending is paused: holiday",
    ]


def test_a_goal_that_was_reached_is_told(shop: ExplainedShop, clock: FixedClock) -> None:
    shop.people("anna")
    shop.run("letter")
    clock.advance(timedelta(days=2))
    with shop.store.durable("test") as connection:
        name = connection.execute(
            people.event_names.insert().values(name="order_placed")
        ).inserted_primary_key[0]
        at = to_micros(clock.now())
        connection.execute(
            people.events.insert().values(
                name_id=name,
                customer_id=shop.id_of("anna"),
                occurred_at=at,
                received_at=at,
                source="test",
                dedupe_key="1",
            )  # fmt: skip
        )
    clock.advance(timedelta(days=1))
    assert fact(shop.why("anna", "letter"), "goal").text.startswith(
        "reached: order_placed on 2027-03-04 10:00"
    )
