"""The birthday campaign as it is written, over days: one letter on the day, at half past nine where the customer is."""

from __future__ import annotations

import re

import sqlalchemy as sa

from support.twelve_shop import TwelveShop, run
from tidings.store.tables import sending

BOTH = ("email marketing", "sms marketing")
ZONES = {"sto": "Europe/Stockholm", "vla": "Asia/Vladivostok", "nyc": "America/New_York"}


def test_each_gets_one_letter_with_a_code_on_the_day_at_half_past_nine_where_they_are(
    twelve: TwelveShop,
) -> None:
    run("codes", "make", "birthday", "40", "--prefix", "BDAY-")
    keys = [f"{place}{day}{n}" for place in ZONES for day in (4, 5) for n in range(3)]
    twelve.bring(
        *(
            {
                "customer_id": key, "email": f"{key}@customers.example", "full_name": key, "locale": "en",
                "zone": ZONES[key[:3]], "birthday": f"1980-03-{int(key[3]):02}",
            }
            for key in [*keys, "sto49"]
        ),
        {"customer_id": "sto48", "phone": "+46701740648", "birthday": "1980-03-04", "zone": "Europe/Stockholm"},
        {"customer_id": "sto69", "email": "sto69@customers.example", "birthday": "1980-03-06"},
        agreed=BOTH,
    )  # fmt: skip
    # Who never bought anything is not in it.
    twelve.happened("order_placed", {key: {"order_total": "9.00"} for key in [*keys, "sto48", "sto69"]})
    approved = run("run", "birthday", "--yes", "--json").data
    assert approved["approval"]["state"] == "active"
    for day in range(3, 7):
        if day == 6:
            # Whose date is corrected after the letter gets no second one.
            twelve.bring({"customer_id": "sto40", "birthday": "1980-03-06"})
        twelve.at(
            *(
                f"03-{day:02} {hour}"
                for hour in ("00:29", "00:30", "09:29", "09:30", "12:00", "15:30", "18:00")
            )
        )
    arms = twelve.arms_of("birthday")
    assert set(arms) == {*keys, "sto48", "sto69"}
    # Half past nine in Vladivostok is half past midnight in Stockholm, in New York half past three in the afternoon.
    hour = {"vla": "00:30", "sto": "09:30", "nyc": "15:30"}
    wanted = {
        (key, "sms" if key == "sto48" else "email", f"03-{int(key[3]):02} {hour[key[:3]]}")
        for key, arm in arms.items()
        if arm == "treated"
    }
    assert {(row[0], row[2], row[3]) for row in twelve.sent()} == wanted and len(twelve.sent()) == len(wanted)
    # On the last day the one customer is held out, and counts.
    assert [key for key, arm in arms.items() if arm == "holdout"][-1] == "sto69"
    with twelve.store.read() as connection:
        runs = connection.execute(sa.select(sending.runs.c.occurrence, sending.runs.c.state)).all()
    assert sorted(tuple(row) for row in runs) == [(f"2027-03-{day:02}", "finished") for day in (4, 5, 6)]
    codes = twelve.codes()
    assert set(codes) == {row[0] for row in wanted}
    assert len({one for (one,) in codes.values()}) == len(codes)
    letters = twelve.letters()
    for key, (code,) in codes.items():
        if key != "sto48":
            ((subject, text),) = letters[f"{key}@customers.example"]
            assert subject == "Happy birthday" and re.findall(r"BDAY-\w+", text) == [code]
            assert text.startswith(key if key != "sto69" else "Dear friend")
    (text,) = (piece.decode() for piece in twelve.pieces("txt")) if "sto48" in codes else ("",)
    assert "sto48" not in codes or codes["sto48"][0] in text
    assert twelve.sound()
