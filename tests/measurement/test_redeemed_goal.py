"""A goal of redemptions: codes that the messages gave and that count, within the window, by variant."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from measurement.test_report import AFTERWARDS, ANCHOR, CAMPAIGN, definitions_with, draw, enrol, plan, send
from tidings.clock import to_micros
from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.values import Compared, Duration, Order, Unit
from tidings.measurement.report import make_report
from tidings.store.database import Store
from tidings.store.tables import money, sending


@pytest.mark.parametrize(("least", "counted"), [(None, 9), (10, 4)])
def test_a_goal_of_redemptions_compares_variants_by_codes_that_count(
    store: Store, least: int | None, counted: int
) -> None:
    with_ = (("discount", Compared(Order.AT_LEAST, Decimal(least), "EUR")),) if least else ()
    campaign = replace(CAMPAIGN, goal=Goal("redeemed", Duration(7, Unit.DAY), with_=with_))
    run_id = enrol(store, draw(3, 60), plan_id=plan(store, 1000), definition="")
    warm = [message for message, arm, _ in send(store, run_id, lambda _: "accepted") if arm == "warm"]
    with store.durable("test") as connection:
        whose = dict(
            connection.execute(sa.select(sending.messages.c.id, sending.messages.c.customer_id)).all()
        )
        connection.execute(
            sa.insert(money.redemptions),
            [
                {
                    "code": f"C{place}", "offer": "spring", "customer_id": whose[message], "message_id": message,
                    "at": to_micros(ANCHOR + timedelta(days=8 if 9 <= place < 12 else 1)),
                    "discount": 1000 if place < 4 else 500, "currency": "EUR",
                    "judged": "undone" if place >= 12 else "good", "dedupe_key": f"e{place}",
                }
                for place, message in enumerate(warm[:15])
            ],
        )  # fmt: skip
    report = make_report(store, definitions_with(campaign), "spring", as_of=AFTERWARDS)
    assert [(one.arm, one.against) for one in report.effects] == [("warm", "direct")]
    assert report.effects[0].mean == pytest.approx(counted / len(warm))
    assert any("says nothing about lift" in note for note in report.notes)
