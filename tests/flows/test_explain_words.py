"""Finding whom a question is about, the time line, and a sentence for every refusal and every state of a message."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.explained_shop import ExplainedShop, fact, open_shop
from tidings.clock import FixedClock, to_micros
from tidings.customers.refusals import REFUSALS
from tidings.delivery.recorded import recorded
from tidings.errors import UsageError
from tidings.flows.explaining import answering
from tidings.flows.explaining.words import ORDER, RULES, STATES, refusal_words, rule_named
from tidings.store.database import Store
from tidings.store.tables import people, sending


@pytest.fixture
def shop(store: Store, tmp_path: Path) -> ExplainedShop:
    return open_shop(store, tmp_path / "shop")


def test_without_a_campaign_everything_that_touched_the_customer_is_told_by_time(
    shop: ExplainedShop, clock: FixedClock
) -> None:
    shop.people("anna", "boris")
    shop.run("letter")
    found = shop.why("anna")
    (line,) = [one for one in found.chapters if one.title == "Time line"]
    assert [one.what for one in line.facts][:3] == ["known", "consent", "consent"]
    assert {"segment", "in", "message"} <= {one.what for one in line.facts}
    assert [one.at for one in line.facts] == sorted(one.at or 0 for one in line.facts)
    assert any(one.text.startswith("letter by e-mail was accepted") for one in line.facts)
    assert not any("boris" in one.text for one in line.facts)


def test_a_customer_is_found_by_key_e_mail_and_telephone(shop: ExplainedShop) -> None:
    shop.people("anna")
    phone = shop.why("anna").person.addresses["sms"]
    assert phone is not None
    for text in ("anna", " ANNA@customers.example ", phone, f"{phone[:2]} {phone[2:5]} {phone[5:]}"):
        assert shop.why(text).person.key == "anna", text


def test_an_unknown_customer_or_campaign_is_one_sentence_with_the_nearest(shop: ExplainedShop) -> None:
    shop.people("anna")
    for customer, name, sentence, hint in (
        ("anma", "", 'there is no customer "anma"', "did you mean anna?"),
        ("anna", "leter", 'there is no campaign or flow "leter"', 'did you mean "letter"'),
        ("anna@customer.example", "", 'there is no customer "anna@customer.example"', "did you mean anna@customers.example?"),
    ):  # fmt: skip
        with pytest.raises(UsageError) as caught:
            shop.why(customer, name)
        assert caught.value.message == sentence
        assert caught.value.what_to_do is not None and caught.value.what_to_do.startswith(hint)


def test_an_address_of_several_customers_asks_for_a_key(shop: ExplainedShop) -> None:
    shop.people("anna")
    shop.people("boris", email="anna@customers.example")
    with pytest.raises(UsageError) as caught:
        shop.why("anna@customers.example")
    assert caught.value.what_to_do == "name one by its key: anna, boris"


def test_every_refusal_and_every_state_has_a_sentence_in_an_explanation(
    shop: ExplainedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the run recorded is the same for all of them.
    monkeypatch.setattr(answering, "recorded", cache(recorded))
    codes, states = list(REFUSALS), list(sending.MESSAGE_STATES)
    keys = [f"p{number}" for number in range(len(codes) + len(states))]
    shop.people(*keys)
    run = shop.start(shop.plan("letter"))
    messages, now = sending.messages, to_micros(shop.store.clock.now())
    with shop.store.durable("test") as connection:
        for number, key in enumerate(keys):
            code = codes[number] if number < len(codes) else None
            state = "refused" if code else states[number - len(codes)]
            connection.execute(
                sa.update(messages)
                .where(messages.c.run_id == run.id, messages.c.customer_id == sa.select(people.customers.c.id).where(people.customers.c.key == key).scalar_subquery())
                .values(**sending.in_state(state), refusal_code=code, refusal_rule="the rule" if code else None, finished_at=now)
            )  # fmt: skip
    for number, key in enumerate(keys):
        found = shop.why(key, "letter")
        json.dumps(found.as_json())
        if number < len(codes):
            code = codes[number]
            refused = fact(found, "refused")
            assert refused.text.startswith(REFUSALS[code].means), code
            assert refused.data["code"] == code and refused.data["rule"] == "the rule"
            assert found.headline.startswith("Got nothing: ")
            against = [one.what for chapter in found.chapters for one in chapter.facts if one.verdict == "against"]  # fmt: skip
            assert set(against) <= {"message", "refused", rule_named(code)}, code
        else:
            assert STATES[states[number - len(codes)]] in fact(found, "message").text


def test_every_code_of_the_registry_belongs_to_a_rule_or_to_the_message_itself() -> None:
    assert set(RULES) <= set(REFUSALS), "a code that is no longer there"
    assert set(STATES) == set(sending.MESSAGE_STATES)
    for code in REFUSALS:
        assert refusal_words(code) == REFUSALS[code].means
        assert rule_named(code) in {*ORDER, "late", "again", "message"}
    assert "does not know" in refusal_words("a code of tomorrow")
