"""One recipient of a mix and what they do: look, follow links, order; the settings that say how. See `traffic`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SECOND = 1_000_000
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Setting:
    """How people and machines behave; ranges are seconds, or gaps in seconds; networks are patterns such as 81.{}.{}.0/24.

    `opens_after` is the median of people's first look, `spread` the sigma of its logarithm. `quick` is the share of those
    who follow a link within `quick_after`. `filter_agents` are what filters pretend to be, `unlisted` where those work that stand in
    no list. `tells` is the share of people's clicks whose page told that somebody acted there, `acts` that of sandboxes that
    pretend to.
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
    unlisted: Sequence[str] = ()
    slow_after: Range = (60.0, 2_400.0)
    slow_gap: Range = (2.0, 40.0)
    sandbox_after: Range = (20.0, 600.0)
    sandbox_gap: Range = (2.0, 8.0)
    tabs_gap: Range = (0.3, 4.0)
    tells: float = 0.0
    acts: float = 0.2


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


Hits = Iterator[tuple[dict[str, Any], bool]]


@dataclass(frozen=True, slots=True)
class Person:
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
        """Return how people and machines behave in this mix."""
        return self.mix.setting

    def hit(self, kind: str, at: int, network: str, agent: str, link: int = 0, **more: Any) -> dict[str, Any]:
        """Return the record of an open or a click."""
        record = {"k": kind, "at": at, "m": self.place, "method": "GET", "ip": network, "ua": agent, **more}
        return record | {"url": self.url(link)} if kind == "click" else record

    def after(self, span: Range) -> int:
        """Return an instant so many seconds after the message reached them."""
        return self.reached + within(self.chance, span)

    def looks(self) -> int | None:
        """Return when they first look at the message, None for those who never do; who is quick does it within seconds."""
        if self.chance.random() > self.mix.clicks * 3:
            return None
        if self.chance.random() < self.setting.quick:
            return self.after((self.setting.quick_after[0] - 4, self.setting.quick_after[0] - 1))
        later = self.chance.lognormvariate(0, self.setting.spread) * self.setting.opens_after
        return self.reached + int(max(later, 20.0) * SECOND)

    def follows(self, looked: int, network: str, agent: str, *, prefetches: bool = False) -> Hits:
        """Yield the clicks of somebody who looks, and the order that some of them make."""
        if self.chance.random() > 1 / 3:
            return
        quick = looked - self.reached < self.setting.quick_after[0] * SECOND
        at = (
            self.after(self.setting.quick_after)
            if quick
            else looked + within(self.chance, self.setting.reads)
        )
        for number in range(self.chance.choices((1, 2, 3), (0.72, 0.2, 0.08))[0]):
            link = min(int(self.chance.expovariate(0.5)), self.mix.links - 1)
            if number:
                at += within(self.chance, (6.0, 240.0))
            if prefetches:
                yield self.hit("click", at - 600_000, network, agent, link, prefetch=True), False
            yield self.hit("click", at, network, agent, link), True
            if self.setting.tells and self.chance.random() < self.setting.tells:
                yield self.visit(at + within(self.chance, (1.5, 60.0)), network, agent), True
            if self.chance.random() < 0.05:
                yield self.hit("click", at + within(self.chance, (0.2, 1.5)), network, agent, link), True
        if self.chance.random() < self.setting.orders:
            yield self.order(at + within(self.chance, (90.0, 1_500.0))), True

    def tabs(self, at: int, network: str, agent: str) -> Hits:
        """Yield the clicks of somebody who opens several links at once, to read them one after the other."""
        count = min(self.chance.choices((2, 3, 4, 5), (50, 28, 14, 8))[0], self.mix.links)
        links = self.chance.sample(range(self.mix.links), count)
        for link in sorted(links) if self.chance.random() < 0.7 else links:
            yield self.hit("click", at, network, agent, link), True
            at += within(self.chance, self.setting.tabs_gap)
        if self.setting.tells and self.chance.random() < self.setting.tells:
            yield self.visit(at + within(self.chance, (1.5, 60.0)), network, agent), True
        if self.chance.random() < self.setting.orders:
            yield self.order(at + within(self.chance, (90.0, 1_500.0))), True

    def visit(self, at: int, network: str, agent: str) -> dict[str, Any]:
        """Return what the page that a link leads to tells when somebody acts there."""
        return {"k": "visit", "at": at, "m": self.place, "method": "POST", "ip": network, "ua": agent}

    def order(self, at: int) -> dict[str, Any]:
        """Return an order of theirs."""
        about = {"event": "order_placed", "customer": self.customer(self.place), "occurred": at}
        money = {"amount": 2_500, "currency": "EUR", "properties": {"order_total": 2_500}}
        return {"k": "event", "at": at, "source": "api:shop", **about, **money}

    def reads(self, agents: Sequence[str], network: str, *, prefetches: bool = False) -> Hits:
        """Yield what somebody does who reads in a program of their own."""
        looked = self.looks()
        if looked is None:
            return
        agent = self.chance.choice(agents)
        if self.chance.random() >= self.setting.blocked:
            yield self.hit("open", looked, network, agent), True
        yield from self.follows(looked, network, agent, prefetches=prefetches)

    def reads_by_proxy(self, proxies: Sequence[str], proxy: str, agents: Sequence[str], network: str) -> Hits:
        """Yield what somebody does whose pictures a proxy loads when they look."""
        looked = self.looks()
        if looked is None:
            return
        yield self.hit("open", looked, network_of(self.chance, proxies), proxy), True
        yield from self.follows(looked, network, self.chance.choice(agents))

    def home(self) -> str:
        """Return a network that people use."""
        return network_of(self.chance, self.setting.people)


def within(chance: random.Random, span: Range) -> int:
    """Return a number of microseconds drawn from a range of seconds."""
    return int(chance.uniform(*span) * SECOND)


def network_of(chance: random.Random, patterns: Sequence[str]) -> str:
    """Return a network drawn from patterns."""
    pattern = chance.choice(patterns)
    if ":" in pattern:
        return pattern.format(f"{chance.randrange(1, 65536):x}")
    return pattern.format(*(chance.randrange(256) for _ in range(pattern.count("{}"))))
