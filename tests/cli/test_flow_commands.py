"""Commands about the messages and tasks of flows, as people type them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.flow_world import enter, flow_workspace, go_live, populate
from tidings.cli.main import execute
from tidings.cli.session import open_session
from tidings.clock import to_micros
from tidings.store.tables import journeys


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = flow_workspace(tmp_path / "workspace")
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(folder))
    return folder


def test_a_step_is_previewed_and_sent_to_colleagues_like_a_campaign(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_session() as session:
        populate(session.store, 1)
    assert execute(["preview", "care.letter", "--customer", "c1", "--text"]) == 0
    assert "Hello there" in capsys.readouterr().out
    assert execute(["preview", "care.paper", "--customer", "c1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["subject"] == "Your papers"
    assert execute(["preview", "care.answer"]) == 2
    assert 'no step "answer" that sends' in capsys.readouterr().err
    assert execute(["send-test", "care.paper", "--to", "ann@shop.example", "--yes"]) == 0
    assert "accepted" in capsys.readouterr().out


def test_tasks_are_listed_and_answered(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["tasks"]) == 0
    assert "There is no task." in capsys.readouterr().out
    with open_session() as session:
        store = session.store
        populate(store, 1)
        live = go_live(store, root)
        enrolment = enter(store, live, (1,))[1]
        at = to_micros(session.clock.now())
        with store.durable("test") as connection:
            connection.execute(
                sa.insert(journeys.tasks).values(
                    run_id=live.run_id,
                    enrolment_id=enrolment,
                    step="call",
                    customer_id=1,
                    person="sales",
                    email="sales@shop.example",
                    card="Ask how the garden is.",
                    created_at=at,
                    due_at=at + 1,
                    state="open",
                    mail="sent",
                )
            )
    assert execute(["tasks", "--cards"]) == 0
    told = capsys.readouterr().out
    assert "care.call" in told
    assert "Ask how the garden is." in told
    assert execute(["tasks", "--json"]) == 0
    assert [one["state"] for one in json.loads(capsys.readouterr().out)] == ["open"]
    assert execute(["tasks", "accept", "1", "--note", "mine"]) == 0
    assert "task 1 is accepted" in capsys.readouterr().out
    assert execute(["tasks", "done", "1"]) == 0
    assert execute(["tasks", "return", "1"]) == 2
    assert "done already" in capsys.readouterr().err
    assert execute(["tasks", "done", "99"]) == 2
    # Nobody is asked to confirm, and people are on the way: nothing is cancelled unheard.
    assert execute(["cancel", "care"]) == 2
    assert "end the journeys of 1 person" in capsys.readouterr().err
    assert execute(["cancel", "care", "--yes"]) == 0
