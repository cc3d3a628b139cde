"""Asking the store for credit: what is read, what is kept of the answer, and what changed since the last one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.clock import from_micros, local_day, local_midnight, to_micros
from tidings.definitions.asked_days import day_of
from tidings.definitions.kinds.measuring import MODELS
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.measurement.attribution.answer import Answer, Line, Period, credit_facts
from tidings.measurement.attribution.facts import Facts, read_facts
from tidings.measurement.attribution.models import Tuning
from tidings.measurement.attribution.rule import Rule, rule_of
from tidings.measurement.conversions import conversion_versions
from tidings.measurement.rates import Rates, read_rates
from tidings.store.database import Store
from tidings.store.tables import answers, people

# The property of an order that says where it was placed: shop, dealer, web.
SALES_PROPERTY = "sales_channel"
_DAYS = 90


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, and what it is answered from."""

    definitions: Definitions
    rule: Rule
    period: Period
    facts: Facts
    rates: Rates

    def answer(
        self,
        by: str,
        models: tuple[str, ...] = MODELS,
        *,
        tuning: Tuning | None = None,
        rule: Rule | None = None,
    ) -> Answer:
        """Return the credit by a grouping, under the rule of the workspace or another one."""
        return credit_facts(
            self.facts,
            rule or self.rule,
            self.period,
            by=by,
            models=models,
            rates=self.rates,
            currency=self.definitions.workspace.currency,
            tuning=tuning,
        )


def ask(
    store: Store, definitions: Definitions, period: Period, *, stretch: float = 1.0, rule: Rule | None = None
) -> Asked:
    """Read the conversions of a period and the touches before them, `stretch` times as far back as windows say.

    Raises UsageError where nothing says what a conversion is.
    """
    found = rule or rule_of(definitions.attribution, definitions.events)
    if not found.conversions:
        raise UsageError(
            "no event says what a conversion is worth, so there is nothing to give credit for",
            what_to_do="name one under `conversions:` in config/attribution.yaml, or give an event `revenue:`",
        )
    zone = ZoneInfo(definitions.workspace.zone)
    versions = conversion_versions(definitions)
    with store.read() as connection:
        facts = read_facts(
            connection,
            {name: version for name, version in versions.items() if name in found.conversions},
            opens=period.opens,
            closes=period.closes,
            back=int(found.longest * stretch),
            sales_property=sales_property(definitions, found),
        )
    return Asked(definitions, found, period, facts, read_rates(definitions.root, zone))


def sales_property(definitions: Definitions, rule: Rule) -> str:
    """Return the property of conversions that names the sales channel, "" where none declares it."""
    for name in rule.conversions:
        event = definitions.events.get(name)
        found = event.property(SALES_PROPERTY) if event else None
        if found is not None and found.type == "text":
            return SALES_PROPERTY
    return ""


def check_by(asked: Asked, by: str) -> None:
    """Raise UsageError where conversions are to be told by sales channel and none says its own."""
    if by == "sales channel" and not sales_property(asked.definitions, asked.rule):
        raise UsageError(
            f"no conversion says through which sales channel it came ({', '.join(asked.rule.conversions)})",
            what_to_do=f"in config/events.yaml, give the event the property `{SALES_PROPERTY}: text`, and import it",
        )


def the_answer(
    store: Store, asked: Asked, by: str, models: tuple[str, ...] = MODELS, *, tuning: Tuning | None = None
) -> Answer:
    """Return the credit of a period with the lines beside it: orders of nobody known, returns, touches of nobody.

    Raises UsageError where conversions are to be told by sales channel and none says its own.
    """
    check_by(asked, by)
    answer = asked.answer(by, models, tuning=tuning)
    with store.read() as connection:
        returning = [
            event.returns
            for name in asked.rule.conversions
            if (event := asked.definitions.events.get(name)) is not None and event.returns
        ]
        currency = answer.currency
        unmatched = _events(connection, asked, asked.rule.conversions, currency, of_nobody=True)
        returned = _events(connection, asked, tuple(returning), currency)
        unknown = connection.scalar(
            sa.select(sa.func.count())
            .select_from(answers.touches)
            .where(
                answers.touches.c.customer_id.is_(None),
                answers.touches.c.at >= asked.period.opens,
                answers.touches.c.at < asked.period.closes,
            )
        )
        words = list(answer.words)
        if not asked.facts.event.size:
            words.insert(0, _nothing(connection, asked))
        elif not asked.facts.kinds:
            words.insert(
                0,
                "No touch of anybody known lies before these conversions: import ads and offline contacts, or send something.",
            )
    return replace(
        answer, unmatched=unmatched, returned=returned, unknown_touches=int(unknown or 0), words=words
    )


def _events(
    connection: sa.Connection, asked: Asked, names: tuple[str, ...], currency: str, *, of_nobody: bool = False
) -> Line:
    """Return how many events of these names the period has, and their amounts where they are in the one currency."""
    if not names:
        return Line()
    events, called = people.events, people.event_names
    statement = (
        sa.select(events.c.currency, sa.func.count(), sa.func.sum(events.c.amount))
        .join(called, called.c.id == events.c.name_id)
        .where(
            called.c.name.in_(names),
            events.c.occurred_at >= asked.period.opens,
            events.c.occurred_at < asked.period.closes,
        )
        .group_by(events.c.currency)
    )
    if of_nobody:
        # An order that named nobody may have been matched back to somebody: then it is a conversion.
        counted = sa.exists().where(answers.conversions.c.event_id == events.c.id)
        statement = statement.where(events.c.customer_id.is_(None), ~counted)
    rows = connection.execute(statement).all()
    addable = {one for one, _, amount in rows if amount} <= {currency}
    return Line(
        sum(int(count) for _, count, _ in rows),
        sum(int(amount or 0) for _, _, amount in rows) if addable else None,
    )


def _nothing(connection: sa.Connection, asked: Asked) -> str:
    """Say that a period has no conversions, and when the last one was."""
    last = connection.scalar(
        sa.select(sa.func.max(answers.conversions.c.at)).where(
            answers.conversions.c.goal.in_(asked.rule.conversions),
            answers.conversions.c.enrolment_id.is_(None),
        )
    )
    what = " or ".join(asked.rule.conversions)
    if last is None:
        return f"There is no conversion ({what}) in the store at all, so there is no credit to give."
    zone = ZoneInfo(asked.definitions.workspace.zone)
    day = local_day(from_micros(int(last)), zone)
    return f"There is no conversion ({what}) in this time, so there is no credit to give; the last one is of {day}."


def period_of(first: str | None, last: str | None, definitions: Definitions, today: date) -> Period:
    """Return the whole days from `first` through `last` on the workspace clock; 90 days through today if not given.

    Raises UsageError for what is no day, days in the wrong order and a time that has not begun.
    """
    zone = ZoneInfo(definitions.workspace.zone)
    end = day_of(last or None, "--to") or today
    begin = day_of(first or None, "--from") or end - timedelta(days=_DAYS - 1)
    if begin > today:
        raise UsageError(
            f"{begin} is not here yet: today is {today}", what_to_do="give an earlier day as --from"
        )
    if begin > end:
        raise UsageError(f"{begin} comes after {end}", what_to_do="give the earlier day as --from")
    return Period(
        to_micros(local_midnight(begin, zone)), to_micros(local_midnight(end + timedelta(days=1), zone))
    )
