"""A goal that is an answer to the message itself: only those written to can have it, so variants compare, holdouts do not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.definitions.kinds.rules import REDEEMED
from tidings.measurement.arms import ReportedRun
from tidings.measurement.metrics import COUNTED, Arm, Measured, Metric, arm_name
from tidings.measurement.windows import Windows
from tidings.segments.redeemed import COUNTS
from tidings.statistics.sums import Moments
from tidings.store.tables import answers, money, sending

_messages = sending.messages
_enrolments = sending.enrolments
_responses = answers.responses
_redemptions = money.redemptions
# Who complained had got it. What became of a message is known only as it stands now, without an instant.
_LEDGER: dict[str, sa.ColumnElement[bool]] = {
    "delivered": _messages.c.state.in_(["delivered", "complained"]),
    "bounced": _messages.c.state == "bounced",
    "spam_reported": _messages.c.state == "complained",
}


def response_metric(
    connection: sa.Connection,
    did: str,
    *,
    run: ReportedRun,
    arms: tuple[Arm, ...],
    window: Windows,
    as_of: datetime,
    tests: Sequence[sa.ColumnElement[bool]] = (),
) -> Measured:
    """Return the share of customers who answered as a human within the window, for every arm written to.

    `tests` are further conditions on redemptions, of codes that these messages gave. Where accounts were drawn each gets one message, and the share is that of accounts.
    """
    if did == "converted":
        return Measured((), ("A goal cannot be `converted`: say which event means success.",))
    enrolled = _enrolments.join(_messages, _messages.c.enrolment_id == _enrolments.c.id)
    source: sa.FromClause = enrolled
    conditions: list[Any] = [_messages.c.run_id == run.id, COUNTED]
    if did in _LEDGER:
        conditions.append(_LEDGER[did])
    elif did == "sent":
        at = _messages.c.accepted_at
        conditions += [at >= _enrolments.c.anchor_at, at < window.closes, at < to_micros(as_of)]
    elif did == REDEEMED.name:
        at = _redemptions.c.at
        source = enrolled.join(_redemptions, _redemptions.c.message_id == _messages.c.id)
        conditions += [
            COUNTS, *tests, at >= _enrolments.c.anchor_at, at < window.closes, at < to_micros(as_of),
        ]  # fmt: skip
    else:
        at = _responses.c.at
        source = enrolled.join(_responses, _responses.c.message_id == _messages.c.id)
        conditions += [
            _responses.c.kind == did,
            _responses.c.judged == "human",
            at >= _enrolments.c.anchor_at,
            at < window.closes,
            at < to_micros(as_of),
        ]
    rows = connection.execute(
        sa.select(_enrolments.c.arm, _enrolments.c.variant, sa.func.count(sa.distinct(_enrolments.c.id)))
        .select_from(source)
        .where(*conditions)
        .group_by(_enrolments.c.arm, _enrolments.c.variant)
    ).all()
    counts = {arm_name(arm, variant): int(count) for arm, variant, count in rows}
    asked = {arm.name: arm.customers if arm.accounts is None else arm.accounts for arm in arms}
    moments = {
        name: Moments(size, np.array([float(counts.get(name, 0))]), np.array([[float(counts.get(name, 0))]]))
        for name, size in asked.items()
    }
    some = {arm.name: counts.get(arm.name, 0) for arm in arms}
    metric = Metric(did, did.capitalize().replace("_", " "), "share", moments, some, every_arm=False)
    note = f"Only people who were written to can have `{did}`, so it compares variants and says nothing about lift."
    return Measured((metric,), (note,))
