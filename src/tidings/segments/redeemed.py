"""Codes that were redeemed, as happenings of a customer: those that count, from orders and from tills alike.

They are read from the table that judges them, so one that was taken back, that came too late or that an order told once more is
none. Who asks brings that table up to date first (`measurement.redemptions`).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa

from tidings.definitions.conditions import DidCondition
from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.kinds.flow import Start, WaitFor
from tidings.definitions.kinds.rules import REDEEMED
from tidings.definitions.workspace import Definitions
from tidings.errors import Position
from tidings.segments.comparing import Value
from tidings.segments.scope import refused
from tidings.store.tables import money

redemptions = money.redemptions
COUNTS = redemptions.c.judged == "good"
_COLUMNS: dict[str, sa.ColumnElement[Any]] = {
    "code": redemptions.c.code,
    "offer": redemptions.c.offer,
    "order": redemptions.c.order_key,
    "discount": redemptions.c.discount,
}


def redeemed_value(name: str, at: Position | None) -> Value:
    """Return what is known of a redemption (`code`, `offer`, `order`, `discount`) out of its row."""
    declared = REDEEMED.property(name)
    if declared is None:
        known = ", ".join(_COLUMNS)
        raise refused(f'{REDEEMED.name} has no property "{name}"', at, f"it has {known}")
    currency = redemptions.c.currency if declared.type == "money" else None
    return Value(_COLUMNS[name], declared.type, name, currency_sql=currency, at=at)


def asks_for_redemptions(definitions: Definitions) -> bool:
    """Tell whether a segment, a campaign or a flow asks for redemptions."""
    return any(
        _names_them(one)
        for those in (definitions.segments, definitions.campaigns, definitions.flows)
        for one in those.values()
    )


def _names_them(value: object) -> bool:
    if isinstance(value, DidCondition | Start | WaitFor) and value.event == REDEEMED.name:
        return True
    if isinstance(value, Goal) and value.did == REDEEMED.name:
        return True
    if dataclasses.is_dataclass(value):
        return any(_names_them(getattr(value, field.name)) for field in dataclasses.fields(value))
    return isinstance(value, tuple | list) and any(map(_names_them, value))
