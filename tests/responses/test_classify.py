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
from tidings.responses.classify import EARLY, FAST, PROMPT, RULES_VERSION, Hit, seen, signals_alone, verdict
from tidings.responses.crowds import (
    BURST_SPAN,
    COMB_SPAN,
    ECHO_SPAN,
    FIRST,
    HAND_SPAN,
    HURRY_SPAN,
    IN_ORDER_SPAN,
    LAST,
    NETWORKS_SPAN,
    SWEEP_SPAN,
    TRAP,
    TRAP_SPAN,
    TURNS_SPAN,
    Seen,
    Wording,
    combed,
    echoed,
    first_then_last,
    hurried,
    in_turns,
    link_sweeps,
    many_networks,
    network_bursts,
    of_hands,
    trapped,
)
from tidings.responses.drain import drain
from tidings.responses.networks import bundled
from tidings.responses.reclassifying import reclassify
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


MICROSOFT, BARRACUDA, AMAZON, APPLE, GOOGLE = (
    "40.94.1.0/24", "64.235.150.0/24", "3.8.1.0/24", "172.225.3.0/24", "66.249.84.0/24",
)  # fmt: skip


def judge_alone(hit):
    return verdict(hit.kind, signals_alone(hit, bundled()))


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


def looked(hits):
    return [seen(hit, signals_alone(hit, bundled())) for hit in hits]


def clicks(*where, links=5, after=60, **more):
    """Clicks on links by their places at instants, the first of them `after` seconds after delivery."""
    delivered = HIT.at - after * SECOND
    wording = Wording(links, {url(0): FIRST, url(links - 1): LAST, url(99): TRAP})
    return looked(
        [
            replace(HIT, id=n, url=url(place), at=HIT.at + at, wording=wording, accepted_at=delivered, **more)
            for n, (place, at) in enumerate(where, start=1)
        ]
    )


def test_a_sweep_is_60_percent_of_at_least_three_links_within_five_seconds() -> None:
    assert link_sweeps(clicks((0, 0), (1, 1), (2, SWEEP_SPAN))) == {1, 2, 3}
    assert link_sweeps(clicks((0, 0), (1, 1), (2, SWEEP_SPAN + 1))) == set()
    assert link_sweeps(clicks((0, 0), (1, 1))) == set()
    assert link_sweeps(clicks((0, 0), (1, 1), (1, 2), (1, 3))) == set()
    assert link_sweeps(clicks((0, 0), (1, 1), (2, 2), links=6)) == set()
    assert link_sweeps(clicks((0, 0), (1, 1), (2, 2), (3, 3), links=6)) == {1, 2, 3, 4}
    assert link_sweeps(clicks((0, 0), (1, 1), links=2)) == set()
    assert link_sweeps(clicks((0, 0), (1, 1), links=0)) == set()
    assert link_sweeps(clicks((0, 0), (1, 1), links=3)) == set()
    assert link_sweeps(clicks((0, 0), (1, 1), (2, 2), links=3)) == {1, 2, 3}
    # Only those of the dense window; the ones an hour later are somebody reading.
    assert link_sweeps(clicks((0, 0), (1, 1), (2, 2), (0, 3_600 * SECOND))) == {1, 2, 3}


def test_the_first_link_and_then_the_last_within_ten_seconds_are_no_person() -> None:
    assert first_then_last(clicks((0, 0), (2, 1), (4, IN_ORDER_SPAN))) == {1, 2, 3}
    assert first_then_last(clicks((0, 0), (4, IN_ORDER_SPAN + 1))) == set()
    assert first_then_last(clicks((4, 0), (0, 1))) == set()
    assert first_then_last(clicks((0, 0), (3, 1))) == set()
    assert first_then_last(clicks((0, 0), (1, 1), links=2)) == set()


def test_minutes_after_delivery_three_or_four_links_at_once_may_be_tabs_and_five_are_not() -> None:
    four, late = [(n, n * SECOND) for n in range(4)], EARLY // SECOND
    assert link_sweeps(clicks(*four, after=late - 4)) == {1, 2, 3, 4}
    assert link_sweeps(clicks(*four, after=late)) == set()
    assert link_sweeps(clicks(*four, (4, 4 * SECOND), after=late)) == {1, 2, 3, 4, 5}
    assert first_then_last(clicks((0, 0), (4, SECOND), after=late)) == set()
    assert hurried(clicks((0, 0), (1, SECOND), after=late)) == set()
    # Nobody knows when it was delivered: then it counts.
    assert seen(replace(HIT, accepted_at=None), ()).early


def test_who_follows_most_links_one_by_one_within_two_minutes_combs_the_message() -> None:
    def found(*where, **more):
        return combed(clicks(*where, **{"after": 10} | more))

    assert found((0, 0), (2, 9 * SECOND), (1, COMB_SPAN)) == {1, 2, 3}
    assert found((0, 0), (2, 9 * SECOND), (1, COMB_SPAN + 1)) == set()
    assert found((0, 0), (2, 9 * SECOND), links=3) == set()
    slowly = [(n, n * 3 * SECOND) for n in range(5)]
    assert found(*slowly, links=8, after=400) == {1, 2, 3, 4, 5}
    # Five tabs are opened in less, and four pages somebody may have read.
    assert found(*[(n, at - n) for n, at in slowly], links=8, after=400) == set()
    assert found(*slowly[:4], links=6, after=400) == set()
    # Two people of one message.
    others = [replace(hit, hand=("10.0.0.0/24", "x")) if hit.id > 2 else hit for hit in clicks(*slowly[:3])]
    assert combed(others) == set()


def test_two_networks_that_follow_different_links_in_turns_right_after_delivery_are_one_fleet() -> None:
    def pair(gap, after=60, **more):
        first, second = clicks((0, 0), (1, gap), after=after)
        return in_turns([first, replace(second, **({"network": "10.0.0.0/24"} | more))])

    assert pair(TURNS_SPAN) == {1, 2}
    assert pair(TURNS_SPAN + 1) == set()
    assert pair(SECOND, network=HIT.network) == pair(SECOND, network=None) == set()
    assert pair(SECOND, url=url(0)) == pair(SECOND, message_id=2) == set()
    assert pair(SECOND, after=EARLY // SECOND) == set()


def test_a_hand_that_gave_itself_away_is_known_for_two_minutes_in_its_message() -> None:
    hits = clicks((0, 0), (1, HAND_SPAN), (2, HAND_SPAN + 1))
    assert of_hands(hits, {1}) == {2}
    assert of_hands(hits, {2}) == {1, 3}
    assert of_hands(hits, set()) == set()
    assert of_hands([*hits[:1], replace(hits[1], hand=("10.0.0.0/24", "x"))], {1}) == set()
    assert of_hands([*hits[:1], replace(hits[1], message_id=2)], {1}) == set()


def test_a_link_that_another_network_follows_within_four_seconds_was_a_filters_first() -> None:
    def pair(gap, **more):
        hits = clicks((0, 0), (0, gap))
        return echoed([hits[0], replace(hits[1], **({"hand": ("10.0.0.0/24", "x")} | more))])

    assert pair(ECHO_SPAN) == {1}
    assert pair(ECHO_SPAN + 1) == set()
    assert pair(0) == set()
    assert pair(SECOND, hand=(HIT.network, "x")) == set()
    assert pair(SECOND, url="https://x/other") == set()
    assert pair(SECOND, message_id=2) == set()


def test_two_links_within_two_seconds_are_hurried() -> None:
    assert hurried(clicks((0, 0), (1, HURRY_SPAN))) == {1, 2}
    assert hurried(clicks((0, 0), (1, HURRY_SPAN + 1))) == set()
    assert hurried(clicks((0, 0), (0, 1))) == set()


def test_a_trap_marks_the_clicks_of_its_message_for_a_minute_before_and_after() -> None:
    assert trapped(clicks((1, 0), (99, TRAP_SPAN), (2, 2 * TRAP_SPAN))) == {1, 2, 3}
    assert trapped(clicks((1, 0), (99, TRAP_SPAN + 1), (2, 2 * TRAP_SPAN + 2))) == {2}
    assert judge_alone(replace(HIT, wording=Wording(1, {HIT.url: TRAP}))).reason == "trap"


def test_three_networks_for_one_message_within_half_a_minute_are_no_person() -> None:
    def from_networks(*where, after=60):
        return looked(
            [
                replace(HIT, id=n, network=net, at=HIT.at + at, accepted_at=HIT.at - after * SECOND)
                for n, (net, at) in enumerate(where, start=1)
            ]
        )

    home, work, phone = "203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24"
    assert many_networks(from_networks((home, 0), (work, 1), (phone, NETWORKS_SPAN))) == {1, 2, 3}
    assert many_networks(from_networks((home, 0), (work, 1), (phone, NETWORKS_SPAN + 1))) == set()
    assert many_networks(from_networks((home, 0), (work, 1), (home, 2), (None, 3))) == set()
    # Later somebody sent it on to a group of friends.
    assert many_networks(from_networks((home, 0), (work, 1), (phone, 2), after=300)) == set()
    # A picture through a relay, a look by the filter, and somebody who follows the link: one person.
    assert many_networks(from_networks((APPLE, 0), (MICROSOFT, 1), (home, 2))) == set()


def crowd(count, span, *, each=1):
    return [
        Seen(n, "click", n // each, n // each, "", HIT.at + n * span // max(count - 1, 1), HIT.network, 0)
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
        Seen(
            n,
            "click",
            (customer := chance.randrange(12)),
            customer,
            url(chance.randrange(4)),
            HIT.at + chance.randrange(0, 200 * SECOND, SECOND // 2),
            f"10.0.{chance.randrange(5)}.0/24",
            4,
        )
        for n in range(1, 80)
    ]
    by_message = sorted(hits, key=lambda hit: (hit.message_id, hit.at))
    assert link_sweeps(by_message) == naive(
        hits, lambda hit: hit.message_id, lambda hit: hit.url, SWEEP_SPAN, lambda _: 3
    )
    assert many_networks(by_message) == naive(
        hits, lambda hit: hit.message_id, lambda hit: hit.network, NETWORKS_SPAN, lambda _: 3
    )
    by_network = sorted(hits, key=lambda hit: (hit.network, hit.at))
    assert network_bursts(by_network) == naive(
        hits, lambda hit: hit.network, lambda hit: hit.customer_id, BURST_SPAN, lambda _: 10
    )


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
