"""Stopping and looking work on a day on which some file of the workspace is broken; planning and sending refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.ledger_workspace import CAMPAIGN, copy_workspace, recorded_run
from support.ledger_world import seed
from tidings.cli.main import execute
from tidings.cli.session import open_session
from tidings.store.tables import sending

Command = Callable[..., tuple[int, str, str]]
NO_YAML = "campaign: [Summer\nsend: {\n"
BROKEN = {
    "a campaign": ("campaigns/summer_party.yaml", NO_YAML, "campaigns/summer_party.yaml:1:11"),
    "the policies": ("config/policies.yaml", "policies: Ours\npurposes: [\n", "config/policies.yaml:2:11"),
}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a run of six that recorded its files, one of which is in doubt, and nothing broken yet."""
    root = copy_workspace(tmp_path / "workspace")
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    monkeypatch.delenv("TIDINGS_ENVIRONMENT", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    with open_session(root=root) as session:
        recorded_run(session.store, root, 6)
        seed(session.store, 4, campaign="autumn")
        with session.store.durable("test") as connection:
            connection.execute(
                sa.update(sending.messages)
                .where(sending.messages.c.run_id == 1, sending.messages.c.customer_id == 2)
                .values(state="in_doubt")
            )
    return root


@pytest.fixture(params=BROKEN)
def place(request: pytest.FixtureRequest, workspace: Path) -> str:
    """Break a file of the workspace; returns its place as the warning names it."""
    path, text, place = BROKEN[request.param]
    (workspace / path).write_text(text)
    return place


@pytest.fixture
def tidings(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in the workspace: exit code, output, errors."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = execute(words)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def warning(place: str) -> str:
    return f"warning: {place} cannot be read; this command goes on without it, and `tidings check` says what is wrong\n"


def test_pause_and_resume_work_with_a_broken_file_and_say_so_in_one_line(
    tidings: Command, place: str
) -> None:
    assert tidings("pause", CAMPAIGN) == (
        0,
        f"{CAMPAIGN} is paused; 5 messages wait.\nGo on with:  tidings resume {CAMPAIGN}\n",
        warning(place),
    )
    code, out, err = tidings("resume", CAMPAIGN)
    assert (code, err) == (0, warning(place))
    assert out.startswith(f"{CAMPAIGN} is no longer paused.\n")
    assert tidings("pause")[0] == 0
    assert tidings("resume", "--yes")[0] == 0
    assert tidings("pause", "--channel", "email")[0] == 0
    assert tidings("resume", "--channel", "email")[0] == 0


# What somebody may do to config/workspace.yaml: the line that is changed, what it becomes, and whether `environments` stays.
SLIPS = {
    "an unknown key": ("currency: EUR", "currency: EUR\ncurency: EUR"),
    "a wrong value": ("zone: Europe/Stockholm", "zone: Europe/Stokholm"),
    "no YAML": ("currency: EUR", 'currency: [EUR\n\tx: "y'),
    "no id": ("id: ", "# id: "),
    "another salt": ("salt: ", "salt: another-"),
    "a wrong key of an environment": ("outbox: true", "outbocks: true"),
    "signs that are no UTF-8": ("currency: EUR", "currency: \udcff"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_stopping_works_whatever_is_wrong_with_the_file_of_the_workspace(
    workspace: Path, tidings: Command, slip: str
) -> None:
    path = workspace / "config/workspace.yaml"
    text, (line, instead) = path.read_text(), SLIPS[slip]
    assert line in text
    path.write_bytes(text.replace(line, instead, 1).encode("utf-8", "surrogateescape"))
    assert tidings("plan", CAMPAIGN)[0] != 0
    for words in (("pause", CAMPAIGN), ("resume", CAMPAIGN), ("pause",), ("cancel", "autumn", "--yes")):
        code, _, err = tidings(*words)
        assert code == 0, err
        assert err.count("\n") == (slip != "another salt")


def test_a_store_that_nobody_named_never_stands_for_one_that_cannot_be_read(
    workspace: Path, tidings: Command
) -> None:
    path = workspace / "config/workspace.yaml"
    path.write_text(path.read_text().replace("  development:", "  development: [", 1))
    code, out, err = tidings("pause")
    assert (code, out) == (1, "") and "config/workspace.yaml:" in err


def test_the_store_of_another_workspace_is_not_paused_by_a_broken_file(
    workspace: Path, tidings: Command
) -> None:
    path = workspace / "config/workspace.yaml"
    path.write_text(path.read_text().replace("\nid: ", "\ncolour: red\nid: other-", 1))
    code, _, err = tidings("pause")
    assert code != 0 and "belongs to the workspace" in err


def test_cancel_runs_verify_and_in_doubt_work_with_a_broken_file(tidings: Command, place: str) -> None:
    code, out, err = tidings("cancel", "autumn", "--yes")
    assert (code, out, err) == (0, "4 messages of autumn cancelled.\n", warning(place))
    code, out, err = tidings("runs", "--json")
    assert (code, err) == (0, warning(place))
    assert {one["campaign"] for one in json.loads(out)["runs"]} == {CAMPAIGN, "autumn"}
    code, out, err = tidings("verify", "--json")
    assert err == warning(place)
    assert "runs" in json.loads(out)
    code, out, err = tidings("in-doubt", "--json")
    assert (code, err) == (0, warning(place))
    assert len(json.loads(out)) == 1
    code, out, err = tidings("tasks")
    assert (code, out, err) == (0, "There is no task.\n", warning(place))


def test_explain_reads_what_the_run_recorded_although_a_file_is_broken(tidings: Command, place: str) -> None:
    code, out, err = tidings("explain", "c1", CAMPAIGN)
    assert (code, err) == (0, warning(place))
    # The purpose and its class stand in the policies; those that the run recorded are sound.
    assert "marketing, class marketing" in out
    assert tidings("explain", "c1")[0] == 0


def test_the_broken_campaign_itself_can_be_stopped_and_explained(tidings: Command, workspace: Path) -> None:
    (workspace / "campaigns" / f"{CAMPAIGN}.yaml").write_text(NO_YAML)
    place = f"campaigns/{CAMPAIGN}.yaml:1:11"
    code, out, err = tidings("explain", "c1", CAMPAIGN)
    assert (code, err) == (0, warning(place))
    assert "class marketing" in out
    assert tidings("pause", CAMPAIGN)[0] == 0
    assert tidings("cancel", CAMPAIGN, "--yes")[0] == 0


def test_a_broken_campaign_without_a_run_is_explained_by_its_problem(
    tidings: Command, workspace: Path
) -> None:
    (workspace / "campaigns/summer_party.yaml").write_text(NO_YAML)
    code, out, err = tidings("explain", "c1", "summer_party")
    assert (code, out) == (1, "")
    assert "campaigns/summer_party.yaml:1:11: " in err
    assert "there is no campaign" not in err


def test_a_channel_whose_file_is_broken_can_be_paused(tidings: Command, workspace: Path) -> None:
    (workspace / "channels/email.yaml").write_text("channel: [\n")
    code, out, _ = tidings("pause", "--channel", "email")
    assert (code, out.splitlines()[0].split(";")[0]) == (0, "the channel email is paused")
    assert tidings("pause", "--channel", "emial")[0] == 2


def test_every_broken_file_is_named_in_the_one_line(tidings: Command, workspace: Path) -> None:
    for number in range(7):
        (workspace / f"campaigns/broken_{number}.yaml").write_text(NO_YAML)
    _, _, err = tidings("pause")
    assert len(err.splitlines()) == 1
    assert err.count("campaigns/broken_") == 5
    assert " and 2 more files cannot be read; this command goes on without them" in err


def test_an_approval_whose_file_is_broken_does_not_say_that_nothing_is_to_come(
    tidings: Command, workspace: Path
) -> None:
    from tidings.store.tables import journeys

    with open_session(root=workspace) as session, session.store.durable("test") as connection:
        connection.execute(
            journeys.standing_approvals.insert().values(
                campaign="newsletter", definition_hash="h", bounds={"people": 10, "plan": "p"}, approved_by="anna",
                approved_at=0, state="active",
            )
        )  # fmt: skip
    (workspace / "campaigns/newsletter.yaml").write_text(NO_YAML)
    assert "campaigns/newsletter.yaml cannot be read" in tidings("runs")[1]


def test_no_store_is_made_by_half_of_the_definitions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copy_workspace(tmp_path / "new")
    (root / "config/attributes.yaml").write_text("attributes: [\n")
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    assert execute(("pause",)) == 1
    assert "warning: config/attributes.yaml:1:13 cannot be read" in capsys.readouterr().err
    assert not (root / ".tidings").exists()


def test_a_workspace_file_that_names_no_store_is_refused_with_its_place(
    tidings: Command, workspace: Path
) -> None:
    (workspace / "config/workspace.yaml").write_text("workspace: [\n")
    (workspace / "campaigns/summer_party.yaml").write_text(NO_YAML)
    code, _, err = tidings("pause")
    assert code == 1
    assert "config/workspace.yaml:1:12: " in err
    assert "campaigns/" not in err


@pytest.mark.parametrize("command", [("plan", CAMPAIGN), ("run", CAMPAIGN, "--yes")])
def test_planning_and_running_refuse_while_any_definition_is_broken_and_name_its_place(
    tidings: Command, workspace: Path, command: tuple[str, ...]
) -> None:
    (workspace / "campaigns/summer_party.yaml").write_text(NO_YAML)
    code, out, err = tidings(*command)
    assert (code, out) == (1, "")
    assert err.startswith("campaigns/summer_party.yaml:1:11: ")
    assert err.endswith("in the definitions\n")
