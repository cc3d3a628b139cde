"""Signs that only several hits together show: sweeps over links, many networks, many recipients, traps. Pure functions.

All spans are in microseconds. What is given comes ordered as each function says; what is returned are ids of hits.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

SWEEP_SPAN = 5_000_000
SWEEP_TENTHS = 6
SWEEP_LINKS = 3
# A person may open as many at once, when they come to read.
TABS = 5
HURRY_SPAN = 2_000_000
IN_ORDER_SPAN = 10_000_000
NETWORKS_SPAN = 30_000_000
NETWORKS = 3
BURST_SPAN = 60_000_000
BURST_RECIPIENTS = 10
TRAP_SPAN = 60_000_000
COMB_SPAN = 120_000_000
COMB_SLOWLY = 12_000_000
HAND_SPAN = 120_000_000
ECHO_SPAN = 4_000_000
TURNS_SPAN = 10_000_000
# How far from a hit another one can change what is thought of it: by a hand that another one gave away.
REACH = HAND_SPAN + max(SWEEP_SPAN, IN_ORDER_SPAN, NETWORKS_SPAN, TRAP_SPAN, COMB_SPAN)

# Where a link stands in its message.
FIRST, LAST, TRAP = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Wording:
    """How many different links an e-mail has, and where each of them stands in it (0: somewhere between), by its address."""

    links: int = 0
    places: Mapping[str, int] = field(default_factory=dict)


NO_LINKS = Wording()


@dataclass(frozen=True, slots=True)
class Seen:
    """A hit with no more than what the signs of many hits need.

    `network` is None where it says nothing of its own (a proxy, a relay, a network of machines); `links` counts the
    links of its message, `place` says where its link stands. `hand` is its network and program, proxy or not, and `early`
    whether it came in the minutes after delivery in which filters look (also where nobody knows).
    """

    id: int
    kind: str
    message_id: int
    customer_id: int
    url: str
    at: int
    network: str | None
    links: int
    place: int = 0
    hand: tuple[str | None, str] = (None, "")
    early: bool = True


def link_sweeps(clicks: Iterable[Seen]) -> set[int]:
    """Return clicks that followed at least 60 % of 3 or more links within 5 s; ordered by message, then by instant.

    Three of them at least, and five where filters do not look any more: somebody may open as many tabs.
    """
    return _dense(
        (hit for hit in clicks if hit.links >= SWEEP_LINKS),
        SWEEP_SPAN,
        group=lambda hit: hit.message_id,
        value=lambda hit: hit.url,
        need=lambda hit: max(_most(hit.links), SWEEP_LINKS if hit.early else TABS),
    )


def combed(clicks: Iterable[Seen]) -> set[int]:
    """Return clicks of one hand on most links (60 %) of a message within 2 minutes; ordered by message, hand, instant.

    Three links at least. Later, where filters do not look any more, five at least, the last of them 12 s or more after the first:
    somebody opens as many tabs in less, and takes longer to read as many pages.
    """
    hand: Callable[[Seen], object] = lambda hit: (hit.message_id, hit.hand)  # noqa: E731
    url: Callable[[Seen], object] = lambda hit: hit.url  # noqa: E731
    several = [hit for hit in clicks if hit.links >= SWEEP_LINKS]
    return _dense(
        (hit for hit in several if hit.early),
        COMB_SPAN,
        group=hand,
        value=url,
        need=lambda hit: max(_most(hit.links), SWEEP_LINKS),
    ) | _dense(
        several,
        COMB_SPAN,
        group=hand,
        value=url,
        need=lambda hit: max(_most(hit.links), TABS),
        least=COMB_SLOWLY,
    )


def of_hands(hits: Sequence[Seen], given_away: Collection[int]) -> set[int]:
    """Return hits up to 2 minutes from another one of the same message and hand that is given away, in any order."""
    known: dict[tuple[object, ...], list[Seen]] = {}
    for hit in hits:
        if hit.id in given_away:
            known.setdefault((hit.message_id, *hit.hand), []).append(hit)
    if not known:
        return set()
    return {
        hit.id
        for hit in hits
        if any(
            one.id != hit.id and abs(hit.at - one.at) <= HAND_SPAN
            for one in known.get((hit.message_id, *hit.hand), ())
        )
    }


def in_turns(clicks: Iterable[Seen]) -> set[int]:
    """Return early clicks on two links of one message from two networks within 10 s; ordered by message, then by instant."""
    found: set[int] = set()
    window: deque[Seen] = deque()
    for hit in clicks:
        if hit.network is None or not hit.early:
            continue
        while window and (window[0].message_id != hit.message_id or hit.at - window[0].at > TURNS_SPAN):
            window.popleft()
        others = [one.id for one in window if one.url != hit.url and one.network != hit.network]
        found.update(others, (hit.id,) if others else ())
        window.append(hit)
    return found


def echoed(clicks: Iterable[Seen]) -> set[int]:
    """Return clicks after which the same link was followed from another network within 4 s; ordered by message, then by instant."""
    found: set[int] = set()
    window: deque[Seen] = deque()
    for hit in clicks:
        while window and (window[0].message_id != hit.message_id or hit.at - window[0].at > ECHO_SPAN):
            window.popleft()
        found.update(
            one.id for one in window if one.url == hit.url and one.hand[0] != hit.hand[0] and one.at < hit.at
        )
        window.append(hit)
    return found


def hurried(clicks: Iterable[Seen]) -> set[int]:
    """Return early clicks on two different links of one message within 2 s; ordered by message, then by instant."""
    return _dense(
        (hit for hit in clicks if hit.early),
        HURRY_SPAN,
        group=lambda hit: hit.message_id,
        value=lambda hit: hit.url,
        need=lambda _: 2,
    )


def network_bursts(clicks: Iterable[Seen]) -> set[int]:
    """Return clicks of one network for 10 or more recipients within 60 s; ordered by network, then by instant."""
    return _dense(
        (hit for hit in clicks if hit.network is not None),
        BURST_SPAN,
        group=lambda hit: hit.network,
        value=lambda hit: hit.customer_id,
        need=lambda _: BURST_RECIPIENTS,
    )


def many_networks(hits: Iterable[Seen]) -> set[int]:
    """Return early hits of one message from 3 or more networks within 30 s; ordered by message, then by instant.

    Later somebody may have sent the message on, to a group of people.
    """
    return _dense(
        (hit for hit in hits if hit.network is not None and hit.early),
        NETWORKS_SPAN,
        group=lambda hit: hit.message_id,
        value=lambda hit: hit.network,
        need=lambda _: NETWORKS,
    )


def first_then_last(clicks: Sequence[Seen]) -> set[int]:
    """Return early clicks from one on a first link to one on a last link within 10 s, and those between, in any order.

    Of messages with 3 or more links: with two, a person does that too.
    """
    lasts: dict[int, list[int]] = {}
    for hit in clicks:
        if hit.early and hit.place & LAST and hit.links >= SWEEP_LINKS:
            lasts.setdefault(hit.message_id, []).append(hit.at)
    spans: dict[int, list[tuple[int, int]]] = {}
    for hit in clicks:
        if hit.place & FIRST and hit.message_id in lasts:
            ends = [at for at in lasts[hit.message_id] if 0 < at - hit.at <= IN_ORDER_SPAN]
            if ends:
                spans.setdefault(hit.message_id, []).append((hit.at, max(ends)))
    return {
        hit.id
        for hit in clicks
        if any(start <= hit.at <= end for start, end in spans.get(hit.message_id, ()))
    }


def trapped(hits: Sequence[Seen]) -> set[int]:
    """Return clicks of one message up to 60 s before and after one on a link that nobody can see, in any order."""
    traps: dict[int, list[int]] = {}
    for hit in hits:
        if hit.kind == "click" and hit.place & TRAP:
            traps.setdefault(hit.message_id, []).append(hit.at)
    if not traps:
        return set()
    return {
        hit.id
        for hit in hits
        if hit.kind == "click" and any(abs(hit.at - at) <= TRAP_SPAN for at in traps.get(hit.message_id, ()))
    }


def _most(links: int) -> int:
    """Return the smallest whole number that is at least 60 % of some links."""
    return -(-links * SWEEP_TENTHS // 10)


def _dense(
    hits: Iterable[Seen],
    span: int,
    *,
    group: Callable[[Seen], object],
    value: Callable[[Seen], object],
    need: Callable[[Seen], int],
    least: int = 0,
) -> set[int]:
    """Return the ids of hits that lie in some window of `least` to `span` with at least `need` different values, in one pass."""
    found: set[int] = set()
    window: deque[Seen] = deque()
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
        if len(values) >= need(hit) and hit.at - window[0].at >= least:
            found.update(one.id for one in _from(window, marked))
            marked = len(window)
    return found


def _from(window: Sequence[Seen], start: int) -> Iterable[Seen]:
    # From the right end: a deque reaches its ends at once, its middle slowly.
    return (window[-back] for back in range(1, len(window) - start + 1))
