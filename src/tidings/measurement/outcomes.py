"""The metrics of a test that was run elsewhere and imported: one value a customer and metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from tidings.definitions.money import exponent
from tidings.measurement.metrics import Arm, Measured, Metric, Unit, arm_name, moment_columns
from tidings.statistics.sums import Moments
from tidings.store.tables import answers, sending

_outcomes = answers.outcomes
_enrolments = sending.enrolments


def outcome_metrics(
    connection: sa.Connection, *, run_id: int, arms: tuple[Arm, ...], order: tuple[str, ...] = ()
) -> Measured:
    """Return every metric measured after the test, with all that was measured before as covariates.

    `order` names metrics as their author wrote them; the others follow by name.
    """
    enrolled = _outcomes.join(_enrolments, _enrolments.c.id == _outcomes.c.enrolment_id)
    found = connection.execute(
        sa.select(
            _outcomes.c.metric,
            _outcomes.c.phase,
            sa.func.count().label("customers"),
            sa.func.min(_outcomes.c.value).label("lowest"),
            sa.func.max(_outcomes.c.value).label("highest"),
            sa.func.sum(_outcomes.c.value * (1 - _outcomes.c.value)).label("between"),
            sa.func.min(_outcomes.c.currency).label("currency"),
            sa.func.max(_outcomes.c.currency).label("other_currency"),
        )
        .select_from(enrolled)
        .where(_enrolments.c.run_id == run_id)
        .group_by(_outcomes.c.metric, _outcomes.c.phase)
        .order_by(_outcomes.c.metric)
    ).all()
    notes = [
        f"Amounts of {row.metric} are in {row.currency} and {row.other_currency}; different currencies are not "
        "added up, so it is left out."
        for row in found
        if row.currency != row.other_currency
    ]
    places = {name: place for place, name in enumerate(order)}
    kept = sorted(
        (row for row in found if row.currency == row.other_currency),
        key=lambda row: (places.get(row.metric, len(places)), row.metric),
    )
    after = [row for row in kept if row.phase == "after"]
    before = [row for row in kept if row.phase == "before"]
    if not after:
        return Measured((), (*notes, "No outcome was imported for this test."))
    columns = [*after, *before]
    rows = connection.execute(_statement(run_id, [row.metric for row in columns])).all()
    total = sum(arm.customers for arm in arms)
    scale = [10.0 ** -exponent(row.currency) if row.currency else 1.0 for row in columns]
    covariates = list(range(len(after), len(columns)))
    metrics = []
    for place, row in enumerate(after):
        missing = total - row.customers
        if missing:
            notes.append(f"{missing:,} customers have no value for {row.metric} and count as 0.")
        metrics.append(
            Metric(
                name=row.metric,
                title=row.metric.capitalize().replace("_", " "),
                unit=_unit(row),
                arms=_moments(rows, arms, [place, *covariates], [scale[i] for i in (place, *covariates)]),
                some={arm.name: 0 for arm in arms}
                | {arm_name(one.arm, one.variant): int(one._mapping[f"some{place}"]) for one in rows},
                currency=row.currency,
                covariates=tuple(one.metric for one in before),
                missing=missing,
            )
        )
    return Measured(tuple(metrics), tuple(notes), metrics[0])


def _unit(row: Any) -> Unit:
    """Return what the values are: a share when every one is 0 or 1."""
    if row.currency:
        return "money"
    return "share" if row.lowest >= 0 and row.highest <= 1 and row.between == 0 else "number"


def _statement(run_id: int, metrics: list[str]) -> sa.Select[Any]:
    """Return the statement that puts the values of one customer side by side and sums products by arm."""
    per = (
        sa.select(
            _enrolments.c.arm,
            _enrolments.c.variant,
            *[
                sa.func.sum(
                    sa.case(
                        (_outcomes.c.metric == metric, _outcomes.c.value), else_=sa.literal(0.0, sa.Double)
                    )
                ).label(f"v{place}")
                for place, metric in enumerate(metrics)
            ],
        )
        .select_from(_enrolments.join(_outcomes, _outcomes.c.enrolment_id == _enrolments.c.id))
        .where(_enrolments.c.run_id == run_id)
        .group_by(_enrolments.c.id, _enrolments.c.arm, _enrolments.c.variant)
        .subquery("per")
    )
    values: list[sa.ColumnElement[float]] = [per.c[f"v{place}"] for place in range(len(metrics))]
    return sa.select(
        per.c.arm,
        per.c.variant,
        *moment_columns(values),
        *[
            sa.func.sum(sa.case((value != 0, 1), else_=0)).label(f"some{place}")
            for place, value in enumerate(values)
        ],
    ).group_by(per.c.arm, per.c.variant)


def _moments(
    rows: Sequence[Any], arms: tuple[Arm, ...], places: list[int], scale: list[float]
) -> dict[str, Moments]:
    """Return the moments of the chosen columns for every arm; customers without a row add nothing."""
    size = len(places)
    moments = {arm.name: Moments(arm.customers, np.zeros(size), np.zeros((size, size))) for arm in arms}
    for row in rows:
        read, key = row._mapping, arm_name(row.arm, row.variant)
        totals = np.array([float(read[f"s{i}"]) for i in places])
        products = np.array([[float(read[f"p{min(i, j)}_{max(i, j)}"]) for j in places] for i in places])
        moments[key] = Moments(moments[key].n, totals, products).scaled(scale)
    return moments
