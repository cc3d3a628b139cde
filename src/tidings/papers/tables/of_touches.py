"""The tables of what customers met with and of what ads cost: what credit is given from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.clock import from_micros
from tidings.definitions.money import from_minor
from tidings.papers.tables.table import Cell, Column, Table
from tidings.store.tables import answers, people

if TYPE_CHECKING:
    from tidings.measurement.attribution.answer import Period
    from tidings.measurement.costs import CostLine

_touches, _customers = answers.touches, people.customers
_TOUCHES = (
    Column("at", "instant", "when it was"),
    Column("channel", "text", "channel of our message, or medium of the ad"),
    Column("kind", "text", "sent, opened, clicked, replied, redeemed, seen, visited or met"),
    Column("campaign", "text", "the campaign, where it was of one"),
    Column("customer", "text", "customer number; empty where nobody is known yet"),
    Column("message", "whole", "number of our message"),
    Column("source", "text", "who sold the ad, or where it was"),
    Column("matched_by", "text", "by what the customer was known: code, phone, e-mail, landing page"),
    Column("cost", "money", "what this one touch cost, where a file says so"),
    Column("currency", "text", "of the cost"),
)
_COSTS = (
    Column("month", "text", "2027-03"),
    Column("source", "text", "who was paid"),
    Column("medium", "text", "for what kind of ad"),
    Column("campaign", "text", "our campaign; empty where the name matches none"),
    Column("label", "text", "how the file calls what matches no campaign"),
    Column("amount", "money", "net of tax"),
    Column("currency", "text", "of the amount"),
    Column("clicks", "whole", "where the file tells them"),
    Column("impressions", "whole", "where the file tells them"),
    Column("per_click", "money", "amount over clicks"),
)


def touches_table(connection: sa.Connection, period: Period) -> Table:
    """Return every touch of a period as it is stored, in the order of time."""
    found = connection.execute(
        sa.select(
            _touches.c.at, _touches.c.channel, _touches.c.kind, _touches.c.campaign, _customers.c.key, _touches.c.message_id,
            _touches.c.source, _touches.c.matched_by, _touches.c.cost, _touches.c.currency,
        )
        .select_from(_touches.outerjoin(_customers, _customers.c.id == _touches.c.customer_id))
        .where(_touches.c.at >= period.opens, _touches.c.at < period.closes)
        .order_by(_touches.c.at, _touches.c.id)
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (from_micros(at), *told, None if cost is None else from_minor(cost, currency or ""), currency)
        for at, *told, cost, currency in found
    ]
    words = () if rows else ("No touch is stored in this time; `tidings attribute` brings them up to date.",)
    return Table("touches", _TOUCHES, rows, words)


def costs_table(lines: tuple[CostLine, ...]) -> Table:
    """Return the costs by month, source, medium and campaign."""
    rows: list[tuple[Cell, ...]] = [
        (
            one.month, one.source, one.medium, one.campaign, one.label or None, from_minor(one.amount, one.currency),
            one.currency, one.clicks, one.impressions, None if one.per_click is None else float(one.per_click),
        )
        for one in lines
    ]  # fmt: skip
    words = () if rows else ("No costs are known in this time: a file of `kind: costs` brings them.",)
    return Table("costs", _COSTS, rows, words)
