"""Mixes with people who look like machines and machines that look like people, held out once and learned from after that.

`ODD` (seeds 501 to 505) were drawn after a first draft of rules version 4 was fixed on training_mixes.TRAINING, and judged once:
precision 0.9886, 0.9497, 0.9768, 0.9799 and 0.9199, recall 0.9928, 0.9888, 0.9334, 0.9760 and 0.9895. Two of five failed in
precision, by fleets that follow links in turns, and one in recall, by people who open tabs within minutes of a sale. That gave
`in_turns`, and half of the minutes in which filters look; so these mixes are not held out any more. What was judged after them
stands in fresh_odd_mixes.py.

Shares are guesses, as those of the training mixes are. One recipient in a thousand stands behind a filter that follows one to
three links minutes after delivery.
"""

from __future__ import annotations

from dataclasses import replace

from support.traffic_mixes import _ANDROID, _CHROME, _EDGE, _FIREFOX, _IPHONE
from tidings.responses.traffic import Mix, Setting

_FIFTH = Setting(
    people=("78.{}.{}.0/24", "96.{}.{}.0/24", "118.{}.{}.0/24", "189.{}.{}.0/24", "2a02:908:{}::/48"),
    offices="83.{}.{}.0/24",
    # The first and the third are in our list, the others in none.
    microsoft=("40.95.{}.0/24", "74.235.{}.0/24", "52.99.{}.0/24", "172.191.{}.0/24"),
    barracuda=("64.235.153.0/24", "35.177.{}.0/24", "45.95.{}.0/24"),
    proofpoint=("148.163.{}.0/24", "54.72.{}.0/24", "185.135.{}.0/24", "91.201.{}.0/24"),
    relays=("172.224.{}.0/24", "146.75.{}.0/24", "2a04:4e41:{}::/48"),
    google=("66.249.88.0/24", "209.85.{}.0/24"),
    yahoo=("98.139.{}.0/24", "67.195.{}.0/24"),
    desktop=(_CHROME.format(135), _CHROME.format(147), _FIREFOX.format(148), _EDGE.format(145, 145)),
    mobile=(
        _IPHONE.format(14, 14),
        _IPHONE.format(23, 23),
        _ANDROID.format(15, 147),
        _ANDROID.format(8, 126),
    ),
    filter_agents=(_CHROME.format(108), _CHROME.format(147), _IPHONE.format(23, 23), _EDGE.format(117, 117)),
    robots=("Wget/1.25", "Mozilla/5.0 (compatible; MJ12bot/v1.4)", "aiohttp crawler"),
    opens_after=5_000.0,
    spread=1.8,
    quick=0.05,
    quick_after=(8.0, 22.0),
    reads=(2.5, 80.0),
    blocked=0.35,
    orders=0.05,
    safe_links_after=(0.2, 40.0),
    barracuda_after=(0.5, 80.0),
    barracuda_gap=(0.1, 1.4),
    proofpoint_after=(1.0, 100.0),
    proofpoint_gap=(0.2, 7.0),
    gateway_after=(1.0, 60.0),
    unlisted=("45.128.{}.0/24", "194.26.{}.0/24", "161.123.{}.0/24"),
    slow_after=(30.0, 3_600.0),
    slow_gap=(1.0, 60.0),
    sandbox_after=(5.0, 900.0),
    sandbox_gap=(1.0, 12.0),
    tabs_gap=(0.2, 5.0),
    tells=0.2,
    acts=0.3,
)
_SHOP = {
    "desktop": 15, "mobile": 25, "prefetching": 3, "office": 0.2, "gmail": 23, "yahoo": 4, "outlook": 5, "apple": 14,
    "safe_links": 2, "barracuda": 0.6, "proofpoint": 0.6, "gateway": 0.02, "lone_gateway": 0.1, "robot": 1.5,
    "tabs": 8, "forwarding": 5, "at_click": 1.5, "slow_filter": 0.1, "home_filter": 0.2, "sandbox": 0.2,
}  # fmt: skip
_FIRMS = {
    "desktop": 15, "mobile": 8, "prefetching": 1.5, "office": 0.6, "gmail": 6, "outlook": 8, "apple": 5, "safe_links": 20,
    "barracuda": 6, "proofpoint": 6, "gateway": 0.12, "lone_gateway": 0.15, "robot": 1,
    "tabs": 7, "forwarding": 6, "at_click": 4, "slow_filter": 0.1, "home_filter": 1, "sandbox": 1.5,
}  # fmt: skip
ODD = (
    Mix("odd: a shop", 501, _FIFTH, 6_000, _SHOP, clicks=0.14, links=9),
    Mix(
        "odd: firms", 502, replace(_FIFTH, offices="84.{}.{}.0/24"), 6_000, _FIRMS,
        clicks=0.15, links=7, firm=(16, 140), sent_within=700.0,
    ),
    Mix(
        "odd: a sale that is read at once, by a provider that tells", 503,
        replace(_FIFTH, offices="85.{}.{}.0/24", opens_after=350.0, spread=1.0, quick=0.11, blocked=0.42, told_after=(0.5, 45.0)),
        6_000, _SHOP | {"office": 0.8, "tabs": 10}, clicks=0.15, links=4, sent_within=150.0,
    ),
    Mix(
        "odd: people who send things on", 504,
        replace(_FIFTH, offices="88.{}.{}.0/24", tells=0.0, opens_after=12_000.0, spread=2.1, blocked=0.3),
        6_000, _SHOP | {"forwarding": 18, "tabs": 12}, clicks=0.13, links=6,
    ),
    Mix(
        "odd: firms, more sandboxes and fleets, no page tells", 505,
        replace(_FIFTH, offices="89.{}.{}.0/24", tells=0.0, blocked=0.45), 6_000,
        _FIRMS | {"safe_links": 24, "at_click": 6, "home_filter": 3, "sandbox": 3}, clicks=0.14, links=10, firm=(12, 100),
    ),
)  # fmt: skip
