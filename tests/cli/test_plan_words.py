"""`tidings plan` and `tidings preview` say for whom the words of a message fall back, and who would be refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from support.command_line import Said, Shop

Run = Callable[..., Said]
FILES = {
    "campaigns/autumn.yaml": "campaign: Autumn offer\npurpose: service\nto: everybody\nsend: autumn\nvia: email\nholdout: none\n",
    "segments/everybody.yaml": "segment: Everybody\nwhere:\n  - country: known\n",
    "templates/autumn/email.en.txt": 'Subject: Autumn\n\n{{ salutation }}, {{ full_name or "friend" }} {{ member_level }}\n',
    "templates/autumn/email.ru.txt": 'Subject: Осень\n\n{{ full_name or "друг" }}\n',
}


@pytest.fixture
def autumn(shop: Shop) -> Shop:
    """The shop with a campaign in English and Russian; a third of its 300 customers reads neither."""
    for name, text in FILES.items():
        path = shop.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (store,) = shop.root.glob(".tidings/*.sqlite")
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE customer_attributes SET full_name = NULL WHERE customer_id <= 90")
        connection.execute("UPDATE customer_attributes SET member_level = NULL WHERE customer_id = 100")
        connection.execute("UPDATE customers SET locale = 'en' WHERE id = 100")
    return shop


def test_a_plan_counts_other_words_refusals_and_languages(autumn: Shop, run: Run) -> None:
    told = run(autumn, "plan", "autumn", "--json")
    assert (told.code, told.err) == (0, "")
    gaps = {(one["locale"], *one["values"]): one for one in told.data["gaps"]}
    english = gaps["en", "full_name"]
    assert (english["words"], english["customers"], english["refused"], english["many"]) == (
        "friend",
        60,
        False,
        True,
    )
    assert gaps["ru", "full_name"]["customers"] == 30
    assert gaps["en", "salutation"]["customers"] == 60
    assert (gaps["en", "member_level"]["customers"], gaps["en", "member_level"]["refused"]) == (1, True)
    (strangers,) = told.data["unworded"]
    assert (strangers["locale"], strangers["gets"]) == ("zh-TW", "en") and strangers["customers"] in (99, 100)
    said = run(autumn, "plan", "autumn").out
    assert "look at this: 1 of" in said and "would be refused: member_level is unknown" in said
    assert 'get "friend" in place of full_name' in said
    assert "by email in zh-TW: no wording, they get en" in said


def test_the_gallery_and_a_customers_preview_tell_what_the_last_plan_knows(autumn: Shop, run: Run) -> None:
    before = run(autumn, "preview", "autumn", "--json").data
    assert (before["plan"], before["gaps"]) == (None, [])
    plan = run(autumn, "plan", "autumn", "--json").data
    after = run(autumn, "preview", "autumn", "--json").data
    assert after["plan"] == plan["hash"]
    assert after["gaps"] == plan["gaps"]
    (english,) = [one for one in after["cards"] if one["locale"] == "en"]
    assert any('get "friend" in place of full_name' in note for note in english["notes"])
    one = run(autumn, "preview", "autumn", "--customer", "C-200", "--json").data
    assert one["gaps"] == plan["gaps"]
    assert (
        "in the last plan, look at this: 1 of" in run(autumn, "preview", "autumn", "--customer", "C-200").out
    )
