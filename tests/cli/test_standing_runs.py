"""`tidings run` for what starts by itself: shown, approved, paused, resumed, cancelled, and held when edited."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from support.command_line import Said, Shop

Run = Callable[..., Said]
DAILY = """\
campaign: Morning letter
purpose: service
to: everybody
send: spring_winback
via: email
holdout: none
say:
  headline: Good morning
{when}
"""


@pytest.fixture
def letter(shop: Shop) -> Shop:
    """The shop with a campaign that comes every day."""
    (shop.root / "segments/everybody.yaml").write_text("segment: Everybody\nwhere:\n  - country: known\n")
    write(shop, "every: day at 10:00")
    return shop


def write(shop: Shop, when: str) -> None:
    (shop.root / "campaigns/letter.yaml").write_text(DAILY.format(when=when))


def test_a_recurring_campaign_is_shown_with_its_next_days_approved_and_listed(letter, run) -> None:
    shown = run(letter, "plan", "letter")
    assert shown.code == 0, shown.err
    assert "comes 20" in shown.out and "then 20" in shown.out
    assert "Approve it:  tidings run letter" in shown.out
    told = json.loads(run(letter, "run", "letter", "--yes", "--json").out)
    assert (told["approval"]["state"], len(told["next"]), told["runs"]) == ("active", 3, [])
    listed = {row.get("campaign"): row["state"] for row in json.loads(run(letter, "plan", "--json").out)}
    assert listed["letter"] == "approved"
    again = run(letter, "run", "letter")
    assert again.code == 0
    assert "starts by itself (approved by" in again.out
    assert "Nothing is due now" in again.out
    plan = json.loads(run(letter, "plan", "letter", "--json").out)
    assert plan["recurring"] is True
    assert plan["occurrence"] == plan["next"][0]["occurrence"]
    assert plan["approval"]["state"] == "active"


def test_nobody_to_ask_is_refused_and_nothing_is_approved(letter, run) -> None:
    said = run(letter, "run", "letter")
    assert said.code == 2
    assert "nobody to ask" in said.err
    assert "not run" in run(letter, "plan").out


def test_at_most_bounds_each_time(letter, run) -> None:
    told = json.loads(run(letter, "run", "letter", "--at-most", "20000", "--yes", "--json").out)
    assert told["approval"]["bounds"]["people"] == 20000


def test_pausing_resuming_and_cancelling_a_campaign_that_has_no_run_yet(letter, run) -> None:
    run(letter, "run", "letter", "--yes")
    assert "letter is paused" in run(letter, "pause", "letter", "--reason", "wrong price").out
    assert "HELD: paused by" in run(letter, "plan", "letter").out
    assert "no longer paused" in run(letter, "resume", "letter").out
    cancelled = run(letter, "cancel", "letter", "--yes")
    assert cancelled.code == 0
    assert "starts no more runs by itself" in cancelled.out
    assert run(letter, "cancel", "letter", "--yes").code == 2


def test_an_edited_campaign_is_shown_and_asked_about_again(letter, run) -> None:
    run(letter, "run", "letter", "--yes")
    write(letter, "every: day at 11:00")
    asked = run(letter, "run", "letter")
    assert asked.code == 2
    assert "nobody to ask" in asked.err
    told = json.loads(run(letter, "run", "letter", "--yes", "--json").out)
    assert told["next"][0]["starts"].endswith(("09:00:00Z", "10:00:00Z"))


def test_a_campaign_whose_hour_is_to_come_waits_for_it_unless_its_people_are_fixed(letter, run) -> None:
    write(letter, "at: 2099-03-03 10:00")
    told = json.loads(run(letter, "run", "letter", "--yes", "--json").out)
    assert (told["approval"]["state"], told["runs"], told["next"]) == ("active", [], [])
    assert "Nothing is due now" in run(letter, "run", "letter").out
    run(letter, "cancel", "letter", "--yes")
    write(letter, "at: 2099-03-03 10:00\naudience: fixed when planned")
    assert "enrolled; it goes out at 2099-03-03 10:00" in run(letter, "run", "letter", "--yes").out


def test_a_recurring_campaign_whose_time_is_over_is_refused(letter, run) -> None:
    write(letter, "every: day at 10:00\nuntil: 2020-01-01")
    said = run(letter, "plan", "letter")
    assert said.code == 3
    assert "does not come again" in said.err
