"""`tidings score` and what stands on it, as people run them: pages, data, refusals, exit codes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reference_data.command_line import CommandLine
from support.scored_world import NOW, habits
from tidings.cli.session import open_session

SCORES = """\
scores: What we expect of customers
repeat_purchase:
  title: Orders again within 30 days
  did: order_placed
  within: 30 days
  history: 120 days
  events: [order_placed, page_viewed]
  retrain: 30 days
"""
# The first definition of the dialect, with a population that fits the shop of the tests.
SEGMENT = """\
segment: Ушедшие покупатели «Сад»
why: Раньше покупали хорошо; скидка окупается только на них.
where:
  - did: order_placed
    times: at least 2
    within: last 730 days
  - did_not: refund_requested
    within: last 180 days
except:
  - did: complaint_opened
    within: last 60 days
rank:
  by: repeat_purchase
  keep: top 40%
"""
CAMPAIGN = """\
campaign: To the best
purpose: marketing
to: best_buyers
send: spring_winback
via: email
sample: 50%
holdout: none
say:
  headline: {en: Hello, ru: Здравствуйте}
goal:
  did: order_placed
  within: 14 days
"""


@pytest.fixture
def tidings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """The command in a workspace with one score, a segment ranked by it and a campaign to that."""
    line = CommandLine(tmp_path / "shop", monkeypatch, capsys)
    line.set_clock(NOW)
    monkeypatch.delenv("TIDINGS_ENVIRONMENT", raising=False)
    assert line("init", str(line.root)) == 0, line.err
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(line.root))
    line.write("config/scores.yaml", SCORES)
    line.write("segments/best_buyers.yaml", SEGMENT)
    line.write("campaigns/to_the_best.yaml", CAMPAIGN)
    line.data("migrate", "--yes", "--json")
    return line


@pytest.fixture
def busy(tidings: CommandLine) -> CommandLine:
    """The same with customers who order."""
    with open_session() as session:
        habits().put_into(session.store)
    return tidings


def test_the_first_definition_of_the_dialect_plans_once_its_score_is_there(busy: CommandLine) -> None:
    for command in (("plan", "to_the_best"), ("run", "to_the_best", "--yes"), ("segment", "best_buyers")):
        assert busy(*command) == 3, busy.out
        assert (
            "segments/best_buyers.yaml is ranked by the score repeat_purchase, which was never applied"
            in busy.err
        )
        assert "tidings score train repeat_purchase, and then tidings score apply repeat_purchase" in busy.err
    # Nothing is wrong with the file, so checking it goes on.
    assert busy("check", "--counts") == 0, busy.out + busy.err
    assert busy("preview", "to_the_best", "--customer", "C-1") == 0, busy.err
    assert "WARNING  segments/best_buyers.yaml is ranked by the score" in busy.out
    assert busy("check", "--counts") == 0
    assert "not counted: segments/best_buyers.yaml is ranked by the score" in busy.out
    trained = busy.data("score", "train", "repeat_purchase", "--json")
    applied = busy.data("score", "apply", "repeat_purchase", "--json")
    assert applied["model"] == trained["model"]
    look = busy.data("segment", "best_buyers", "--json")
    plan = busy.data("plan", "to_the_best", "--json")
    (used,) = plan["ranked"]
    assert (used["model"], used["keep"]) == (trained["model"], "top 40%")
    # `sample` draws from those whom the rank kept.
    assert 0 < plan["audience"] < look["count"]
    assert busy("plan", "to_the_best") == 0
    assert (
        f"best_buyers: the top 40% by repeat_purchase (model {trained['model'][:12]}, trained just now"
        in busy.out
    )
    assert busy("preview", "to_the_best", "--customer", "C-1") == 0
    assert f"best_buyers: the top 40% by repeat_purchase (model {trained['model'][:12]}" in busy.out
    members = {
        row["key"] for row in busy.data("segment", "best_buyers", "--limit", "1000", "--json")["sample"]
    }
    said = ""
    for key in [f"C-{number}" for number in range(1, 30) if f"C-{number}" not in members]:
        assert busy("explain", key, "to_the_best") == 0, busy.err
        said += " ".join(busy.out.split())
    # Whoever is left after the conditions is told their place; who is not, which condition left them out.
    assert "left by repeat_purchase; the top 40% stay" in said
    busy.set_clock(NOW + timedelta(days=30))
    assert busy("plan", "to_the_best") == 3
    assert "older than `retrain: 30 days` of config/scores.yaml allows" in busy.err


def test_before_and_after_training_every_page_says_how_it_stands(busy: CommandLine) -> None:
    assert busy("score") == 0
    assert "never trained" in busy.out
    assert busy("score", "show", "repeat_purchase") == 1
    assert "was never trained; train it: tidings score train repeat_purchase" in busy.out
    assert busy("score", "explain", "repeat_purchase", "C-1") == 1
    assert busy("score", "train", "repeat_purchase") == 0
    assert "Better than going by the last time alone" in busy.out
    assert "Give it to customers:  tidings score apply repeat_purchase" in busy.out
    assert busy("score", "show", "repeat_purchase") == 0
    assert "never applied: tidings score apply repeat_purchase" in busy.out
    assert busy("score", "apply", "repeat_purchase") == 0
    assert "customers scored by model" in busy.out
    (row,) = busy.data("score", "--json")
    assert row["model"] == row["applied_model"]
    assert row["scored"] > 400
    shown = busy.data("score", "show", "repeat_purchase", "--json")
    assert shown["quality"]["validated"]["answers_until"] == "2027-03-02T09:00:00Z"
    assert shown["drift"] is None
    assert busy("score", "apply", "repeat_purchase", "--model", row["model"][:8]) == 0
    assert busy("score", "apply", "repeat_purchase", "--model", "0123") == 1
    assert 'repeat_purchase has no model "0123"' in busy.err


def test_training_as_of_an_earlier_day_uses_nothing_of_after_it(busy: CommandLine) -> None:
    told = busy.data("score", "train", "repeat_purchase", "--as-of", "2027-01-01", "--json")
    assert told["validated"]["answers_until"] == "2026-12-31T23:00:00Z"
    assert busy("score", "train", "repeat_purchase", "--as-of", "soon") == 2


def test_a_shop_without_events_gets_one_honest_sentence_and_keeps_nothing(tidings: CommandLine) -> None:
    assert tidings("score", "train", "repeat_purchase") == 1
    assert "there is no event of those it learns from" in tidings.err
    assert tidings("score", "train", "repeat_purchas") == 2
    assert 'did you mean "repeat_purchase"?' in tidings.err
    (row,) = tidings.data("score", "--json")
    assert (row["model"], row["scored"]) == (None, 0)


def test_the_night_applies_scores_and_learns_anew_in_time(busy: CommandLine) -> None:
    from tidings.flows.nights import scores_applied
    from tidings.flows.opening import Opened

    def night() -> Any:
        with open_session() as session:
            return scores_applied(Opened(session.settings, session.store, session.clock))

    assert [row["trouble"] for row in night()] == ["never trained"]
    busy.data("score", "train", "repeat_purchase", "--json")
    (row,) = night()
    assert (row["trained"], row["trouble"]) == ("", "")
    assert row["scored"] > 400
    first = row["model"]
    busy.set_clock(NOW + timedelta(days=29))
    (row,) = night()
    assert (row["trained"], row["trouble"]) == ("anew", "")
    assert row["model"] != first
    second = row["model"]
    busy.set_clock(NOW + timedelta(days=58))
    (row,) = night()
    # Nobody ordered in the month that it would be judged by: it says so, and the model that there is goes on.
    assert "cannot be trained" in row["trouble"]
    assert (row["model"], row["trained"]) == (second, "")
    assert row["scored"] > 0


@pytest.mark.parametrize("command", ["list", "train", "apply", "explain", "show"])
def test_every_command_has_an_example(tidings: CommandLine, command: str) -> None:
    assert tidings("score", command, "--help") == 0
    assert f"tidings score {command}" in tidings.out


def test_scores_are_not_loaded_by_commands_that_need_none() -> None:
    import subprocess
    import sys

    code = "import sys, tidings.cli.main, tidings.cli.score, tidings.cli.check; print([m for m in ('sklearn','numpy','scipy') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
