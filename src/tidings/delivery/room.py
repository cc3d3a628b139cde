"""Room in the pages of SQLite for what the marks will add to the rows of a claim.

Rows are planned one after another and fill their pages. A mark makes a row longer (when it was started, when accepted,
the provider's name for it), so every second group of marks would find a page full and share its rows out over new ones,
which costs as much again as the marks. PostgreSQL leaves room by its `fillfactor`; here a claim, which writes all its
rows anyway, makes some of them long for a moment, so that the pages are shared out once and for all at the same time.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from tidings.delivery.asking import Question, among
from tidings.store.tables import sending

# Every so many messages one has so many bytes for a moment: 64 a message, twice what marks add where names are short.
_EVERY, _BYTES = 4, 256
# Below this the marks of a whole claim find hardly a page to share out.
_FEWEST = 50

_messages = sending.messages
_one_in_some = _messages.c.id % _EVERY == 0


def makes_room(dialect: str, count: int) -> bool:
    """Tell whether a claim of so many messages should make room."""
    return dialect == "sqlite" and count >= _FEWEST


def long_for_a_moment() -> dict[str, Any]:
    """Return what the statement that claims writes besides, so that pages are shared out."""
    ref = _messages.c.provider_ref
    # A name that is there stays: no text is a blob, by which the next statement knows what to take back.
    return {
        "provider_ref": sa.case(
            (sa.and_(_one_in_some, ref.is_(None)), sa.func.zeroblob(_BYTES, type_=sa.Text)), else_=ref
        )
    }


@cache
def short_again(*, spanned: bool) -> Question:
    """Return the statement, to follow in the same transaction, that takes it back."""
    ref = _messages.c.provider_ref
    statement = (
        sa.update(_messages)
        .where(among("sqlite", spanned=spanned), _one_in_some, sa.func.typeof(ref) == "blob")
        .values(provider_ref=None)
    )
    return Question(statement, "sqlite")
