"""Who has got as much already as a frequency cap or the limit of their account allows, as far as that is known when planning."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import sqlalchemy as sa

from tidings.campaigns.staging import stage
from tidings.clock import from_micros, local_day
from tidings.definitions.kinds.rules import Cap, Purpose
from tidings.definitions.workspace import Definitions
from tidings.segments.scope import Scope
from tidings.store.tables import people, sending

CAP, ACCOUNT = "frequency_cap", "account_limit"
# Classes that an account's limit is about: nobody is denied what a contract or the law says they get.
LIMITED = ("marketing", "survey")
_use, _customers = sending.cap_use, people.customers


def refuse_capped(
    connection: sa.Connection, definitions: Definitions, purpose: Purpose, scope: Scope, anchor: int
) -> None:
    """Refuse those of the stage for whom no room is left on the day of `anchor`, by what is reserved now.

    The claim asks again: until then more may be sent, or a message given back.
    """
    day = local_day(from_micros(anchor), scope.zone)
    full = _full(purpose.cap, (purpose.message_class,), _use.c.customer_id, day)
    if full is not None:
        _refuse(connection, CAP, stage.c.customer_id.in_(full))
    if purpose.message_class in LIMITED:
        accounts = _full(definitions.policies.account_limit, LIMITED, _customers.c.account, day)
        if accounts is not None:
            of_them = sa.select(_customers.c.id).where(_customers.c.account.in_(accounts))
            _refuse(connection, ACCOUNT, stage.c.customer_id.in_(of_them))


def _full(
    caps: Iterable[Cap], classes: Iterable[str], by: sa.ColumnElement[object], day: date
) -> sa.CompoundSelect[tuple[object]] | None:
    """Return the customers (or accounts) that have used up one of the caps, None where there is no cap."""
    parts = [
        sa.select(by)
        .select_from(_use.join(_customers, _customers.c.id == _use.c.customer_id))
        .where(
            _use.c.cap.in_(list(classes)),
            _use.c.period >= (day - timedelta(days=cap.days - 1)).isoformat(),
            _use.c.released_at.is_(None),
            by.is_not(None),
        )
        .group_by(by)
        .having(sa.func.count() >= cap.count)
        for cap in caps
    ]
    return sa.union_all(*parts) if parts else None


def _refuse(connection: sa.Connection, code: str, which: sa.ColumnElement[bool]) -> None:
    connection.execute(
        sa.update(stage)
        .where(stage.c.code.is_(None), stage.c.copied.is_(sa.false()), which)
        .values(code=code)
    )
