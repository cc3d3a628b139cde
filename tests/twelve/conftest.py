"""The twelve definitions on an empty migrated store of each database, with their commands on a clock that jumps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from support.stores import START, Stores
from support.twelve_shop import KEYS, TwelveShop, map_event, run, twelve_workspace
from tidings.clock import FixedClock
from tidings.config.settings import load_settings
from tidings.store.database import Store


@pytest.fixture
def edit() -> Callable[[Path], None]:
    """Change the copied definitions before they are loaded: a test that needs that overrides this."""
    return lambda _: None


@pytest.fixture(scope="session")
def migrated(
    stores: Callable[[str], Stores], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Make a store of the twelve by `tidings migrate` once for each database; return the address of a copy of it."""
    made: dict[str, str] = {}

    def copied(dialect: str) -> str:
        if dialect not in made:
            url = stores(dialect).empty(dialect)
            root = twelve_workspace(tmp_path_factory.mktemp("twelve") / "shop")
            variables = {"TIDINGS_STORE": url, "TIDINGS_KEYS": KEYS, "TIDINGS_WORKSPACE": str(root)}
            with (
                patch.dict(os.environ, variables),
                patch("tidings.clock.SystemClock", lambda: FixedClock(START)),
            ):
                os.environ.pop("TIDINGS_ENVIRONMENT", None)
                run("migrate", "--yes")
            made[dialect] = url
        return stores(dialect).copy(made[dialect])

    return copied


@pytest.fixture
def twelve(
    stores: Callable[[str], Stores],
    dialect: str,
    clock: FixedClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edit: Callable[[Path], None],
    migrated: Callable[[str], str],
) -> Iterator[TwelveShop]:
    """The shop; its clock begins on Tuesday, 2 March 2027, 10:00 in Stockholm."""
    root, url = twelve_workspace(tmp_path / "shop"), migrated(dialect)
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
    # What the test changed in the definitions.
    run("migrate", "--yes")
    ours = settings.definitions.workspace
    with Store.open(url, clock=clock, workspace=ours.id, environment="development", salt=ours.salt) as store:
        yield TwelveShop(store, clock, settings)
    stores(dialect).drop(url)
