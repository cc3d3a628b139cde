"""A plan leaves out who has got as much already as a cap allows, by what is reserved; the claim asks again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from support.shop import copy_workspace, seed
from tidings.campaigns.planning import make_plan
from tidings.clock import FixedClock, to_micros
from tidings.definitions.kinds.rules import Cap
from tidings.definitions.loader import load
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.store.database import Store
from tidings.store.tables import people, sending

CAMPAIGN = """\
campaign: Win back
purpose: marketing
to: lapsed_buyers
send: spring_winback
via: email
holdout: none
say:
  headline: Warm
"""
ONCE = Cap(1, Duration(1, Unit.DAY))
TWICE_A_WEEK = Cap(2, Duration(1, Unit.WEEK))


def workspace(tmp_path: Path, caps: tuple[Cap, ...], account: tuple[Cap, ...] = ()) -> Definitions:
    found = load(copy_workspace(tmp_path / "shop", campaigns__win_back=CAMPAIGN))
    purposes = tuple(
        replace(one, cap=caps) if one.name == "marketing" else replace(one, cap=())
        for one in found.policies.purposes
    )
    return replace(found, policies=replace(found.policies, purposes=purposes, account_limit=account))


def reserved(
    store: Store, clock: FixedClock, customer: int, days_ago: int, *, released: bool = False
) -> None:
    """Write a reservation of a message of another run."""
    at = to_micros(clock.now() - timedelta(days=days_ago))
    with store.durable("test") as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(sending.runs)).scalar_one()
        run_id = connection.execute(
            sa.insert(sending.runs)
            .values(
                campaign="before", occurrence=str(count), kind="campaign", definition_hash="d", policy_hash="p",
                salt="s", state="finished", anchor_at=at, created_at=at, bounds={},
            )
            .returning(sending.runs.c.id)
        ).scalar_one()  # fmt: skip
        enrolment = connection.execute(
            sa.insert(sending.enrolments)
            .values(run_id=run_id, customer_id=customer, arm="treated", anchor_at=at, planned_at=at)
            .returning(sending.enrolments.c.id)
        ).scalar_one()
        message = connection.execute(
            sa.insert(sending.messages)
            .values(
                run_id=run_id, enrolment_id=enrolment, customer_id=customer, channel="email", state="accepted",
                due_at=at,
            )
            .returning(sending.messages.c.id)
        ).scalar_one()  # fmt: skip
        connection.execute(
            sa.insert(sending.cap_use).values(
                customer_id=customer,
                cap="marketing",
                period=(clock.now() - timedelta(days=days_ago)).date().isoformat(),
                message_id=message,
                reserved_at=at,
                released_at=at if released else None,
            )
        )


def test_who_has_got_as_much_as_a_cap_allows_is_refused_when_planning(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    seed(store, 12, lapsed=10, consented=10)
    reserved(store, clock, 1, 0)
    reserved(store, clock, 2, 0, released=True)
    reserved(store, clock, 3, 1)
    reserved(store, clock, 4, 6)
    reserved(store, clock, 4, 2)
    reserved(store, clock, 5, 7)
    reserved(store, clock, 5, 2)
    plan = make_plan(store, workspace(tmp_path, (ONCE, TWICE_A_WEEK)), "win_back", now=clock.now())
    assert dict(plan.refusals) == {"frequency_cap": 2}
    assert plan.messages == (("email", 8),)


def test_an_account_that_has_got_as_much_as_it_may_is_refused_when_planning(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    seed(store, 12, lapsed=10, consented=10)
    with store.durable("test") as connection:
        connection.execute(
            sa.update(people.customers).where(people.customers.c.id < 4).values(account="Rose & Sons")
        )
    reserved(store, clock, 1, 0)
    plan = make_plan(store, workspace(tmp_path, (), (ONCE,)), "win_back", now=clock.now())
    assert dict(plan.refusals) == {"account_limit": 3}


def test_without_caps_nobody_is_left_out(store: Store, clock: FixedClock, tmp_path: Path) -> None:
    seed(store, 12, lapsed=10, consented=10)
    reserved(store, clock, 1, 0)
    assert dict(make_plan(store, workspace(tmp_path, ()), "win_back", now=clock.now()).refusals) == {}
