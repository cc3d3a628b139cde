"""Where short links lead: looked up in the store, remembered, and without harm while the store is away."""

from __future__ import annotations

from collections import OrderedDict

import sqlalchemy as sa

from tidings.errors import StoreError
from tidings.flows.lazy_store import LazyStore
from tidings.store.tables import answers

_MOST = 20_000


class LinkTargets:
    """Called with the id of a row of `links`, returns its target; None when it cannot be looked up now.

    The row of a link never changes, so what was found once is right for ever. Threads may share it.
    """

    def __init__(self, store: LazyStore) -> None:
        self._store = store
        self._known: OrderedDict[int, str] = OrderedDict()

    def __call__(self, link_id: int) -> str | None:
        """Return where a link leads, None when that cannot be said now."""
        known = self._known.get(link_id)
        if known is not None:
            return known
        links = answers.links
        select = sa.select(links.c.url).where(links.c.id == link_id)
        try:
            target: str | None = self._store.ask(lambda connection: connection.execute(select).scalar())
        except StoreError:
            return None
        if target is not None:
            self._known[link_id] = target
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        return target
