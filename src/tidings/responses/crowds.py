"""Signs that only several hits together show: sweeps over links, many networks, many recipients, traps. Pure functions.

All spans are in microseconds. What is given comes ordered as each function says; what is returned are ids of hits.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

SWEEP_SPAN = 5_000_000
SWEEP_TENTHS = 6
SWEEP_LINKS = 3
HURRY_SPAN = 2_000_000
IN_ORDER_SPAN = 10_000_000
NETWORKS_SPAN = 30_000_000
NETWORKS = 3
BURST_SPAN = 60_000_000
BURST_RECIPIENTS = 10
TRAP_SPAN = 60_000_000
# How far from a hit another one can change what is thought of it.
REACH = max(SWEEP_SPAN, IN_ORDER_SPAN, NETWORKS_SPAN, TRAP_SPAN)

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
    links of its message, `place` says where its link stands.
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


def link_sweeps(clicks: Iterable[Seen]) -> set[int]:
    """Return clicks that followed at least 60 % of 3 or more links within 5 s; ordered by message, then by instant."""
    return _dense(
        (hit for hit in clicks if hit.links >= SWEEP_LINKS),
        SWEEP_SPAN,
        group=lambda hit: hit.message_id,
        value=lambda hit: hit.url,
        # The smallest whole number that is at least 60 % of the links.
        need=lambda hit: -(-hit.links * SWEEP_TENTHS // 10),
    )


def hurried(clicks: Iterable[Seen]) -> set[int]:
    """Return clicks on two different links of one message within 2 s; ordered by message, then by instant."""
    return _dense(
        clicks, HURRY_SPAN, group=lambda hit: hit.message_id, value=lambda hit: hit.url, need=lambda _: 2
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
    """Return hits of one message from 3 or more networks within 30 s; ordered by message, then by instant."""
    return _dense(
        (hit for hit in hits if hit.network is not None),
        NETWORKS_SPAN,
        group=lambda hit: hit.message_id,
        value=lambda hit: hit.network,
        need=lambda _: NETWORKS,
    )


def first_then_last(clicks: Sequence[Seen]) -> set[int]:
    """Return clicks from one on a first link to one on a last link within 10 s, and those between, in any order.

    Of messages with 3 or more links: with two, a person does that too.
    """
    lasts: dict[int, list[int]] = {}
    for hit in clicks:
        if hit.place & LAST and hit.links >= SWEEP_LINKS:
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


def _dense(
    hits: Iterable[Seen],
    span: int,
    *,
    group: Callable[[Seen], object],
    value: Callable[[Seen], object],
    need: Callable[[Seen], int],
) -> set[int]:
    """Return the ids of hits that lie in some window of `span` with at least `need` different values, in one pass."""
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
        if len(values) >= need(hit):
            found.update(one.id for one in _from(window, marked))
            marked = len(window)
    return found


def _from(window: Sequence[Seen], start: int) -> Iterable[Seen]:
    # From the right end: a deque reaches its ends at once, its middle slowly.
    return (window[-back] for back in range(1, len(window) - start + 1))
