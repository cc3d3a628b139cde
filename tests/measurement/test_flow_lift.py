"""What a flow caused: everybody drawn to be treated against everybody held out, each from their first entering on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from support.measured import AFTERWARDS, ANCHOR, GOAL, Enrolled, Happened, definitions_with, enrol, happen
from tidings.clock import to_micros
from tidings.definitions.kinds.campaign import Holdout
from tidings.definitions.kinds.flow import Flow, Start, Step
from tidings.definitions.values import Share
from tidings.measurement.report import make_report
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import sending

FLOW = Flow(
    "care",
    "Care",
    "flows/care.yaml",
    Start("event", event="order_delivered"),
    (Step("letter", "send", send="care", via=("email",)),),
    holdout=Holdout(Share(2000)),
    goal=GOAL,
)
DEFINITIONS = replace(definitions_with(None), flows={"care": FLOW})
TREATED, WRITTEN, HELD = 400, 200, 100
DAY = timedelta(days=1)


def entered(customer: int) -> datetime:
    """Everybody comes in at an hour of their own, over ten days."""
    return ANCHOR - 20 * DAY + timedelta(hours=customer % 240)


def order(customer: int, at: datetime) -> Happened:
    return Happened(customer, "order_placed", at, 1_000)


@pytest.fixture
def run_id(store: Store) -> int:
    """400 drawn to be treated, of whom 200 got the letter, and 100 held out; a quarter of both came in a second time.

    Planted: of those written to 60 bought within the window of their first entry, of the others 20; of the held out 10.
    """
    people = [Enrolled(one, "treated", None, entered(one)) for one in range(1, TREATED + 1)]
    people += [Enrolled(one, "holdout", None, entered(one)) for one in range(TREATED + 1, TREATED + HELD + 1)]
    made = enrol(store, people, campaign="care", kind="flow", occurrence="flow")
    again = [one for one in people if one.customer % 4 == 0]
    with store.durable("seed") as connection:
        connection.execute(
            sa.update(sending.runs).where(sending.runs.c.id == made).values(bounds={"holdout": 2000})
        )
        insert_rows(
            connection,
            sending.enrolments,
            [(made, one.customer, 1, one.arm, None, to_micros(one.anchor + 20 * DAY), 0) for one in again],
            ["run_id", "customer_id", "entry", "arm", "variant", "anchor_at", "planned_at"],
        )
        treated = connection.execute(
            sa.select(sending.enrolments.c.id, sending.enrolments.c.customer_id).where(
                sending.enrolments.c.entry == 0, sending.enrolments.c.customer_id <= WRITTEN
            )
        ).all()
        insert_rows(
            connection,
            sending.messages,
            [
                (made, row.id, row.customer_id, "letter", "email", "accepted", to_micros(ANCHOR), to_micros(ANCHOR))
                for row in treated
            ],
            ["run_id", "enrolment_id", "customer_id", "step", "channel", "state", "due_at", "accepted_at"],
        )  # fmt: skip
    buyers = [*range(1, 61), *range(WRITTEN + 1, WRITTEN + 21), *range(TREATED + 1, TREATED + 11)]
    found = [order(one, entered(one) + 13 * DAY) for one in buyers]
    # Within the window of the second entry only: what people do after they came again is no effect of having been let in.
    found += [order(one.customer, one.anchor + 22 * DAY) for one in again if one.customer not in buyers]
    # Of everybody, before they came in: known beforehand, so it is not what the flow caused.
    found += [order(one.customer, one.anchor - timedelta(hours=1)) for one in people[::7]]
    happen(store, found)
    return made


def test_flow_lift_is_intention_to_treat_and_the_first_entry_counts(store: Store, run_id: int) -> None:
    report = make_report(store, DEFINITIONS, "care", as_of=AFTERWARDS)
    assert report.run.id == run_id
    assert {arm.name: arm.customers for arm in report.arms} == {"holdout": HELD, "treated": TREATED}
    assert {arm.name: arm.share for arm in report.arms} == {"holdout": 0.2, "treated": 0.8}
    assert not report.ratio.alarm
    (lift,) = [one for one in report.effects if one.metric.name == "order_placed"]
    assert (lift.arm, lift.against, lift.customers) == ("treated", "holdout", TREATED)
    # Those who were drawn and never got a message count as treated: 80 of 400, not 60 of 200.
    assert lift.mean == pytest.approx(80 / 400)
    assert lift.base == pytest.approx(10 / 100)
    assert lift.difference.estimate == pytest.approx(0.10)
    assert lift.reached is not None
    assert lift.reached[0] == pytest.approx(WRITTEN / TREATED)
    later = (TREATED + HELD) // 4
    assert f"{later:,} later entries are left out" in " ".join(report.notes)


def test_the_funnel_of_a_flow_counts_first_entries_too(store: Store, run_id: int) -> None:
    rows = {row.arm: row for row in make_report(store, DEFINITIONS, "care", as_of=AFTERWARDS).funnel}
    assert (rows["treated"].enrolled, rows["treated"].messages, rows["treated"].converted) == (TREATED, WRITTEN, 80)  # fmt: skip
    assert (rows["holdout"].enrolled, rows["holdout"].messages, rows["holdout"].converted) == (HELD, 0, 10)


def test_money_of_a_flow_is_counted_from_entering_as_well(store: Store, run_id: int) -> None:
    report = make_report(store, DEFINITIONS, "care", as_of=AFTERWARDS)
    (money,) = [one for one in report.effects if one.metric.name == "revenue"]
    assert money.difference.estimate == pytest.approx(10.0 * (80 / 400 - 10 / 100))
