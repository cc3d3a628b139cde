"""A slip in a definition does not keep the tracker from coming back."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.ledger_workspace import copy_workspace
from tidings.errors import DefinitionErrors
from tidings.flows.web import settings_of_web

NO_YAML = "campaign: [Summer\nsend: {\n"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = copy_workspace(tmp_path / "workspace")
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    monkeypatch.delenv("TIDINGS_ENVIRONMENT", raising=False)
    return root


def test_the_tracker_starts_without_what_cannot_be_read_and_says_so(workspace: Path) -> None:
    said: list[str] = []
    whole = settings_of_web(None, said.append)
    assert said == []
    for name in ("campaigns/summer.yaml", "channels/sms.yaml", "config/policies.yaml"):
        (workspace / name).write_text(NO_YAML)
    settings = settings_of_web(None, said.append)
    assert len(said) == 1 and "campaigns/summer.yaml, channels/sms.yaml, config/policies.yaml" in said[0]
    assert settings.definitions.events == whole.definitions.events
    assert settings.definitions.workspace == whole.definitions.workspace
    assert set(whole.definitions.channels) - set(settings.definitions.channels) == {"sms"}


@pytest.mark.parametrize("name", ["config/events.yaml", "config/workspace.yaml"])
def test_without_what_it_cannot_do_without_it_does_not_start(workspace: Path, name: str) -> None:
    (workspace / name).write_text(NO_YAML)
    with pytest.raises(DefinitionErrors):
        settings_of_web(None, print)
