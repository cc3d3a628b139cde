"""Whatever starts messages asks for the keys of their links first: nothing is approved that could not be written."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from support.workspaces import WORKSPACE, small_workspace
from tidings.cli.main import execute
from tidings.cli.session import open_session
from tidings.store.tables import journeys, sending

LETTER = "campaign: Letter\npurpose: service\nto: everybody\nsend: welcome\nvia: email\nholdout: none\n"
FILES: dict[str, str | bytes | None] = {
    "config/workspace.yaml": WORKSPACE + "environments:\n  production:\n    store_from: TIDINGS_STORE\n",
    "campaigns/once.yaml": LETTER,
    "campaigns/later.yaml": LETTER + "at: 2099-03-02 10:00\n",
    "campaigns/daily.yaml": LETTER + "every: day at 10:00\n",
    "channels/email.yaml": "channel: E-mail\nadapter: outbox\nkind: email\nsender: hello@shop.example\n",
    "flows/care.yaml": "flow: Care\npurpose: service\nstarts: {did: order_placed}\nsteps:\n"
    "  letter: {send: welcome, via: email}\n",
    "flows/calls.yaml": "flow: Calls\npurpose: service\nstarts: {did: order_placed}\nsteps:\n"
    "  call: {notify: sales}\n",
    "config/staff.yaml": "staff: Us\nsales: sales@shop.example\n",
}
KEYS = "k1:" + "7e" * 32


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in production with a store and no keys."""
    root = small_workspace(tmp_path, FILES)
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    monkeypatch.setenv("TIDINGS_ENVIRONMENT", "production")
    monkeypatch.setenv("TIDINGS_STORE", f"sqlite:///{root}/production.sqlite")
    monkeypatch.delenv("TIDINGS_KEYS", raising=False)
    assert execute(["migrate", "--yes"]) == 0
    return root


def approved() -> tuple[int, int]:
    """Return how many runs and how many standing approvals there are."""
    with open_session() as session, session.store.read() as connection:
        runs, standing = (
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (sending.runs, journeys.standing_approvals)
        )
    return runs, standing


@pytest.mark.parametrize("name", ["once", "later", "daily", "care"])
def test_nothing_is_approved_in_production_while_the_keys_of_its_links_are_missing(
    root: Path, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    assert execute(["run", name, "--yes"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        'error: TIDINGS_KEYS is not set, and the environment "production" makes no key by itself'
    )
    assert approved() == (0, 0)
    monkeypatch.setenv("TIDINGS_KEYS", KEYS)
    # With the keys it goes on: to the audience of the one-time campaign, in which nobody is.
    assert execute(["run", name, "--yes"]) == (3 if name == "once" else 0)
    assert "TIDINGS_KEYS" not in capsys.readouterr().err
    assert approved() != (0, 0) or name == "once"


def test_what_is_due_of_an_approved_campaign_starts_nowhere_without_the_keys(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_KEYS", KEYS)
    assert execute(["run", "daily", "--yes"]) == 0
    before = approved()
    monkeypatch.delenv("TIDINGS_KEYS")
    capsys.readouterr()
    assert execute(["run", "daily"]) == 1
    assert "TIDINGS_KEYS is not set" in capsys.readouterr().err
    assert approved() == before


def test_a_flow_that_writes_to_no_customer_needs_no_keys(root: Path) -> None:
    assert execute(["run", "calls", "--yes"]) == 0
    assert approved() == (1, 0)
