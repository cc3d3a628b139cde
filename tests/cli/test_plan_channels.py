"""`tidings plan` for a campaign by several channels: whom each reaches, what it costs by segment and page."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from support.command_line import Said, Shop

Run = Callable[..., Said]
CAMPAIGN = """\
campaign: Autumn offer
purpose: service
to: everybody
send: autumn
via: [email, sms, fax]
holdout: none
budget: 2000 EUR
costs:
  design: 100 EUR
"""
FILES = {
    "campaigns/autumn.yaml": CAMPAIGN,
    "segments/everybody.yaml": "segment: Everybody\nwhere:\n  - country: known\n",
    "channels/sms.yaml": 'channel: SMS\nadapter: outbox\nkind: sms\nsender: "+886222222222"\n'
    "cost: 0.05 EUR per segment\n",
    "channels/fax.yaml": "channel: Fax\nadapter: outbox\nkind: fax\nsender: Nordic Garden <+886233333333>\n"
    "cost: 0.10 EUR per page\n",
    "templates/autumn/email.en.txt": "Subject: Autumn\n\nHello {{ full_name }}\n{{ postal_address }}\n"
    "{{ unsubscribe_url }}\n",
    # Over 70 signs with one that GSM does not have: two segments.
    "templates/autumn/sms.en.txt": "{{ full_name | default('Hi') }}: ✿ "
    + "word " * 16
    + "Reply STOP to end\n",
    "templates/autumn/fax.en.html": "<html><body><h1>Autumn</h1>"
    '<div class="opt-out"><p>{{ opt_out_notice }}</p></div></body></html>\n',
}


@pytest.fixture
def by_three(shop: Shop) -> Shop:
    """The shop with a campaign by e-mail, SMS and fax; a third of its customers has no e-mail address."""
    for name, text in FILES.items():
        path = shop.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (store,) = shop.root.glob(".tidings/*.sqlite")
    with closing(sqlite3.connect(store)) as connection, connection:
        phones = "UPDATE customers SET phone = printf('+4670%07d', id), phone_hash = 'h' || id"
        connection.execute(phones + " WHERE id % 3 > 0")
        connection.execute("UPDATE customers SET email = NULL, email_hash = NULL WHERE id % 2 = 0")
        connection.execute("UPDATE customers SET fax = '+886222000001', fax_hash = 'f' WHERE id = 6")
    return shop


def test_the_plan_says_whom_each_channel_reaches_and_what_it_costs(by_three: Shop, run: Run) -> None:
    told = run(by_three, "plan", "autumn", "--json")
    assert told.err == ""
    plan = told.data
    assert [(leg["channel"], leg["messages"], leg["later"]) for leg in plan["legs"]] == [
        ("email", 150, 0),
        ("sms", 100, 100),
        ("fax", 1, 0),
    ]
    assert plan["unreached"] == 49
    costs = {one["channel"]: one for one in plan["costs"]}
    assert (costs["sms"]["unit"], costs["sms"]["estimated"], costs["sms"]["units"]) == ("segment", True, 2.0)
    assert (costs["fax"]["unit"], costs["fax"]["estimated"], costs["fax"]["units"]) == ("page", True, 1.0)
    assert plan["fixed_costs"] == [{"name": "design", "cost": 10_000, "currency": "EUR"}]
    assert (plan["cost"], plan["cost_most"]) == (10_000 + 100 * 2 * 5 + 10, 10_000 + 200 * 2 * 5 + 10)
    said = run(by_three, "plan", "autumn").out
    plain = " ".join(said.split())
    assert (
        "by email 150, then sms 100, then fax 1; 49 by none of them, because 49 have no address for any channel named"
        in plain
    )
    assert "of those whom an earlier one fails, sms reaches 100" in plain
    assert "100 by sms of 2 segments each at" in plain
    assert "if every channel had to be tried" in plain
    assert "design" in plain
    assert run(by_three, "run", "autumn", "--yes", "--json").data["state"] == "finished"
    assert sorted({path.suffix for path in (by_three.root / ".tidings" / "outbox").iterdir()}) == [
        ".eml",
        ".tif",
        ".txt",
    ]


def test_segments_count_against_the_budget_of_a_run(by_three: Shop, run: Run) -> None:
    campaign = by_three.root / "campaigns" / "autumn.yaml"
    campaign.write_text(campaign.read_text().replace("2000 EUR", "108 EUR"))
    # 100 of design and 5 for one segment each would fit; two segments each do not.
    assert run(by_three, "plan", "autumn").code == 1
    refused = run(by_three, "run", "autumn", "--yes")
    assert refused.code != 0
    assert "more than the budget" in refused.err
