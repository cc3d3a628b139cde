"""What flows say beside messages, cards of tasks and offers, is compiled by the check: a slip is said at its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.workspaces import FILES, small_workspace
from tidings.cli.check import workspace_problems
from tidings.cli.main import execute

FLOW = """\
flow: Care
purpose: service
starts: {did: order_placed}
steps:
  letter:
    send: welcome
    via: email
    offer:
      gives: GIVES
  call:
    notify: sales
    say: call
"""
CARD = "Ring {{ full_name or key }}.\nThey wrote “help”.\n"


def shop(root: Path, *, gives: str = "5% off", card: str = CARD, flow: str = FLOW, **more: str) -> Path:
    return small_workspace(
        root,
        {
            "flows/care.yaml": flow.replace("GIVES", json.dumps(gives)),
            "config/staff.yaml": "staff: Us\nsales: sales@shop.example\n",
            "templates/call/card.en.txt": card,
            **more,
        },
    )


def errors(root: Path) -> list[str]:
    return [one.render().splitlines()[0] for one in workspace_problems(root) if one.severity == "error"]


def test_a_sound_card_and_a_sound_offer_are_no_problem(tmp_path: Path) -> None:
    assert errors(shop(tmp_path, gives="{{ member_level or 'a' }} discount")) == []


def test_a_misspelled_name_in_the_card_of_a_task_is_said_at_its_place(tmp_path: Path) -> None:
    root = shop(tmp_path, card="Customer:\nRing {{ full_nam }} now.\n")
    (said,) = errors(root)
    assert said.startswith("templates/call/card.en.txt:2:9: ")
    (problem,) = [one for one in workspace_problems(root) if one.code == "TPL12"]
    assert 'did you mean "full_name"?' in problem.hint
    # What was found is remembered for the very same files, and with other files it is found anew.
    (root / "templates/call/card.en.txt").write_text(CARD)
    assert errors(root) == []


def test_every_language_of_a_card_is_compiled(tmp_path: Path) -> None:
    root = shop(tmp_path, **{"templates/call/card.ru.txt": "Позвонить {{ full_nam }}\n"})
    (said,) = errors(root)
    assert said.startswith("templates/call/card.ru.txt:1:14: ")


def test_a_slip_in_the_offer_of_a_step_is_said_at_its_place(tmp_path: Path) -> None:
    (said,) = errors(shop(tmp_path, gives="5% off, {{ full_nam }}"))
    assert said.startswith("flows/care.yaml:9:14: `gives` of the offer: ")


def test_the_offer_of_a_step_that_sends_nothing_is_compiled_too(tmp_path: Path) -> None:
    flow = FLOW.replace("    send: welcome\n    via: email\n", "")
    assert errors(shop(tmp_path / "sound", flow=flow)) == []
    (said,) = errors(shop(tmp_path / "broken", flow=flow, gives="{{ full_nam"))
    assert said.startswith("flows/care.yaml:7:14: `gives` of the offer: ")


@pytest.mark.parametrize(
    ("say", "place"),
    [
        ("say: {headline: 'Hello {{ full_nam }}'}", "campaigns/spring.yaml:5:17: "),
        (
            "variants:\n  warm:\n    say:\n      headline: 'Hello {{ full_nam }}'",
            "campaigns/spring.yaml:8:17: ",
        ),
    ],
)
def test_a_slip_in_the_words_of_a_campaign_is_said_at_its_place(tmp_path: Path, say: str, place: str) -> None:
    campaign = str(FILES["campaigns/spring.yaml"]) + say + "\n"
    letter = str(FILES["templates/welcome/email.en.txt"]) + "{{ headline }}\n"
    root = shop(
        tmp_path,
        flow=FLOW.replace("send: welcome", "send: plain"),
        **{
            "campaigns/spring.yaml": campaign,
            "templates/welcome/email.en.txt": letter,
            "templates/plain/email.en.txt": str(FILES["templates/welcome/email.en.txt"]),
        },
    )
    found = [one for one in errors(root) if one.startswith("campaigns/")]
    assert found
    assert all(one.startswith(place) for one in found)


def test_a_flow_with_a_broken_card_does_not_go_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shop(tmp_path, card="Ring {{ full_nam }}.\n")
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    monkeypatch.delenv("TIDINGS_ENVIRONMENT", raising=False)
    assert execute(("run", "care", "--yes")) == 1
    assert "templates/call/card.en.txt:1:9: " in capsys.readouterr().err
