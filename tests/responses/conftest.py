"""A tracker over real HTTP: one for each test, and one for many requests that must leave nothing behind."""

from __future__ import annotations

import httpx
import pytest

from support.stores import START
from support.tracking import BROWSER, tracker
from tidings.clock import FixedClock


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def web(folder, clock):
    with tracker(folder, clock) as address, httpx.Client(base_url=address, headers=BROWSER) as client:
        yield client


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    """One server for many requests that must leave nothing behind."""
    folder = tmp_path_factory.mktemp("refusing")
    with (
        tracker(folder, FixedClock(START)) as address,
        httpx.Client(base_url=address, headers=BROWSER) as client,
    ):
        yield client, folder
