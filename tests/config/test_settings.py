"""Where the workspace is, which environment is meant, and what is said when it cannot be known."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.workspaces import WORKSPACE, small_workspace
from tidings.config.settings import find_root, load_settings
from tidings.errors import DefinitionErrors, UsageError

PRODUCTION = WORKSPACE + "environments:\n  production:\n    store_from: TIDINGS_STORE\n"


def test_development_is_meant_when_nothing_is_said_and_delivers_to_an_outbox(tmp_path: Path) -> None:
    settings = load_settings(small_workspace(tmp_path), variables={})
    assert (settings.environment.name, settings.environment.outbox) == ("development", True)
    assert settings.store_url == f"sqlite:///{tmp_path / '.tidings/development.sqlite'}"
    assert settings.data_dir == tmp_path / ".tidings"
    assert settings.definitions.workspace.id == "test-shop"


def test_the_option_wins_over_the_variable(tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"config/workspace.yaml": PRODUCTION})
    variables = {"TIDINGS_ENVIRONMENT": "production", "TIDINGS_STORE": "postgresql://bob:pw@db/shop"}
    assert load_settings(root, variables=variables).store_url == "postgresql://bob:pw@db/shop"
    assert load_settings(root, "development", variables=variables).environment.name == "development"


def test_an_environment_whose_store_is_not_set_says_which_variable(tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"config/workspace.yaml": PRODUCTION})
    with pytest.raises(UsageError) as raised:
        load_settings(root, "production", variables={})
    assert "TIDINGS_STORE, which is not set" in raised.value.message
    assert raised.value.what_to_do.startswith("export TIDINGS_STORE=postgresql://")


def test_an_address_that_is_none_is_refused_without_being_repeated(tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"config/workspace.yaml": PRODUCTION})
    with pytest.raises(UsageError) as raised:
        load_settings(root, "production", variables={"TIDINGS_STORE": "mysql://bob:correct-horse@db"})
    assert "correct-horse" not in raised.value.message + raised.value.what_to_do


def test_an_unknown_environment_names_the_nearest(tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"config/workspace.yaml": PRODUCTION})
    with pytest.raises(UsageError, match='no environment "producton"') as raised:
        load_settings(root, "producton", variables={})
    assert raised.value.what_to_do == 'did you mean "production"?'


def test_the_nearest_folder_above_is_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small_workspace(tmp_path / "shop")
    monkeypatch.chdir(root / "templates" / "welcome")
    assert find_root(variables={}) == root.resolve()


def test_a_named_workspace_is_taken_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small_workspace(tmp_path / "shop")
    monkeypatch.chdir(tmp_path)
    assert find_root(variables={"TIDINGS_WORKSPACE": str(root)}) == root.resolve()
    with pytest.raises(UsageError, match="TIDINGS_WORKSPACE names"):
        find_root(variables={"TIDINGS_WORKSPACE": str(tmp_path / "nowhere")})


def test_no_workspace_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no workspace") as raised:
        find_root(tmp_path, variables={})
    assert "tidings init" in raised.value.what_to_do


def test_problems_of_the_definitions_come_all_together(tmp_path: Path) -> None:
    root = small_workspace(
        tmp_path, {"segments/s.yaml": "segment: S\nwhere:\n  - contry: SE\n  - citty: X\n"}
    )
    with pytest.raises(DefinitionErrors) as raised:
        load_settings(root, variables={})
    assert len(raised.value.problems) == 2


def test_settings_that_are_printed_show_no_secret(tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"config/workspace.yaml": PRODUCTION})
    variables = {
        "TIDINGS_STORE": "postgresql://bob:correct-horse@db/shop",
        "TIDINGS_KEYS": "k1:abcdef, k2:123",
    }
    settings = load_settings(root, "production", variables=variables)
    assert settings.keys == ("k1:abcdef", "k2:123")
    assert "correct-horse" not in repr(settings) and "abcdef" not in repr(settings)
