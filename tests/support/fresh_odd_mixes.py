"""Held-out mixes with people who look like machines and machines that look like people, for the rules as they are.

`FRESH_ODD` (seeds 601 to 605) were drawn after rules version 4 was finished, and judged once. They share no network of people, no
program and no seed with any mix before, and stretch what those had: quick people take up to 30 s, filters up to 45 s to 130 s, tabs
come closer together and farther apart, sandboxes are hastier and slower. In all of them half of Microsoft's networks are in no
list, and three in four of those of slow filters and sandboxes; in the last there are more of these and of fleets. Precision was
0.9759, 0.9497, 0.9831, 0.9927 and 0.9557, recall 0.9723, 0.9841, 0.9682, 0.9887 and 0.9800. The two of firms stay below 0.97: what
a filter looks into with one link, from a network in no list and half a minute after delivery, shows nothing that a person does
not, nor does a sandbox that takes its time over the few links of a short message. No mix was taken out and none was drawn again.

`NOT_TOLD` (seeds 606 and 607) are made of what cannot be told from people: filters that follow one to three links minutes after
delivery from networks in no list, for one recipient in forty; and programs that follow a single link from a network of homes at an
hour at which people read, for one recipient in two hundred. They are here for the figures, not for a claim.
"""

from __future__ import annotations

from dataclasses import replace

from support.odd_mixes import _FIFTH, _FIRMS, _SHOP
from support.traffic_mixes import _ANDROID, _CHROME, _EDGE, _FIREFOX, _IPHONE
from tidings.responses.traffic import Mix

_SIXTH = replace(
    _FIFTH,
    people=("77.{}.{}.0/24", "97.{}.{}.0/24", "121.{}.{}.0/24", "187.{}.{}.0/24", "2a00:23c4:{}::/48"),
    offices="91.{}.{}.0/24",
    # The second and the third are in our list, the others in none.
    microsoft=("57.150.{}.0/24", "40.96.{}.0/24", "52.106.{}.0/24", "145.190.{}.0/24"),
    barracuda=("64.235.146.0/24", "35.157.{}.0/24", "45.84.{}.0/24"),
    proofpoint=("67.231.{}.0/24", "52.29.{}.0/24", "185.136.{}.0/24", "91.202.{}.0/24"),
    desktop=(_CHROME.format(134), _CHROME.format(148), _FIREFOX.format(149), _EDGE.format(147, 147)),
    mobile=(
        _IPHONE.format(13, 13),
        _IPHONE.format(24, 24),
        _ANDROID.format(15, 149),
        _ANDROID.format(7, 124),
    ),
    filter_agents=(
        _CHROME.format(106),
        _CHROME.format(148),
        _ANDROID.format(15, 149),
        _EDGE.format(115, 115),
    ),
    robots=("Ruby/3.4", "Mozilla/5.0 (compatible; Bytespider)", "HeadlessChrome/148"),
    opens_after=4_500.0,
    spread=1.7,
    quick_after=(8.0, 30.0),
    reads=(2.2, 100.0),
    blocked=0.34,
    safe_links_after=(0.2, 45.0),
    barracuda_after=(0.3, 130.0),
    barracuda_gap=(0.05, 1.6),
    proofpoint_after=(0.5, 120.0),
    proofpoint_gap=(0.2, 8.0),
    gateway_after=(0.8, 70.0),
    unlisted=("45.129.{}.0/24", "194.27.{}.0/24", "162.247.{}.0/24"),
    slow_after=(40.0, 5_000.0),
    slow_gap=(1.0, 90.0),
    sandbox_after=(3.0, 1_200.0),
    sandbox_gap=(0.8, 15.0),
    tabs_gap=(0.2, 6.0),
    tells=0.25,
    acts=0.35,
)
FRESH_ODD = (
    Mix("odd and fresh: a shop", 601, _SIXTH, 6_000, _SHOP, clicks=0.14, links=8),
    Mix(
        "odd and fresh: firms", 602, replace(_SIXTH, offices="93.{}.{}.0/24"), 6_000, _FIRMS,
        clicks=0.15, links=6, firm=(15, 130), sent_within=600.0,
    ),
    Mix(
        "odd and fresh: a sale that is read at once, by a provider that tells", 603,
        replace(_SIXTH, offices="94.{}.{}.0/24", opens_after=380.0, spread=1.1, quick=0.1, blocked=0.4, told_after=(0.5, 50.0)),
        6_000, _SHOP | {"office": 0.8, "tabs": 10}, clicks=0.15, links=5, sent_within=160.0,
    ),
    Mix(
        "odd and fresh: people who send things on", 604,
        replace(_SIXTH, offices="109.{}.{}.0/24", tells=0.0, opens_after=10_000.0, spread=2.0, blocked=0.42),
        6_000, _SHOP | {"forwarding": 18, "tabs": 12}, clicks=0.13, links=7,
    ),
    Mix(
        "odd and fresh: firms, more sandboxes and fleets, no page tells", 605,
        replace(_SIXTH, offices="113.{}.{}.0/24", tells=0.0, blocked=0.45), 6_000,
        _FIRMS | {"safe_links": 24, "at_click": 6, "home_filter": 3, "sandbox": 3}, clicks=0.14, links=9, firm=(12, 100),
    ),
)  # fmt: skip
NOT_TOLD = (
    replace(
        FRESH_ODD[1], name="not told: slow filters", seed=606, shares=_FIRMS | {"slow_filter": 2.5},
        setting=replace(_SIXTH, offices="115.{}.{}.0/24"),
    ),
    replace(
        FRESH_ODD[0], name="not told: programs like a person", seed=607, shares=_SHOP | {"like_a_person": 0.5},
        setting=replace(_SIXTH, offices="122.{}.{}.0/24"),
    ),
)  # fmt: skip
