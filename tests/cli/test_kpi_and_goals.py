"""`tidings kpi` and `tidings goals` over a shop on disk, as people and programs ask them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from support.command_line import Said, Shop

Run = Callable[..., Said]


@pytest.mark.parametrize("show", ["ladder", "80-20", "rfm", "cohorts", "all"])
def test_every_part_is_a_page_and_data(shop: Shop, run: Run, show: str) -> None:
    page = run(shop, "kpi", "--show", show, "--from", "2026-01-01", "--to", "2026-06-30")
    assert (page.code, page.err) == (0, "")
    assert page.out.startswith("Customers, 2026-01-01 through 2026-06-30")
    assert max(len(line) for line in page.out.splitlines()) <= 100
    assert "nan" not in page.out.lower()
    told = json.loads(run(shop, "kpi", "--show", show, "--json").out)
    parts = {"ladder": "ladder", "80-20": "80_20", "rfm": "rfm", "cohorts": "cohorts"}
    wanted = set(parts.values()) if show == "all" else {parts[show]}
    assert {"period", "currency", "purchases", "returns", "revenue", "words"} | wanted == set(told)


def test_the_ladder_of_the_workspace_balances_on_every_step(shop: Shop, run: Run) -> None:
    told = json.loads(run(shop, "kpi", "--from", "2026-01-01", "--json").out)["ladder"]
    assert told["of_workspace"] is True
    assert told["start"] + told["new"] + told["reactivated"] - told["lost"] == told["end"]
    assert [one["step"] for one in told["steps"]] == ["known", "lapsed", "buyer", "regular", "best"]
    for one in told["steps"]:
        assert one["start"] + sum(one["in"].values()) - sum(one["out"].values()) == one["end"]
    assert told["known"]["end"] > 0


def test_days_and_sales_channels_that_cannot_be_are_refused_with_what_to_do(shop: Shop, run: Run) -> None:
    events = shop.root / "config" / "events.yaml"
    lines = events.read_text(encoding="utf-8").splitlines(keepends=True)
    events.write_text("".join(one for one in lines if "sales_channel:" not in one), encoding="utf-8")
    for arguments, words in (
        (("kpi", "--from", "2999-01-01"), "not here yet"),
        (("kpi", "--from", "1.1.2027"), "--from 2027-03-20"),
        (("kpi", "--by", "sales channel"), "`sales_channel: text`"),
        (("goals", "--as-of", "2999-01-01"), "not here yet"),
        (("goals", "--as-of", "soon"), "--as-of 2027-03-20"),
        (("goals", "--as-of", "0001-01-01"), '"0001-01-01" is no day'),
    ):
        said = run(shop, *arguments)
        assert said.code == 2
        assert words in said.err


def test_the_scorecard_has_every_goal_in_order_and_what_serves_it(shop: Shop, run: Run) -> None:
    page = run(shop, "goals")
    assert page.code == 0
    assert page.out.startswith("What we want to reach in 2027, as of ")
    assert max(len(line) for line in page.out.splitlines()) <= 100
    told = json.loads(run(shop, "goals", "--json").out)
    assert [one["goal"] for one in told["goals"]] == ["winback_2027", "revenue_2027", "dealer_portal"]
    assert [one["name"] for one in told["goals"][0]["serving"]] == ["spring_winback"]
    assert {"campaign": "newsletter"}.items() <= {
        one["kind"]: one["name"] for one in told["aimless"] if one["name"] == "newsletter"
    }.items()
    assert sum(told["statuses"].values()) == 3


def test_a_goal_that_is_missed_is_a_code_only_where_it_is_asked_for(shop: Shop, run: Run) -> None:
    goals = shop.root / "config" / "goals.yaml"
    text = goals.read_text(encoding="utf-8")
    goals.write_text(
        text.replace("2027-01-01", "2020-01-01").replace("2027-12-31", "2020-12-31")
        .replace("2027-03-31", "2020-03-31").replace("2027-06-30", "2020-06-30").replace("2027-09-30", "2020-09-30"),
        encoding="utf-8",
    )  # fmt: skip
    assert run(shop, "goals").code == 0
    checked = run(shop, "goals", "--check", "--json")
    assert checked.code == 1
    assert json.loads(checked.out)["statuses"]["missed"] == 2


def test_a_workspace_without_goals_says_so(shop: Shop, run: Run) -> None:
    (shop.root / "config" / "goals.yaml").unlink()
    for path in (shop.root / "campaigns").glob("*.yaml"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(one for one in lines if not one.startswith("serves:")), encoding="utf-8")
    said = run(shop, "goals")
    assert said.code == 0
    assert "There are no goals yet: write the first in config/goals.yaml." in said.out
    assert "config/goals.yaml has no ladder" in run(shop, "kpi").out
