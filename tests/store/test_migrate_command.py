"""`tidings migrate` says first what it will do; commands make a development store by themselves and no other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from support.stores import Stores
from tidings.cli.main import app, execute
from tidings.cli.session import open_session
from tidings.errors import StoreError, UsageError
from tidings.store.batches import insert_rows
from tidings.store.tables import keeping, people
from tidings.store.vocabulary import attributes_table

ROOT = Path(__file__).resolve().parents[2]
ATTRIBUTES_FILE = "config/attributes.yaml"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the rules of the workspace at the root of the repository, without campaigns."""
    # What names segments and campaigns is not needed here.
    left = shutil.ignore_patterns("attribution.yaml", "goals.yaml", "scores.yaml", "imports")
    shutil.copytree(ROOT / "config", tmp_path / "config", ignore=left)
    for name in ("TIDINGS_WORKSPACE", "TIDINGS_ENVIRONMENT", "TIDINGS_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(*args: str) -> Result:
    return CliRunner().invoke(app, ["migrate", *args], standalone_mode=False)


def _attributes(workspace: Path, old: str, new: str) -> None:
    path = workspace / ATTRIBUTES_FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _store_file(workspace: Path) -> Path:
    return workspace / ".tidings" / "development.sqlite"


def test_it_says_what_it_will_do_and_does_it_when_told(workspace: Path) -> None:
    result = _run()
    assert f"make a new store at {_store_file(workspace)}" in result.output
    assert 'add the attribute "lifetime_value" (money in EUR)' in result.output
    assert isinstance(result.exception, UsageError)  # nobody to ask; tests/config asks at a terminal
    assert not _store_file(workspace).exists()
    result = _run("--yes")
    assert result.output.rstrip().endswith("done")
    assert _run().output.rstrip().endswith("is up to date")


def test_yes_does_not_ask(workspace: Path) -> None:
    assert _run("--yes").exit_code == 0
    assert _store_file(workspace).exists()


def test_json_has_stable_keys_and_changes_nothing_without_yes(workspace: Path) -> None:
    keys = {"store", "environment", "new", "schema", "attributes", "problems", "done", "backup"}
    planned = json.loads(_run("--json").output)
    assert set(planned) == keys
    assert (planned["new"], planned["done"]) == (True, False)
    assert not _store_file(workspace).exists()
    done = json.loads(_run("--json", "--yes").output)
    assert set(done) == keys
    assert (done["environment"], done["done"]) == ("development", True)
    assert json.loads(_run("--json").output)["attributes"] == []


def test_a_development_store_is_made_by_the_first_command(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_session() as session:
        assert session.store.environment == "development"
        with session.store.read() as connection:
            row = connection.execute(sa.select(keeping.identity)).one()
    assert row.workspace == session.settings.definitions.workspace.id
    assert capsys.readouterr().err == f"made a new store at {_store_file(workspace)}\n"
    with open_session():
        pass
    assert capsys.readouterr().err == ""


def test_any_other_store_is_only_made_by_migrate(
    workspace: Path, stores: Callable[[str], Stores], dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_STORE", stores(dialect).empty(dialect))
    with pytest.raises(StoreError) as caught, open_session("production"):
        pass
    assert "tidings migrate" in caught.value.what_to_do
    assert _run("--environment", "production", "--yes").exit_code == 0
    with open_session("production") as session:
        assert session.store.dialect == dialect


def test_changed_attributes_stop_commands_until_migrate(workspace: Path) -> None:
    with open_session():
        pass
    _attributes(workspace, "vip: {type: flag", "shoe_size: {type: number}\nvip: {type: flag")
    with pytest.raises(StoreError, match="has changed since"), open_session():
        pass
    with open_session(need_vocabulary=False):
        pass
    assert 'add the attribute "shoe_size" (number)' in _run("--yes").output
    with open_session():
        pass


def test_values_are_not_lost_without_prune_and_a_copy_is_kept(workspace: Path) -> None:
    with open_session() as session:
        table = attributes_table(session.settings.definitions.attributes)
        with session.store.durable("test") as connection:
            insert_rows(connection, people.customers, [(1, "c1", 1, 1)], ("id", "key", "u", "created_at"))
            insert_rows(connection, table, [(1, "gold")], ("customer_id", "member_level"))
    _attributes(
        workspace,
        "member_level: {type: text, title: Member level, values: [basic, silver, gold]}",
        "member_level: {type: number}",
    )
    refused = _run("--yes")
    assert refused.return_value == 1
    assert '1 value of "member_level" cannot be read as number' in refused.output
    assert "--prune" in refused.output
    done = _run("--yes", "--prune")
    assert "1 value cannot be and will be lost" in done.output
    (copy,) = _store_file(workspace).parent.glob("*.before-migrate-*")
    assert f"the store as it was: {copy}" in done.output
    with open_session() as session, session.store.read() as connection:
        assert connection.execute(sa.text("SELECT member_level FROM customer_attributes")).scalar() is None


def test_another_workspaces_store_ends_in_one_sentence(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_session():
        pass
    path = workspace / "config" / "workspace.yaml"
    path.write_text(path.read_text().replace("id: nordic-garden ", "id: baltic-garden "))
    capsys.readouterr()
    assert execute(["migrate", "--yes"]) == 1
    error = capsys.readouterr().err
    assert 'belongs to the workspace "nordic-garden", not to "baltic-garden"' in error
    assert "Traceback" not in error


def test_the_help_has_an_example() -> None:
    assert "tidings migrate --environment production --yes" in _run("--help").output
