"""The goals of a campaign as metrics: counted in the database, one statement a goal.

All who were enrolled count in the arm they were drawn into, whatever became of their message (intention to treat).
Customers without an event add nothing to any sum, so the statement visits only those with one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.definitions.kinds.campaign import Campaign, Goal
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES, KNOWN_EVENTS, Event
from tidings.definitions.money import exponent
from tidings.definitions.workspace import Definitions
from tidings.measurement.accounts import Sizes, by_unit, sizes_of
from tidings.measurement.answers import response_metric
from tidings.measurement.arms import ReportedRun
from tidings.measurement.metrics import (
    COUNTED,
    Arm,
    Measured,
    Metric,
    Unit,
    arm_name,
    arm_place,
    moment_columns,
)
from tidings.measurement.promotions.reading import GoalOrders
from tidings.measurement.returned import margin_taken
from tidings.measurement.windows import Windows, windows
from tidings.segments.comparing import Clause, Value, holds
from tidings.segments.doing import event_tests
from tidings.segments.properties import property_value
from tidings.segments.scope import Scope
from tidings.statistics.clusters import Clusters
from tidings.statistics.sums import Moments
from tidings.store.tables import people, sending

_events = people.events
_enrolments = sending.enrolments
# Columns of a customer's sums that say what the amounts are like.
_LOWEST, _HIGHEST, _COUNTED = ("lowest",), ("highest",), ("unpriced", "unnamed")


def goal_metrics(
    connection: sa.Connection,
    definitions: Definitions,
    campaign: Campaign,
    *,
    run: ReportedRun,
    arms: tuple[Arm, ...],
    anchors: list[int],
    as_of: datetime,
    read: GoalOrders | None = None,
) -> Measured:
    """Return the metrics of the goal and of the further goals; what cannot be measured becomes a sentence.

    Orders that were `read` already are not summed by the database once more.
    """
    goals = ((campaign.goal,) if campaign.goal else ()) + campaign.also
    metrics: list[Metric] = []
    notes: list[str] = []
    main: Metric | None = None
    zone = ZoneInfo(definitions.workspace.zone)
    for goal in goals:
        window = windows(_enrolments.c.anchor_at, anchors, goal.within, zone)
        if goal.did in BUILT_IN_RESPONSES:
            tests = event_tests(KNOWN_EVENTS.get(goal.did), goal.with_, Scope.of(definitions, as_of))
            found = response_metric(
                connection, goal.did, run=run, arms=arms, window=window, as_of=as_of, tests=tests
            )
        else:
            found = _event_metrics(
                connection,
                definitions,
                goal,
                run=run,
                arms=arms,
                window=window,
                anchors=anchors,
                as_of=as_of,
                read=read,
            )
        metrics += [_distinct(metric, goal, metrics) for metric in found.metrics]
        notes += found.notes
        if goal is campaign.goal and found.metrics:
            main = found.metrics[0]
    return Measured(tuple(metrics), tuple(notes), main)


def _distinct(metric: Metric, goal: Goal, others: list[Metric]) -> Metric:
    """Return the metric under a name that no other has: a second goal on one event is named by its window."""
    if all(metric.name != other.name for other in others):
        return metric
    name = f"{metric.name} within {goal.within}"
    while any(name == other.name for other in others):
        name += " (again)"
    return replace(metric, name=name, title=f"{metric.title} within {goal.within}")


def _event_metrics(
    connection: sa.Connection,
    definitions: Definitions,
    goal: Goal,
    *,
    run: ReportedRun,
    arms: tuple[Arm, ...],
    window: Windows,
    anchors: list[int],
    as_of: datetime,
    read: GoalOrders | None,
) -> Measured:
    event = definitions.events.get(goal.did) or Event(goal.did)
    title = event.title or goal.did
    ids = _name_ids(connection, [goal.did, *([event.returns] if event.returns else [])])
    notes: list[str] = []
    if goal.did not in ids:
        notes.append(f"No event {goal.did} is in the store yet, so everybody counts as without one.")
    scope = Scope.of(definitions, as_of)
    did = _matches(ids.get(goal.did), goal, event, scope)
    amount = _worth(goal, event)
    net = sa.case((did, amount), else_=0) if amount is not None else None
    priced: Clause = did
    if amount is not None and event.returns and event.returns in ids:
        returned = definitions.events.get(event.returns) or Event(event.returns)
        if all(returned.property(name) for name, _ in goal.with_):
            gone = _matches(ids[event.returns], goal, returned, scope)
            # A shop writes a return as a positive or as a negative amount; taken off it is in both cases.
            taken: sa.ColumnElement[Any] = sa.func.abs(_worth(goal, returned, named=False))
            if goal.worth == event.margin and event.margin != event.revenue:
                zone = ZoneInfo(definitions.workspace.zone)
                taken = margin_taken(
                    connection,
                    goal,
                    event,
                    returned,
                    did=did,
                    run=run,
                    anchors=anchors,
                    zone=zone,
                    as_of=as_of,
                )
            net = sa.case((did, amount), (gone, -taken), else_=0)
            priced = sa.or_(did, gone)
        else:
            notes.append(
                f"Returns are not taken off: {event.returns} lacks a property that the goal asks for."
            )
    rows: Sequence[Mapping[Any, Any]] | None = read.sums(definitions, goal) if read is not None else None
    if rows is None:
        statement = _statement(
            did,
            net,
            priced,
            goal=goal,
            run=run,
            ids=list(ids.values()),
            names=[arm.name for arm in arms],
            window=window,
            alike=len(anchors) == 1,
            as_of=to_micros(as_of),
        )
        rows = connection.execute(statement).mappings().all()
    unit: Unit = "share" if goal.counts == "first" else "count"
    sizes = sizes_of(connection, run.id) if run.accounts else None
    metrics = [
        _metric(
            rows, arms, sizes, prefix="n", name=goal.did, title=title, unit=unit, before=f"{goal.did} before"
        )
    ]
    if net is not None and goal.worth is not None:
        found = {one for row in rows for one in (row["lowest"], row["highest"]) if one}
        unpriced = sum(row["unpriced"] for row in rows)
        unnamed = sum(row["unnamed"] for row in rows)
        if len(found) > 1:
            what = goal.did if priced is did else f"{goal.did} and {event.returns}"
            notes.append(
                f"Amounts of {what} are in {' and '.join(sorted(found))}; different currencies are not added up, "
                f"so there is no effect on {goal.worth}."
            )
        else:
            currency = found.pop() if found else definitions.workspace.currency
            if unnamed:
                notes.append(f"{unnamed:,} amounts say no currency and are taken for {currency}.")
            name = goal.worth if goal.worth != event.revenue else "revenue"
            metrics.append(
                _metric(
                    rows,
                    arms,
                    sizes,
                    prefix="m",
                    name=name,
                    title=name.capitalize().replace("_", " "),
                    unit="money",
                    before=f"{name} before",
                    currency=currency,
                )
            )
        if unpriced:
            notes.append(f"{unpriced:,} of the {goal.did} events have no amount and count as 0.")
    return Measured(tuple(metrics), tuple(notes))


def _name_ids(connection: sa.Connection, names: list[str]) -> dict[str, int]:
    table = people.event_names
    rows = connection.execute(sa.select(table.c.name, table.c.id).where(table.c.name.in_(names)))
    return {row.name: row.id for row in rows}


def _matches(name_id: int | None, goal: Goal, event: Event, scope: Scope) -> Clause:
    """Return the condition that an event is of that name and passes the goal's tests of its properties."""
    if name_id is None:
        return sa.false()
    tests = [holds(_value(event, name, goal), test, scope) for name, test in goal.with_]
    return sa.and_(_events.c.name_id == name_id, *tests)


def _value(event: Event, name: str, goal: Goal) -> Value:
    declared = event.property(name)
    kind = declared.type if declared else "text"
    read = _events.c.amount if name == event.revenue else property_value(_events.c.properties, name, kind)
    return Value(
        read,
        kind,
        name,
        currency_sql=_events.c.currency if kind == "money" else None,
        iso=kind == "date",
        at=goal.at,
    )


def _worth(goal: Goal, event: Event, *, named: bool = True) -> sa.ColumnElement[Any] | None:
    """Return the amount of an event in minor units, or None where the goal has no worth."""
    if goal.worth is None:
        return None
    if not named or goal.worth in ("revenue", event.revenue):
        return _events.c.amount
    return property_value(_events.c.properties, goal.worth, "money")


def _statement(
    did: Clause,
    net: sa.ColumnElement[Any] | None,
    priced: Clause,
    *,
    goal: Goal,
    run: ReportedRun,
    ids: list[int],
    names: list[str],
    window: Windows,
    alike: bool,
    as_of: int,
) -> sa.Select[*tuple[Any, ...]]:
    """Return the statement that sums, for each arm, both metrics (`n`, `m`) with their values before.

    `priced` are the events whose amount is in `net`; `alike` tells that all windows begin at one instant.
    """
    at = _events.c.occurred_at
    after, before = at >= _enrolments.c.anchor_at, at < _enrolments.c.anchor_at
    within: Clause = sa.true()
    if not alike:
        # With one anchor for all the outermost bounds below are the window itself.
        after, before = sa.and_(after, at < window.closes), sa.and_(before, at >= window.opens)
        within = sa.or_(after, before)
    amount = net if net is not None else sa.literal(0)
    counted = sa.and_(within, priced) if net is not None else sa.false()
    unnamed = sa.and_(counted, amount.is_not(None), _events.c.currency.is_(None))
    per = (
        sa.select(
            *(_named() if run.accounts else [sa.func.min(arm_place(names)).label("place")]),
            *([sa.func.min(_enrolments.c.customer_id).label("customer_id")] if run.accounts else []),
            sa.func.sum(sa.case((sa.and_(did, after), 1), else_=0)).label("n_after"),
            sa.func.sum(sa.case((sa.and_(did, before), 1), else_=0)).label("n_before"),
            sa.func.sum(sa.case((after, sa.func.coalesce(amount, 0)), else_=0)).label("m_after"),
            sa.func.sum(sa.case((before, sa.func.coalesce(amount, 0)), else_=0)).label("m_before"),
            sa.func.min(sa.case((counted, _events.c.currency))).label("lowest"),
            sa.func.max(sa.case((counted, _events.c.currency))).label("highest"),
            sa.func.sum(sa.case((sa.and_(did, after, amount.is_(None)), 1), else_=0)).label("unpriced"),
            sa.func.sum(sa.case((unnamed, 1), else_=0)).label("unnamed"),
        )
        # The 0 keeps a database from going through the events first and looking for the enrolment of each: with few of them
        # outside the window that reads less and sorts all of it. In the order of the enrolments nothing is sorted, and
        # the index of a customer's events answers without their rows.
        .select_from(_enrolments.join(_events, _events.c.customer_id == _enrolments.c.customer_id + 0))
        .where(
            _enrolments.c.run_id == run.id,
            COUNTED,
            _events.c.name_id.in_(ids or [-1]),
            at >= window.first_open,
            at < min(window.last_close, as_of),
        )
        # The unique key of an enrolment: its index gives the groups in order, so that nothing is sorted.
        .group_by(_enrolments.c.run_id, _enrolments.c.customer_id, _enrolments.c.entry)
        .subquery("per")
    )

    def counted_once(column: sa.ColumnElement[Any]) -> sa.ColumnElement[float]:
        if goal.counts == "first":
            return sa.case((column > 0, sa.literal(1.0, sa.Double)), else_=sa.literal(0.0, sa.Double))
        return sa.cast(column, sa.Double)

    keys = ("arm", "variant") if run.accounts else ("place",)
    own = ("customer_id",) if run.accounts else ()
    valued = sa.select(
        *(per.c[key] for key in (*keys, *own)),
        counted_once(per.c.n_after).label("n_after"),
        counted_once(per.c.n_before).label("n_before"),
        sa.cast(per.c.m_after, sa.Double).label("m_after"),
        sa.cast(per.c.m_before, sa.Double).label("m_before"),
        sa.case((per.c.n_after > 0, 1), else_=0).label("n_some"),
        sa.case((per.c.m_after != 0, 1), else_=0).label("m_some"),
        *(per.c[name] for name in (*_LOWEST, *_HIGHEST, *_COUNTED)),
    ).subquery("valued")
    size: list[sa.ColumnElement[Any]] = []
    if run.accounts:
        added = ["n_after", "n_before", "m_after", "m_before", "n_some", "m_some", *_COUNTED]
        valued = by_unit(valued, run.id, added, list(_LOWEST), list(_HIGHEST))
        size = [sa.cast(valued.c.size, sa.Double)]
    counts, money = (
        [valued.c[f"{prefix}_after"], valued.c[f"{prefix}_before"], *size] for prefix in ("n", "m")
    )
    return sa.select(
        *(valued.c[key] for key in keys),
        *[column.label(f"n_{column.name}") for column in moment_columns(counts)],
        *[column.label(f"m_{column.name}") for column in moment_columns(money)],
        sa.func.sum(valued.c.n_some).label("n_some"),
        sa.func.sum(valued.c.m_some).label("m_some"),
        *(
            sa.func.sum(sa.case((valued.c[f"{prefix}_some"] > 0, 1), else_=0)).label(
                f"{prefix}_some_accounts"
            )
            for prefix in (("n", "m") if run.accounts else ())
        ),
        *(sa.func.min(valued.c[name]).label(name) for name in _LOWEST),
        *(sa.func.max(valued.c[name]).label(name) for name in _HIGHEST),
        *(sa.func.sum(valued.c[name]).label(name) for name in _COUNTED),
    ).group_by(*(valued.c[key] for key in keys))


def _named() -> list[sa.Label[str]]:
    return [sa.func.min(_enrolments.c[name]).label(name) for name in ("arm", "variant")]


def _metric(
    rows: Sequence[Mapping[Any, Any]],
    arms: tuple[Arm, ...],
    sizes: Mapping[str, Sizes] | None,
    *,
    prefix: str,
    name: str,
    title: str,
    unit: Unit,
    before: str,
    currency: str | None = None,
) -> Metric:
    """Return the metric from the sums of those who had an event, over everybody in the arm."""
    factor = 10.0 ** -exponent(currency) if currency else 1.0
    if sizes is None:
        found = {arms[row["place"]].name: row for row in rows}
    else:
        found = {arm_name(row["arm"], row["variant"]): row for row in rows}
    some = {arm.name: int(found[arm.name][f"{prefix}_some"]) if arm.name in found else 0 for arm in arms}

    def sums(arm: Arm, cells: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        read = found.get(arm.name)
        return np.array([0.0 if read is None else float(read[f"{prefix}_{cell}"]) for cell in cells])

    moments, clusters, some_accounts = {}, {}, {}
    for arm in arms:
        totals, products = sums(arm, ("s0", "s1")), sums(arm, ("p0_0", "p0_1", "p0_1", "p1_1")).reshape(2, 2)
        if sizes is None:
            moments[arm.name] = Moments(arm.customers, totals, products).scaled([factor, factor])
            continue
        size = sizes.get(arm.name, Sizes())
        with_size = sums(arm, ("p0_2", "p1_2"))
        cluster = Clusters(size.accounts, size.customers, size.squares, totals, products, with_size)
        clusters[arm.name] = cluster.scaled([factor, factor])
        moments[arm.name] = clusters[arm.name].moments()
        read = found.get(arm.name)
        some_accounts[arm.name] = 0 if read is None else int(read[f"{prefix}_some_accounts"])
    return Metric(
        name,
        title,
        unit,
        moments,
        some,
        currency,
        (before,),
        clusters=None if sizes is None else clusters,
        some_accounts=None if sizes is None else some_accounts,
    )
