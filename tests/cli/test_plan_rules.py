"""`tidings plan` counts whom the rules of countries leave out, and whom they would refuse for the words of the message."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

from support.command_line import Said, Shop

Run = Callable[..., Said]
CAMPAIGN = "campaign: Autumn\npurpose: service\nto: everybody\nsend: autumn\nvia: email\nholdout: none\n"
LETTER = "Subject: Autumn\n\nHello. {{ unsubscribe_url }}\n"


def open_shop(shop: Shop, rules: str) -> Shop:
    """Let two customers live in Canada and one in North Korea."""
    for name, text in {
        "campaigns/autumn.yaml": CAMPAIGN,
        "segments/everybody.yaml": "segment: Everybody\nwhere:\n  - country: known\n",
        "templates/autumn/email.en.txt": LETTER,
    }.items():
        path = shop.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    policies = shop.root / "config" / "policies.yaml"
    policies.write_text(policies.read_text() + rules)
    (store,) = shop.root.glob(".tidings/*.sqlite")
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE customers SET country = 'CA' WHERE id IN (1, 2)")
        connection.execute("UPDATE customers SET country = 'KP' WHERE id = 3")
    return shop


def test_a_plan_counts_both(shop: Shop, run: Run) -> None:
    told = run(open_shop(shop, "rules: [ca, us]\nblocked_countries: [KP]\n"), "plan", "autumn", "--json")
    assert (told.code, told.err) == (0, "")
    assert {one["code"]: one["customers"] for one in told.data["refusals"]} == {"country_blocked": 1}
    (lacking,) = told.data["lacking"]
    assert {name: lacking[name] for name in ("code", "rule", "channel", "customers")} == {
        "code": "missing_footer",
        "rule": "rules/ca",
        "channel": "email",
        "customers": 2,
    }
    said = run(shop, "plan", "autumn").out
    assert "look at this: 2 people by email would get a message without its footer" in said
    assert "(missing_footer, rules/ca)" in said


def test_without_rules_nothing_is_counted(shop: Shop, run: Run) -> None:
    assert run(open_shop(shop, ""), "plan", "autumn", "--json").data["lacking"] == []
