"""One conversion: its touches in order, the window of each, and what every model gives to each of them.

First, last, linear, time decay and position share this very path. Markov and Shapley weigh channels over all paths of the
period; on one path Markov shares by the removal effects of the channels that are on it, and Shapley, counting
conversions, gives every channel on it the same. Several touches of a channel share what it gets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from tidings.clock import from_micros, iso
from tidings.definitions.kinds.measuring import MODELS
from tidings.errors import UsageError
from tidings.measurement.attribution.answer import in_one_currency, labels_of, major
from tidings.measurement.attribution.asking import Asked
from tidings.measurement.attribution.journeys import find_journeys
from tidings.measurement.attribution.models import ALONE, parts_of
from tidings.statistics.credit import Floats, Paths, by_weight_parts, largest_remainder
from tidings.statistics.markov import chain
from tidings.store.database import Store
from tidings.store.tables import answers, people


@dataclass(frozen=True, slots=True)
class Step:
    """One touch: what it was, when, the window it lies in (microseconds), and its share of the conversion by model."""

    channel: str
    campaign: str | None
    kind: str
    at: datetime
    window: int
    shares: dict[str, float]
    values: dict[str, int]


@dataclass(frozen=True, slots=True)
class OnePath:
    """The path of one conversion; shares add up to 1 and values to its amount, by every model. Without steps it is unattributed."""

    event: int
    goal: str
    key: str
    customer: str
    at: datetime
    amount: int | None
    currency: str
    steps: tuple[Step, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the path with stable keys; windows in hours."""
        return {
            "event": self.event,
            "conversion": self.goal,
            "key": self.key,
            "customer": self.customer,
            "at": iso(self.at),
            "value": major(self.amount, self.currency),
            "currency": self.currency or None,
            "touches": [
                {
                    "channel": one.channel,
                    "campaign": one.campaign,
                    "kind": one.kind,
                    "at": iso(one.at),
                    "window_hours": one.window / 3_600_000_000,
                    "shares": one.shares,
                    "values": {model: major(value, self.currency) for model, value in one.values.items()},
                }
                for one in self.steps
            ],
        }


@dataclass(frozen=True, slots=True)
class Found:
    """The conversion that somebody asks about."""

    event: int
    goal: str
    key: str
    customer: str
    at: int


def find_conversion(store: Store, goals: tuple[str, ...], wanted: str) -> Found:
    """Return the conversion of an order by the key of its event, as the file had it, or by the number of the event.

    Raises UsageError when there is none, when it is no conversion, when nobody is known for it, or when several sources use
    the key.
    """
    events, table, called = people.events, answers.conversions, people.event_names
    these: list[sa.ColumnElement[bool]] = [
        # As an importer keeps the id of an order, and as the tracker does.
        events.c.dedupe_key.in_([wanted, json.dumps(["id", wanted], ensure_ascii=False), f"id:{wanted}"])
    ]
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 18:
        these.append(events.c.id == int(wanted))
    statement = (
        sa.select(
            events.c.id,
            called.c.name,
            events.c.source,
            table.c.at,
            table.c.customer_id,
            people.customers.c.key.label("customer"),
        )
        .join(called, called.c.id == events.c.name_id)
        # An order that named nobody may have been matched back to somebody.
        .outerjoin(table, sa.and_(table.c.event_id == events.c.id, table.c.enrolment_id.is_(None)))
        .outerjoin(people.customers, people.customers.c.id == table.c.customer_id)
        .where(sa.or_(*these))
        .order_by(events.c.id)
        .limit(20)
    )
    with store.read() as connection:
        rows = connection.execute(statement).all()
        ours = [row for row in rows if row.name in goals]
        # The key of an order says more than a number that happens to be that of another event.
        ours = [row for row in ours if str(row.id) != wanted] or ours
        if not ours:
            if rows:
                raise UsageError(
                    f'"{wanted}" is {rows[0].name}, which is no conversion here ({", ".join(goals)})',
                    what_to_do="name it under `conversions:` in config/attribution.yaml, or ask for another",
                )
            raise UsageError(
                f'there is no order "{wanted}"',
                what_to_do="give the id of the order as the imported file or the shop had it, or the number of its event",
            )
        if len(ours) > 1:
            named = ", ".join(f"{row.id} ({row.source})" for row in ours)
            raise UsageError(
                f'several orders are called "{wanted}"', what_to_do=f"give one by its number: {named}"
            )
        row = ours[0]
        if row.customer_id is None:
            raise UsageError(f'nobody is known for the order "{wanted}", so it has no touches')
    return Found(int(row.id), str(row.name), wanted, str(row.customer), int(row.at))


def path_of(asked: Asked, found: Found, by: str) -> OnePath:
    """Return the path of a conversion that lies in the period asked for; Raises UsageError when it does not."""
    facts, rule, period = asked.facts, asked.rule, asked.period
    place = np.flatnonzero(facts.event == found.event)
    if not place.size:
        raise UsageError(
            f'the order "{found.key}" is not of this time', what_to_do="leave out --from and --to"
        )
    journeys = find_journeys(facts, rule, opens=period.opens, closes=period.closes)
    labels, code_of = labels_of(facts, rule, by)
    everything = journeys.paths(labels, code_of, np.zeros(facts.event.size))
    mine = np.flatnonzero(journeys.owner == place[0])
    touches = journeys.touch[mine]
    amounts, currency, _ = in_one_currency(facts, asked.rates, asked.definitions.workspace.currency)
    if amounts is None:
        # Of one conversion the amount is what it is, whatever the others are in.
        amounts, currency = facts.amount, facts.currencies[int(facts.currency[place[0]])]
    amount = int(amounts[place[0]])
    shares: dict[str, Floats] = {}
    if touches.size:
        path = Paths.of(labels, code_of[facts.kind[touches]], [0, touches.size], conversions=[1])
        shares = {model: parts_of(path, model, rule.tuning, journeys.age[mine]) for model in ALONE}
        shares["markov"] = by_weight_parts(path, chain(everything, rule.order).effects)
        shares["shapley"] = by_weight_parts(path, np.ones(len(labels)))
    values = {model: largest_remainder(parts * amount, amount) for model, parts in shares.items()}
    steps = []
    for number, touch in enumerate(touches):
        kind = facts.kinds[int(facts.kind[touch])]
        steps.append(
            Step(
                kind.channel,
                kind.campaign,
                kind.kind,
                from_micros(int(facts.at[touch])),
                rule.window(kind.channel, kind.kind),
                {model: float(shares[model][number]) for model in MODELS},
                {model: int(values[model][number]) for model in MODELS} if currency else {},
            )
        )
    return OnePath(
        found.event,
        found.goal,
        found.key,
        found.customer,
        from_micros(found.at),
        amount if currency else None,
        currency,
        tuple(steps),
    )
