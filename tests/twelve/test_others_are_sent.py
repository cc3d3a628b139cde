"""Those of the twelve definitions that run as they are written, each from its files to its messages."""

from __future__ import annotations

import sqlalchemy as sa

from support.twelve_shop import TwelveShop, addressed, apply_model, run
from tidings.clock import to_micros
from tidings.store.tables import money, people


def treated(twelve: TwelveShop, name: str) -> list[str]:
    return sorted(key for key, arm in twelve.arms_of(name).items() if arm == "treated")


def score(twelve: TwelveShop, values: dict[str, float]) -> None:
    """Give customers their value of the score."""
    told = {"score": "repeat_purchase", "model": "0" * 64, "scored_at": to_micros(twelve.clock.now())}
    with twelve.store.durable("test") as connection:
        ids = dict(connection.execute(sa.select(people.customers.c.key, people.customers.c.id)).all())
        rows = [{"customer_id": ids[key], "value": value, **told} for key, value in values.items()]
        connection.execute(people.scores.insert(), rows)


def test_contract_renewal_writes_to_the_customer_to_the_dealer_and_to_sales(twelve: TwelveShop) -> None:
    twelve.bring(addressed("dealer1"), {**addressed("dealer2"), "fax": ""})
    firms = [f"firm{n}" for n in range(6)]
    twelve.bring(*({**addressed(key), "dealer": f"dealer{1 + int(key[-1]) % 2}"} for key in firms))
    ends = {"contract_ends_on": "2027-05-03"}
    worth = {key: "60000" if key in firms[:2] else "900" for key in firms}
    signed = {key: {"contract": f"K{key}", "contract_value": worth[key], **ends} for key in firms}
    twelve.happened("contract_signed", signed)
    # A customer with two contracts gets two letters.
    twelve.happened("contract_signed", {"firm0": {"contract": "other", "contract_value": "10", **ends}})
    run("run", "contract_renewal", "--yes")
    # Sixty days before 3 May is 4 March, at nine.
    twelve.at("03-03 10:00")
    assert twelve.sent() == []
    twelve.at("03-04 09:00")
    two = ["firm0", *firms]
    assert twelve.sent() == [(key, "first_letter", "email", "03-04 09:00") for key in two]
    twelve.at("03-05 10:00")
    twelve.happened("contract_renewed", {"firm5": {"contract": "Kfirm5", "contract_value": "900"}})
    twelve.at("03-07 09:00", "03-07 09:01")
    # One fax about four contracts, and a mail to the dealer that has no fax.
    assert twelve.sent()[7:] == [
        ("dealer1", "dealer_sheet", "fax", "03-07 09:00"),
        ("dealer2", "dealer_sheet", "email", "03-07 09:00"),
    ]
    twelve.at("03-18 09:00", "03-21 09:00", "03-21 09:01")
    # The dear contracts are called about, two working days after a Sunday.
    assert twelve.tasks() == [(key, "account_manager", "open", "03-23 09:00") for key in firms[:2]]
    twelve.at("04-26 09:00", "04-26 09:01")
    notices = [(key, "last_notice", "sms", "04-26 09:00") for key in two if key != "firm5"]
    assert twelve.sent()[9:] == notices
    assert [one[2] for one in twelve.outcomes("firm5")] == ["left"] and twelve.sound()


def test_the_ladder_goes_from_letter_to_text_to_fax_for_good_customers_who_went_quiet(
    twelve: TwelveShop,
) -> None:
    # Who is in the segment already when it goes live did not enter it.
    apply_model(twelve)
    run("run", "winback_ladder", "--yes")
    keys = [f"quiet{n:02}" for n in range(20)]
    more = {"country": "RU", "last_order_at": "2026-11-01", "lifetime_value": "22000"}
    twelve.bring(
        *({**addressed(key), **more, "account_type": "business" if int(key[-1]) % 2 else "person"} for key in keys),
        agreed=("email marketing", "sms marketing", "fax marketing"),
    )  # fmt: skip
    for at in ("2026-05-01", "2026-11-01"):
        order = {"at": f"{at} 12:00:00", "category": "garden", "order_total": "9.00"}
        twelve.happened("order_placed", dict.fromkeys(keys, order))
    twelve.happened("complaint_opened", ["quiet19"])
    score(twelve, {key: 1 - n / 100 for n, key in enumerate(keys)})
    twelve.at("03-02 12:00")
    # The best 40 % of the nineteen who did not complain.
    assert set(twelve.arms_of("winback_ladder")) == set(keys[:8])
    inside = treated(twelve, "winback_ladder")
    assert twelve.sent() == [(key, "letter", "email", "03-02 12:00") for key in inside]
    clicker, buyer, *rest = inside
    twelve.at("03-03 09:00")
    twelve.click(clicker, "letter")
    twelve.happened("order_placed", {buyer: {"order_total": "9.00"}})
    twelve.at("03-03 09:01", "03-05 12:00", "03-05 12:01", "03-09 12:00", "03-09 12:01")
    firms = [key for key in rest if int(key[-1]) % 2]
    assert twelve.sent()[len(inside) :] == [
        (clicker, "thanks", "email", "03-03 09:01"),
        *((key, "text", "sms", "03-05 12:00") for key in rest),
        *((key, "sheet", "fax", "03-09 12:00") for key in firms),
    ]
    assert firms and len(twelve.pieces("tif")) == len(firms) and twelve.sound()


def test_the_list_from_the_fair_is_filled_by_an_import(twelve: TwelveShop) -> None:
    twelve.bring(addressed("card1"), addressed("card2"), into="taipei_fair_2027_leads")
    assert twelve.listed("taipei_fair_2027_leads") == ["card1", "card2"]


def test_the_bill_of_the_ad_network_is_read(twelve: TwelveShop) -> None:
    lines = [
        "Отчёт", "Клиент", "Период", "Дата;Кампания;Показы;Клики;Расход", "01.03.2027;весна_сад_поиск;100;5;1 220,00",
        "01.03.2027;бренд;10;1;122,00", "Итого;Итого с НДС;110;6;1 342,00",
    ]  # fmt: skip
    path = twelve.settings.root / "march.csv"
    path.write_bytes("\r\n".join(lines).replace("Итого;Итого", ";Итого").encode("cp1251"))
    for _ in range(2):
        run("import", str(path), "--as", "yandex_costs", "--again")
        with twelve.store.read() as connection:
            query = sa.select(money.costs.c.campaign, money.costs.c.amount).order_by(money.costs.c.amount)
            told = [tuple(row) for row in connection.execute(query)]
        assert told == [(None, 10000), ("spring_winback", 100000)]
