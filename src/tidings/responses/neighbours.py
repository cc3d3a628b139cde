"""Hits among the others near them in the store: which signs of several hits they show together. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from tidings.responses.classify import LEAST_LOOK, PICTURE_SPAN, SOON, Hit, read_signals, seen, signals_alone
from tidings.responses.crowds import (
    BURST_RECIPIENTS,
    BURST_SPAN,
    REACH,
    Seen,
    combed,
    echoed,
    first_then_last,
    hurried,
    in_turns,
    link_sweeps,
    many_networks,
    network_bursts,
    of_hands,
    trapped,
)
from tidings.responses.networks import Networks
from tidings.store.tables import answers, sending

_hits, _messages, _responses = answers.hits, sending.messages, answers.responses
_BURST = "network_burst"
_AT_ONCE = 1_000

# Written once: to put a statement together costs more than a small batch takes to be read.
_AROUND = (
    sa.select(
        _hits.c.id,
        _hits.c.kind,
        _hits.c.method,
        _hits.c.message_id,
        _hits.c.url,
        _hits.c.at,
        _hits.c.network,
        _hits.c.user_agent,
        _hits.c.detail,
        _responses.c.signals,
        _responses.c.reason,
    )
    .select_from(_hits.outerjoin(_responses, _responses.c.hit_id == _hits.c.id))
    .where(
        _hits.c.kind.in_(("open", "click")),
        _hits.c.message_id.in_(sa.bindparam("messages", expanding=True)),
        _hits.c.at.between(sa.bindparam("earliest"), sa.bindparam("latest")),
    )
)
_LAST_MINUTE = _hits.c.at.between(sa.bindparam("last_minute"), sa.bindparam("latest"))
_CROWDS = (
    sa.select(
        _hits.c.network,
        # A message has one recipient: there are at least as many messages as recipients.
        sa.func.count(_hits.c.message_id.distinct()),
        sa.func.count(sa.case((_LAST_MINUTE, _messages.c.customer_id)).distinct()),
        sa.func.count(_responses.c.id),
    )
    .select_from(
        _hits.join(_messages, _messages.c.id == _hits.c.message_id).outerjoin(
            _responses,
            sa.and_(
                _responses.c.hit_id == _hits.c.id,
                sa.func.coalesce(_responses.c.signals, "").not_like(f"%{_BURST}%"),
            ),
        )
    )
    .where(
        _hits.c.kind == "click",
        _hits.c.network.in_(sa.bindparam("networks", expanding=True)),
        _hits.c.at.between(sa.bindparam("earliest"), sa.bindparam("until")),
    )
    .group_by(_hits.c.network)
)


@dataclass(frozen=True, slots=True)
class Around:
    """What hits show together, by the ids of hits, given and stored ones.

    `pictured` tells of clicks so fast that it matters whether a picture of their message was loaded before.
    """

    signals: Mapping[int, frozenset[str]]
    pictured: Mapping[int, bool]

    def of(self, hit_id: int, own: frozenset[str]) -> frozenset[str]:
        """Return all signals of a hit, given those of its own and those that it may have had before."""
        found = own | self.signals.get(hit_id, frozenset())
        if hit_id in self.pictured and not found.isdisjoint(("fast", "prompt", "hurried")):
            return found - {"no_picture"} if self.pictured[hit_id] else found | {"no_picture"}
        return found


def look_around(
    connection: sa.Connection, hits: Sequence[Hit], networks: Networks, *, anew: bool = False
) -> Around:
    """Return what hits show together with the stored ones near them; hits of the store may be among those given.

    `anew`: nothing that is judged already is relied on.
    """
    asked = [hit for hit in hits if hit.kind in ("open", "click")]
    if not asked:
        return Around({}, {})
    stored, told = _same_messages(connection, asked)
    known = {hit.id for hit in asked}
    near = sorted(
        [*asked, *(one for one in stored if one.id not in known)],
        key=lambda hit: (hit.message_id, hit.at, hit.id),
    )
    alone = {hit.id: signals_alone(hit, networks) for hit in near}
    looked = [seen(hit, alone[hit.id]) for hit in near]
    clicks = [one for one in looked if one.kind == "click"]
    bursts = bursts_around(
        connection, [hit for hit in (near if anew else asked) if hit.kind == "click"], networks, anew=anew
    )
    if not anew:
        bursts += [
            _as_seen(hit) for hit in near if hit.kind == "click" and _BURST in told.get(hit.id, frozenset())
        ]
    found: dict[int, set[str]] = {}
    hurry = hurried(clicks)
    by_hand = sorted(clicks, key=lambda one: (one.message_id, one.hand[0] or "", one.hand[1], one.at))
    behaved = {
        "swept_links": link_sweeps(clicks),
        "first_then_last": first_then_last(clicks),
        "combed": combed(by_hand),
        "in_turns": in_turns(clicks),
        "hasty": {hit.id for hit in near if hit.id in hurry and _soon(hit)},
    }
    given_away = {hit_id for hit_id, signs in alone.items() if "too_fast" in signs}.union(*behaved.values())
    for name, ids in (
        *behaved.items(),
        ("same_hand", of_hands(looked, given_away)),
        ("echoed", echoed(clicks)),
        ("blind", _blind(near)),
        ("hurried", hurry),
        ("many_networks", many_networks(looked)),
        ("trap", trapped(looked)),
        (_BURST, {one.id for one in bursts} | _opens_with(connection, bursts, near)),
    ):
        for hit_id in ids:
            found.setdefault(hit_id, set()).add(name)
    earliest, latest = _reach(asked, PICTURE_SPAN)
    return Around(
        {hit_id: frozenset(names) for hit_id, names in found.items()},
        {hit.id: pictured for hit, pictured in _pictured(near) if earliest <= hit.at <= latest},
    )


def bursts_around(
    connection: sa.Connection, clicks: Sequence[Hit], known: Networks, *, anew: bool = False
) -> list[Seen]:
    """Return given and stored clicks in a burst, of the stored ones at least those that are not known to be in one.

    One statement tells of most networks that there can be no burst, or that all given clicks lie in one whose stored
    clicks are judged; only of the others, where a burst begins or ends, the clicks themselves are read.
    """
    by_network: dict[str, list[Hit]] = {}
    for hit in clicks:
        # A network of machines is known without a crowd, and behind a relay there are many people.
        if hit.network is not None and known.kind(hit.network) is None:
            by_network.setdefault(hit.network, []).append(hit)
    if not by_network:
        return []
    crowds = _crowds(connection, by_network)
    found: list[Seen] = []
    unclear: list[Hit] = []
    for network, given in by_network.items():
        most, surely = crowds.get(network, (0, 0))
        if most + len({hit.customer_id for hit in given}) < BURST_RECIPIENTS:
            continue
        if surely >= BURST_RECIPIENTS and not anew:
            found += map(_as_seen, given)
        else:
            unclear += given
    return [*found, *_bursts_read(connection, unclear)]


def _same_messages(
    connection: sa.Connection, hits: Sequence[Hit]
) -> tuple[list[Hit], dict[int, frozenset[str]]]:
    """Return the stored opens and clicks of the messages of some hits near them in time, and the signals they have."""
    of = {hit.message_id: hit for hit in hits}
    # As far again as a sign reaches: what a stored hit shows with those on its other side is seen whole.
    earliest, latest = _reach(hits, 2 * REACH)
    rows = connection.execute(_AROUND, {"messages": list(of), "earliest": earliest, "latest": latest}).all()
    found = []
    for row in rows:
        detail: Mapping[str, Any] = row.detail or {}
        found.append(
            replace(
                of[row.message_id],
                id=row.id,
                kind=row.kind,
                method=row.method,
                url=row.url or "",
                at=row.at,
                network=row.network,
                user_agent=row.user_agent or "",
                prefetch=bool(detail.get("prefetch")),
                machine=bool(detail.get("machine")),
            )
        )
    return found, {row.id: read_signals(row.signals, row.reason) for row in rows}


def _opens_with(connection: sa.Connection, bursts: Sequence[Seen], near: Sequence[Hit]) -> set[int]:
    """Return opens within 60 s of a click of a burst, of the same message and from the same network."""
    if not bursts:
        return set()
    clicked: dict[tuple[int, str | None], list[int]] = {}
    for click in bursts:
        clicked.setdefault((click.message_id, click.network), []).append(click.at)
    opens = [(hit.id, hit.message_id, hit.network, hit.at) for hit in near if hit.kind == "open"]
    others = sorted({one.message_id for one in bursts} - {hit.message_id for hit in near})
    instants = [one.at for one in bursts]
    for start in range(0, len(others), _AT_ONCE):
        select = sa.select(_hits.c.id, _hits.c.message_id, _hits.c.network, _hits.c.at).where(
            _hits.c.kind == "open",
            _hits.c.message_id.in_(others[start : start + _AT_ONCE]),
            _hits.c.at.between(min(instants) - BURST_SPAN, max(instants) + BURST_SPAN),
        )
        opens += [(row.id, row.message_id, row.network, row.at) for row in connection.execute(select)]
    return {
        hit_id
        for hit_id, message_id, network, at in opens
        if any(abs(at - click) <= BURST_SPAN for click in clicked.get((message_id, network), ()))
    }


def _pictured(near: Sequence[Hit]) -> Iterable[tuple[Hit, bool]]:
    """Yield the clicks on links of e-mails, and whether a picture was loaded before each when a person would have looked."""
    opened: dict[int, list[int]] = {}
    for hit in near:
        if hit.kind == "open":
            opened.setdefault(hit.message_id, []).append(hit.at)
    for hit in near:
        if hit.kind == "click" and hit.url in hit.wording.places:
            looks = opened.get(hit.message_id, ())
            yield hit, any(LEAST_LOOK <= hit.at - at <= PICTURE_SPAN for at in looks)


def _blind(near: Sequence[Hit]) -> set[int]:
    """Return clicks on links of e-mails whose picture the same program loaded less than a second before."""
    opened: dict[tuple[object, ...], list[int]] = {}
    for hit in near:
        if hit.kind == "open":
            opened.setdefault((hit.message_id, hit.network, hit.user_agent), []).append(hit.at)
    return {
        hit.id
        for hit in near
        if hit.kind == "click"
        and hit.url in hit.wording.places
        and any(
            0 <= hit.at - at < LEAST_LOOK
            for at in opened.get((hit.message_id, hit.network, hit.user_agent), ())
        )
    }


def _soon(hit: Hit) -> bool:
    """Tell whether the message was asked for within a minute after its delivery."""
    since = hit.since
    return since is not None and since < SOON


def _crowds(connection: sa.Connection, networks: Mapping[str, Sequence[Hit]]) -> dict[str, tuple[int, int]]:
    """Return of each network how many recipients its stored clicks near the given ones have at most, and surely.

    "Surely" counts the minute that ends with the latest given click, and is 0 where that minute does not hold all given
    clicks or where some stored click around is not known to be in a burst yet.
    """
    clicks = [hit for given in networks.values() for hit in given]
    earliest, latest = _reach(clicks, 0)
    found = connection.execute(
        _CROWDS,
        {
            "networks": list(networks),
            "earliest": earliest - BURST_SPAN,
            "last_minute": latest - BURST_SPAN,
            "latest": latest,
            "until": latest + BURST_SPAN,
        },
    )
    near = latest - earliest <= BURST_SPAN
    return {
        network: (most, surely if near and not unjudged else 0) for network, most, surely, unjudged in found
    }


def _bursts_read(connection: sa.Connection, clicks: Sequence[Hit]) -> list[Seen]:
    if not clicks:
        return []
    around = (
        sa.select(_hits.c.id, _hits.c.message_id, _messages.c.customer_id, _hits.c.at, _hits.c.network)
        .select_from(_hits.join(_messages, _messages.c.id == _hits.c.message_id))
        .where(
            _hits.c.kind == "click",
            _hits.c.network.in_(sorted({hit.network for hit in clicks if hit.network is not None})),
            _hits.c.at.between(*_reach(clicks, BURST_SPAN)),
        )
    )
    all_of_them = {hit.id: _as_seen(hit) for hit in clicks}
    for hit_id, message_id, customer_id, at, network in connection.execute(around):
        all_of_them.setdefault(hit_id, Seen(hit_id, "click", message_id, customer_id, "", at, network, 0))
    found = network_bursts(sorted(all_of_them.values(), key=lambda hit: (hit.network or "", hit.at)))
    return [all_of_them[hit_id] for hit_id in found]


def _as_seen(hit: Hit) -> Seen:
    return Seen(hit.id, hit.kind, hit.message_id, hit.customer_id, "", hit.at, hit.network, 0)


def _reach(hits: Iterable[Hit], span: int) -> tuple[int, int]:
    instants = [hit.at for hit in hits]
    return min(instants) - span, max(instants) + span
