"""`in-doubt`, `verify`, `pause` and `resume` as people type them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.ledger_channel import Answer, Channel, render
from support.ledger_workspace import copy_workspace
from support.ledger_world import seed, states
from tidings.cli.main import execute
from tidings.cli.session import open_session
from tidings.clock import SystemClock
from tidings.delivery.sender import deliver
from tidings.store.tables import sending

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose development store holds a run of six: 2 and 5 in doubt, the others accepted."""
    root = copy_workspace(tmp_path / "workspace")
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    monkeypatch.delenv("TIDINGS_ENVIRONMENT", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    with open_session(root=root) as session:
        world = seed(session.store, 6)
        lost = {"2@shop.example", "5@shop.example"}
        channel = Channel(
            lambda letter, _copies: (
                Answer("in_doubt", detail="lost after the text")
                if letter.recipient in lost
                else Answer("accepted")
            )
        )
        deliver(session.store, world.job, adapter=channel, render=render, clock=session.clock, connections=1)
        seed(session.store, 6, campaign="summer")
    return root


@pytest.fixture
def tidings(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in the workspace: exit code, output, errors."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = execute(words)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def _message(root: Path, customer: int) -> int:
    with open_session(root=root) as session, session.store.read() as connection:
        return connection.execute(
            sa.select(sending.messages.c.id).where(
                sending.messages.c.customer_id == customer, sending.messages.c.run_id == 1
            )
        ).scalar_one()


def test_in_doubt_lists_each_message_for_people_and_for_programs(tidings: Command) -> None:
    code, out, _ = tidings("in-doubt")
    assert code == 0
    assert "c2" in out
    assert "c5" in out
    assert "lost after the text" in out
    assert "2 messages are in doubt" in out
    code, out, _ = tidings("in-doubt", "spring", "--json")
    assert code == 0
    rows = json.loads(out)
    assert [row["customer"] for row in rows] == ["c2", "c5"]
    assert set(rows[0]) == {"message", "customer", "campaign", "run", "channel", "attempted_at", "detail"}
    assert tidings("in-doubt", "1", "--json")[1] == out
    assert tidings("in-doubt", "summer")[1] == "No message is in doubt.\n"


def test_in_doubt_of_an_unknown_campaign_is_a_usage_error(tidings: Command) -> None:
    code, _, err = tidings("in-doubt", "sumer")
    assert code == 2
    assert err == 'error: no run of "sumer" is in the store\n  campaigns that were run: spring, summer\n'


def test_in_doubt_resolve_settles_by_number_and_by_campaign(tidings: Command, workspace: Path) -> None:
    code, out, err = tidings("in-doubt", "resolve", str(_message(workspace, 2)), "999", "--sent")
    assert (code, out) == (1, "1 message counts as sent.\n")
    assert err == "Not in doubt, so left alone: 999\n"
    code, out, _ = tidings("in-doubt", "resolve", "--all", "spring", "--resend")
    assert code == 0
    assert out.startswith("1 message will be sent again.\n")
    with open_session(root=workspace) as session:
        assert states(session.store, 1)[2] == "accepted"
        assert states(session.store, 1)[5] == "planned"
    assert tidings("verify")[0] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("resolve", "1"), "say what became of them"),
        (("resolve", "--sent"), "say which messages"),
        (("resolve", "1", "--all", "spring", "--sent"), "say which messages"),
    ],
)
def test_in_doubt_resolve_asks_for_what_is_missing(
    tidings: Command, words: tuple[str, ...], sentence: str
) -> None:
    code, _, err = tidings("in-doubt", *words)
    assert code == 2
    assert err.startswith(f"error: {sentence}\n")


def test_verify_tells_the_sums_and_breaks_with_exit_one(tidings: Command, workspace: Path) -> None:
    code, out, _ = tidings("verify")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    # Columns in which nothing happened are left out.
    assert lines[0] == ["run", "state", "planned", "accepted", "in", "doubt", "pending"]
    assert ["spring", "finished", "6", "4", "2", "0"] in lines
    assert ["summer", "sending", "6", "0", "0", "6"] in lines
    checks = len(json.loads(tidings("verify", "--json")[1])["checks"])
    assert checks > 30
    assert f"The ledger holds: {checks} checks, 2 runs" in out
    with open_session(root=workspace) as session, session.store.durable("break") as connection:
        connection.execute(
            sa.update(sending.messages).where(sending.messages.c.id == 1).values(accepted_at=None)
        )
    code, out, _ = tidings("verify")
    assert code == 1
    assert "broken [accepted]: 1 accepted message(s) do not say when (for instance 1)" in out
    code, out, _ = tidings("verify", "--json")
    assert code == 1
    verdict = json.loads(out)
    assert verdict["holds"] is False
    assert verdict["runs"][0]["in_doubt"] == 2
    assert verdict["broken"][0]["examples"] == ["1"]


def test_pause_and_resume_say_what_waits_and_how_to_go_on(tidings: Command) -> None:
    assert tidings("pause", "summer", "--reason", "wrong price") == (
        0,
        "summer is paused; 6 messages wait.\nGo on with:  tidings resume summer\n",
        "",
    )
    assert tidings("pause", "summer")[1] == "summer was paused already; 6 messages wait.\n"
    assert tidings("pause")[1] == "all sending is paused; 6 messages wait.\nGo on with:  tidings resume\n"
    code, out, _ = tidings("resume")
    assert code == 0
    assert out.startswith("all sending is no longer paused.\n")
    assert "Still paused by themselves: summer" in out
    code, out, _ = tidings("resume", "summer")
    assert (code, out) == (
        0,
        (
            "summer is no longer paused.\n"
            "6 messages wait. `tidings serve` sends them, or now:  tidings run summer\n"
        ),
    )
    code, _, err = tidings("pause", "spring")
    assert code == 2
    assert "its last run is finished" in err


@pytest.mark.parametrize("name", ["in-doubt", "verify", "pause", "resume"])
def test_help_has_an_example(tidings: Command, name: str) -> None:
    code, out, _ = tidings(name, "--help")
    assert code == 0
    assert "Examples:" in out
    assert f"\n    tidings {name}" in out


def test_a_clock_that_was_set_back_is_one_sentence(workspace: Path) -> None:
    from tidings.errors import StoreError

    class Behind(SystemClock):
        def now(self):  # type: ignore[no-untyped-def]
            return super().now() - timedelta(days=1)

    with open_session(root=workspace) as session, pytest.raises(StoreError) as raised:
        from support.ledger_world import MARKETING
        from tidings.delivery.work import Job

        deliver(
            session.store,
            Job(2, "email", "email", MARKETING),
            adapter=Channel(),
            render=render,
            clock=Behind(),
        )
    assert "\n" not in raised.value.message
    assert raised.value.exit_code == 1
