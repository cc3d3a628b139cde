"""What is recomputed of flows: the rules that journeys, steps and messages obey, and the report of a flow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.flow_world import DAY, enter, flow_workspace, go_live, plan, populate
from tidings.clock import FixedClock, to_micros
from tidings.config.settings import Settings, load_settings
from tidings.delivery.flow_rules import FLOW_RULES
from tidings.delivery.verify import verify
from tidings.errors import UsageError
from tidings.measurement.report import make_report
from tidings.store.database import Store
from tidings.store.tables import journeys, people, sending


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return flow_workspace(tmp_path / "workspace")


@pytest.fixture
def settings(root: Path) -> Settings:
    return load_settings(root, "development", variables={})


def test_what_breaks_the_rules_of_flows_is_found(store: Store, clock: FixedClock, root: Path) -> None:
    populate(store, 6)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2, 3))
    plan(store, live, entered, "letter")
    held = enter(store, live, (4,), arm="holdout")
    ended = {"state": "ended", "outcome": "finished", "ended_at": 1}
    walks = journeys.journeys
    with store.durable("test") as connection:
        connection.execute(sa.update(walks).values(step="answer"))
    assert verify(store).broken == ()
    wrong: dict[str, Callable[[sa.Connection], object]] = {
        "steps that send": lambda c: c.execute(
            sa.delete(sending.messages).where(sending.messages.c.enrolment_id == entered[1])
        ),
        "journeys": lambda c: c.execute(sa.delete(walks).where(walks.c.enrolment_id == held[4])),
        "one way": lambda c: c.execute(
            sa.update(walks).where(walks.c.enrolment_id == entered[2]).values(step="letter")
        ),
        "journeys end": lambda c: c.execute(
            sa.update(walks).where(walks.c.enrolment_id == entered[3]).values(**{**ended, "outcome": None})
        ),
        "holdouts walk silently": lambda c: c.execute(
            sa.insert(journeys.tasks).values(
                run_id=live.run_id,
                enrolment_id=held[4],
                step="call",
                customer_id=4,
                person="ann",
                email="ann@x",
                card="",
                created_at=1,
                state="open",
                mail="planned",
            )
        ),
        "versions": lambda c: c.execute(
            sa.update(sending.messages).where(sending.messages.c.enrolment_id == entered[2]).values(version=9)
        ),
        "live versions": lambda c: c.execute(sa.update(sending.runs).values(version=9)),
        "parties": lambda c: c.execute(
            sa.update(sending.enrolments).where(sending.enrolments.c.id == entered[3]).values(arm="party")
        ),
        "parties are enrolled for a message": lambda c: c.execute(
            sa.insert(sending.enrolments).values(
                run_id=live.run_id, customer_id=5, entry=0, arm="party", anchor_at=1, planned_at=1
            )
        ),
    }
    assert set(wrong) == {one.name for one in FLOW_RULES}
    for name, breaking in wrong.items():
        with store.durable("test") as connection:
            before = connection.begin_nested()
            breaking(connection)
            rules = {rule.name: rule.broken(connection) for rule in FLOW_RULES}
            before.rollback()
        assert len(rules[name]) == 1, name


def test_the_report_of_a_flow_counts_each_customer_once_from_the_first_entry(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    populate(store, 40)
    live = go_live(store, root)
    enter(store, live, range(1, 31))
    enter(store, live, range(31, 41), arm="holdout")
    first = to_micros(clock.now())
    clock.advance(timedelta(days=3))
    enter(store, live, range(1, 6), entry=1)
    with store.durable("test") as connection:
        name = connection.execute(
            sa.insert(people.event_names).values(name="order_placed").returning(people.event_names.c.id)
        ).scalar_one()
        connection.execute(
            sa.insert(people.events),
            [
                {
                    "name_id": name,
                    "customer_id": one,
                    "occurred_at": first + DAY,
                    "received_at": first + DAY,
                    "source": "test",
                    "dedupe_key": str(one),
                    "amount": 1_000,
                    "currency": "EUR",
                }
                for one in (*range(1, 16), 31)
            ],
        )
    clock.advance(timedelta(days=60))
    report = make_report(store, settings.definitions, "care", as_of=clock.now())
    assert {arm.name: arm.customers for arm in report.arms} == {"holdout": 10, "treated": 30}
    assert report.title == "Care after the purchase"
    placed = next(effect for effect in report.effects if effect.arm == "treated" and effect.metric.every_arm)
    assert (round(placed.mean, 3), round(placed.base, 3)) == (0.5, 0.1)
    assert any("5 later entries are left out" in note for note in report.notes)
    with pytest.raises(UsageError, match="caree") as raised:
        make_report(store, settings.definitions, "caree", as_of=clock.now())
    assert "care" in str(raised.value.what_to_do)
