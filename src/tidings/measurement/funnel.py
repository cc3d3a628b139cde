"""From enrolled to converted, arm by arm, and why people got nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.measurement.accounts import UNIT, units
from tidings.measurement.metrics import COUNTED, Arm, arm_name, arm_place
from tidings.store.tables import answers, people, sending
from tidings.store.tables.sending import MESSAGE_STATES

_messages = sending.messages
_enrolments = sending.enrolments
_members = sending.plan_members
_responses = answers.responses

_WAITING = ("planned", "claimed", "started", "deferred")
_REACHED = ("accepted", "delivered", "complained", "in_doubt", "unconfirmed")


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """How far the messages of one arm came; counts of messages, from `converted` on of customers.

    `accepted` by the provider includes what bounced, was complained about or was never confirmed afterwards; `delivered` is None where
    no receipts came in. `opened` and `clicked` are by people (a click proves an opening); `machine` counts messages that
    only programs opened or clicked.
    """

    arm: str
    enrolled: int
    messages: int
    waiting: int
    accepted: int
    delivered: int | None
    in_doubt: int
    rejected: int
    bounced: int
    complained: int
    refused: int
    cancelled: int
    opened: int
    clicked: int
    machine: int
    unsubscribed: int
    converted: int | None

    def as_json(self) -> dict[str, Any]:
        """Return the row with stable keys."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Refusal:
    """How many got nothing for one reason; `when` is `planning` (they are in no arm) or `sending`."""

    code: str
    customers: int
    when: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How many messages of each arm stand in each state now; `single` where nobody has more than one."""

    states: dict[str, dict[str, int]]
    single: bool


def standing(connection: sa.Connection, run_id: int, arms: tuple[Arm, ...]) -> Standing:
    """Return where the messages of a run stand, by arm, those to staff and parties left out."""
    names = [arm.name for arm in arms]
    # One whole number for arm, state and whether there may be a message before it: sorting a large ledger by words takes twice as long.
    state = sa.case(
        {one: sa.literal_column(str(place), sa.Integer) for place, one in enumerate(MESSAGE_STATES)},
        value=_messages.c.state,
    )
    further = sa.case((sa.or_(_messages.c.leg != 0, _messages.c.step != "main"), 1), else_=0)
    each = (
        sa.select(((arm_place(names) * len(MESSAGE_STATES) + state) * 2 + further).label("place"))
        .select_from(_messages.join(_enrolments, _enrolments.c.id == _messages.c.enrolment_id))
        .where(_messages.c.run_id == run_id, COUNTED)
        .subquery("each")
    )
    states: dict[str, dict[str, int]] = {name: {} for name in names}
    single = True
    for place, messages in connection.execute(
        sa.select(each.c.place, sa.func.count()).group_by(each.c.place)
    ):
        arm, of_state = divmod(place // 2, len(MESSAGE_STATES))
        of_arm, name = states[names[arm]], MESSAGE_STATES[of_state]
        of_arm[name] = of_arm.get(name, 0) + int(messages)
        single &= place % 2 == 0
    return Standing(states, single)


def funnel(
    connection: sa.Connection,
    run_id: int,
    arms: tuple[Arm, ...],
    converted: dict[str, int],
    as_of: datetime,
    stand: Standing,
) -> tuple[FunnelRow, ...]:
    """Return one row for each arm; the states of messages are those of now, responses those before `as_of`."""
    states = stand.states
    answered = _answered(connection, run_id, arms, as_of)
    receipts = connection.execute(
        sa.select(sa.literal(1))
        .select_from(sending.receipts.join(_messages, _messages.c.id == sending.receipts.c.message_id))
        .where(_messages.c.run_id == run_id)
        .limit(1)
    ).first()
    rows = []
    for arm in arms:
        state, seen = states[arm.name], answered.get(arm.name, {})

        def count(*names: str, state: dict[str, int] = state) -> int:
            return sum(state.get(name, 0) for name in names)

        rows.append(
            FunnelRow(
                arm=arm.name,
                enrolled=arm.customers,
                messages=sum(state.values()),
                waiting=count(*_WAITING),
                accepted=count("accepted", "delivered", "bounced", "complained", "unconfirmed"),
                delivered=count("delivered", "complained") if receipts or count("delivered") else None,
                in_doubt=count("in_doubt"),
                rejected=count("rejected"),
                bounced=count("bounced"),
                complained=count("complained"),
                refused=count("refused"),
                cancelled=count("cancelled"),
                opened=seen.get("opened", 0),
                clicked=seen.get("clicked", 0),
                machine=seen.get("machine", 0),
                unsubscribed=seen.get("unsubscribed", 0),
                converted=converted.get(arm.name),
            )
        )
    return tuple(rows)


def reached(
    connection: sa.Connection, run_id: int, stand: Standing, *, accounts: bool = False
) -> dict[str, int]:
    """Return how many customers of each arm a message reached (or may have, where it is in doubt), as it stands now.

    Where `accounts` were drawn a message is for all of its account who are enrolled.
    """
    if stand.single and not accounts:
        counts = {
            arm: sum(states.get(state, 0) for state in _REACHED) for arm, states in stand.states.items()
        }
        return {arm: count for arm, count in counts.items() if count}
    got = (
        sa.select(_enrolments.c.id, _enrolments.c.customer_id, _enrolments.c.arm, _enrolments.c.variant)
        .select_from(_messages.join(_enrolments, _enrolments.c.id == _messages.c.enrolment_id))
        .where(_messages.c.run_id == run_id, _messages.c.state.in_(_REACHED), COUNTED)
        .distinct()
        .subquery("got")
    )
    if accounts:
        unit = units(run_id)
        mine = (
            sa.select(UNIT.label("unit"))
            .select_from(got.join(people.customers, people.customers.c.id == got.c.customer_id))
            .distinct()
        )
        counted = (
            sa.select(unit.c.arm, unit.c.variant, sa.func.sum(unit.c.size))
            .where(unit.c.unit.in_(mine))
            .group_by(unit.c.arm, unit.c.variant)
        )
    else:
        counted = sa.select(got.c.arm, got.c.variant, sa.func.count()).group_by(got.c.arm, got.c.variant)
    return {arm_name(arm, variant): int(count) for arm, variant, count in connection.execute(counted)}


def _answered(
    connection: sa.Connection, run_id: int, arms: tuple[Arm, ...], as_of: datetime
) -> dict[str, dict[str, int]]:
    """Return how many messages of each arm were opened, clicked and unsubscribed from."""
    names = [arm.name for arm in arms]

    def any_of(kinds: tuple[str, ...], judged: str) -> sa.ColumnElement[int]:
        return sa.func.max(
            sa.case((sa.and_(_responses.c.kind.in_(kinds), _responses.c.judged == judged), 1), else_=0)
        )

    per = (
        sa.select(
            sa.func.min(arm_place(names)).label("place"),
            any_of(("opened", "clicked"), "human").label("opened"),
            any_of(("clicked",), "human").label("clicked"),
            any_of(("opened", "clicked"), "machine").label("machine"),
            # Whoever the request came from, it is kept as a withdrawal.
            sa.func.max(sa.case((_responses.c.kind == "unsubscribed", 1), else_=0)).label("unsubscribed"),
        )
        .select_from(
            _messages.join(_responses, _responses.c.message_id == _messages.c.id).join(
                _enrolments, _enrolments.c.id == _messages.c.enrolment_id
            )
        )
        .where(_messages.c.run_id == run_id, _responses.c.at < to_micros(as_of), COUNTED)
        .group_by(_messages.c.id)
        .subquery("per")
    )
    only_machine = sa.case((sa.and_(per.c.machine == 1, per.c.opened == 0), 1), else_=0)
    rows = connection.execute(
        sa.select(
            per.c.place,
            sa.func.sum(per.c.opened).label("opened"),
            sa.func.sum(per.c.clicked).label("clicked"),
            sa.func.sum(only_machine).label("machine"),
            sa.func.sum(per.c.unsubscribed).label("unsubscribed"),
        ).group_by(per.c.place)
    )
    return {
        names[row.place]: {
            name: int(row._mapping[name]) for name in ("opened", "clicked", "machine", "unsubscribed")
        }
        for row in rows
    }


def refusals(connection: sa.Connection, run_id: int, plan_id: int | None) -> tuple[Refusal, ...]:
    """Return the reasons why people got nothing, those of the planning first, the most frequent first."""
    planned: list[Any] = []
    if plan_id is not None:
        planned = list(
            connection.execute(
                sa.select(_members.c.refusal_code, sa.func.count().label("customers"))
                .where(_members.c.plan_id == plan_id, _members.c.refusal_code.is_not(None))
                .group_by(_members.c.refusal_code)
            )
        )
    sent = connection.execute(
        sa.select(
            sa.func.coalesce(_messages.c.refusal_code, "unknown"),
            sa.func.count(sa.distinct(_messages.c.customer_id)).label("customers"),
        )
        .select_from(_messages.join(_enrolments, _enrolments.c.id == _messages.c.enrolment_id))
        .where(_messages.c.run_id == run_id, _messages.c.state == "refused", COUNTED)
        .group_by(_messages.c.refusal_code)
    )
    found = [Refusal(code, int(count), "planning") for code, count in planned]
    found += [Refusal(code, int(count), "sending") for code, count in sent]
    return tuple(sorted(found, key=lambda one: (one.when, -one.customers, one.code)))
