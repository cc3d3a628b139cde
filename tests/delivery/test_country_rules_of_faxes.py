"""What packs of rules ask of faxes: consent where the law wants it, and numbers of the country to leave by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.country_shop import CountryShop, open_shop
from support.shop import SALT
from tidings.clock import FixedClock, to_micros
from tidings.customers.house import House, house_of
from tidings.customers.identity import address_hash
from tidings.definitions.rule_packs import PACKS
from tidings.delivery.verify import verify
from tidings.store.database import Store
from tidings.store.tables import people

PAGE = '<!doctype html>\n<html lang="en"><body><p>Roses</p>\n<div class="opt-out"><p>{{ opt_out_notice }}</p></div></body></html>\n'
ABROAD = {
    "us": "+14155550101",
    "se": "+4686121234",
    "ru": "+74951234567",
    "cn": "+861062345678",
    "gb": "+442071234567",
}
AGREED = ("us", "ru")


def fax_shop(store: Store, clock: FixedClock, root: Path, *, sender: str, more: str = "") -> CountryShop:
    """A shop that faxes to customers of five countries by a purpose without consent; two of them agreed."""
    shop = open_shop(store, clock, root, customers=6, via="fax", purpose="trade")
    (root / "channels" / "fax.yaml").write_text(
        f"channel: Fax\nadapter: outbox\nkind: fax\nsender: Garden <{sender}>\n{more}", encoding="utf-8"
    )
    policies = root / "config" / "policies.yaml"
    before, trade, after = policies.read_text(encoding="utf-8").partition("  trade:")
    policies.write_text(
        before + trade + after.replace("consent: required", "consent: not needed", 1), encoding="utf-8"
    )
    shop.letter(PAGE, "fax.en.html")
    now = to_micros(clock.now())
    with store.durable("test") as connection:
        for place, (name, number) in enumerate(ABROAD.items(), 1):
            one = connection.execute(
                sa.update(people.customers)
                .where(people.customers.c.key == f"c{place}")
                .values(key=name, phone=None, fax=number, fax_hash=address_hash(SALT, "fax", number))
                .returning(people.customers.c.id)
            ).scalar_one()
            said = "granted" if name in AGREED else "pending" if name == "cn" else None
            if said:
                connection.execute(
                    sa.insert(people.consents).values(
                        customer_id=one, channel="fax", purpose="trade", state=said, basis="form",
                        source="test", at=now, received_at=now,
                    )
                )  # fmt: skip
    return shop


def planned(shop: CountryShop) -> dict[str, str | None]:
    return {key: code for key, (_, code) in shop.plan()[1].items() if key in ABROAD}


def test_without_rules_a_purpose_without_consent_is_faxed(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = fax_shop(store, clock, tmp_path, sender="+4686120000")
    assert planned(shop) == dict.fromkeys(ABROAD)


def test_where_the_law_wants_consent_nobody_is_faxed_without(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = fax_shop(store, clock, tmp_path, sender="+14155550100")
    shop.rules("rules: [us, eu, ru, cn]")
    assert planned(shop) == {"us": None, "ru": None, "se": "no_consent", "cn": "no_consent", "gb": None}


def test_a_fax_to_the_united_states_names_numbers_of_the_united_states(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = fax_shop(store, clock, tmp_path, sender="+4686120000")
    shop.rules("rules: [us]")
    assert planned(shop) == dict.fromkeys(ABROAD) | {"us": "missing_unsubscribe"}


@pytest.mark.parametrize(
    ("sender", "options", "strange"),
    [
        ("Garden <+14155550100>", "", False),
        ("Garden <+4686120000>", "", True),
        ("Garden", "", True),
        (
            "Garden <+4686120000>",
            "options: {opt_out_phone: '+18005550100', opt_out_fax: '+14155550100'}\n",
            False,
        ),
        ("Garden <+14155550100>", "options: {opt_out_phone: '+4686120000'}\n", True),
        ("Garden <+12045550100>", "", True),
    ],
)
def test_both_numbers_of_the_notice_are_asked(
    make_store: Callable[..., Store],
    clock: FixedClock,
    tmp_path: Path,
    sender: str,
    options: str,
    strange: bool,
) -> None:
    shop = fax_shop(make_store("sqlite"), clock, tmp_path, sender="+14155550100")
    path = tmp_path / "channels" / "fax.yaml"
    path.write_text(
        f"channel: Fax\nadapter: hylafax\nkind: fax\nsender: {sender}\n{options}", encoding="utf-8"
    )
    shop.rules("rules: [us]")
    definitions = shop.settings.definitions
    purpose = definitions.policies.purpose("trade")
    assert purpose is not None
    house = house_of(definitions, purpose, "fax", ["fax"])
    assert house == House(
        consented=PACKS["us"].countries, strange=PACKS["us"].countries if strange else (), home="SE"
    )
    assert house_of(definitions, purpose, "sms", ["fax"]) is None


def test_the_gate_asks_again_and_names_the_rule(
    make_store: Callable[..., Store], clock: FixedClock, tmp_path: Path
) -> None:
    shop = fax_shop(make_store("sqlite"), clock, tmp_path, sender="+4686120000")
    shop.rules("rules: [us, eu]")
    run_id = shop.start()
    shop.give("gb", country="DE")
    shop.give("ru", country="US")
    found = shop.deliver(run_id)
    assert found["gb"] == [("fax", "refused", "no_consent", "rules/consent")]
    assert found["ru"] == [("fax", "refused", "missing_unsubscribe", "rules/domestic_numbers")]
    assert found["cn"] == [("fax", "accepted", None, None)]
    assert verify(shop.store).broken == ()
