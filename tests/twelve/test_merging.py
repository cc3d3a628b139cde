"""Two records of one person in the shop of the twelve definitions, merged by the command while a flow is under way."""

from __future__ import annotations

from support.twelve_shop import TwelveShop, addressed, run

DEAR = {"basket_total": "120.00"}


def test_the_journey_of_the_one_ends_the_other_goes_on_and_explain_tells(twelve: TwelveShop) -> None:
    run("codes", "make", "basket5", "10")
    keys = [f"p{n}" for n in range(6)]
    twelve.bring(*(addressed(key) for key in keys), agreed=["email marketing"])
    run("run", "basket", "--yes")
    twelve.at("03-02 11:00")
    twelve.happened("basket_updated", dict.fromkeys(keys, DEAR))
    twelve.at("03-02 13:00")
    one, other, *rest = [key for key, arm in twelve.arms_of("basket").items() if arm == "treated"]
    done = run("customer", "merge", one, other, "--yes", "--json").data
    assert (done["customer"], done["into"], done["moved"]["events"]) == (one, other, 1)
    # An event that names the old record is the other's: an order under it ends the other's journey too.
    twelve.at("03-02 20:00")
    twelve.at("03-03 13:00", "03-03 13:01")
    coupons = {row[0] for row in twelve.sent() if row[1] == "coupon"}
    assert coupons == {other, *rest} and twelve.outcomes(one)[0][2] == "left"
    assert set(twelve.codes()) == coupons and twelve.sound()
    told = run("explain", one).out
    assert f"was merged into {other} on 2027-03-02" in told
    assert f"took over what {one} did and was sent" in run("explain", other).out
    assert run("explain", f"{other}@customers.example", "basket").code == 0
    assert [(row["customer"], row["into"]) for row in run("customer", "merged", "--json").data] == [
        (one, other)
    ]
    twelve.happened("order_placed", {one: {"order_total": "9.00"}})
    assert run("customer", "unmerge", one, "--json").data == {"customer": one, "into": other}
    assert run("customer", "merged").out == "Nobody is merged.\n" and twelve.sound()


def test_merging_asks_and_names_what_it_does(twelve: TwelveShop) -> None:
    twelve.bring(addressed("a"), {"customer_id": "b"}, agreed=["email marketing"])
    assert "nobody to ask" in run("customer", "merge", "a", "b", code=2).err
    # Whom there is nobody to ask about is said before anybody is asked.
    assert 'no customer "nobody"' in run("customer", "merge", "a", "nobody", code=2).err
    said = run("customer", "merge", "a", "b", "-y").out
    assert said.startswith("a is b from now on.\n") and "filled: email" in said
    assert "a into b   2027-03-02 10:00 by" in run("customer", "merged").out
    assert "was merged into b before" in run("customer", "merge", "a", "b", "-y", code=3).err
    assert "are two customers again" in run("customer", "unmerge", "a").out
