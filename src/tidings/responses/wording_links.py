"""What links the words of a message have: how many, which comes first and last, which nobody can see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from tidings.delivery.wordings import FIRST_POSITION
from tidings.responses.crowds import FIRST, LAST, TRAP, Wording
from tidings.store.tables import answers
from tidings.templates.markup import TRAP_END

# Positions of links in texts and on pages begin here (delivery.wordings).
_OF_EMAIL = FIRST_POSITION["sms"]
_links = answers.links

Wordings = dict[tuple[int, str, int, str | None], Wording]


def read_wordings(connection: sa.Connection, runs: Sequence[int]) -> Wordings:
    """Return the links of each e-mail (run, step, version, variant) of some runs.

    Scanners that open all links of a message read e-mails; a text or a fax of the same run has links of its own, and a
    link of both says nothing about the e-mail.
    """
    if not runs:
        return {}
    rows = connection.execute(
        sa.select(
            _links.c.run_id,
            _links.c.step,
            _links.c.version,
            _links.c.variant,
            _links.c.locale,
            _links.c.position,
            _links.c.url,
        )
        .where(_links.c.run_id.in_(runs))
        .order_by(_links.c.run_id, _links.c.position)
    )
    mailed: dict[tuple[int, str, int, str], dict[str, dict[str, None]]] = {}
    others: set[tuple[int, str]] = set()
    for run, step, version, variant, locale, position, url in rows:
        if position < _OF_EMAIL:
            mailed.setdefault((run, step, version, variant), {}).setdefault(locale, {})[url] = None
        else:
            others.add((run, url))
    # Messages of a campaign without variants have NULL, their links "".
    return {
        (run, step, version, variant or None): _wording(
            [list(urls) for urls in locales.values()], {url for where, url in others if where == run}
        )
        for (run, step, version, variant), locales in mailed.items()
    }


def _wording(locales: Iterable[Sequence[str]], others: set[str]) -> Wording:
    places: dict[str, int] = {}
    counts = []
    for urls in locales:
        visible = [url for url in urls if not url.endswith(TRAP_END)]
        counts.append(len(visible))
        for url in urls:
            first = FIRST if visible and url == visible[0] else 0
            last = LAST if visible and url == visible[-1] else 0
            places[url] = places.get(url, 0) | (first | last if url in visible else TRAP)
    return Wording(min(counts), {url: place for url, place in places.items() if url not in others})
