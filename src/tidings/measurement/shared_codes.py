"""Codes that all customers share, as the offers of campaigns and flows name them, and what their redemptions count for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.promises import Promise, promise_of
from tidings.campaigns.steps import as_campaign, send_steps
from tidings.customers.knowing import listed, one_of
from tidings.definitions.values import Duration
from tidings.definitions.workspace import Definitions
from tidings.store.tables import money

_given = money.offers_given


@dataclass(slots=True)
class Shared:
    """One code and the promises that name it."""

    code: str
    promises: list[Promise] = field(default_factory=list)

    def judge(self, connection: sa.Connection, came: Sequence[Any]) -> None:
        """Judge redemptions of the code, in order: each for the latest promise that was made to its customer before it.

        Whoever was promised nothing has heard of the code from somebody else: it counts, without a message.
        """
        made = self._made(connection, {one.customer_id for one in came if one.customer_id is not None})
        counted: dict[int, list[int]] = defaultdict(list)
        for one in came:
            one.whose = one.customer_id
            mine = [row for row in made.get(one.customer_id or 0, ()) if row.at <= one.at]
            promise = self._named(mine[-1].offer) if mine else self._alone()
            one.offer = promise.name if promise else None
            one.message_id = mine[-1].message_id if mine else None
            ends_at = mine[-1].ends_at if mine else _fixed_end(promise, one.at)
            earlier = counted[one.customer_id or 0]
            if ends_at is not None and one.at >= ends_at:
                one.judged = "ended"
            elif one.customer_id is not None and _used_up(promise, earlier, one.at):
                one.judged = "again"
            else:
                one.judged = "good"
                earlier.append(one.at)

    def _made(self, connection: sa.Connection, customers: Iterable[int]) -> dict[int, list[Any]]:
        dialect = connection.dialect.name
        found: dict[int, list[Any]] = defaultdict(list)
        rows = connection.execute(
            sa.select(_given)
            .where(
                one_of(_given.c.customer_id, dialect), _given.c.offer.in_([one.name for one in self.promises])
            )
            .order_by(_given.c.at, _given.c.message_id),
            listed(dialect, list(customers)),
        )
        for row in rows:
            found[row.customer_id].append(row)
        return found

    def _named(self, name: str) -> Promise | None:
        return next((one for one in self.promises if one.name == name), None)

    def _alone(self) -> Promise | None:
        return self.promises[0] if len(self.promises) == 1 else None


def shared_codes(definitions: Definitions) -> dict[str, Shared]:
    """Return the codes that offers of campaigns and flows name, by the code as it is written and in capital letters."""
    zone, found = definitions.workspace.zone, dict[str, Shared]()
    promises = [promise_of(one, zone) for one in definitions.campaigns.values()]
    for flow in definitions.flows.values():
        for step in send_steps(flow):
            promises.append(promise_of(as_campaign(flow, step, definitions), zone, step.name))
    for promise in promises:
        if promise is not None and promise.offer.code:
            found.setdefault(promise.offer.code, Shared(promise.offer.code)).promises.append(promise)
    return found


def _fixed_end(promise: Promise | None, at: int) -> int | None:
    """Return when an offer ends that ends for everybody at once; after sending it does not end for who got no message."""
    if promise is None or isinstance(promise.offer.ends, Duration):
        return None
    return promise.ends_at(at)


def _used_up(promise: Promise | None, earlier: Sequence[int], at: int) -> bool:
    at_most = promise.offer.at_most if promise else None
    if promise is None or at_most is None:
        return False
    since = promise.since(at)
    return sum(1 for one in earlier if since is None or one >= since) >= at_most.count
