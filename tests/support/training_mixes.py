"""Mixes with people who look like machines and machines that look like people, on which rules version 4 was set.

Shares are guesses with reasons, for nobody publishes them: one person in twelve opens tabs (who compares offers does), one in
fifteen reads what somebody forwards; in firms one recipient in three stands behind some filter, and of those filters a third are
slow, run pages, or borrow networks of homes. A third of clicks lead to pages that tell of visits. Half of the networks that
Microsoft looks from, and three in four of the others', are in no list.
"""

from __future__ import annotations

from dataclasses import replace

from support.traffic_mixes import _ANDROID, _CHROME, _EDGE, _FIREFOX, _IPHONE
from tidings.responses.traffic import Mix, Setting

_ODD = Setting(
    people=("79.{}.{}.0/24", "99.{}.{}.0/24", "126.{}.{}.0/24", "2a02:810d:{}::/48"),
    offices="80.{}.{}.0/24",
    microsoft=("40.93.{}.0/24", "48.217.{}.0/24", "52.102.{}.0/24", "128.203.{}.0/24"),
    barracuda=("209.222.83.0/24", "44.{}.{}.0/24", "45.91.{}.0/24"),
    proofpoint=("67.231.{}.0/24", "52.10.{}.0/24", "185.183.{}.0/24", "91.199.{}.0/24"),
    relays=("172.225.{}.0/24", "104.28.{}.0/24"),
    google=("66.249.82.0/24", "74.125.{}.0/24"),
    yahoo=("98.137.{}.0/24",),
    desktop=(_CHROME.format(136), _CHROME.format(141), _FIREFOX.format(141), _EDGE.format(139, 139)),
    mobile=(
        _IPHONE.format(18, 18),
        _IPHONE.format(22, 22),
        _ANDROID.format(14, 141),
        _ANDROID.format(9, 120),
    ),
    filter_agents=(_CHROME.format(112), _CHROME.format(141), _EDGE.format(119, 119), _IPHONE.format(16, 16)),
    robots=("curl/8.9", "Mozilla/5.0 (compatible; PetalBot)", "node-fetch/1.0"),
    blocked=0.35,
    quick=0.05,
    orders=0.06,
    unlisted=("45.130.{}.0/24", "193.56.{}.0/24", "154.16.{}.0/24"),
    tells=0.33,
)
_SHOP = {
    "desktop": 14, "mobile": 24, "prefetching": 3, "office": 0.2, "gmail": 22, "yahoo": 4, "outlook": 5, "apple": 14,
    "safe_links": 2.5, "barracuda": 0.7, "proofpoint": 0.7, "gateway": 0.02, "lone_gateway": 0.2, "robot": 1.5,
    "tabs": 9, "forwarding": 6, "at_click": 1.5, "slow_filter": 0.4, "home_filter": 0.3, "sandbox": 0.3,
}  # fmt: skip
_FIRMS = {
    "desktop": 14, "mobile": 7, "prefetching": 1.5, "office": 0.6, "gmail": 6, "outlook": 7, "apple": 5, "safe_links": 20,
    "barracuda": 6, "proofpoint": 6, "gateway": 0.12, "lone_gateway": 0.25, "robot": 1,
    "tabs": 7, "forwarding": 6, "at_click": 4, "slow_filter": 2.5, "home_filter": 1.5, "sandbox": 2.5,
}  # fmt: skip
TRAINING = (
    Mix("odd shop", 401, _ODD, 6_000, _SHOP, clicks=0.13, links=8),
    Mix(
        "odd firms", 402, replace(_ODD, offices="82.{}.{}.0/24"), 6_000, _FIRMS,
        clicks=0.15, links=6, firm=(18, 120), sent_within=800.0,
    ),
    Mix(
        "odd shop that is read at once, by a provider that tells", 403,
        replace(_ODD, opens_after=400.0, spread=1.0, quick=0.1, blocked=0.45, told_after=(0.5, 40.0)), 6_000, _SHOP,
        clicks=0.15, links=3, sent_within=200.0,
    ),
    Mix(
        "odd firms, no page tells of visits", 404, replace(_ODD, tells=0.0, opens_after=9_000.0), 6_000, _FIRMS,
        clicks=0.13, links=11, firm=(15, 90),
    ),
)  # fmt: skip
