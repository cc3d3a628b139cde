"""Signs that only several hits show together: each is met and missed by a hair."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from support.classified import APPLE, HIT, MICROSOFT, SECOND, judge_alone
from support.tracking import url
from tidings.responses.classify import EARLY, seen, signals_alone
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
from tidings.responses.networks import bundled


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
