"""What the rules know of networks, and of the links of a message: the list, what a workspace adds, languages, traps."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from support.judged import AMAZON, HOME, MINUTE, SECOND, arrive, judged
from support.spooled import click
from support.tracking import rows_of, sent_run, url
from tidings.clock import to_micros
from tidings.errors import UsageError
from tidings.responses.networks import bundled, networks_of
from tidings.responses.reclassifying import reclassify
from tidings.store.tables import answers, sending


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "spool"
    path.mkdir()
    return path


def test_a_workspace_adds_networks_and_takes_them_out(store, folder, clock, tmp_path) -> None:
    (message,) = sent_run(store, 1, accepted_at=1)
    now = to_micros(clock.now())
    arrive(store, folder, clock, [click(message, now, ip=HOME), click(message, now + MINUTE, ip=AMAZON)])
    assert [one[3] for one in judged(store)] == [None, "datacentre"]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "networks.txt").write_text(
        "# ours\n203.0.112.0/23 security  our filter\n3.8.0.0/16 people our own machines\n"
    )
    found = reclassify(store, networks=networks_of(tmp_path))
    assert found.changed == 2
    assert [one[3] for one in judged(store)] == ["security", None]


@pytest.mark.parametrize(
    ("line", "where", "says"),
    [
        ("300.1.1.0/24 security", "config/networks.txt:2:1", "300.1.1.0/24"),
        ("203.0.113.0/25 security", "config/networks.txt:2:1", "longer than /24"),
        ("2001:db8::/56 relay", "config/networks.txt:2:1", "longer than /48"),
        ("203.0.113.0/24 filter", "config/networks.txt:2:16", "'filter' is no kind of network"),
        ("203.0.113.0/24", "config/networks.txt:2:16", "'' is no kind of network"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path, line, where, says) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "networks.txt").write_text(f"# ours\n{line}\n")
    with pytest.raises(UsageError) as error:
        networks_of(tmp_path)
    assert where in str(error.value)
    assert says in str(error.value)


def test_the_longest_prefix_tells_and_what_is_no_network_is_nobodys() -> None:
    known = bundled()
    assert known.kind("52.100.1.0/24") == "microsoft"
    assert known.kind("52.63.1.0/24") == "datacentre"
    assert known.kind("2a02:26f7:1::/48") == "relay"
    assert known.kind("198.51.100.0/24") is None
    assert known.kind("none") is None


def test_links_of_many_languages_are_counted_in_the_one_with_fewest(store, folder, clock) -> None:
    now = to_micros(clock.now())
    (message,) = sent_run(store, 1, accepted_at=now - 60 * SECOND)
    run = rows_of(store, sending.runs)[0].id
    with store.durable("test") as connection:
        rows = [("en", n, url(n)) for n in range(9)] + [("de", n, url(n)) for n in range(3)]
        connection.execute(
            sa.insert(answers.links),
            [{"run_id": run, "locale": locale, "position": n, "url": to} for locale, n, to in rows],
        )
    arrive(store, folder, clock, [click(message, now + n, to=n) for n in (0, 1, 2)])
    assert {one[3] for one in judged(store)} == {"swept_links"}


def test_a_link_that_nobody_can_see_gives_away_who_follows_it(store, folder, clock) -> None:
    (message,) = sent_run(store, 1, links=3, accepted_at=1)
    now = to_micros(clock.now())
    run = rows_of(store, sending.runs)[0].id
    trap = "https://shop.example/#tidings-trap"
    with store.durable("test") as connection:
        connection.execute(sa.insert(answers.links).values(run_id=run, position=3, url=trap))
    arrive(store, folder, clock, [click(message, now + n * 30 * SECOND) for n in range(5)])
    assert {one[1] for one in judged(store)} == {"human"}
    arrive(store, folder, clock, [click(message, now) | {"url": trap}])
    assert [one[3] for one in judged(store)] == ["trap", "trap", "trap", None, None, "trap"]
