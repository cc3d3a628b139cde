"""Judging again: the same hits, the rules of today; never another hit, never twice, whatever stops it."""

from __future__ import annotations

import json
import random
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.import_world import DEFINITIONS
from support.spooled import click, order, spooled
from support.tracking import BROWSER, SALT, rows_of, sent_run, url
from tidings.cli.reclassify import command
from tidings.clock import FixedClock, to_micros
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.measurement import touches
from tidings.responses import reclassifying
from tidings.responses.classify import RULES_VERSION
from tidings.responses.drain import drain
from tidings.responses.networks import bundled, networks_of
from tidings.responses.reclassifying import People, reclassify
from tidings.store.database import Store
from tidings.store.tables import answers, sending

SECOND = 1_000_000
MINUTE = 60 * SECOND
OFFICE, AMAZON, HOME = "198.51.100.0/24", "3.8.1.0/24", "203.0.113.0/24"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "spool"
    path.mkdir()
    return path


def opened(message, at, **more):
    return {
        "k": "open",
        "at": at,
        "m": message,
        "method": "GET",
        "ip": HOME,
        "ua": BROWSER["user-agent"],
        **more,
    }


def arrive(store, folder, clock, records):
    spooled(folder, clock, records)
    drain(store, folder, salt=SALT)


def judged(store):
    return [
        (row.hit_id, row.judged, row._mapping["class"], row.reason, row.signals, row.rule_version)
        for row in rows_of(store, answers.responses)
    ]


def by_earlier_rules(store):
    """Leave the judgements that version 2 would have left: no classes, no signals, more people."""
    with store.durable("test") as connection:
        connection.execute(
            sa.update(answers.responses).values(
                {"judged": "human", "class": None, "reason": None, "signals": None, "rule_version": 2}
            )
        )


def mixed(store, folder, clock, count=60):
    """A run with people, and machines of three sorts."""
    messages = sent_run(store, count, links=4, accepted_at=1)
    now = to_micros(clock.now())
    records = []
    for n, message in enumerate(messages):
        records.append(opened(message, now + n * SECOND, **({"ua": "Mozilla/5.0"} if n % 3 == 0 else {})))
        records.append(
            click(message, now + n * MINUTE, to=n % 4, ip=AMAZON if n % 5 == 0 else f"81.2.{n}.0/24")
        )
    records.append(click(messages[1], now, ua="curl/8"))
    arrive(store, folder, clock, sorted(records, key=lambda one: one["at"]))
    return messages


def test_everything_is_judged_by_the_rules_of_today_and_the_difference_is_told(store, folder, clock) -> None:
    messages = mixed(store, folder, clock)
    told, hits = judged(store), rows_of(store, answers.hits)
    by_earlier_rules(store)
    found = reclassify(store)
    assert (found.responses, found.changed, found.added) == (121, 20 + 12 + 1, 0)
    assert found.classes == {
        ("opened", "human", "human"): 40,
        ("opened", "human", "machine_proxy"): 20,
        ("clicked", "human", "human"): 48,
        ("clicked", "human", "machine_scanner"): 13,
    }
    assert found.customers == {"opened": People(60, 40, 0, 20), "clicked": People(60, 48, 0, 12)}
    assert judged(store) == told
    assert {one[-1] for one in told} == {RULES_VERSION}
    assert rows_of(store, answers.hits) == hits
    again = reclassify(store)
    assert (again.responses, again.changed, again.added) == (121, 0, 0)
    assert again.customers["clicked"] == People(48, 48, 0, 0)
    assert len(messages) == 60


def test_a_dry_run_tells_the_same_and_writes_nothing(store, folder, clock) -> None:
    mixed(store, folder, clock)
    by_earlier_rules(store)
    before = rows_of(store, answers.responses)
    dry = reclassify(store, dry_run=True)
    assert rows_of(store, answers.responses) == before
    assert dry == reclassify(store)


def test_days_limit_what_is_judged(store, folder, clock) -> None:
    mixed(store, folder, clock)
    by_earlier_rules(store)
    now = to_micros(clock.now())
    found = reclassify(store, since=now + 10 * MINUTE, until=now + 20 * MINUTE)
    assert found.responses == 10
    assert [row.at for row in rows_of(store, answers.responses) if row.rule_version == RULES_VERSION] == [
        now + n * MINUTE for n in range(10, 20)
    ]


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [1, 3, 7])
def test_killed_and_called_again_it_ends_as_if_nothing_had_happened(
    store, folder, clock, monkeypatch, after
) -> None:
    mixed(store, folder, clock)
    told = judged(store)
    by_earlier_rules(store)
    spans = type(store.paced("x")).spans
    monkeypatch.setattr(
        type(store.paced("x")), "spans", lambda self, low, high: spans(self, low, high, 13, most=13)
    )
    chunks = []

    def dying(done, total):
        chunks.append(done)
        if len(chunks) == after:
            raise Killed

    with pytest.raises(Killed):
        reclassify(store, progress=dying)
    done = sum(one[-1] == RULES_VERSION for one in judged(store))
    assert done == 13 * after
    seen = []
    rest = reclassify(store, progress=lambda done, total: seen.append((done, total)))
    assert judged(store) == told
    assert rest.changed < 33
    assert seen[-1] == (121, 121)


def test_a_drain_in_between_is_not_undone(store, folder, clock, monkeypatch) -> None:
    messages = sent_run(store, 10, accepted_at=1)
    now = to_micros(clock.now())
    arrive(store, folder, clock, [click(one, now + n, ip=OFFICE) for n, one in enumerate(messages[:9])])
    by_earlier_rules(store)
    write = reclassifying._Chunk.write

    def late(chunk):
        # The tenth recipient comes between reading and writing.
        arrive(store, folder, clock, [click(messages[9], now + 9, ip=OFFICE)])
        write(chunk)

    monkeypatch.setattr(reclassifying._Chunk, "write", late)
    reclassify(store)
    assert {(one[1], one[3]) for one in judged(store)} == {("machine", "network_burst")}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), rounds=st.integers(1, 3))
def test_judging_again_never_changes_a_hit_or_their_number(
    make_store, tmp_path_factory, seed, rounds
) -> None:
    store = make_store("sqlite")
    clock, chance = store.clock, random.Random(seed)
    folder = tmp_path_factory.mktemp("spool")
    now = to_micros(clock.now())
    messages = sent_run(store, 12, links=3, accepted_at=now)
    for _ in range(rounds):
        records = [
            click(
                chance.choice([*messages, None]),
                now + chance.randrange(100) * SECOND,
                to=chance.randrange(3),
                ip=chance.choice((OFFICE, AMAZON, HOME)),
                ua=chance.choice((BROWSER["user-agent"], "curl/8", "")),
                k=chance.choice(("click", "open")),
            )
            for _ in range(chance.randrange(1, 60))
        ]
        arrive(store, folder, clock, records)
        before = rows_of(store, answers.hits)
        reclassify(store, dry_run=chance.random() < 0.3)
        assert rows_of(store, answers.hits) == before
        counts = {row.hit_id for row in rows_of(store, answers.responses)}
        assert counts == {row.id for row in before if row.message_id is not None}
        reclassify(store)
        assert reclassify(store).changed == 0


def test_touches_follow_the_judgement(store, folder, clock) -> None:
    mixed(store, folder, clock)
    by_earlier_rules(store)
    touches.refresh(store, now=clock.now())
    assert kinds_of(store) == {"sent": 60, "opened": 60, "clicked": 61}
    reclassify(store)
    done = touches.refresh(store, now=clock.now())
    assert (done.added, done.removed) == (0, 33)
    assert kinds_of(store) == {"sent": 60, "opened": 40, "clicked": 48}


def kinds_of(store):
    with store.read() as connection:
        table = answers.touches
        return dict(connection.execute(sa.select(table.c.kind, sa.func.count()).group_by(table.c.kind)).all())


def test_an_order_shows_that_somebody_in_an_office_of_many_was_a_person(store, folder, clock) -> None:
    messages = sent_run(store, 12, accepted_at=1)
    now = to_micros(clock.now())
    arrive(store, folder, clock, [click(one, now + n * SECOND, ip=OFFICE) for n, one in enumerate(messages)])
    assert {one[1] for one in judged(store)} == {"machine"}
    soon, late, free = now + 20 * MINUTE, now + 31 * MINUTE, now + 5 * MINUTE
    arrive(
        store,
        folder,
        clock,
        [
            order("K0", occurred=soon, id="1"),
            order("K1", occurred=late, id="2"),
            order("K2", occurred=free, id="3", amount=0, properties={"order_total": 0}),
        ],
    )
    told = judged(store)
    assert [one[1] for one in told] == ["human"] + ["machine"] * 11
    assert told[0][2:5] == ("human", "ordered", "network_burst ordered")
    by_earlier_rules(store)
    reclassify(store)
    assert judged(store) == told


def test_an_order_proves_the_last_click_before_it_alone(store, folder, clock) -> None:
    (message,) = sent_run(store, 1, accepted_at=1)
    now = to_micros(clock.now())
    arrive(store, folder, clock, [click(message, now, ip=AMAZON), click(message, now + MINUTE, ip=AMAZON)])
    arrive(store, folder, clock, [order("K0", occurred=now + 2 * MINUTE)])
    assert [one[3] for one in judged(store)] == ["datacentre", "ordered"]


def test_a_delivery_that_is_told_late_counts_when_judged_again(store, folder, clock) -> None:
    (message,) = sent_run(store, 1, accepted_at=1)
    now = to_micros(clock.now())
    arrive(store, folder, clock, [click(message, now)])
    assert judged(store)[0][1] == "human"
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(sending.receipts).values(
                provider="p", event_id="1", kind="delivered", message_id=message, at=now - SECOND,
                received_at=now + MINUTE, channel="email",
            )
        )  # fmt: skip
    reclassify(store)
    assert judged(store)[0][1:4] == ("machine", "machine_scanner", "too_fast")


def test_a_picture_before_the_click_counts_in_whatever_order_they_come(store, folder, clock) -> None:
    now = to_micros(clock.now())
    (message,) = sent_run(store, 1, links=2, accepted_at=now - 9 * SECOND)
    arrive(store, folder, clock, [click(message, now)])
    assert judged(store)[0][1:5] == ("machine", "machine_scanner", "fast", "fast no_picture")
    arrive(store, folder, clock, [opened(message, now - SECOND // 2)])
    assert judged(store)[0][1] == "machine"
    arrive(store, folder, clock, [opened(message, now - 4 * SECOND)])
    assert judged(store)[0][1:5] == ("human", "human", None, "fast")
    told = judged(store)
    by_earlier_rules(store)
    reclassify(store)
    assert judged(store) == told


def test_the_opens_of_a_burst_are_machines_as_well(store, folder, clock) -> None:
    messages = sent_run(store, 10, accepted_at=1)
    now = to_micros(clock.now())
    arrive(
        store, folder, clock, [opened(one, now, ip=OFFICE) for one in messages] + [opened(messages[0], now)]
    )
    arrive(store, folder, clock, [click(one, now + SECOND, ip=OFFICE) for one in messages])
    arrive(store, folder, clock, [opened(messages[3], now + 2 * SECOND, ip=OFFICE)])
    told = judged(store)
    assert [one[1] for one in told] == ["machine"] * 10 + ["human"] + ["machine"] * 11
    by_earlier_rules(store)
    reclassify(store)
    assert judged(store) == told


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


def test_links_of_many_languages_are_counted_in_the_one_with_fewest(store, folder, clock) -> None:
    (message,) = sent_run(store, 1, accepted_at=1)
    now = to_micros(clock.now())
    run = rows_of(store, sending.runs)[0].id
    with store.durable("test") as connection:
        rows = [("en", n, url(n)) for n in range(9)] + [("de", n, url(n)) for n in range(3)]
        connection.execute(
            sa.insert(answers.links),
            [{"run_id": run, "locale": locale, "position": n, "url": to} for locale, n, to in rows],
        )
    arrive(store, folder, clock, [click(message, now + n, to=n) for n in (0, 1)])
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
