"""The twelve definitions on an empty migrated store of each database, with their commands on a clock that jumps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.stores import Stores
from support.twelve_shop import KEYS, TwelveShop, map_event, run, twelve_workspace
from tidings.clock import FixedClock
from tidings.config.settings import load_settings
from tidings.store.database import Store


@pytest.fixture
def edit() -> Callable[[Path], None]:
    """Change the copied definitions before they are loaded: a test that needs that overrides this."""
    return lambda _: None


@pytest.fixture
def twelve(
    stores: Callable[[str], Stores],
    dialect: str,
    clock: FixedClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edit: Callable[[Path], None],
) -> Iterator[TwelveShop]:
    """The shop; its clock begins on Tuesday, 2 March 2027, 10:00 in Stockholm."""
    root, url = twelve_workspace(tmp_path / "shop"), stores(dialect).empty(dialect)
    for name, value in {"STORE": url, "KEYS": KEYS, "WORKSPACE": str(root)}.items():
        monkeypatch.setenv(f"TIDINGS_{name}", value)
    monkeypatch.delenv("TIDINGS_ENVIRONMENT", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("tidings.clock.SystemClock", lambda: clock)
    edit(root)
    settings = load_settings()
    for event in settings.definitions.events.events:
        map_event(root, event)
    settings = load_settings()
    run("migrate", "--yes")
    ours = settings.definitions.workspace
    with Store.open(url, clock=clock, workspace=ours.id, environment="development", salt=ours.salt) as store:
        yield TwelveShop(store, clock, settings)
    stores(dialect).drop(url)
