"""What came because of it: the conversions of those written to beyond those of the held out, with intervals.

The conversions are those that credit is given for, of the same time: an order counts where it lies in the window after
somebody's anchor and in the period. Everybody stays in the arm they were drawn into, whatever became of their message. An
order in the windows of two runs of one campaign counts for the later of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from tidings.measurement.accounts import UNIT
from tidings.measurement.attribution.facts import Facts
from tidings.measurement.beside.drawn import Drawn, DrawnRun
from tidings.measurement.metrics import HOLDOUT
from tidings.statistics.credit import Floats, Integers
from tidings.statistics.means import Difference, welch
from tidings.statistics.summed import Contrast, summed_effect, times
from tidings.statistics.sums import Sums
from tidings.store.integers import read_integers
from tidings.store.tables import answers, people, sending

_enrolments, _conversions, _customers = sending.enrolments, answers.conversions, people.customers
NOBODY = "nobody in either arm has a conversion in this time"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run (or one variant of it) against its holdout."""

    drawn: Drawn
    run: int
    variant: str | None = None

    @property
    def of_run(self) -> DrawnRun:
        """Return the run."""
        return next(run for run in self.drawn.runs if run.id == self.run)

    @property
    def treated(self) -> int:
        """Return how many customers were treated."""
        treated = self.of_run.treated
        return sum(treated.values()) if self.variant is None else treated[self.variant]


@dataclass(frozen=True, slots=True)
class Increment:
    """What came because of it: conversions, and minor units (None where amounts cannot be added up).

    `treated` and `held` are customers, once for every run they are in; `few` are the conversions of the arm with fewer.
    """

    conversions: Difference
    value: Difference | None
    treated: int
    held: int
    few: int


class Orders:
    """The conversions of a period after the anchors of those who were drawn, read once for each campaign."""

    def __init__(
        self,
        connection: sa.Connection,
        facts: Facts,
        amounts: Integers | None,
        versions: Mapping[str, str],
        period: tuple[int, int],
        as_of: int,
    ) -> None:
        """Keep what they are read from; `amounts` are those of the facts in one currency."""
        self._connection, self._amounts, self._versions = connection, amounts, versions
        self._opens, self._closes, self._as_of = *period, as_of
        self._order = np.argsort(facts.event, kind="stable")
        self._events = facts.event[self._order]
        self._known: dict[str, Integers] = {}

    def of(self, drawn: Drawn) -> Integers:
        """Return rows (place in the facts, enrolment, run, arm) of a campaign; arm 0 is held out, 1 … its variants."""
        if drawn.campaign not in self._known:
            self._known[drawn.campaign] = self._read(drawn)
        return self._known[drawn.campaign]

    def _read(self, drawn: Drawn) -> Integers:
        rule = sa.or_(
            sa.false(),
            *(
                sa.and_(_conversions.c.goal == goal, _conversions.c.goal_version == version)
                for goal, version in self._versions.items()
            ),
        )
        at = _conversions.c.at
        found = read_integers(
            self._connection,
            sa.select(
                _conversions.c.event_id,
                _enrolments.c.id,
                _enrolments.c.run_id,
                arm_code(drawn),
                _enrolments.c.anchor_at,
            )
            .select_from(
                _enrolments.join(_conversions, _conversions.c.customer_id == _enrolments.c.customer_id)
            )
            .where(
                *drawn.where(self._opens, self._closes),
                rule,
                _conversions.c.enrolment_id.is_(None),
                at >= self._opens,
                at < min(self._closes, self._as_of),
                at >= _enrolments.c.anchor_at,
                at < drawn.closes,
            ),
            5,
        )
        place = np.searchsorted(self._events, found[:, 0])
        inside = place < self._events.size
        inside[inside] = self._events[place[inside]] == found[inside, 0]
        found, place = found[inside], self._order[place[inside]]
        # The last anchor before an order is the one that it counts for.
        order = np.lexsort((found[:, 1], found[:, 4], place))
        found, place = found[order], place[order]
        last = np.append(place[1:] != place[:-1], True)[: place.size]
        rows: Integers = np.column_stack([place, found[:, 1], found[:, 2], found[:, 3]])[last]
        return rows

    def increment(self, comparisons: Sequence[Comparison]) -> Increment:
        """Return what came because of all of them together; each must have two in both arms."""
        group_of, contrasts = _groups(comparisons)
        campaigns = list({one.drawn.campaign: one.drawn for one in comparisons}.values())
        rows = np.concatenate([self.of(drawn) for drawn in campaigns])
        group = _grouped(rows[:, 2], rows[:, 3], group_of)
        rows, group = rows[group >= 0], group[group >= 0]
        treated = {place for place, _ in contrasts}
        is_treated = np.isin(group, list(treated))
        alone = len(comparisons) == 1 and not comparisons[0].of_run.accounts
        everybody = None if alone else self._everybody(campaigns, comparisons, group_of)

        def effect(values: Floats) -> Difference:
            if not rows.size:
                return Difference(0.0, None, None, 0.0, None, NOBODY)
            if everybody is None:
                one = comparisons[0]
                return _difference(rows[:, 1], is_treated, values, one.treated, one.of_run.held)
            ids, groups, units = everybody
            value = np.zeros(ids.size)
            np.add.at(value, np.searchsorted(ids, rows[:, 1]), values)
            return summed_effect([Contrast(*pair) for pair in contrasts], groups, units, value)

        return Increment(
            effect(np.ones(rows.shape[0])),
            None if self._amounts is None else effect(self._amounts[rows[:, 0]].astype(np.float64)),
            sum(one.treated for one in comparisons),
            sum({one.run: one.of_run.held for one in comparisons}.values()),
            min(int(is_treated.sum()), int((~is_treated).sum())),
        )

    def _everybody(
        self,
        campaigns: Sequence[Drawn],
        comparisons: Sequence[Comparison],
        group_of: Mapping[tuple[int, int], int],
    ) -> tuple[Integers, Integers, Integers]:
        """Return enrolments ascending, the group of each, and what was drawn: a customer, or an account."""
        source: sa.FromClause = _enrolments
        unit: sa.ColumnElement[int] = _enrolments.c.customer_id
        if any(one.of_run.accounts for one in comparisons):
            # The least customer of an account stands for it, whichever runs are looked at.
            least = sa.select(UNIT.label("unit"), sa.func.min(_customers.c.id).label("least")).group_by(UNIT)
            named = least.subquery("named")
            source = _enrolments.join(_customers, _customers.c.id == _enrolments.c.customer_id).join(
                named, named.c.unit == UNIT
            )
            unit = named.c.least
        columns = (_enrolments.c.id, _enrolments.c.run_id)
        rows = np.concatenate(
            [
                read_integers(
                    self._connection,
                    sa.select(*columns, arm_code(drawn), unit)
                    .select_from(source)
                    .where(*drawn.where(self._opens, self._closes)),
                    4,
                )
                for drawn in campaigns
            ]
        )
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        group = _grouped(rows[:, 1], rows[:, 2], group_of)
        return rows[group >= 0, 0], group[group >= 0], rows[group >= 0, 3]


def arm_code(drawn: Drawn) -> sa.ColumnElement[int]:
    """Return 0 for the held out, 1 … for the variants of a campaign in the order of their names."""
    places = {name: place for place, name in enumerate(drawn.variants, 1)}
    treated: sa.ColumnElement[int] = sa.literal(1)
    if len(places) > 1:
        treated = sa.case(places, value=sa.func.coalesce(_enrolments.c.variant, ""), else_=0)
    return sa.case((_enrolments.c.arm == HOLDOUT, 0), else_=treated)


def _groups(
    comparisons: Sequence[Comparison],
) -> tuple[dict[tuple[int, int], int], list[tuple[int, int]]]:
    """Return the group of each run and arm, and the pairs of groups compared; variants of a run share its holdout."""
    group_of: dict[tuple[int, int], int] = {}
    pairs = []
    for place, one in enumerate(comparisons):
        held = group_of.setdefault((one.run, 0), 2 * place + 1)
        names = one.of_run.treated if one.variant is None else (one.variant,)
        for name in names:
            group_of[one.run, 1 + one.drawn.variants.index(name)] = 2 * place
        pairs.append((2 * place, held))
    return group_of, pairs


def _grouped(run: Integers, arm: Integers, group_of: Mapping[tuple[int, int], int]) -> Integers:
    """Return the group of each row, -1 for those of none."""
    known = sorted(group_of)
    width = max(arm for _, arm in known) + 1
    keys = np.array([number * width + code for number, code in known], dtype=np.int64)
    places = np.array([group_of[one] for one in known], dtype=np.int64)
    wanted = run * width + arm
    found = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    # An arm beyond the last code would be taken for the first of the next run.
    return np.where((keys[found] == wanted) & (arm < width), places[found], -1)


def _difference(
    enrolment: Integers, is_treated: np.ndarray, values: Floats, treated: int, held: int
) -> Difference:
    """Return the effect of one run from the values that are not zero and the sizes of its arms."""
    sums = []
    for these, size in ((is_treated, treated), (~is_treated, held)):
        _, place = np.unique(enrolment[these], return_inverse=True)
        each = np.bincount(place, values[these])
        sums.append(Sums(size, float(each.sum()), float(each @ each)).mean())
    return times(welch(*sums), treated)
