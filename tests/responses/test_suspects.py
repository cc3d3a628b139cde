"""Networks that behave like a filter's are told to somebody who can name them, and naming them finds the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.fresh_odd_mixes import NOT_TOLD
from support.judged import MINUTE, SECOND, arrive
from support.spooled import click, order
from support.tracking import sent_run, url
from support.traffic_world import figures, judged, played
from tidings.clock import to_micros
from tidings.responses.networks import bundled, networks_of
from tidings.responses.reclassifying import reclassify
from tidings.responses.suspects import LEAST, Suspect, suspects
from tidings.responses.traffic import traffic

FILTER, OTHER = "198.51.100.0/24", "203.0.113.0/24"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "spool"
    path.mkdir()
    return path


def found(store, networks=None, **span):
    with store.read() as connection:
        return suspects(connection, networks or bundled(), **span)


def sweep(message, at, ip):
    return [click(message, at + n * SECOND, to=n, ip=ip) for n in range(3)]


def test_a_network_that_sweeps_for_three_customers_is_told_and_one_for_two_is_not(
    store, folder, clock
) -> None:
    now = to_micros(clock.now())
    messages = sent_run(store, 9, links=3, accepted_at=now - 30 * SECOND)
    records = [one for message in messages[:LEAST] for one in sweep(message, now, FILTER)]
    records += [one for message in messages[LEAST : 2 * LEAST - 1] for one in sweep(message, now, OTHER)]
    # Taken for a person, but by the same network.
    records.append(click(messages[5], now + 5 * MINUTE, ip=FILTER))
    arrive(store, folder, clock, sorted(records, key=lambda one: one["at"]))
    assert found(store) == [Suspect(FILTER, 4, 3, 1)]
    assert found(store, since=now + MINUTE) == found(store, until=now) == []


def test_nobody_is_told_of_networks_that_people_use_as_well_or_that_are_listed(
    store, folder, clock, tmp_path
) -> None:
    now = to_micros(clock.now())
    messages = sent_run(store, 9, links=3, accepted_at=now - 30 * SECOND)
    arrive(store, folder, clock, [one for message in messages[:3] for one in sweep(message, now, FILTER)])
    assert [one.network for one in found(store)] == [FILTER]
    (tmp_path / "config").mkdir()
    (tmp_path / "config/networks.txt").write_text(f"{FILTER} people our own office\n")
    assert [one.network for one in found(store, networks_of(tmp_path))] == [FILTER]
    (tmp_path / "config/networks.txt").write_text(f"{FILTER} security a filter\n")
    assert found(store, networks_of(tmp_path)) == []
    # Two in three are people.
    arrive(store, folder, clock, [click(one, now + 5 * MINUTE, ip=FILTER) for one in messages[3:]])
    assert [one.customers for one in found(store)] == [9]
    (more,) = sent_run(store, 1, links=3, accepted_at=now - 30 * SECOND)
    arrive(store, folder, clock, [click(more, now + 9 * MINUTE, ip=FILTER)])
    assert found(store) == []


def test_an_order_from_behind_a_network_takes_it_out(store, folder, clock) -> None:
    now = to_micros(clock.now())
    messages = sent_run(store, 4, links=3, accepted_at=now - 30 * SECOND)
    arrive(store, folder, clock, [one for message in messages[:3] for one in sweep(message, now, FILTER)])
    arrive(store, folder, clock, [click(messages[3], now + 5 * MINUTE, ip=FILTER)])
    assert len(found(store)) == 1
    arrive(store, folder, clock, [order("K3", occurred=now + 9 * MINUTE, at=now + 9 * MINUTE)])
    assert found(store) == []


def test_naming_them_finds_what_their_filters_did_unseen(make_store, folder, clock, tmp_path) -> None:
    store = make_store("sqlite")
    mix = NOT_TOLD[0]
    # A filter has few networks, and its sandboxes and slow looks come from the same ones.
    few = tuple(f"45.129.{n}.0/24" for n in range(12))
    mix = replace(mix, recipients=3_000, setting=replace(mix.setting, unlisted=few, tells=0.0))
    before, recall, _, _ = figures(played(store, folder, clock, mix))
    told = [one.network for one in found(store)]
    assert len(set(told) & set(few)) >= 6
    # None of people, and none of an office with a filter of its own.
    shared = {pattern.split(".")[0] for pattern in (*mix.setting.people, mix.setting.offices)}
    assert shared.isdisjoint(one.split(".")[0] for one in told)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/networks.txt").write_text("".join(f"{one} security told\n" for one in told))
    reclassify(store, networks=networks_of(tmp_path))
    after, still, _, _ = figures(
        judged(store, traffic(mix, to_micros(clock.now()), url, lambda place: f"K{place}"))
    )
    print(
        f"\nprecision {before:.4f}, with {len(told)} networks named {after:.4f}; recall {recall:.4f} and {still:.4f}"
    )
    assert after > before + 0.03
    assert still >= recall - 0.005
