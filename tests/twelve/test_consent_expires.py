"""Consent that lasts for a time: counted, refused in plan and gate, told by explain, and given anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.twelve_shop import TwelveShop, addressed, run
from tidings.clock import to_micros
from tidings.customers.permission import reach_counts, refusal, refusals
from tidings.store.tables import people

LETTER = """\
campaign: Letter
purpose: marketing
to: newsletter_readers
send: winback/letter
via: [email, sms]
holdout: none
at: 2027-03-03 10:00
"""


@pytest.fixture
def edit() -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        policies = root / "config/policies.yaml"
        text = policies.read_text()
        wanted = text.replace(
            "marketing: {class: marketing}", "marketing: {class: marketing, consent_lasts: 24 months}"
        )
        assert wanted != text
        policies.write_text(wanted)
        (root / "campaigns/letter.yaml").write_text(LETTER)
        (root / "templates/winback/letter/sms.en.txt").write_text("We kept your favourites")

    return edit


def agreed(twelve: TwelveShop, ago: timedelta, *keys: str, channel: str = "email") -> None:
    """Let the consent of customers be so old."""
    with twelve.store.durable("test") as connection:
        ids = sa.select(people.customers.c.id).where(people.customers.c.key.in_(keys))
        connection.execute(
            sa.update(people.consents)
            .where(people.consents.c.customer_id.in_(ids), people.consents.c.channel == channel)
            .values(at=to_micros(twelve.clock.now() - ago))
        )


def test_old_consent_is_refused_in_the_plan_and_counted(twelve: TwelveShop) -> None:
    keys = ["fresh", "old", "texted"]
    twelve.bring(addressed("fresh"), addressed("old"), agreed=["email marketing"])
    twelve.bring(addressed("texted"), agreed=["email marketing", "sms marketing"])
    agreed(twelve, timedelta(days=719), "fresh")
    agreed(twelve, timedelta(days=721), "old", "texted")
    plan = run("plan", "letter", "--json").data
    assert {row["code"]: row["customers"] for row in plan["refusals"]} == {"consent_expired": 1}
    # By another channel the consent is younger.
    assert {row["channel"]: row["messages"] for row in plan["messages"]} == {"email": 1, "sms": 1}
    marketing = twelve.settings.definitions.policies.purpose("marketing")
    assert marketing is not None and marketing.consent_days == 720
    now = to_micros(twelve.clock.now())
    with twelve.store.read() as connection:
        assert reach_counts(connection, [marketing], ["email"], now=now) == {("email", "marketing"): {None: 1, "consent_expired": 2}}  # fmt: skip
        one_by_one = sa.select(people.customers.c.key, refusal("email", marketing, now=now))
        told = dict(connection.execute(one_by_one).all())
        assert told == dict(zip(keys, [None, "consent_expired", "consent_expired"], strict=True))
    with pytest.raises(ValueError, match="`now` is needed"):
        refusals("email", marketing)
    imported = run("import", str(next(twelve.settings.root.glob("customers-1.csv"))), "--as", "customers", "--again", "--json").data  # fmt: skip
    reach = {(row["channel"], row["purpose"]): row["refused"] for row in imported["reach"]}
    assert reach["email", "marketing"] == {"consent_expired": 2}


def test_consent_that_grows_too_old_before_the_hour_is_refused_at_the_gate(twelve: TwelveShop) -> None:
    twelve.bring(addressed("fresh"), addressed("old"), agreed=["email marketing"])
    run("run", "letter", "--plan", run("plan", "letter", "--json").data["hash"], "--yes")
    agreed(twelve, timedelta(days=719, hours=12), "old")
    twelve.at("03-03 10:00")
    assert [row[0] for row in twelve.sent()] == ["fresh"]
    assert [(row[0], row[3]) for row in twelve.refused()] == [("old", "consent_expired")]
    told = run("explain", "old", "letter").out
    assert "which held until 2027-03-02" in " ".join(told.split()) and "✗" in told
    assert "which holds until" in " ".join(run("explain", "fresh", "letter").out.split()) and twelve.sound()


def test_agreeing_on_another_basis_is_agreeing_anew(twelve: TwelveShop) -> None:
    twelve.bring(addressed("old"), agreed=["email marketing"])
    agreed(twelve, timedelta(days=800), "old")
    assert run("plan", "letter", "--json").data["people"] == 0
    # The same file once more says nothing new.
    twelve.bring(addressed("old"), agreed=["email marketing"])
    assert run("plan", "letter", "--json").data["people"] == 0
    mapping = twelve.settings.root / "config/imports/customers.yaml"
    mapping.write_text(mapping.read_text().replace("basis: opt-in,", "basis: asked again in 2027,"))
    for _ in range(2):
        twelve.bring(addressed("old"), agreed=["email marketing"])
        with twelve.store.read() as connection:
            bases = connection.execute(sa.select(people.consents.c.basis).order_by(people.consents.c.id))
            assert list(bases.scalars()) == ["opt-in", "asked again in 2027"]
    assert run("plan", "letter", "--json").data["people"] == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("consent_lasts: 24 months", "consent_lasts: 24", "[PHR02]"),
        ("consent_lasts: 24 months", "consent_lasts: 24 hours", "consent that lasts 24 hours is none"),
        ("consent_lasts: 24 months", "consent: not needed, consent_lasts: 24 months", "where no consent is needed"),
    ],
)  # fmt: skip
def test_a_time_that_cannot_be_is_said(twelve: TwelveShop, old: str, new: str, said: str) -> None:
    policies = twelve.settings.root / "config/policies.yaml"
    policies.write_text(policies.read_text().replace(old, new))
    assert said in run("check", code=1).out + run("check", code=1).err
