"""New clicks among the stored ones near them: which sweeps and bursts they complete. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from tidings.responses.classify import (
    BURST_RECIPIENTS,
    BURST_SPAN,
    SWEEP_LINKS,
    SWEEP_SPAN,
    Follow,
    Hit,
    link_sweeps,
    network_bursts,
)
from tidings.store.tables import answers, sending

_hits, _messages, _responses = answers.hits, sending.messages, answers.responses

# Written once: to put a statement together costs more than a small batch takes to be read.
_FOLLOWED = sa.select(_hits.c.id, _hits.c.message_id, _hits.c.url, _hits.c.at).where(
    _hits.c.kind == "click",
    _hits.c.message_id.in_(sa.bindparam("messages", expanding=True)),
    _hits.c.at.between(sa.bindparam("earliest"), sa.bindparam("latest")),
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
            _responses, sa.and_(_responses.c.hit_id == _hits.c.id, _responses.c.judged != "machine")
        )
    )
    .where(
        _hits.c.kind == "click",
        _hits.c.network.in_(sa.bindparam("networks", expanding=True)),
        _hits.c.at.between(sa.bindparam("earliest"), sa.bindparam("until")),
    )
    .group_by(_hits.c.network)
)


def sweeps_around(connection: sa.Connection, clicks: Sequence[Hit]) -> set[int]:
    """Return the ids of new and stored clicks that are in a sweep together."""
    links = {hit.message_id: hit.links for hit in clicks if hit.links >= SWEEP_LINKS}
    if not links:
        return set()
    earliest, latest = _reach(clicks, SWEEP_SPAN)
    around = connection.execute(_FOLLOWED, {"messages": list(links), "earliest": earliest, "latest": latest})
    before = [
        Follow(hit_id, message_id, 0, url or "", at, None, links[message_id])
        for hit_id, message_id, url, at in around
    ]
    return link_sweeps(sorted([*before, *clicks], key=lambda hit: (hit.message_id, hit.at)))


def bursts_around(connection: sa.Connection, clicks: Sequence[Hit]) -> set[int]:
    """Return new and stored clicks in a burst, of the stored ones at least those that are not machine yet.

    One statement tells of most networks that there can be no burst, or that all new clicks lie in one whose stored
    clicks are judged; only of the others, where a burst begins or ends, the clicks themselves are read.
    """
    networks: dict[str, list[Hit]] = {}
    for hit in clicks:
        if hit.network is not None:
            networks.setdefault(hit.network, []).append(hit)
    if not networks:
        return set()
    crowds = _crowds(connection, networks)
    found: set[int] = set()
    unclear: list[Hit] = []
    for network, new in networks.items():
        most, surely = crowds.get(network, (0, 0))
        if most + len({hit.customer_id for hit in new}) < BURST_RECIPIENTS:
            continue
        if surely >= BURST_RECIPIENTS:
            found.update(hit.id for hit in new)
        else:
            unclear += new
    return found | _bursts_read(connection, unclear)


def _crowds(connection: sa.Connection, networks: Mapping[str, Sequence[Hit]]) -> dict[str, tuple[int, int]]:
    """Return of each network how many recipients its stored clicks near the new ones have at most, and surely.

    "Surely" counts the minute that ends with the latest new click, and is 0 where that minute does not hold all new
    clicks or where some stored click around is not judged as machine yet.
    """
    clicks = [hit for new in networks.values() for hit in new]
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


def _bursts_read(connection: sa.Connection, clicks: Sequence[Hit]) -> set[int]:
    if not clicks:
        return set()
    around = (
        sa.select(_hits.c.id, _hits.c.message_id, _messages.c.customer_id, _hits.c.at, _hits.c.network)
        .select_from(_hits.join(_messages, _messages.c.id == _hits.c.message_id))
        .where(
            _hits.c.kind == "click",
            _hits.c.network.in_(sorted({hit.network for hit in clicks if hit.network is not None})),
            _hits.c.at.between(*_reach(clicks, BURST_SPAN)),
        )
    )
    before = [
        Follow(hit_id, message_id, customer_id, "", at, network, 0)
        for hit_id, message_id, customer_id, at, network in connection.execute(around)
    ]
    return network_bursts(sorted([*before, *clicks], key=lambda hit: (hit.network or "", hit.at)))


def _reach(clicks: Sequence[Hit], span: int) -> tuple[int, int]:
    instants = [hit.at for hit in clicks]
    return min(instants) - span, max(instants) + span
