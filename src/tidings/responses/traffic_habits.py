"""Habits of people that look like a machine's, and machines that look like people. See `traffic`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidings.responses.traffic_person import SECOND, Hits, Person, network_of, within

# What a chat asks for when somebody pastes a link.
_CHATS = ("facebookexternalhit/1.1", "Slackbot-LinkExpanding 1.0", "TelegramBot (like TwitterBot)")


def _tabs(one: Person) -> Hits:
    """Several links at once, each in a tab of its own."""
    looked = one.looks()
    if looked is None:
        return
    network, agent = one.home(), one.chance.choice([*one.setting.desktop, *one.setting.mobile])
    if one.chance.random() >= one.setting.blocked:
        yield one.hit("open", looked, network, agent), True
    if one.chance.random() < 1 / 3:
        yield from one.tabs(looked + within(one.chance, one.setting.reads), network, agent)


def _forwarding(one: Person) -> Hits:
    """People who read, and half of whom send it on: to single friends, or as a link into a chat."""
    looked = one.looks()
    if looked is None:
        return
    network, agent = one.home(), one.chance.choice(one.setting.mobile)
    yield one.hit("open", looked, network, agent), True
    yield from one.follows(looked, network, agent)
    if one.chance.random() < 0.5:
        return
    at, link = looked + within(one.chance, (30.0, 3_600.0)), one.chance.randrange(one.mix.links)
    programs = [*one.setting.desktop, *one.setting.mobile]
    if one.chance.random() < 0.25:
        preview = network_of(one.chance, one.setting.unlisted)
        yield one.hit("click", at, preview, one.chance.choice(_CHATS), link), False
        for _ in range(one.chance.randint(2, 8)):
            at += within(one.chance, (2.0, 90.0))
            yield one.hit("click", at, one.home(), one.chance.choice(programs), link), True
        return
    for _ in range(one.chance.randint(1, 4)):
        at += int(one.chance.lognormvariate(0, 1.5) * 1_800 * SECOND)
        theirs, program = one.home(), one.chance.choice(programs)
        yield one.hit("open", at, theirs, program), True
        if one.chance.random() < 0.4:
            yield one.hit("click", at + within(one.chance, one.setting.reads), theirs, program, link), True


def _at_click(one: Person) -> Hits:
    """A filter that follows each link in the moment in which a person does, and lets the person through after it."""
    for record, human in one.reads(one.setting.desktop, one.home()):
        if record["k"] == "click":
            network, agent = (
                network_of(one.chance, _filters(one)),
                one.chance.choice(one.setting.filter_agents),
            )
            looked = record | {
                "at": record["at"] - within(one.chance, (0.3, 3.0)),
                "ip": network,
                "ua": agent,
            }
            yield looked, False
        yield record, human


def _slow_filter(one: Person) -> Hits:
    """One to three links, minutes after delivery and seconds apart."""
    network, agent = network_of(one.chance, _filters(one)), one.chance.choice(one.setting.filter_agents)
    at = one.after(one.setting.slow_after)
    if one.chance.random() < 0.3:
        yield one.hit("open", at - within(one.chance, (0.1, 2.0)), network, agent), False
    count = min(one.chance.choices((1, 2, 3), (0.3, 0.3, 0.4))[0], one.mix.links)
    for link in sorted(one.chance.sample(range(one.mix.links), count)):
        yield one.hit("click", at, network, agent, link), False
        at += within(one.chance, one.setting.slow_gap)
    yield from one.reads(one.setting.desktop, one.home())


def _home_filter(one: Person) -> Hits:
    """A filter that works from networks of homes and looks like the programs of people, a link from each network."""
    at, programs = one.after(one.setting.proofpoint_after), [*one.setting.desktop, *one.setting.mobile]
    for link in one.chance.sample(range(one.mix.links), min(one.chance.randint(2, 4), one.mix.links)):
        yield one.hit("click", at, one.home(), one.chance.choice(programs), link), False
        at += within(one.chance, one.setting.proofpoint_gap)
    yield from one.reads(one.setting.desktop, one.home())


def _sandbox(one: Person) -> Hits:
    """Loads the picture, follows most links without haste, runs the pages, and sometimes pretends to act on one."""
    network, agent = network_of(one.chance, _filters(one)), one.chance.choice(one.setting.filter_agents)
    at = one.after(one.setting.sandbox_after)
    yield one.hit("open", at, network, agent), False
    for link in range(one.mix.links):
        at += within(one.chance, one.setting.sandbox_gap)
        if one.chance.random() < 0.85:
            yield one.hit("click", at, network, agent, link), False
    if one.setting.tells and one.chance.random() < one.setting.acts:
        yield one.visit(at + within(one.chance, (1.0, 5.0)), network, agent), False
    yield from one.reads(one.setting.desktop, one.home())


def _like_a_person(one: Person) -> Hits:
    """One link from a network of homes at an hour at which people read: nothing tells it from a person."""
    looked = one.reached + int(
        one.chance.lognormvariate(0, one.setting.spread) * one.setting.opens_after * SECOND
    )
    agent = one.chance.choice(one.setting.desktop)
    yield (
        one.hit(
            "click",
            max(looked, one.reached + 20 * SECOND),
            one.home(),
            agent,
            one.chance.randrange(one.mix.links),
        ),
        False,
    )
    yield from one.reads(one.setting.desktop, one.home())


def _filters(one: Person) -> list[str]:
    """Return where filters work: three times in four in a network that stands in no list."""
    listed = one.chance.random() < 0.25
    return [*(one.setting.proofpoint if listed else one.setting.unlisted)]


HABITS: Mapping[str, Callable[[Person], Hits]] = {
    "tabs": _tabs,
    "forwarding": _forwarding,
    "at_click": _at_click,
    "slow_filter": _slow_filter,
    "home_filter": _home_filter,
    "sandbox": _sandbox,
    "like_a_person": _like_a_person,
}
