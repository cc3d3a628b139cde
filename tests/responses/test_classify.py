"""Rules: each is met and missed by a hair; batches in any order judge as judging everything at once does."""

from __future__ import annotations

import random
from dataclasses import replace

import httpx
import pytest
import sqlalchemy as sa

from support.tracking import BROWSER, RING, SALT, rows_of, sent_run, tracker, url
from tidings.clock import to_micros
from tidings.responses import drain as draining
from tidings.responses.classify import (
    BURST_SPAN,
    SWEEP_SPAN,
    Hit,
    judge,
    judge_alone,
    link_sweeps,
    network_bursts,
)
from tidings.responses.drain import drain
from tidings.responses.judging import RULES_VERSION, reclassify
from tidings.responses.spool import SpoolWriter, encode
from tidings.store.tables import answers, people
from tidings.tokens.links import mint

SECOND = 1_000_000
HIT = Hit(
    id=1,
    kind="click",
    method="GET",
    message_id=1,
    customer_id=1,
    url="https://x/1",
    at=1_000 * SECOND,
    network="203.0.113.0/24",
    user_agent=BROWSER["user-agent"],
    prefetch=False,
    accepted_at=0,
    links=0,
)
OPEN = replace(HIT, kind="open", url="")
PHONE = (
    "Mozilla/5.0 (Linux; Android 14; CUBOT KINGKONG 9) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"
)
PROXY = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
ROBOTS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.1",
    "python-requests/2.32",
    "Go-http-client/2.0",
    "Mozilla/5.0 (X11) HeadlessChrome/140",
    "Barracuda Sentinel (EE)",
    "Slackbot-LinkExpanding 1.0",
]
PEOPLE = [
    BROWSER["user-agent"],
    PHONE,
    "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "Mozilla/5.0 (Linux; arm_64; Android 13) YaBrowser/25.2 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0 MQQBrowser",
]


@pytest.mark.parametrize("agent", PEOPLE)
def test_people_are_human(agent) -> None:
    for hit in (HIT, OPEN):
        assert judge_alone(replace(hit, user_agent=agent)).judged == "human"


@pytest.mark.parametrize("agent", ROBOTS)
def test_robots_are_machines(agent) -> None:
    for hit in (HIT, OPEN):
        verdict = judge_alone(replace(hit, user_agent=agent))
        assert (verdict.judged, verdict.reason) == ("machine", "robot")


@pytest.mark.parametrize(
    ("hit", "judged", "reason"),
    [
        (replace(HIT, method="HEAD"), "machine", "head"),
        (replace(OPEN, method="HEAD"), "machine", "head"),
        (replace(HIT, prefetch=True), "machine", "prefetch"),
        (replace(HIT, user_agent=""), "machine", "no_agent"),
        (replace(OPEN, user_agent="Mozilla/5.0"), "machine", "mail_privacy"),
        (replace(HIT, user_agent="Mozilla/5.0"), "human", None),
        (replace(OPEN, user_agent=PROXY), "unknown", "image_proxy"),
        (replace(HIT, user_agent=PROXY), "machine", "image_proxy"),
        (replace(HIT, accepted_at=HIT.at - 2 * SECOND + 1), "machine", "too_fast"),
        (replace(HIT, accepted_at=HIT.at - 2 * SECOND), "human", None),
        (replace(HIT, accepted_at=HIT.at + 5), "machine", "too_fast"),
        (replace(HIT, accepted_at=None), "human", None),
        (replace(OPEN, accepted_at=OPEN.at - 1), "human", None),
        (replace(HIT, kind="unsubscribe", method="POST", user_agent=""), "human", None),
    ],
)
def test_one_hit_alone(hit, judged, reason) -> None:
    verdict = judge_alone(hit)
    assert (verdict.judged, verdict.reason) == (judged, reason)


def clicks(*where, links=5):
    return [
        replace(HIT, id=n, url=url(place), at=HIT.at + at, links=links)
        for n, (place, at) in enumerate(where, start=1)
    ]


def test_a_sweep_is_60_percent_of_at_least_three_links_within_five_seconds() -> None:
    assert link_sweeps(clicks((0, 0), (1, 1), (2, SWEEP_SPAN))) == {1, 2, 3}
    assert link_sweeps(clicks((0, 0), (1, 1), (2, SWEEP_SPAN + 1))) == set()
    assert link_sweeps(clicks((0, 0), (1, 1))) == set()
    assert link_sweeps(clicks((0, 0), (1, 1), (1, 2), (1, 3))) == set()
    assert link_sweeps(clicks((0, 0), (1, 1), (2, 2), links=6)) == set()
    assert link_sweeps(clicks((0, 0), (1, 1), (2, 2), (3, 3), links=6)) == {1, 2, 3, 4}
    assert link_sweeps(clicks((0, 0), (1, 1), links=2)) == set()
    assert link_sweeps(clicks((0, 0), (1, 1), links=0)) == set()
    assert link_sweeps(clicks((0, 0), (1, 1), links=3)) == {1, 2}
    # Only those of the dense window; the ones an hour later are somebody reading.
    assert link_sweeps(clicks((0, 0), (1, 1), (2, 2), (0, 3_600 * SECOND))) == {1, 2, 3}


def crowd(count, span, *, each=1):
    return [
        replace(
            HIT, id=n, customer_id=n // each, message_id=n // each, at=HIT.at + n * span // max(count - 1, 1)
        )
        for n in range(1, count + 1)
    ]


def test_a_burst_is_ten_recipients_on_one_network_within_a_minute() -> None:
    assert network_bursts(crowd(10, BURST_SPAN - SECOND)) == set(range(1, 11))
    assert network_bursts(crowd(9, 10)) == set()
    assert network_bursts(crowd(10, 3 * BURST_SPAN)) == set()
    assert network_bursts(crowd(18, 10, each=2)) == set(range(1, 19))
    assert network_bursts(crowd(17, 10, each=3)) == set()
    assert network_bursts([replace(hit, network=None) for hit in crowd(50, 10)]) == set()
    two = [replace(hit, network=f"10.0.{hit.id % 2}.0/24") for hit in crowd(18, 10)]
    assert network_bursts(sorted(two, key=lambda hit: (hit.network, hit.at))) == set()


def naive(hits, group, value, span, need):
    found = set()
    for first in hits:
        window = [one for one in hits if group(one) == group(first) and 0 <= one.at - first.at <= span]
        if len({value(one) for one in window}) >= need(first):
            found |= {one.id for one in window}
    return found


@pytest.mark.parametrize("seed", range(30))
def test_one_pass_finds_what_comparing_all_with_all_finds(seed) -> None:
    chance = random.Random(seed)
    hits = [
        replace(
            HIT,
            id=n,
            at=HIT.at + chance.randrange(0, 200 * SECOND, SECOND // 2),
            message_id=(customer := chance.randrange(12)),
            customer_id=customer,
            network=f"10.0.{chance.randrange(2)}.0/24",
            url=url(chance.randrange(4)),
            links=4,
        )
        for n in range(1, 80)
    ]
    by_message = sorted(hits, key=lambda hit: (hit.message_id, hit.at))
    assert link_sweeps(by_message) == naive(
        hits, lambda hit: hit.message_id, lambda hit: hit.url, SWEEP_SPAN, lambda _: 3
    )
    by_network = sorted(hits, key=lambda hit: (hit.network, hit.at))
    assert network_bursts(by_network) == naive(
        hits, lambda hit: hit.network, lambda hit: hit.customer_id, BURST_SPAN, lambda _: 10
    )


def test_what_one_hit_says_of_itself_goes_before_what_many_say() -> None:
    assert judge(replace(HIT, method="HEAD"), {1}, {1}).reason == "head"
    assert judge(HIT, {1}, {1}).reason == "swept_links"
    assert judge(HIT, set(), {1}).reason == "network_burst"
    assert judge(OPEN, {1}, {1}).judged == "human"


def verdicts(store):
    return [(row.hit_id, row.kind, row.judged, row.reason) for row in rows_of(store, answers.responses)]


@pytest.mark.parametrize("seed", range(4))
def test_batches_as_they_come_judge_as_everything_at_once(store, tmp_path, clock, monkeypatch, seed) -> None:
    chance = random.Random(seed)
    folder = tmp_path / "spool"
    folder.mkdir()
    now = to_micros(clock.now())
    messages = sent_run(store, 25, links=4, accepted_at=now)
    monkeypatch.setattr(draining, "_AT_ONCE", 13)
    for _ in range(6):
        records = [
            {
                "k": chance.choice(["click", "click", "click", "open"]),
                "at": now + chance.randrange(0, 240 * SECOND, SECOND // 2),
                "m": chance.choice(messages),
                "method": "GET",
                "url": url(chance.randrange(4)),
                "ip": f"10.0.{chance.randrange(2)}.0/24",
                "ua": chance.choice([*PEOPLE, *ROBOTS[:1]]),
            }
            for _ in range(50)
        ]
        writer = SpoolWriter(folder, clock)
        writer.append([encode(record) for record in records])
        writer.close()
        drain(store, folder, salt=SALT)
    told = verdicts(store)
    hits = rows_of(store, answers.hits)
    reasons = {reason for _, _, _, reason in told}
    assert {"robot", "swept_links", "network_burst", None} <= reasons
    with store.durable("test") as connection:
        connection.execute(sa.delete(answers.responses).where(answers.responses.c.hit_id % 3 == 0))
        connection.execute(sa.update(answers.responses).values(judged="unknown", reason=None, rule_version=0))
    again = reclassify(store)
    assert again.responses == 300
    assert again.added == len([one for one in told if one[0] % 3 == 0])
    assert sorted(verdicts(store)) == sorted(told)
    assert {row.rule_version for row in rows_of(store, answers.responses)} == {RULES_VERSION}
    # Judging never touches what came in.
    assert rows_of(store, answers.hits) == hits
    assert reclassify(store).changed == 0


def test_fetching_every_link_of_a_mail_withdraws_nothing(store, tmp_path, clock) -> None:
    messages = sent_run(store, 20, links=3, accepted_at=to_micros(clock.now()) - 60 * SECOND)
    folder = tmp_path / "spool"
    before = rows_of(store, people.consents)
    with tracker(folder, clock) as address, httpx.Client(base_url=address, headers=BROWSER) as web:
        for message in messages:
            for path in (
                f"/o/{mint(RING, 'open', message)}.gif",
                f"/u/{mint(RING, 'unsubscribe', message)}",
                *[f"/c/{mint(RING, 'click', message, url(place))}" for place in range(3)],
            ):
                web.head(path)
                assert web.get(path).status_code in (200, 302)
    drain(store, folder, salt=SALT)
    assert rows_of(store, people.consents) == before
    judged = rows_of(store, answers.responses, answers.responses.c.kind == "clicked")
    assert len(judged) == 120
    assert {row.judged for row in judged} == {"machine"}
