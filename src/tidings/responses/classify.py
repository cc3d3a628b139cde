"""Human, machine or unknown: rules over raw hits. They judge and never delete, and can be run again at any time.

Rules, version 2, in this order; the first that holds gives the reason:

| reason | holds when | open | click |
|---|---|---|---|
| provider | the provider of the channel says that a machine did it | machine | machine |
| head | the method was HEAD | machine | machine |
| prefetch | Sec-Purpose, Purpose or X-Moz said prefetch or preview | machine | machine |
| no_agent | no User-Agent, unless a provider told it, which need not name one | machine | machine |
| mail_privacy | the User-Agent is exactly `Mozilla/5.0` (Apple Mail loads every picture by itself) | machine | |
| image_proxy | Gmail's or Yahoo's picture proxy: a person may stand behind it or not | unknown | machine |
| robot | the User-Agent names a known robot, scanner or program | machine | machine |
| too_fast | less than 2 s after the message was accepted | | machine |
| swept_links | at least 60 % of the links of a message (of 3 or more) were followed within 5 s | | machine |
| network_burst | one network followed links of 10 or more recipients within 60 s | | machine |

Everything else is human. Unsubscribing is always human: only a POST or an answer can do it. An answer is human unless
it says of itself that a machine wrote it (`provider`). A click implies no open of its own;
whoever counts openers counts people who opened or clicked.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

RULES_VERSION = 2

TOO_FAST = 2_000_000
SWEEP_SPAN = 5_000_000
SWEEP_TENTHS = 6
SWEEP_LINKS = 3
BURST_SPAN = 60_000_000
BURST_RECIPIENTS = 10

# The method of a hit that a provider told of, and that of an answer of a person.
BY_PROVIDER, BY_ANSWER = "EVENT", "ANSWER"
_ALWAYS_HUMAN = frozenset(("unsubscribe", "stop"))

# Rules that look at one hit alone come first; of the two that look at many, the sweep.
GROUP_REASONS = ("swept_links", "network_burst")

_IMAGE_PROXY = re.compile(r"GoogleImageProxy|ggpht\.com|YahooMailProxy", re.IGNORECASE)
_ROBOT = re.compile(
    # Names that robots give themselves; `cubot` is a maker of telephones.
    r"(?<!cu)bot\b|(?<!cu)bot[/_-]|crawl|spider|slurp|scanner|headless|phantomjs|selenium|puppeteer|playwright"
    r"|^(?:curl|wget|python|go-http|java/|okhttp|libwww|lwp|httpx|axios|node|ruby|php|perl|apache-httpclient)"
    r"|facebookexternalhit|skypeuripreview|slackbot|barracuda|proofpoint|mimecast|symantec|fireeye|trendmicro"
    r"|safelinks|urlscan|monitoring|uptime",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A raw hit with what the rules need; instants in microseconds. `links` counts the links of its message."""

    id: int
    kind: str
    method: str
    message_id: int
    customer_id: int
    url: str
    at: int
    network: str | None
    user_agent: str
    prefetch: bool
    accepted_at: int | None
    links: int
    machine: bool = False


@dataclass(frozen=True, slots=True)
class Follow:
    """A click with no more than what the rules about many clicks need; `url` is of use for sweeps alone."""

    id: int
    message_id: int
    customer_id: int
    url: str
    at: int
    network: str | None
    links: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """human, machine or unknown, and the reason where there is one."""

    judged: str
    reason: str | None = None


HUMAN = Verdict("human")


def judge_alone(hit: Hit) -> Verdict:
    """Judge a hit by itself, without looking at the others."""
    if hit.kind in _ALWAYS_HUMAN:
        return HUMAN
    if hit.machine:
        return Verdict("machine", "provider")
    if hit.kind == "reply":
        return HUMAN
    if hit.method == "HEAD":
        return Verdict("machine", "head")
    if hit.prefetch:
        return Verdict("machine", "prefetch")
    if not hit.user_agent and hit.method != BY_PROVIDER:
        return Verdict("machine", "no_agent")
    if hit.kind == "open" and hit.user_agent == "Mozilla/5.0":
        return Verdict("machine", "mail_privacy")
    if _IMAGE_PROXY.search(hit.user_agent):
        return Verdict("unknown" if hit.kind == "open" else "machine", "image_proxy")
    if _ROBOT.search(hit.user_agent):
        return Verdict("machine", "robot")
    if hit.kind == "click" and hit.accepted_at is not None and hit.at - hit.accepted_at < TOO_FAST:
        return Verdict("machine", "too_fast")
    return HUMAN


def judge(hit: Hit, swept: AbstractSet[int], bursts: AbstractSet[int]) -> Verdict:
    """Judge a hit, given the ids of hits that belong to sweeps and to bursts."""
    alone = judge_alone(hit)
    if alone.judged == "machine" or hit.kind != "click":
        return alone
    if hit.id in swept:
        return Verdict("machine", "swept_links")
    if hit.id in bursts:
        return Verdict("machine", "network_burst")
    return alone


def link_sweeps(clicks: Iterable[Hit | Follow]) -> set[int]:
    """Return the ids of clicks in a sweep; `clicks` come ordered by message, then by instant."""
    return _dense(
        (hit for hit in clicks if hit.links >= SWEEP_LINKS),
        SWEEP_SPAN,
        group=lambda hit: hit.message_id,
        value=lambda hit: hit.url,
        # The smallest whole number that is at least 60 % of the links.
        need=lambda hit: -(-hit.links * SWEEP_TENTHS // 10),
    )


def network_bursts(clicks: Iterable[Hit | Follow]) -> set[int]:
    """Return the ids of clicks in a burst; `clicks` come ordered by network, then by instant."""
    return _dense(
        (hit for hit in clicks if hit.network is not None),
        BURST_SPAN,
        group=lambda hit: hit.network,
        value=lambda hit: hit.customer_id,
        need=lambda _: BURST_RECIPIENTS,
    )


def _dense(
    hits: Iterable[Hit | Follow],
    span: int,
    *,
    group: Callable[[Hit | Follow], object],
    value: Callable[[Hit | Follow], object],
    need: Callable[[Hit | Follow], int],
) -> set[int]:
    """Return the ids of hits that lie in some window of `span` with at least `need` different values, in one pass."""
    found: set[int] = set()
    window: deque[Hit | Follow] = deque()
    values: Counter[object] = Counter()
    marked = 0  # how many at the left end of the window are found already
    for hit in hits:
        while window and (group(window[0]) != group(hit) or hit.at - window[0].at > span):
            gone = window.popleft()
            marked = max(marked - 1, 0)
            values[value(gone)] -= 1
            if not values[value(gone)]:
                del values[value(gone)]
        window.append(hit)
        values[value(hit)] += 1
        if len(values) >= need(hit):
            found.update(one.id for one in _from(window, marked))
            marked = len(window)
    return found


def _from(window: Sequence[Hit | Follow], start: int) -> Iterable[Hit | Follow]:
    # From the right end: a deque reaches its ends at once, its middle slowly.
    return (window[-back] for back in range(1, len(window) - start + 1))
