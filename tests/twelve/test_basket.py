"""The abandoned basket as it is written: who gets which letter at which hour, and which code; no code twice."""

from __future__ import annotations

import re

from support.twelve_shop import TwelveShop, run

BOTH = ("email marketing", "sms marketing")
DEAR, CHEAP, SMALL = ({"basket_total": amount} for amount in ("120.00", "40.00", "29.99"))


def address(key: str) -> str:
    return f"{key}@customers.example"


def bring(twelve: TwelveShop, *keys: str) -> None:
    people = ({"customer_id": key, "email": address(key), "full_name": key, "locale": "en"} for key in keys)
    twelve.bring(*people, agreed=BOTH)


def treated(twelve: TwelveShop) -> list[str]:
    return [key for key, arm in twelve.arms_of("basket").items() if arm == "treated"]


def test_dear_baskets_get_a_reminder_and_a_day_later_a_code_each_as_long_as_there_are_any(
    twelve: TwelveShop,
) -> None:
    assert run("codes", "make", "basket5", "8", "--prefix", "BASKET-", "--json").data["added"] == 8
    keys = [f"dear{n:02}" for n in range(20)]
    bring(twelve, *keys)
    run("run", "basket", "--yes")
    twelve.at("03-02 11:00")
    twelve.happened("basket_updated", dict.fromkeys(keys, DEAR))
    twelve.at("03-02 11:01", "03-02 12:59")
    assert twelve.sent() == []
    twelve.at("03-02 13:00")
    inside = treated(twelve)
    assert set(twelve.arms_of("basket")) == set(keys) and 8 < len(inside) < 20
    assert twelve.sent() == [(key, "reminder", "email", "03-02 13:00") for key in inside]
    twelve.at("03-03 13:00", "03-03 13:01")
    lucky, late = inside[:8], inside[8:]
    coupons = [row for row in twelve.sent() if row[1] == "coupon"]
    assert coupons == [(key, "coupon", "email", "03-03 13:00") for key in lucky]
    # Nobody is tried by text as well: that no code is left is no matter of the channel.
    assert twelve.refused() == [(key, "coupon", "email", "offer_exhausted") for key in late]
    codes = twelve.codes()
    assert list(codes) == lucky and len({one for (one,) in codes.values()}) == 8
    letters = twelve.letters()
    assert set(letters) == {address(key) for key in inside}
    for key in inside:
        subjects = [subject for subject, _ in letters[address(key)]]
        assert subjects == ["Your basket is kept", "5% off your basket"][: 2 if key in lucky else 1]
    shown = {key: re.findall(r"BASKET-\w+", letters[address(key)][1][1]) for key in lucky}
    assert shown == codes
    (pool,) = run("codes", "--json").data
    assert (pool["free"], pool["reserved"]) == (0, 8)
    assert {one[2] for one in twelve.outcomes()} == {"finished"} and twelve.sound()


def test_each_basket_goes_its_own_way(twelve: TwelveShop) -> None:
    run("codes", "make", "basket5", "50")
    ways = ("dear", "cheap", "small", "bought", "emptied", "touched", "texted")
    keys = [f"{way}{n}" for way in ways for n in range(4)]
    texted = [key for key in keys if key.startswith("texted")]
    bring(twelve, *(key for key in keys if key not in texted))
    twelve.bring(*({"customer_id": key, "phone": f"+4670174060{key[-1]}"} for key in texted), agreed=BOTH)
    run("run", "basket", "--yes")
    twelve.at("03-02 11:00")
    worth = {"cheap": CHEAP, "small": SMALL}
    twelve.happened("basket_updated", {key: worth.get(key[:-1], DEAR) for key in keys})
    twelve.at("03-02 12:30")
    twelve.happened("basket_updated", {key: DEAR for key in keys if key.startswith("touched")})
    twelve.happened("order_placed", {k: {"order_total": "120.00"} for k in keys if k.startswith("bought")})
    twelve.at("03-02 13:00", "03-02 14:00", "03-02 14:30", "03-03 10:00")
    twelve.happened("basket_emptied", [key for key in keys if key.startswith("emptied")])
    twelve.at("03-03 13:00", "03-03 14:30", "03-03 15:00")
    inside = treated(twelve)
    assert {key[:-1] for key in inside} == set(ways) - {"small"}
    reminder = {"dear": "13:00", "cheap": "13:00", "emptied": "13:00", "touched": "14:30"}
    coupon = {"dear": ("email", "13:00"), "touched": ("email", "14:30"), "texted": ("sms", "13:00")}
    sent = {(key, step, kind, at) for key, step, kind, at in twelve.sent()}
    wanted = {
        (key, "reminder", "email", f"03-02 {reminder[key[:-1]]}") for key in inside if key[:-1] in reminder
    }
    for key in inside:
        if key[:-1] in coupon:
            kind, hour = coupon[key[:-1]]
            wanted.add((key, "coupon", kind, f"03-03 {hour}"))
    assert sent == wanted
    # Who has no mailbox misses the reminder (it goes by e-mail alone), and the flow goes on.
    unreached = [(key, "reminder", "email", "no_address") for key in inside if key in texted]
    assert sorted(twelve.refused()) == sorted(unreached)
    assert set(twelve.codes()) == {row[0] for row in wanted if row[1] == "coupon"}
    texts = [piece.decode() for piece in twelve.pieces("txt")]
    for key, (code,) in twelve.codes().items():
        if key in texted:
            assert sum(f"5% off your basket {code}" in text for text in texts) == 1
    assert twelve.sound()


def test_who_abandons_again_within_ninety_days_is_reminded_and_promised_nothing(twelve: TwelveShop) -> None:
    run("codes", "make", "basket5", "10")
    keys = [f"again{n}" for n in range(4)]
    bring(twelve, *keys)
    run("run", "basket", "--yes")
    for day, entered in (("03-02", 1), ("03-06", 1), ("03-12", 2)):
        twelve.at(f"{day} 11:00")
        twelve.happened("basket_updated", dict.fromkeys(keys, DEAR))
        following = f"{day[:3]}{int(day[3:]) + 1:02}"
        twelve.at(f"{day} 13:00", f"{following} 13:00", f"{following} 13:01")
        # Within seven days nobody enters once more.
        assert len(twelve.outcomes()) == entered * len(keys)
    inside = treated(twelve)
    told = [(row[1], row[3][:5], row[4], row[5]) for row in twelve.ledger(*inside)]
    assert sorted(set(told)) == [
        ("coupon", "03-03", "accepted", None),
        ("coupon", "03-13", "refused", "again"),
        ("reminder", "03-02", "accepted", None),
        ("reminder", "03-12", "accepted", None),
    ]
    assert {len(codes) for codes in twelve.codes().values()} == {1} and twelve.sound()


def test_a_reminder_that_could_not_leave_for_six_hours_is_not_sent_late(twelve: TwelveShop) -> None:
    run("codes", "make", "basket5", "10")
    keys = [f"late{n}" for n in range(4)]
    bring(twelve, *keys)
    run("run", "basket", "--yes")
    twelve.at("03-02 11:00")
    twelve.happened("basket_updated", dict.fromkeys(keys, DEAR))
    twelve.at("03-02 11:01")
    run("pause", "--channel", "email", "--reason", "the mail server moves")
    twelve.at("03-02 13:00", "03-02 19:01")
    run("resume", "--channel", "email")
    twelve.at("03-02 19:02", "03-03 13:00", "03-03 19:03")
    inside = treated(twelve)
    assert inside and [row[1:] for row in twelve.refused(*inside)] == [
        ("reminder", "email", "expired")
    ] * len(inside)
    assert {(row[1], row[3]) for row in twelve.sent()} == {("coupon", "03-03 13:00")} and twelve.sound()
