from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from support.import_world import DEFINITIONS, EXPERIMENT, contents, write_csv
from tidings.clock import FixedClock, to_micros
from tidings.customers.importing import import_file
from tidings.customers.result import ImportResult
from tidings.definitions.kinds.importing import Column, ExperimentImport
from tidings.errors import TidingsError
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending

HEADER = ("customer_id", "segment", "visit", "spend", "history")
ROWS = [
    ("1", "Mens E-Mail", "1", "29.99", "142.44"),
    ("2", "Womens E-Mail", "0", "0.0", "329.08"),
    ("3", "No E-Mail", "0", "0.0", "180.65"),
]
TABLES = (people.customers, sending.runs, sending.enrolments, answers.outcomes)


@pytest.fixture
def bring(store: Store, tmp_path: Path) -> Callable[..., ImportResult]:
    def bring_(
        *rows: tuple[str, ...],
        mapping: ExperimentImport = EXPERIMENT,
        name: str = "f.csv",
        header: Any = HEADER,
        **more: Any,
    ) -> ImportResult:
        return import_file(store, DEFINITIONS, mapping, write_csv(tmp_path / name, header, rows), **more)

    return bring_


def test_a_test_run_elsewhere_is_one_finished_run_with_arms_and_outcomes(
    store: Store, bring: Callable[..., ImportResult], clock: FixedClock
) -> None:
    result = bring(*ROWS)
    assert (result.rows, result.created, result.details) == (3, 3, {"enrolled": 3})
    now = to_micros(clock.now())
    with store.read() as connection:
        run = connection.execute(sa.select(sending.runs)).mappings().one()
        enrolled = connection.execute(
            sa.select(
                people.customers.c.key,
                sending.enrolments.c.arm,
                sending.enrolments.c.variant,
                sending.enrolments.c.anchor_at,
            )
            .join(people.customers)
            .order_by(people.customers.c.key)
        ).all()
        outcomes = connection.execute(
            sa.select(
                people.customers.c.key,
                answers.outcomes.c.metric,
                answers.outcomes.c.phase,
                answers.outcomes.c.value,
                answers.outcomes.c.currency,
            )
            .join(sending.enrolments, sending.enrolments.c.id == answers.outcomes.c.enrolment_id)
            .join(people.customers)
            .where(people.customers.c.key == "1")
            .order_by(answers.outcomes.c.metric)
        ).all()
    assert (run["campaign"], run["occurrence"], run["kind"], run["state"], run["finished_at"]) == (
        "hillstrom",
        "import",
        "experiment",
        "finished",
        now,
    )
    assert enrolled == [
        ("1", "treated", "mens", now),
        ("2", "treated", "womens", now),
        ("3", "holdout", None, now),
    ]
    assert outcomes == [
        ("1", "history", "before", 14244, "USD"),
        ("1", "spend", "after", 2999, "USD"),
        ("1", "visit", "after", 1, None),
    ]


def test_importing_again_changes_nothing(
    store: Store, bring: Callable[..., ImportResult], clock: FixedClock
) -> None:
    bring(*ROWS)
    before = contents(store, TABLES)
    clock.advance(timedelta(days=3))
    assert bring(*ROWS).already
    result = bring(*ROWS, again=True)
    assert (result.created, result.updated, result.unchanged) == (0, 0, 3)
    result = bring(*reversed(ROWS[1:]), name="part.csv")
    assert result.unchanged == 2
    assert contents(store, TABLES) == before


def test_a_later_export_brings_new_rows_and_new_outcomes_but_never_another_arm(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    bring(*ROWS)
    result = bring(
        ("1", "Mens E-Mail", "1", "35.00", "142.44"),
        ("2", "No E-Mail", "1", "9.00", "1.00"),
        ("4", "No E-Mail", "0", "", "5"),
        name="b.csv",
    )
    assert (result.created, result.updated, result.details) == (1, 1, {"enrolled": 1, "other_arm": 1})
    with store.read() as connection:
        rows = connection.execute(
            sa.select(answers.outcomes.c.value).where(answers.outcomes.c.metric == "spend")
        ).scalars()
        assert sorted(rows) == [0, 0, 3500]


def test_a_customer_twice_or_without_an_arm_is_rejected(bring: Callable[..., ImportResult]) -> None:
    result = bring(*ROWS, ROWS[0], ("5", "", "0", "0", "0"), ("6", "Mens E-Mail", "often", "0", "0"))
    assert (result.created, result.rejected) == (3, 3)
    assert {(one.column, one.reason) for one in result.rejects} == {
        ("customer_id", "customer twice"),
        ("segment", "no arm"),
        ("visit", "not a number"),
    }


def test_the_anchor_is_the_instant_of_the_row_where_there_is_one(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    mapping = replace(EXPERIMENT, at=Column("sent", format="YYYY-MM-DD"))
    bring((*ROWS[0], "2008-03-20"), (*ROWS[2], "2008-03-21"), mapping=mapping, header=(*HEADER, "sent"))
    day = 86_400_000_000
    with store.read() as connection:
        anchors = (
            connection.execute(sa.select(sending.enrolments.c.anchor_at).order_by(sending.enrolments.c.id))
            .scalars()
            .all()
        )
        assert connection.execute(sa.select(sending.runs.c.anchor_at)).scalar_one() == anchors[0]
    assert anchors[1] - anchors[0] == day


def test_a_metric_cannot_be_both_before_and_after(bring: Callable[..., ImportResult]) -> None:
    with pytest.raises(TidingsError, match="visit"):
        bring(*ROWS, mapping=replace(EXPERIMENT, before=(("visit", Column("visit")),)))
