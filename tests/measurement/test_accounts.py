"""Where accounts were drawn, what an interval rests on are the accounts: their members live one fate together."""

from __future__ import annotations

import random
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from support.measured import (
    AFTERWARDS,
    ANCHOR,
    CAMPAIGN,
    Enrolled,
    Happened,
    definitions_with,
    enrol,
    happen,
    without,
)
from tidings.clock import to_micros
from tidings.measurement.report import make_report
from tidings.statistics.clusters import Clusters
from tidings.statistics.cuped import adjust
from tidings.statistics.means import welch
from tidings.statistics.sums import Moments
from tidings.store.database import Store
from tidings.store.tables import people, sending

ONE_WORDING = without(CAMPAIGN, variants=())


def shop(chance: random.Random, accounts: int) -> tuple[list[Enrolled], list[Happened], dict[int, str]]:
    """Return enrolments of accounts with one to nine members each, and what they bought before and after."""
    enrolled, happened, account_of, customer = [], [], {}, 0
    for account in range(accounts):
        arm = "holdout" if account % 4 == 0 else "treated"
        mood = chance.random()
        for _ in range(chance.randrange(1, 10)):
            customer += 1
            enrolled.append(Enrolled(customer, arm, None))
            account_of[customer] = f"company {account}"
            for days in (-3, 2):
                if chance.random() < mood:
                    at = ANCHOR + timedelta(days=days)
                    happened.append(
                        Happened(customer, "order_placed", at, amount=chance.randrange(1, 90) * 100)
                    )
    return enrolled, happened, account_of


def put_into(store: Store, account_of: dict[int, str]) -> int:
    """Note the accounts, and a plan that says what was drawn."""
    with store.durable("test") as connection:
        for customer, account in account_of.items():
            connection.execute(
                sa.update(people.customers).where(people.customers.c.id == customer).values(account=account)
            )
    return made_plan(store, {"unit": "account"})


def made_plan(store: Store, summary: dict[str, object]) -> int:
    at = to_micros(ANCHOR)
    made = {"hash": "p", "campaign": "spring", "occurrence": "once", "definition_hash": "", "salt": ""}
    with store.durable("test") as connection:
        return connection.execute(
            sending.plans.insert()
            .values(**made, planned_at=at, anchor_at=at, state="used", summary=summary)
            .returning(sending.plans.c.id)
        ).scalar_one()


def test_accounts_are_added_up_in_the_database_as_one_would_by_hand(store: Store) -> None:
    enrolled, happened, account_of = shop(random.Random(7), 120)
    # Two who belong to no account are drawn alone, each by itself.
    for customer in (9_001, 9_002):
        enrolled.append(Enrolled(customer, "treated", None))
    run_id = enrol(store, enrolled)
    happen(store, happened)
    plan_id = put_into(store, account_of)
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.runs).where(sending.runs.c.id == run_id).values(plan_id=plan_id))
    report = make_report(store, definitions_with(ONE_WORDING), "spring", as_of=AFTERWARDS)
    values: dict[int, list[float]] = {one.customer: [0.0] * 4 for one in enrolled}
    for event in happened:
        row, later = values[event.customer], event.at < ANCHOR
        row[later] = 1.0
        row[2 + later] += (event.amount or 0) / 100
    clusters = {}
    for arm in ("holdout", "treated"):
        members = [one.customer for one in enrolled if one.arm == arm]
        units = [account_of.get(one, f"alone {one}") for one in members]
        clusters[arm] = [
            Clusters.of([values[one][place : place + 2] for one in members], units) for place in (0, 2)
        ]
    assert {arm.name: (arm.customers, arm.accounts) for arm in report.arms} == {
        arm: (found[0].customers, found[0].accounts) for arm, found in clusters.items()
    }
    for effect, place in zip(report.effects, (0, 1), strict=True):
        treated, control = (clusters[arm][place].moments() for arm in ("treated", "holdout"))
        expected = welch(treated.metric().mean(), control.metric().mean())
        assert effect.difference.estimate == pytest.approx(expected.estimate)
        assert effect.difference.interval == pytest.approx(expected.interval)
        assert (effect.customers, effect.accounts) == (
            clusters["treated"][place].customers,
            clusters["treated"][place].accounts,
        )
        adjusted = adjust(treated, control)
        assert adjusted is not None and effect.adjusted is not None
        found = welch(adjusted.treated, adjusted.control)
        assert effect.adjusted.difference.interval == pytest.approx(found.interval)
    assert any("Accounts were drawn" in note for note in report.notes)


def test_the_sizes_that_were_drawn_are_counted_in_accounts(store: Store) -> None:
    """40 small accounts held out of 400 and one of 3,000 people among the treated: drawn rightly, and no alarm."""
    enrolled, account_of, customer = [], {}, 0
    for account in range(400):
        for _ in range(3_000 if account == 399 else 1):
            customer += 1
            enrolled.append(Enrolled(customer, "holdout" if account < 40 else "treated", None))
            account_of[customer] = f"company {account}"
    run_id = enrol(store, enrolled)
    with store.durable("test") as connection:
        table = people.customers
        connection.execute(sa.update(table).values(account=sa.cast(table.c.id, sa.Text)))
        connection.execute(sa.update(table).where(table.c.id >= 400).values(account="400"))
    plan_id = made_plan(store, {"unit": "account", "holdout": {"share": 1000}})
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.runs).where(sending.runs.c.id == run_id).values(plan_id=plan_id))
    report = make_report(store, definitions_with(ONE_WORDING), "spring", as_of=AFTERWARDS)
    assert [arm.accounts for arm in report.arms] == [40, 360]
    assert not report.ratio.alarm


def test_intervals_over_accounts_cover_where_those_over_people_are_too_narrow() -> None:
    """600 tests without any effect: 95 % intervals must leave out zero in about 5 % of them."""
    chance = np.random.default_rng(11)
    wrong_people = wrong_accounts = 0
    for _ in range(600):
        arms = []
        for _ in range(2):
            sizes = chance.integers(1, 21, 150)
            account = np.repeat(np.arange(150), sizes)
            # Members of a company buy alike, and big companies buy more often.
            likes = np.clip(chance.normal(0.25 + sizes / 100, 0.15), 0.01, 0.99)[account]
            bought = (chance.random(len(account)) < likes).astype(float)[:, None]
            arms.append((Moments.of(bought), Clusters.of(bought, account).moments()))
        (left, left_accounts), (right, right_accounts) = arms
        wrong_people += welch(left.metric().mean(), right.metric().mean()).shown
        found = welch(left_accounts.metric().mean(), right_accounts.metric().mean())
        assert found.estimate == pytest.approx(left.metric().mean().value - right.metric().mean().value)
        wrong_accounts += found.shown
    assert wrong_people / 600 > 0.12
    # 5 % of 600 is 30, give or take three standard errors of 5.3.
    assert 14 <= wrong_accounts <= 46


def test_accounts_of_one_are_people() -> None:
    rows = np.random.default_rng(3).poisson(2, (500, 2)).astype(float)
    alone = Clusters.of(rows, np.arange(500)).moments()
    plain = Moments.of(rows)
    assert alone.n == plain.n
    np.testing.assert_allclose(alone.totals, plain.totals)
    np.testing.assert_allclose(alone.products, plain.products)
    both = (Clusters.of(rows[:200], np.arange(200)) + Clusters.of(rows[200:], np.arange(300))).moments()
    np.testing.assert_allclose(both.products, plain.products)
