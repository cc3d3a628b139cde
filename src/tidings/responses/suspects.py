"""Networks in no list whose clicks behave like a filter's: for somebody to look at and to name in config/networks.txt."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tidings.responses.networks import Networks
from tidings.store.tables import answers

# So many customers, and at least a third of all behind the network, have clicks there that no person makes.
LEAST, THIRD = 3, 3
MOST_SHOWN = 20
_BEHAVED = (
    "trap", "too_fast", "swept_links", "first_then_last", "combed", "hasty", "in_turns", "echoed", "blind", "same_hand",
)  # fmt: skip
_hits, _responses = answers.hits, answers.responses


@dataclass(frozen=True, slots=True)
class Suspect:
    """A network: how many customers have clicks from it, clicks that no person makes, clicks that were taken for people's."""

    network: str
    customers: int
    given_away: int
    taken_for_people: int


def suspects(
    connection: sa.Connection, networks: Networks, *, since: int | None = None, until: int | None = None
) -> list[Suspect]:
    """Return up to 20 networks by the judgements in the store, those with most customers first.

    Not those in a list, and not those behind which somebody ordered, or acted on a page: people use them as well.
    """
    within: list[sa.ColumnElement[bool]] = [_hits.c.kind == "click", _hits.c.network.is_not(None)]
    within += [] if since is None else [_hits.c.at >= since]
    within += [] if until is None else [_hits.c.at < until]
    signals = sa.func.coalesce(_responses.c.signals, "")

    def customers(condition: sa.ColumnElement[bool]) -> sa.Function[int]:
        return sa.func.count(sa.case((condition, _responses.c.customer_id)).distinct())

    everybody = sa.func.count(_responses.c.customer_id.distinct())
    given_away = customers(_responses.c.reason.in_(_BEHAVED))
    rows = connection.execute(
        sa.select(_hits.c.network, everybody, given_away, customers(_responses.c.judged == "human"))
        .select_from(_hits.join(_responses, _responses.c.hit_id == _hits.c.id))
        .where(*within)
        .group_by(_hits.c.network)
        .having(
            given_away >= LEAST,
            THIRD * given_away >= everybody,
            customers(signals.like("%ordered%") | signals.like("%visited%")) == 0,
        )
        .order_by(everybody.desc(), _hits.c.network)
    )
    found = (Suspect(*row) for row in rows if networks.kind(row.network) is None)
    return [one for one, _ in zip(found, range(MOST_SHOWN), strict=False)]
