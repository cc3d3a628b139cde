"""Three of the twelve definitions have keys that nothing acts on yet, and are refused; without these keys they are sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from support.twelve_shop import TwelveShop, addressed, apply_model, run

WAITING = {
    "campaigns/spring_winback.yaml": ("test", "guard"),
    "campaigns/newsletter.yaml": ("issues",),
    "campaigns/dealer_autumn.yaml": ("pilot",),
    "segments/taipei_fair_2027_leads.yaml": ("expires",),
}


def leave_out(root: Path) -> None:
    for path, keys in WAITING.items():
        file = root / path
        text = file.read_text()
        for key in keys:
            text, found = re.subn(rf"(?m)^{key}:.*\n(?:[ ].*\n)*", "", text)
            assert found == 1
        file.write_text(text)


@pytest.fixture
def edit(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    return (lambda _: None) if "as_they_are" in request.node.name else leave_out


@pytest.mark.parametrize("name", ["spring_winback", "newsletter", "dealer_autumn"])
def test_as_they_are_written_they_are_refused(twelve: TwelveShop, name: str) -> None:
    said = run("run", name, "--yes", code=3)
    keys = WAITING[f"campaigns/{name}.yaml"]
    assert all(f"`{key}`" in said.err for key in keys) and "nothing acts on" in said.err


def stock(twelve: TwelveShop, pieces: int) -> None:
    counted = twelve.clock.now().astimezone(ZoneInfo("Europe/Stockholm")).strftime("%Y-%m-%d %H:%M:%S")
    row: dict[str, object] = {"sku": "G-1", "on_hand": pieces, "counted_at": counted}
    twelve.import_rows("stock", list(row), [row])


def test_the_spring_win_back_goes_out_in_two_variants_with_a_code_each_until_the_stock_falls(
    twelve: TwelveShop,
) -> None:
    run("codes", "make", "spring25", "60", "--prefix", "SPRING-")
    stock(twelve, 60)
    keys = [f"quiet{n:02}" for n in range(40)]
    zones = ("Asia/Taipei", "America/New_York")
    apply_model(twelve)
    twelve.bring(
        *({**addressed(key), "country": "TW", "last_order_at": "2026-11-01", "zone": zones[int(key[-1]) % 2]} for key in keys),
        agreed=("email marketing", "sms marketing", "fax marketing"),
    )  # fmt: skip
    twelve.bring({"customer_id": "quiet39"}, into="taipei_fair_2027_leads")
    # It is ten in Stockholm: ten is past in Taipei (`late: send`), and in New York six hours off.
    run("run", "spring_winback", "--yes")
    arms = twelve.arms_of("spring_winback")
    assert set(arms) == set(keys[:39])
    inside = [key for key in keys if arms.get(key) == "treated"]
    east, west = ([key for key in inside if int(key[-1]) % 2 == half] for half in (0, 1))
    assert [row[0] for row in twelve.sent()] == east and west and len(inside) < 39
    stock(twelve, 49)
    twelve.at("03-02 15:59", "03-02 16:00", "03-02 16:01")
    assert [row[0] for row in twelve.sent()] == east
    assert {row[0]: row[3] for row in twelve.refused()} == dict.fromkeys(west, "out_of_stock")
    codes, letters = twelve.codes(), twelve.letters()
    assert sorted(codes) == east and len({one for (one,) in codes.values()}) == len(east)
    subjects = set()
    for key in east:
        ((subject, text),) = letters[f"{key}@customers.example"]
        subjects.add(subject)
        assert re.findall(r"SPRING-\w+", text) == codes[key]
    assert subjects == {"We kept your favourites", "25% off, until the 16th"} and twelve.sound()


def test_the_newsletter_goes_out_on_the_first_tuesday_of_a_month_and_copies_to_staff(
    twelve: TwelveShop,
) -> None:
    zones = {"tai": "Asia/Taipei", "sto": "Europe/Stockholm", "nyc": "America/New_York"}
    readers = [f"{place}{n}" for place in zones for n in range(3)]
    twelve.bring(
        *({**addressed(key), "zone": zones[key[:3]]} for key in readers), agreed=["email newsletter"]
    )
    twelve.bring(addressed("silent"))
    twelve.bring(addressed("colleague"), agreed=["email newsletter"], into="staff_seeds")
    run("run", "newsletter", "--yes")
    # The first Tuesday of April is the sixth, and ten in Taipei is four in Stockholm.
    for day in ("04-05", "04-06", "04-07"):
        twelve.at(*(f"{day} {hour}" for hour in ("04:00", "10:00", "16:00", "20:00")))
    hours = {"tai": "04:00", "sto": "10:00", "nyc": "16:00", "col": "10:00"}
    told = sorted((row[0], row[2], row[3]) for row in twelve.sent())
    assert told == sorted((key, "email", f"04-06 {hours[key[:3]]}") for key in [*readers, "colleague"])
    assert set(twelve.arms_of("newsletter").values()) == {"treated", "copy"} and twelve.sound()


def test_the_autumn_fair_of_the_dealers_goes_by_fax_one_a_company(twelve: TwelveShop) -> None:
    twelve.bring(
        *(
            {**addressed(f"dealer{n}"), "country": "TW", "account_type": "business", "zone": "Asia/Taipei", "account": f"firm{n % 6}"}
            for n in range(12)
        ),
        agreed=("email trade", "fax trade"),
    )  # fmt: skip
    run("run", "dealer_autumn", "--yes")
    twelve.at("09-01 09:59", "09-01 10:00", "09-01 10:01")
    assert [row[:1] + row[2:] for row in twelve.sent()] == [
        (f"dealer{n}", "fax", "09-01 10:00") for n in range(6)
    ]
    # Two of each company: it gets one fax, and everybody is counted. Too few are left to hold anybody out.
    assert (
        set(twelve.arms_of("dealer_autumn").values()) == {"treated"}
        and len(twelve.arms_of("dealer_autumn")) == 12
    )
    assert len(twelve.pieces("tif")) == 6 and twelve.sound()
