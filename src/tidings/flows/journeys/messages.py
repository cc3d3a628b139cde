"""The messages of a step that sends: one row of the ledger for each treated customer, by the first channel that reaches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from tidings.campaigns.legs import UNREACHABLE, Leg, refused_by_all
from tidings.customers.house import RULES
from tidings.definitions.kinds.flow import Step
from tidings.definitions.values import Duration, Unit
from tidings.delivery.hours import hours_of
from tidings.flows.journeys.deciding import Sending, Walk, stage
from tidings.flows.journeys.due import Instants, after_expression, after_instant
from tidings.flows.journeys.parties import ToParty, send_to_party
from tidings.flows.journeys.verbs import TREATED
from tidings.store.tables import sending
from tidings.store.tables.base import Key

_metadata = sa.MetaData()
# TEMP: the areas in which messages of a kind may not leave now, and when they may.
hours = sa.Table(
    "flow_hours",
    _metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("area", sa.Text, primary_key=True),
    sa.Column("opens", sa.BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
)
# Windows open within sixty days, or never.
_AHEAD = timedelta(days=62) // timedelta(microseconds=1)


def look_up_hours(connection: sa.Connection, walk: Walk, needed: Sending) -> None:
    """Fill the temporary table with the areas of the staged customers where the hours of the message are over now."""
    areas = list(connection.execute(sa.select(stage.c.area).where(*TREATED).distinct()).scalars())
    connection.execute(hours.delete())
    closed = []
    for kind, window in needed.windows:
        found = hours_of(connection, areas, window, kind, walk.definitions.workspace.zone, walk.at)
        closed += [
            {"kind": kind, "area": area, "opens": hour.opens}
            for area, hour in found.items()
            if hour.opens is not None
        ]
    if closed:
        connection.execute(hours.insert(), closed)


def writing(dialect: str, walk: Walk, step: Step, needed: Sending, policy: str) -> sa.Insert:
    """Return the statement that writes the messages of the staged customers, planned or refused.

    Where no channel reaches the customer, the refusal is that of the first, because that is the one the author wanted.
    """
    chosen = pick(needed)
    source: sa.FromClause = stage
    due: Instants = stage.c.at
    if needed.windows:
        opens: list[tuple[sa.ColumnElement[bool], Instants]] = []
        for kind, _ in needed.windows:
            of_kind = hours.alias(f"hours_{kind}")
            source = source.outerjoin(
                of_kind, sa.and_(of_kind.c.area == stage.c.area, of_kind.c.kind == kind)
            )
            channels = [leg.channel for leg in needed.legs if leg.kind == kind]
            opens.append(
                (sa.and_(chosen["channel"].in_(channels), of_kind.c.opens.is_not(None)), of_kind.c.opens)
            )
        due = sa.case(*opens, else_=stage.c.at)
    rows = message_rows(walk, step, needed, policy, chosen, due)
    source_rows = (
        sa.select(stage.c.enrolment_id, stage.c.customer_id, stage.c.variant, *rows.values())
        .select_from(source)
        .where(*TREATED)
        .order_by(stage.c.enrolment_id)
    )
    names = ["enrolment_id", "customer_id", "variant", *rows]
    if dialect == "sqlite":
        return sqlite.insert(sending.messages).from_select(names, source_rows).on_conflict_do_nothing()
    # The lock of the walk keeps others from writing these: to look beforehand is enough, and costs PostgreSQL less than to
    # be ready for a conflict in each of the unique indexes.
    messages = sending.messages
    there = sa.exists(
        sa.select(sa.literal_column("1"))
        .where(messages.c.enrolment_id == stage.c.enrolment_id, messages.c.step == step.name)
        .correlate(stage)
    )
    return sa.insert(messages).from_select(names, source_rows.where(~there))


def refused_now(needed: Sending) -> sa.ColumnElement[bool]:
    """Return the condition that a staged customer gets a message that is refused."""
    return sa.and_(*TREATED, pick(needed)["code"].is_not(None))


def write_to_parties(connection: sa.Connection, walk: Walk, step: Step, policy: str) -> tuple[int, int]:
    """Write the messages of the staged customers to their other parties; return planned and refused ones."""
    reached = sa.select(stage.c.enrolment_id, stage.c.party).where(*TREATED).subquery("reached")
    what = ToParty(
        flow=walk.flow,
        step=step,
        definitions=walk.definitions,
        run_id=walk.run_id,
        version=walk.version,
        at=walk.at,
        due_at=walk.at,
        expires_at=after_instant(walk.at, _length(walk, step), walk.zone),
        policy_hash=policy,
    )
    done = send_to_party(connection, reached, what)
    return done.planned, done.refused


def _length(walk: Walk, step: Step) -> Duration:
    return step.expires or Duration(walk.definitions.policies.expires_after_hours, Unit.HOUR)


def message_rows(
    walk: Walk,
    step: Step,
    needed: Sending,
    policy: str,
    chosen: dict[str, sa.ColumnElement[Any]],
    due: Instants,
) -> dict[str, sa.ColumnElement[Any]]:
    """Return the columns of a message that do not say whom it goes to."""
    refused = chosen["code"].is_not(None)
    latest = walk.at + (_AHEAD if needed.windows else 0)
    return {
        "run_id": sa.literal(walk.run_id, Key),
        "step": sa.literal(step.name, sa.Text),
        "leg": chosen["leg"],
        "channel": chosen["channel"],
        "state": sa.case((refused, "refused"), else_="planned"),
        "is_open": chosen["code"].is_(None),
        "due_at": due,
        "expires_at": after_expression(due, _length(walk, step), walk.zone, walk.at - _AHEAD, latest),
        "attempt": sa.literal(0),
        "version": sa.literal(walk.version),
        "finished_at": sa.case((refused, sa.literal(walk.at, sa.BigInteger))),
        "refusal_code": chosen["code"],
        "refusal_rule": _rule(needed, chosen["code"]),
        "policy_hash": sa.case((refused, sa.literal(policy, sa.Text))),
    }


def _rule(needed: Sending, code: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Return the rule behind a refusal, in the words of the gate."""
    kind, topic = first_leg(needed).kind, needed.campaign.topic
    consent = f"consent/{kind}/{needed.purpose.name}{f'/{topic}' if topic else ''}"
    return sa.case(
        (code.is_(None), sa.null()),
        (code.in_(["no_address", "invalid_address"]), f"address/{kind}"),
        *((code == one, rule) for one, rule in RULES.items()),
        (code == UNREACHABLE, "via"),
        (sa.func.substr(code, 1, 11) == "suppressed_", "suppressions"),
        else_=consent,
    )


def first_leg(needed: Sending) -> Leg:
    """Return the leg that the author wanted most: its refusal is the one that is stored."""
    return next((leg for leg in needed.legs if not leg.chosen), needed.legs[0])


def pick(needed: Sending, rows: sa.FromClause = stage) -> dict[str, sa.ColumnElement[Any]]:
    """Return channel, leg and refusal code of rows that have the code of each kind, and the customer's choice.

    The channel is the first of `via` that may reach the customer.
    """
    first = first_leg(needed)
    codes = {leg.kind: rows.c[f"{leg.kind}_code"] for leg in needed.legs}
    if len(needed.legs) == 1:
        return {
            "channel": sa.literal(first.channel, sa.Text),
            "leg": sa.literal(first.position),
            "code": codes[first.kind],
        }
    opened = [
        codes[leg.kind].is_(None)
        if leg.for_everybody
        else sa.and_(codes[leg.kind].is_(None), leg.meant(rows.c.choice))
        for leg in needed.legs
    ]
    pairs: Sequence[Any] = list(zip(opened, needed.legs, strict=True))
    return {
        "channel": sa.case(*[(test, leg.channel) for test, leg in pairs], else_=first.channel),
        "leg": sa.case(*[(test, leg.position) for test, leg in pairs], else_=first.position),
        "code": sa.case(*[(test, sa.null()) for test in opened], else_=refused_by_all(codes, first)),
    }
