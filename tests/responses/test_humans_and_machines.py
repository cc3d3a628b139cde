"""Seeded traffic of people and machines through the real path: how well clicks of people are told from those of machines.

`pytest -s` prints the tables. The mixes are held out from the rules; tests/support/traffic_mixes.py says how.
"""

from __future__ import annotations

import pytest

from support.traffic_mixes import HELD_OUT, SEEN, TUNING
from support.traffic_world import figures, played, table
from tidings.clock import to_micros
from tidings.responses.reclassifying import reclassify
from tidings.responses.traffic import PROFILES, traffic
from tidings.store.tables import answers

PRECISION, RECALL = 0.97, 0.95


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "spool"
    path.mkdir()
    return path


def check(store, folder, clock, mix, *, least=PRECISION):
    pairs = played(store, folder, clock, mix)
    print("\n" + table(mix.name, pairs))
    precision, recall, counts, _ = figures(pairs)
    assert counts["human", "human"] > 200
    assert sum(count for (truth, _), count in counts.items() if truth == "machine") > 200
    assert precision >= least
    assert recall >= RECALL
    return pairs


@pytest.mark.parametrize("mix", HELD_OUT, ids=lambda mix: mix.name)
def test_clicks_of_people_are_told_from_those_of_machines(make_store, folder, clock, mix) -> None:
    check(make_store("sqlite"), folder, clock, mix)


def test_on_postgresql_as_well(make_store, folder, clock) -> None:
    check(make_store("postgresql"), folder, clock, HELD_OUT[1])


@pytest.mark.parametrize("mix", TUNING, ids=lambda mix: mix.name)
def test_the_mixes_that_the_rules_were_looked_at_on(make_store, folder, clock, mix) -> None:
    check(make_store("sqlite"), folder, clock, mix)


@pytest.mark.parametrize("mix", SEEN, ids=lambda mix: mix.name)
def test_where_half_of_a_filters_networks_are_in_no_list(make_store, folder, clock, mix) -> None:
    check(make_store("sqlite"), folder, clock, mix, least=0.9)
