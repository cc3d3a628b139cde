"""Who stands behind an address: people by the program they read in, and the machines on the way to them. See `traffic`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidings.responses.traffic_habits import HABITS
from tidings.responses.traffic_person import SECOND, Hits, Person, network_of, within

GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"


def _desktop(one: Person) -> Hits:
    yield from one.reads(one.setting.desktop, one.home())


def _mobile(one: Person) -> Hits:
    yield from one.reads(one.setting.mobile, one.home())


def _prefetching(one: Person) -> Hits:
    yield from one.reads(one.setting.desktop, one.home(), prefetches=True)


def _office(one: Person) -> Hits:
    yield from one.reads(one.setting.desktop, one.firm)


def _gmail(one: Person) -> Hits:
    agents = [*one.setting.desktop, *one.setting.mobile]
    yield from one.reads_by_proxy(one.setting.google, GMAIL, agents, one.home())


def _yahoo(one: Person) -> Hits:
    yield from one.reads_by_proxy(one.setting.yahoo, YAHOO, one.setting.desktop, one.home())


def _outlook(one: Person) -> Hits:
    proxy = one.chance.choice(one.setting.desktop)
    yield from one.reads_by_proxy(one.setting.microsoft, proxy, one.setting.desktop, one.home())


def _apple(one: Person) -> Hits:
    """Apple loads every picture some time after delivery; people follow links from home, or through the relay."""
    relay = network_of(one.chance, one.setting.relays)
    yield one.hit("open", one.after(one.setting.relay_after), relay, "Mozilla/5.0"), False
    looked = one.looks()
    if looked is not None:
        network = relay if one.chance.random() < 0.3 else one.home()
        yield from one.follows(looked, network, one.chance.choice(one.setting.mobile))


def _safe_links(one: Person) -> Hits:
    """Microsoft looks into some links right after delivery and looks like a browser; people follow links from their office."""
    if one.chance.random() < 0.7:
        network, agent = (
            network_of(one.chance, one.setting.microsoft),
            one.chance.choice(one.setting.filter_agents),
        )
        at = one.after(one.setting.safe_links_after)
        if one.chance.random() < 0.5:
            yield one.hit("open", at, network, agent), False
        for link in sorted(one.chance.sample(range(one.mix.links), one.chance.randint(1, one.mix.links))):
            at += within(one.chance, (0.05, 2.0))
            yield one.hit("click", at, network, agent, link), False
    yield from one.reads(one.setting.desktop, one.home())


def _barracuda(one: Person) -> Hits:
    """Every link in its order, quickly."""
    network, agent = (
        network_of(one.chance, one.setting.barracuda),
        one.chance.choice(one.setting.filter_agents),
    )
    at = one.after(one.setting.barracuda_after)
    for link in range(one.mix.links):
        at += within(one.chance, one.setting.barracuda_gap)
        yield one.hit("click", at, network, agent, link), False
    yield from one.reads(one.setting.desktop, one.home())


def _proofpoint(one: Person) -> Hits:
    """A few links from several networks at once."""
    at = one.after(one.setting.proofpoint_after)
    for _ in range(one.chance.randint(3, 5)):
        network, agent = (
            network_of(one.chance, one.setting.proofpoint),
            one.chance.choice(one.setting.filter_agents),
        )
        at += within(one.chance, one.setting.proofpoint_gap)
        yield one.hit("click", at, network, agent, one.chance.randrange(one.mix.links)), False
    yield from one.reads(one.setting.desktop, one.home())


def _gateway(one: Person) -> Hits:
    """The firm's own filter: one or two links some time after delivery, from the network that its people use as well."""
    at, agent = one.after(one.setting.gateway_after), one.chance.choice(one.setting.filter_agents)
    for link in sorted(one.chance.sample(range(one.mix.links), one.chance.randint(1, 2))):
        yield one.hit("click", at, one.firm, agent, link), False
        at += within(one.chance, (0.3, 6.0))
    yield from one.reads(one.setting.desktop, one.firm)


def _lone_gateway(one: Person) -> Hits:
    """The same at a firm with one recipient: nothing but the delay tells."""
    network = network_of(one.chance, [one.setting.offices])
    at, agent = one.after(one.setting.gateway_after), one.chance.choice(one.setting.filter_agents)
    yield one.hit("click", at, network, agent, one.chance.randrange(one.mix.links)), False
    yield from one.reads(one.setting.desktop, network)


def _robot(one: Person) -> Hits:
    """A program that names itself, or asks for the head alone."""
    at, network = one.after((1.0, 40_000.0)), one.home()
    agent = one.chance.choice(one.setting.robots)
    yield one.hit("click", at, network, agent, one.chance.randrange(one.mix.links)), False
    yield one.hit("click", at + SECOND, network, one.chance.choice(one.setting.desktop), method="HEAD"), False


PROFILES: Mapping[str, Callable[[Person], Hits]] = {
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
    **HABITS,
}

AT_FIRMS = frozenset(("office", "gateway"))
