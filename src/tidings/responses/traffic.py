"""Seeded traffic of people and machines on one campaign, each hit with who made it: what rules can be judged by.

A mix says who the recipients are, a setting says how people and machines behave there: networks, programs, delays. The
same mix gives the same traffic. Records are those of the tracker's spool, in the order of their instants.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SECOND = 1_000_000
_HOUR = 3_600 * SECOND
Range = tuple[float, float]

GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"


@dataclass(frozen=True, slots=True)
class Setting:
    """How people and machines behave; ranges are seconds, or gaps in seconds; networks are patterns such as 81.{}.{}.0/24.

    `opens_after` is the median of people's first look, `spread` the sigma of its logarithm. `quick` is the share of those
    who follow a link within `quick_after`. `filter_agents` are what filters pretend to be.
    """

    people: Sequence[str]
    offices: str
    microsoft: Sequence[str]
    barracuda: Sequence[str]
    proofpoint: Sequence[str]
    relays: Sequence[str]
    google: Sequence[str]
    yahoo: Sequence[str]
    desktop: Sequence[str]
    mobile: Sequence[str]
    filter_agents: Sequence[str]
    robots: Sequence[str]
    opens_after: float = 5_400.0
    spread: float = 1.6
    quick: float = 0.04
    quick_after: Range = (8.0, 20.0)
    reads: Range = (3.0, 90.0)
    blocked: float = 0.3
    orders: float = 0.08
    relay_after: Range = (1.0, 20_000.0)
    safe_links_after: Range = (0.3, 20.0)
    barracuda_after: Range = (0.5, 15.0)
    barracuda_gap: Range = (0.05, 0.6)
    proofpoint_after: Range = (1.0, 30.0)
    proofpoint_gap: Range = (0.2, 4.0)
    gateway_after: Range = (1.0, 40.0)
    told_after: Range | None = None


@dataclass(frozen=True, slots=True)
class Mix:
    """Who the recipients are: shares of profiles, how many of them follow links, how many at a firm share a network."""

    name: str
    seed: int
    setting: Setting
    recipients: int
    shares: Mapping[str, float]
    clicks: float = 0.12
    links: int = 8
    firm: tuple[int, int] = (15, 60)
    sent_within: float = 600.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One message: its place, its profile, when it was accepted, and delivered where the provider tells (microseconds)."""

    place: int
    profile: str
    accepted_at: int
    delivered_at: int | None


@dataclass(frozen=True, slots=True)
class Made:
    """One record of the spool and who made it; `record["m"]` is the place of its message."""

    record: dict[str, Any]
    profile: str
    human: bool


@dataclass(slots=True)
class Traffic:
    """Messages in their order, and what came of them in the order of time."""

    sent: list[Sent] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)


def traffic(mix: Mix, began: int, url: Callable[[int], str], customer: Callable[[int], str]) -> Traffic:
    """Return the traffic of a mix on messages sent from `began` (microseconds) on.

    `url` gives the address of a link by its position, `customer` the key of a recipient by its place.
    """
    chance = random.Random(f"{mix.name} {mix.seed}")
    names, weights = list(mix.shares), list(mix.shares.values())
    found = Traffic()
    firm, left = "", 0
    for place in range(mix.recipients):
        # People of one firm stand in a row of the list, as they do in a list that is sorted by address.
        if left == 0:
            profile, left = chance.choices(names, weights)[0], 1
            if profile in _AT_FIRMS:
                left = chance.randint(*mix.firm)
                firm = _network(chance, [mix.setting.offices])
        left -= 1
        accepted = began + int(mix.sent_within * SECOND * place / mix.recipients) + chance.randrange(SECOND)
        told = mix.setting.told_after
        delivered = None if told is None else accepted + _within(chance, told)
        found.sent.append(Sent(place, profile, accepted, delivered))
        person = _Person(
            chance, mix, place, accepted if delivered is None else delivered, url, customer, firm
        )
        found.made += [Made(record, profile, human) for record, human in _PROFILES[profile](person)]
    found.made.sort(key=lambda one: one.record["at"])
    return found


_Hits = Iterator[tuple[dict[str, Any], bool]]


@dataclass(frozen=True, slots=True)
class _Person:
    """One recipient, and the machines on the way to them."""

    chance: random.Random
    mix: Mix
    place: int
    reached: int
    url: Callable[[int], str]
    customer: Callable[[int], str]
    firm: str

    @property
    def setting(self) -> Setting:
        return self.mix.setting

    def hit(self, kind: str, at: int, network: str, agent: str, link: int = 0, **more: Any) -> dict[str, Any]:
        record = {"k": kind, "at": at, "m": self.place, "method": "GET", "ip": network, "ua": agent, **more}
        return record | {"url": self.url(link)} if kind == "click" else record

    def after(self, span: Range) -> int:
        return self.reached + _within(self.chance, span)

    def looks(self) -> int | None:
        """Return when they first look at the message, None for those who never do; who is quick does it within seconds."""
        if self.chance.random() > self.mix.clicks * 3:
            return None
        if self.chance.random() < self.setting.quick:
            return self.after((self.setting.quick_after[0] - 4, self.setting.quick_after[0] - 1))
        later = self.chance.lognormvariate(0, self.setting.spread) * self.setting.opens_after
        return self.reached + int(max(later, 20.0) * SECOND)

    def follows(self, looked: int, network: str, agent: str, *, prefetches: bool = False) -> _Hits:
        """Yield the clicks of somebody who looks, and the order that some of them make."""
        if self.chance.random() > 1 / 3:
            return
        quick = looked - self.reached < self.setting.quick_after[0] * SECOND
        at = (
            self.after(self.setting.quick_after)
            if quick
            else looked + _within(self.chance, self.setting.reads)
        )
        for number in range(self.chance.choices((1, 2, 3), (0.72, 0.2, 0.08))[0]):
            link = min(int(self.chance.expovariate(0.5)), self.mix.links - 1)
            if number:
                at += _within(self.chance, (6.0, 240.0))
            if prefetches:
                yield self.hit("click", at - 600_000, network, agent, link, prefetch=True), False
            yield self.hit("click", at, network, agent, link), True
            if self.chance.random() < 0.05:
                yield self.hit("click", at + _within(self.chance, (0.2, 1.5)), network, agent, link), True
        if self.chance.random() < self.setting.orders:
            yield self.order(at + _within(self.chance, (90.0, 1_500.0))), True

    def order(self, at: int) -> dict[str, Any]:
        about = {"event": "order_placed", "customer": self.customer(self.place), "occurred": at}
        money = {"amount": 2_500, "currency": "EUR", "properties": {"order_total": 2_500}}
        return {"k": "event", "at": at, "source": "api:shop", **about, **money}

    def reads(self, agents: Sequence[str], network: str, *, prefetches: bool = False) -> _Hits:
        """Yield what somebody does who reads in a program of their own."""
        looked = self.looks()
        if looked is None:
            return
        agent = self.chance.choice(agents)
        if self.chance.random() >= self.setting.blocked:
            yield self.hit("open", looked, network, agent), True
        yield from self.follows(looked, network, agent, prefetches=prefetches)

    def reads_by_proxy(
        self, proxies: Sequence[str], proxy: str, agents: Sequence[str], network: str
    ) -> _Hits:
        """Yield what somebody does whose pictures a proxy loads when they look."""
        looked = self.looks()
        if looked is None:
            return
        yield self.hit("open", looked, _network(self.chance, proxies), proxy), True
        yield from self.follows(looked, network, self.chance.choice(agents))

    def home(self) -> str:
        return _network(self.chance, self.setting.people)


def _desktop(one: _Person) -> _Hits:
    yield from one.reads(one.setting.desktop, one.home())


def _mobile(one: _Person) -> _Hits:
    yield from one.reads(one.setting.mobile, one.home())


def _prefetching(one: _Person) -> _Hits:
    yield from one.reads(one.setting.desktop, one.home(), prefetches=True)


def _office(one: _Person) -> _Hits:
    yield from one.reads(one.setting.desktop, one.firm)


def _gmail(one: _Person) -> _Hits:
    agents = [*one.setting.desktop, *one.setting.mobile]
    yield from one.reads_by_proxy(one.setting.google, GMAIL, agents, one.home())


def _yahoo(one: _Person) -> _Hits:
    yield from one.reads_by_proxy(one.setting.yahoo, YAHOO, one.setting.desktop, one.home())


def _outlook(one: _Person) -> _Hits:
    proxy = one.chance.choice(one.setting.desktop)
    yield from one.reads_by_proxy(one.setting.microsoft, proxy, one.setting.desktop, one.home())


def _apple(one: _Person) -> _Hits:
    """Apple loads every picture some time after delivery; people follow links from home, or through the relay."""
    relay = _network(one.chance, one.setting.relays)
    yield one.hit("open", one.after(one.setting.relay_after), relay, "Mozilla/5.0"), False
    looked = one.looks()
    if looked is not None:
        network = relay if one.chance.random() < 0.3 else one.home()
        yield from one.follows(looked, network, one.chance.choice(one.setting.mobile))


def _safe_links(one: _Person) -> _Hits:
    """Microsoft looks into some links right after delivery and looks like a browser; people follow links from their office."""
    if one.chance.random() < 0.7:
        network, agent = (
            _network(one.chance, one.setting.microsoft),
            one.chance.choice(one.setting.filter_agents),
        )
        at = one.after(one.setting.safe_links_after)
        if one.chance.random() < 0.5:
            yield one.hit("open", at, network, agent), False
        for link in sorted(one.chance.sample(range(one.mix.links), one.chance.randint(1, one.mix.links))):
            at += _within(one.chance, (0.05, 2.0))
            yield one.hit("click", at, network, agent, link), False
    yield from one.reads(one.setting.desktop, one.home())


def _barracuda(one: _Person) -> _Hits:
    """Every link in its order, quickly."""
    network, agent = _network(one.chance, one.setting.barracuda), one.chance.choice(one.setting.filter_agents)
    at = one.after(one.setting.barracuda_after)
    for link in range(one.mix.links):
        at += _within(one.chance, one.setting.barracuda_gap)
        yield one.hit("click", at, network, agent, link), False
    yield from one.reads(one.setting.desktop, one.home())


def _proofpoint(one: _Person) -> _Hits:
    """A few links from several networks at once."""
    at = one.after(one.setting.proofpoint_after)
    for _ in range(one.chance.randint(3, 5)):
        network, agent = (
            _network(one.chance, one.setting.proofpoint),
            one.chance.choice(one.setting.filter_agents),
        )
        at += _within(one.chance, one.setting.proofpoint_gap)
        yield one.hit("click", at, network, agent, one.chance.randrange(one.mix.links)), False
    yield from one.reads(one.setting.desktop, one.home())


def _gateway(one: _Person) -> _Hits:
    """The firm's own filter: one or two links some time after delivery, from the network that its people use as well."""
    at, agent = one.after(one.setting.gateway_after), one.chance.choice(one.setting.filter_agents)
    for link in sorted(one.chance.sample(range(one.mix.links), one.chance.randint(1, 2))):
        yield one.hit("click", at, one.firm, agent, link), False
        at += _within(one.chance, (0.3, 6.0))
    yield from one.reads(one.setting.desktop, one.firm)


def _lone_gateway(one: _Person) -> _Hits:
    """The same at a firm with one recipient: nothing but the delay tells."""
    network = _network(one.chance, [one.setting.offices])
    at, agent = one.after(one.setting.gateway_after), one.chance.choice(one.setting.filter_agents)
    yield one.hit("click", at, network, agent, one.chance.randrange(one.mix.links)), False
    yield from one.reads(one.setting.desktop, network)


def _robot(one: _Person) -> _Hits:
    """A program that names itself, or asks for the head alone."""
    at, network = one.after((1.0, 40_000.0)), one.home()
    agent = one.chance.choice(one.setting.robots)
    yield one.hit("click", at, network, agent, one.chance.randrange(one.mix.links)), False
    yield one.hit("click", at + SECOND, network, one.chance.choice(one.setting.desktop), method="HEAD"), False


_PROFILES: Mapping[str, Callable[[_Person], _Hits]] = {
    "desktop": _desktop,
    "mobile": _mobile,
    "prefetching": _prefetching,
    "office": _office,
    "gmail": _gmail,
    "yahoo": _yahoo,
    "outlook": _outlook,
    "apple": _apple,
    "safe_links": _safe_links,
    "barracuda": _barracuda,
    "proofpoint": _proofpoint,
    "gateway": _gateway,
    "lone_gateway": _lone_gateway,
    "robot": _robot,
}
PROFILES = tuple(_PROFILES)
_AT_FIRMS = frozenset(("office", "gateway"))


def _within(chance: random.Random, span: Range) -> int:
    return int(chance.uniform(*span) * SECOND)


def _network(chance: random.Random, patterns: Sequence[str]) -> str:
    pattern = chance.choice(patterns)
    if ":" in pattern:
        return pattern.format(f"{chance.randrange(1, 65536):x}")
    return pattern.format(*(chance.randrange(256) for _ in range(pattern.count("{}"))))
