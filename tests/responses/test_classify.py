"""Rules: each is met and missed by a hair; batches in any order judge as judging everything at once does."""

from __future__ import annotations

import random
from dataclasses import replace

import httpx
import pytest
import sqlalchemy as sa

from support.classified import AMAZON, APPLE, BARRACUDA, GOOGLE, HIT, MICROSOFT, SECOND, judge_alone
from support.tracking import BROWSER, RING, SALT, rows_of, sent_run, tracker, url
from tidings.clock import to_micros
from tidings.responses import drain as draining
from tidings.responses.classify import FAST, PROMPT, RULES_VERSION, signals_alone, verdict
from tidings.responses.drain import drain
from tidings.responses.networks import bundled
from tidings.responses.reclassifying import reclassify
from tidings.responses.spool import SpoolWriter, encode
from tidings.store.tables import answers, people
from tidings.tokens.links import mint

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
    ("hit", "kind", "reason"),
    [
        (replace(HIT, method="HEAD"), "machine_scanner", "head"),
        (replace(OPEN, method="HEAD"), "machine_scanner", "head"),
        (replace(HIT, prefetch=True), "prefetch", "prefetch"),
        (replace(HIT, user_agent=""), "machine_scanner", "no_agent"),
        (replace(HIT, user_agent="", method="EVENT"), "human", None),
        (replace(HIT, machine=True), "machine_scanner", "provider"),
        (replace(OPEN, machine=True), "machine_proxy", "provider"),
        (replace(OPEN, user_agent="Mozilla/5.0"), "machine_proxy", "mail_privacy"),
        (replace(HIT, user_agent="Mozilla/5.0"), "human", None),
        (replace(OPEN, network=APPLE), "machine_proxy", "relay"),
        (replace(HIT, network=APPLE), "human", None),
        (replace(OPEN, user_agent=PROXY), "unknown", "image_proxy"),
        (replace(OPEN, network=GOOGLE), "unknown", "image_proxy"),
        (replace(OPEN, user_agent=PROXY, accepted_at=OPEN.at - 1), "machine_proxy", "too_fast"),
        (replace(HIT, user_agent=PROXY), "machine_scanner", "image_proxy"),
        (replace(HIT, accepted_at=HIT.at - 2 * SECOND + 1), "machine_scanner", "too_fast"),
        (replace(HIT, accepted_at=HIT.at - 2 * SECOND), "human", None),
        (replace(HIT, accepted_at=HIT.at + 5), "machine_scanner", "too_fast"),
        (replace(HIT, accepted_at=None), "human", None),
        (replace(OPEN, accepted_at=OPEN.at - 1), "machine_scanner", "too_fast"),
        # Told of delivery, acceptance says nothing; a delivery of another clock says nothing either.
        (replace(HIT, delivered_at=HIT.at - SECOND), "machine_scanner", "too_fast"),
        (replace(HIT, delivered_at=HIT.at - 2 * SECOND, accepted_at=HIT.at), "human", None),
        (replace(HIT, delivered_at=HIT.at + 60 * SECOND), "machine_scanner", "too_fast"),
        (replace(HIT, delivered_at=HIT.at + 60 * SECOND + 1), "human", None),
        (replace(HIT, delivered_at=HIT.at, method="EVENT"), "human", None),
        (replace(HIT, network=MICROSOFT), "machine_scanner", "microsoft"),
        (replace(OPEN, network=MICROSOFT), "unknown", "microsoft"),
        (replace(OPEN, network=MICROSOFT, accepted_at=OPEN.at - 5 * SECOND), "machine_scanner", "microsoft"),
        (replace(HIT, network=BARRACUDA), "machine_scanner", "security"),
        (replace(OPEN, network=BARRACUDA), "human", None),
        (replace(OPEN, network=BARRACUDA, accepted_at=OPEN.at - 9 * SECOND), "machine_scanner", "security"),
        (replace(OPEN, network=BARRACUDA, accepted_at=OPEN.at - 10 * SECOND), "human", None),
        (replace(HIT, network=AMAZON), "machine_scanner", "datacentre"),
        (replace(HIT, kind="unsubscribe", method="POST", user_agent=""), "human", None),
        (replace(HIT, kind="reply", method="ANSWER", machine=True), "machine_scanner", "provider"),
    ],
)
def test_one_hit_alone(hit, kind, reason) -> None:
    found = judge_alone(hit)
    assert (found.kind, found.reason) == (kind, reason)
    assert found.judged == {"human": "human", "unknown": "unknown"}.get(kind, "machine")


@pytest.mark.parametrize(
    ("after", "signs"), [(FAST - 1, {"fast"}), (FAST, {"prompt"}), (PROMPT - 1, {"prompt"}), (PROMPT, set())]
)
def test_a_click_is_fast_then_prompt_then_neither(after, signs) -> None:
    assert signals_alone(replace(HIT, accepted_at=HIT.at - after), bundled()) == signs
    assert "prompt" not in signals_alone(replace(OPEN, accepted_at=OPEN.at - after), bundled())


def decided(kind, *signals):
    found = verdict(kind, frozenset(signals))
    return found.kind, found.reason


def test_a_strong_signal_decides_and_the_first_gives_the_reason() -> None:
    assert decided("click", "swept_links", "head") == ("machine_scanner", "head")
    assert decided("click", "network_burst", "swept_links") == ("machine_scanner", "swept_links")
    assert decided("open", "relay", "mail_privacy") == ("machine_proxy", "mail_privacy")
    assert verdict("click", frozenset(("head", "too_fast"))).told == "head too_fast"


def test_one_weak_signal_is_not_enough_and_two_are() -> None:
    assert decided("click", "fast") == ("human", None)
    assert decided("click", "fast", "no_picture") == ("machine_scanner", "fast")
    assert decided("click", "hurried", "no_picture") == ("machine_scanner", "hurried")
    assert decided("click", "prompt") == ("human", None)
    assert decided("click", "prompt", "no_picture") == ("machine_scanner", "prompt")
    assert decided("open", "datacentre") == ("human", None)
    assert decided("open", "datacentre", "fast") == ("machine_scanner", "datacentre")
    assert decided("open", "image_proxy", "fast") == ("unknown", "image_proxy")


@pytest.mark.parametrize("proof", ["ordered", "visited"])
@pytest.mark.parametrize(
    "sign", ["network_burst", "many_networks", "datacentre", "security", "microsoft", "hasty", "same_hand"]
)
def test_an_order_right_after_it_makes_a_click_human_where_a_person_can_have_the_sign(sign, proof) -> None:
    assert decided("click", sign, proof) == ("human", proof)
    assert decided("click", sign, proof, "head")[0] == "machine_scanner"
    assert decided("click", proof) == ("human", None)


@pytest.mark.parametrize(
    "sign",
    ["head", "prefetch", "robot", "trap", "too_fast", "swept_links", "first_then_last", "combed", "echoed"],
)
def test_an_order_does_not_excuse_what_no_person_does(sign) -> None:
    for proof in ("ordered", "visited"):
        assert verdict("click", frozenset((sign, proof))).judged == "machine"


def verdicts(store):
    return [
        (row.hit_id, row.kind, row.judged, row._mapping["class"], row.reason, row.signals)
        for row in rows_of(store, answers.responses)
    ]


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
                "ip": f"10.0.{chance.choice((0, 0, 0, 0, 1, 2))}.0/24",
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
    signals = {name for one in told for name in (one[5] or "").split()}
    assert {"robot", "network_burst", "many_networks", "fast", "no_picture", "first_then_last"} <= signals
    assert {"same_hand", "echoed"} <= signals
    assert seed != 1 or "swept_links" in signals
    with store.durable("test") as connection:
        connection.execute(sa.delete(answers.responses).where(answers.responses.c.hit_id % 3 == 0))
        connection.execute(
            sa.update(answers.responses).values(judged="unknown", reason=None, signals=None, rule_version=0)
        )
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
