"""`tidings reclassify` as people and programs ask it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from support.import_world import DEFINITIONS
from support.judged import MINUTE, arrive, by_earlier_rules, mixed
from support.spooled import click
from support.tracking import sent_run
from tidings.cli.reclassify import command
from tidings.clock import FixedClock, to_micros
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.measurement import touches
from tidings.responses.classify import RULES_VERSION
from tidings.store.database import Store


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "spool"
    path.mkdir()
    return path


@dataclass
class Opened:
    """What the command asks of a session."""

    store: Store
    definitions: Definitions
    clock: FixedClock

    @property
    def settings(self):
        return self


@pytest.fixture
def tidings(make_store, folder, clock, monkeypatch, tmp_path):
    store = make_store("sqlite")
    here = Opened(store, replace(DEFINITIONS, root=str(tmp_path)), clock)

    @contextmanager
    def open_here(*_, **__):
        yield here

    monkeypatch.setattr("tidings.cli.session.open_session", open_here)

    def call(*arguments):
        result = CliRunner().invoke(command, arguments, standalone_mode=False)
        if result.exception:
            raise result.exception
        return result.output

    call.store = store
    return call


def test_the_command_says_what_changes_by_class_and_downstream(tidings, folder, clock) -> None:
    store = tidings.store
    mixed(store, folder, clock)
    by_earlier_rules(store)
    touches.refresh(store, now=clock.now())
    said = tidings("--dry-run")
    assert "33 would be judged otherwise" in said
    assert "dry run" in said
    assert max(map(len, said.splitlines())) <= 130
    data = json.loads(tidings("--json"))
    assert data["rules"] == RULES_VERSION
    assert (data["responses"], data["changed"], data["added"]) == (121, 33, 0)
    assert {"kind": "clicked", "before": "human", "now": "machine_scanner", "count": 13} in data["classes"]
    assert data["customers"]["clicked"] == {"before": 60, "after": 48, "gained": 0, "lost": 12}
    assert data["touches"] == {"added": 0, "removed": 33}
    said = tidings()
    assert "0 are judged otherwise" in said
    assert "Customers who clicked: 48 before, 48 now (0 more, 0 fewer)." in said


def test_days_are_those_of_the_workspace_and_wrong_ones_are_refused(tidings, folder, clock) -> None:
    store = tidings.store
    message = sent_run(store, 1, accepted_at=1)[0]
    noon = to_micros(datetime(2027, 3, 2, 12, tzinfo=UTC))
    day = 24 * 60 * MINUTE
    arrive(store, folder, clock, [click(message, noon + n * day) for n in (-1, 0, 1)])
    assert json.loads(tidings("--from", "2027-03-02", "--to", "2027-03-02", "--json"))["responses"] == 1
    assert json.loads(tidings("--from", "2027-03-02", "--json"))["responses"] == 2
    assert "Nothing came in that time" in tidings("--from", "2030-01-01")
    with pytest.raises(UsageError, match="comes after"):
        tidings("--from", "2027-03-03", "--to", "2027-03-02")
    with pytest.raises(UsageError, match="is no day"):
        tidings("--from", "2027-3-2")


def test_networks_that_behave_like_a_filters_are_told(tidings, folder, clock) -> None:
    now = to_micros(clock.now())
    messages = sent_run(tidings.store, 3, links=3, accepted_at=now - MINUTE)
    sweeps = [click(message, now + n, to=n, ip="198.51.100.0/24") for message in messages for n in range(3)]
    arrive(tidings.store, folder, clock, sorted(sweeps, key=lambda one: one["at"]))
    data = json.loads(tidings("--json"))
    strange = {"network": "198.51.100.0/24", "customers": 3, "given_away": 3, "taken_for_people": 0}
    assert data["suspects"] == [strange]
    said = tidings()
    assert "198.51.100.0/24" in said
    assert "Name those of filters in config/networks.txt as `security`" in said
    assert max(map(len, said.splitlines())) <= 130
