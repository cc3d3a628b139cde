"""Mixes of people and machines: some that the rules were set on, and four held out that they never saw.

The thresholds of rules version 3 are published ones. `TUNING` (seeds 1 and 2) showed that networks of filters must count among
many. A first set of held-out mixes, here `SEEN` (seeds 101 to 104), was then judged once: precision 0.85, 0.78, 0.99 and 0.99.
Two failed, because half of the networks that Microsoft looked from were in no list and loaded the picture in the moment of
the click. That gave `hurried`, a picture that counts only a second later, and the rest of Microsoft's published blocks; so
these mixes are not held out any more, and stand here for what a list that knows half of a filter's networks costs.

`HELD_OUT` (seeds 201 to 204) were drawn after the first set was seen, and judged once. They differ from all others in
everything that a rule could have learned by heart: networks of people, offices and filters, programs, distributions of delays
(people sooner and later, filters slower and faster), shares, numbers of links, sizes of firms, with and without a provider that
tells of delivery. They are also kinder than the first: one in six of Microsoft's networks is in no list (and a third of the
others') instead of half. So that good figures are not owed to that, half_known_mixes.py has more with half in no list, and
fresh_odd_mixes.py more of what is odd in people and machines, on which version 4 is judged (set on training_mixes.py).
A mix is changed when it is wrong about the world, never because the rules do badly on it.
"""

from __future__ import annotations

from dataclasses import replace

from tidings.responses.traffic import Mix, Setting

_CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
_EDGE = _CHROME + " Edg/{}.0.0.0"
_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0"
_IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS {}_0 like Mac OS X) AppleWebKit/605.1.15 Version/{}.0 Mobile/15E148"
)
_ANDROID = "Mozilla/5.0 (Linux; Android {}; K) AppleWebKit/537.36 Chrome/{}.0.0.0 Mobile Safari/537.36"
_YANDEX = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/{0}.0.0.0 YaBrowser/{0}.2 Safari/537.36"

KNOWN = Setting(
    people=("81.{}.{}.0/24", "24.{}.{}.0/24", "2a00:1450:{}::/48"),
    offices="195.{}.{}.0/24",
    microsoft=("40.94.{}.0/24", "52.100.{}.0/24", "104.47.{}.0/24"),
    barracuda=("64.235.150.0/24", "209.222.82.0/24"),
    proofpoint=("67.231.{}.0/24", "148.163.{}.0/24", "34.70.{}.0/24"),
    relays=("172.225.{}.0/24", "104.28.{}.0/24"),
    google=("66.249.84.0/24", "74.125.{}.0/24"),
    yahoo=("98.137.{}.0/24",),
    desktop=(_CHROME.format(140), _EDGE.format(140, 140), _FIREFOX.format(140)),
    mobile=(_IPHONE.format(18, 18), _ANDROID.format(14, 140)),
    filter_agents=(_CHROME.format(120), _CHROME.format(140), _FIREFOX.format(115)),
    robots=("curl/8.5", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"),
)
TUNING = (
    Mix(
        "tuning, shop",
        1,
        KNOWN,
        4_000,
        {
            "desktop": 20, "mobile": 20, "prefetching": 2, "office": 0.2, "gmail": 22, "yahoo": 4, "outlook": 6, "apple": 18,
            "safe_links": 4, "barracuda": 1, "proofpoint": 1, "gateway": 0.03, "lone_gateway": 0.3, "robot": 1,
        },
    ),
    Mix(
        "tuning, firms",
        2,
        replace(KNOWN, told_after=(0.5, 30.0)),
        4_000,
        {
            "desktop": 18, "mobile": 10, "office": 0.5, "gmail": 6, "outlook": 8, "apple": 6, "safe_links": 25, "barracuda": 5,
            "proofpoint": 5, "gateway": 0.1, "lone_gateway": 0.3, "robot": 1,
        },
        links=5,
    ),
)  # fmt: skip

_ELSEWHERE = Setting(
    people=("95.{}.{}.0/24", "73.{}.{}.0/24", "114.{}.{}.0/24", "2001:b011:{}::/48"),
    offices="60.{}.{}.0/24",
    # Half of what Microsoft looks from is in no list of ours.
    microsoft=("20.77.{}.0/24", "4.{}.{}.0/24", "52.239.{}.0/24", "9.160.{}.0/24"),
    barracuda=("198.51.{}.0/24", "54.201.{}.0/24"),
    proofpoint=("208.86.{}.0/24", "52.14.{}.0/24", "185.183.{}.0/24", "205.220.{}.0/24"),
    relays=("146.75.{}.0/24", "140.248.{}.0/24", "2a04:4e41:{}::/48"),
    google=("66.102.8.0/24", "209.85.{}.0/24"),
    yahoo=("67.195.{}.0/24", "106.10.{}.0/24"),
    desktop=(_CHROME.format(143), _YANDEX.format(134), _FIREFOX.format(145), _EDGE.format(142, 142)),
    mobile=(_IPHONE.format(26, 26), _ANDROID.format(16, 143), _ANDROID.format(10, 131)),
    filter_agents=(_CHROME.format(98), _CHROME.format(143), _IPHONE.format(17, 17), _EDGE.format(130, 130)),
    robots=("Go-http-client/2.0", "python-requests/2.31", "Mozilla/5.0 (compatible; AhrefsBot/7.0)"),
    opens_after=9_000.0,
    spread=1.9,
    quick=0.03,
    blocked=0.35,
    orders=0.06,
    relay_after=(0.5, 40_000.0),
    safe_links_after=(0.2, 14.0),
    barracuda_after=(2.0, 60.0),
    barracuda_gap=(0.1, 1.2),
    proofpoint_after=(3.0, 90.0),
    proofpoint_gap=(0.5, 6.0),
    gateway_after=(2.0, 55.0),
)
_SOONER = replace(
    _ELSEWHERE,
    people=("188.{}.{}.0/24", "31.{}.{}.0/24", "2a02:8109:{}::/48"),
    offices="62.{}.{}.0/24",
    microsoft=("13.107.{}.0/24", "52.149.{}.0/24", "20.190.{}.0/24"),
    opens_after=1_200.0,
    spread=1.2,
    quick=0.1,
    blocked=0.5,
    orders=0.12,
    barracuda_gap=(0.02, 0.3),
    proofpoint_gap=(0.1, 2.0),
    told_after=(1.0, 120.0),
)
SEEN = (
    Mix(
        "people of a shop",
        101,
        _ELSEWHERE,
        5_000,
        {
            "desktop": 15, "mobile": 26, "prefetching": 4, "office": 0.15, "gmail": 28, "yahoo": 3, "outlook": 5, "apple": 14,
            "safe_links": 2, "barracuda": 0.7, "proofpoint": 0.7, "gateway": 0.02, "lone_gateway": 0.2, "robot": 2,
        },
        links=11,
    ),
    Mix(
        "firms behind filters",
        102,
        _ELSEWHERE,
        5_000,
        {
            "desktop": 14, "mobile": 6, "prefetching": 1, "office": 0.5, "gmail": 5, "outlook": 6, "apple": 4, "safe_links": 30,
            "barracuda": 8, "proofpoint": 8, "gateway": 0.2, "lone_gateway": 0.2, "robot": 1,
        },
        clicks=0.14,
        links=6,
        firm=(18, 120),
    ),
    Mix(
        "sooner, by a provider that tells",
        103,
        _SOONER,
        5_000,
        {
            "desktop": 22, "mobile": 22, "prefetching": 3, "office": 0.4, "gmail": 18, "yahoo": 5, "outlook": 8, "apple": 16,
            "safe_links": 10, "barracuda": 2, "proofpoint": 2, "gateway": 0.06, "lone_gateway": 0.2, "robot": 1,
        },
        clicks=0.18,
        links=4,
        sent_within=240.0,
    ),
    Mix(
        "offices that read at once",
        104,
        replace(_SOONER, opens_after=420.0, spread=0.8, told_after=None, orders=0.2),
        5_000,
        {
            "desktop": 15, "mobile": 12, "office": 2.2, "gmail": 8, "outlook": 8, "apple": 8, "safe_links": 8, "barracuda": 2,
            "proofpoint": 2, "gateway": 0.08, "lone_gateway": 0.2, "robot": 1,
        },
        clicks=0.1,
        firm=(12, 90),
        sent_within=120.0,
    ),
)  # fmt: skip

_FRESH = Setting(
    people=("86.{}.{}.0/24", "98.22.{}.0/24", "178.{}.{}.0/24", "203.{}.{}.0/24", "2a01:e0a:{}::/48"),
    offices="217.{}.{}.0/24",
    # A filter has few networks, and one in six of these is in no list.
    microsoft=(
        "20.201.{}.0/24", "40.107.{}.0/24", "52.103.{}.0/24", "104.209.{}.0/24", "51.141.{}.0/24", "9.160.7.0/24",
    ),
    barracuda=("64.235.154.0/24", "18.200.{}.0/24", "45.82.{}.0/24"),
    proofpoint=("148.163.{}.0/24", "13.248.{}.0/24", "185.132.{}.0/24", "54.173.{}.0/24", "23.90.{}.0/24"),
    relays=("172.226.{}.0/24", "146.75.{}.0/24", "2606:54c0:{}::/48"),
    google=("66.249.93.0/24", "74.125.{}.0/24"),
    yahoo=("72.30.{}.0/24", "217.12.9.0/24"),
    desktop=(_CHROME.format(137), _CHROME.format(144), _FIREFOX.format(128), _EDGE.format(144, 144)),
    mobile=(_IPHONE.format(17, 17), _IPHONE.format(19, 19), _ANDROID.format(13, 144), _ANDROID.format(15, 138)),
    filter_agents=(_CHROME.format(109), _CHROME.format(144), _ANDROID.format(13, 144), _FIREFOX.format(102)),
    robots=("okhttp/4.12", "Mozilla/5.0 (compatible; YandexBot/3.0)", "Wget/1.21"),
    opens_after=4_000.0,
    spread=2.1,
    quick=0.06,
    quick_after=(8.0, 18.0),
    reads=(2.0, 60.0),
    blocked=0.4,
    orders=0.05,
    relay_after=(0.2, 10_000.0),
    safe_links_after=(0.1, 30.0),
    barracuda_after=(0.2, 25.0),
    barracuda_gap=(0.2, 0.9),
    proofpoint_after=(0.5, 45.0),
    proofpoint_gap=(0.1, 7.0),
    gateway_after=(0.5, 30.0),
)  # fmt: skip
_SLOW = replace(
    _FRESH,
    people=("37.{}.{}.0/24", "151.{}.{}.0/24", "110.{}.{}.0/24"),
    offices="213.{}.{}.0/24",
    opens_after=14_000.0,
    quick=0.02,
    blocked=0.2,
    safe_links_after=(2.0, 90.0),
    barracuda_after=(10.0, 120.0),
    barracuda_gap=(0.3, 1.5),
    proofpoint_gap=(1.0, 8.0),
    gateway_after=(5.0, 90.0),
    told_after=(0.2, 8.0),
)
HELD_OUT = (
    Mix(
        "a shop",
        201,
        _FRESH,
        6_000,
        {
            "desktop": 18, "mobile": 24, "prefetching": 3, "office": 0.2, "gmail": 25, "yahoo": 5, "outlook": 5, "apple": 15,
            "safe_links": 3, "barracuda": 0.8, "proofpoint": 0.8, "gateway": 0.03, "lone_gateway": 0.2, "robot": 1.5,
        },
        links=9,
    ),
    Mix(
        "firms",
        202,
        _FRESH,
        6_000,
        {
            "desktop": 16, "mobile": 8, "prefetching": 2, "office": 0.7, "gmail": 6, "outlook": 9, "apple": 5, "safe_links": 26,
            "barracuda": 6, "proofpoint": 6, "gateway": 0.15, "lone_gateway": 0.3, "robot": 1,
        },
        clicks=0.15,
        links=7,
        firm=(20, 150),
        sent_within=900.0,
    ),
    Mix(
        "slow filters, a provider that tells",
        203,
        _SLOW,
        6_000,
        {
            "desktop": 20, "mobile": 18, "prefetching": 2, "office": 0.4, "gmail": 16, "yahoo": 6, "outlook": 9, "apple": 18,
            "safe_links": 9, "barracuda": 2, "proofpoint": 2, "gateway": 0.05, "lone_gateway": 0.2, "robot": 1,
        },
        clicks=0.16,
        links=5,
        sent_within=300.0,
    ),
    Mix(
        "a flash sale in offices",
        204,
        replace(_FRESH, opens_after=300.0, spread=0.9, quick=0.12, orders=0.25, told_after=(0.5, 60.0)),
        6_000,
        {
            "desktop": 18, "mobile": 20, "office": 1.8, "gmail": 12, "outlook": 8, "apple": 10, "safe_links": 7, "barracuda": 1,
            "proofpoint": 1, "gateway": 0.06, "lone_gateway": 0.2, "robot": 1,
        },
        clicks=0.13,
        links=3,
        firm=(10, 110),
        sent_within=90.0,
    ),
)  # fmt: skip
