"""Who brings the money, the RFM grid, cohorts and sales channels; and sentences where there is nothing to say."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.movement_world import Bought, days, put, shop, when
from tidings.errors import UsageError
from tidings.measurement.movement import few
from tidings.measurement.movement.asking import PARTS, Kpi, ask
from tidings.measurement.movement.concentration import Concentration, concentration
from tidings.measurement.movement.purchases import Purchases, Trade
from tidings.measurement.movement.rfm import fifths
from tidings.store.database import Store

EARLY = when("2024-01-01")
QUARTER = ("2026-10-01", "2026-12-31")
VALUES = st.lists(st.integers(-1_000, 100_000), min_size=1, max_size=30)


def curve_of(values: list[int], currency: str = "EUR") -> Concentration:
    size = len(values)
    numbers, nothing = np.arange(1, size + 1), np.zeros(size, dtype=np.int64)
    amounts = np.array(values, dtype=np.int64)
    placed = np.ones(size, dtype=bool)
    bought = Purchases(Trade((), ()), numbers, nothing, amounts, nothing, placed, nothing, ("",), currency)
    return concentration(bought, placed, "in this time")


def everything(store: Store, *, root: str = "", first: str = QUARTER[0], last: str = QUARTER[1]) -> Kpi:
    found = ask(store, shop(root=root), days(first, last), parts=PARTS, by_channel=True)
    json.dumps(found.as_json(), allow_nan=False)
    return found


@given(VALUES)
def test_the_curve_is_what_sorting_says(values: list[int]) -> None:
    found = curve_of(values)
    ordered, total = sorted(values, reverse=True), sum(values)
    if total <= 0:
        assert found.top_fifth is None and found.reason
        return
    best = math.ceil(len(values) / 5)
    assert found.top_fifth == pytest.approx(sum(ordered[:best]) / total)
    assert found.for_80 == next(n for n in range(1, len(values) + 1) if sum(ordered[:n]) * 5 >= total * 4)
    assert found.points[-1] == (1.0, len(values), pytest.approx(1.0))
    assert found.gini is not None and 0 <= found.gini < 1
    spread = sum(abs(max(one, 0) - max(other, 0)) for one in values for other in values)
    mean = sum(max(one, 0) for one in values) / len(values)
    assert found.gini == pytest.approx(spread / (2 * len(values) ** 2 * mean), abs=1e-9)


@given(VALUES, st.randoms())
def test_in_what_order_customers_are_known_changes_no_share(values: list[int], chance: object) -> None:
    mixed = values.copy()
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert curve_of(values) == curve_of(mixed)


def test_equal_values_bring_their_share_and_one_customer_is_compared_with_nobody() -> None:
    alike = curve_of([500] * 10)
    assert (alike.top_fifth, alike.gini, alike.for_80) == (0.2, 0.0, 8)
    assert "All 10 brought exactly the same" in alike.reason
    assert "Only one customer" in curve_of([500]).reason
    assert "Without one currency" in curve_of([500, 600], "").reason
    assert "came back" in curve_of([500, -500]).reason


@given(st.lists(st.integers(0, 20), min_size=1, max_size=80))
def test_equal_values_share_a_fifth_and_higher_ones_never_stand_lower(values: list[int]) -> None:
    found = fifths(np.array(values))
    pairs = sorted(zip(values, found.tolist(), strict=True))
    assert all(1 <= fifth <= 5 for _, fifth in pairs)
    assert [fifth for _, fifth in pairs] == sorted(fifth for _, fifth in pairs)
    assert len({value for value, _ in pairs}) == len(set(pairs))
    assert set(found.tolist()) == {3} or len(set(values)) > 1


def test_different_values_make_even_fifths() -> None:
    assert np.bincount(fifths(np.arange(100)))[1:].tolist() == [20] * 5


def test_cohorts_hold_who_ordered_first_then_and_count_who_came_back(store: Store) -> None:
    put(
        store,
        dict.fromkeys(range(1, 5), EARLY),
        [
            Bought(1, when("2026-10-05"), 1000), Bought(1, when("2026-12-05"), 500), Bought(1, when("2026-12-06"), 500),
            Bought(2, when("2026-10-31"), 2000), Bought(2, when("2026-11-01"), 700, name="order_returned"),
            Bought(3, when("2026-12-31") + timedelta(hours=11), 300),
            # In Stockholm it is January already, which is after the end.
            Bought(4, when("2027-01-01") - timedelta(hours=12), 400),
        ],
    )  # fmt: skip
    found = everything(store).cohorts
    assert found is not None
    assert [(one.name, one.customers, one.active, one.value) for one in found.cohorts] == [
        ("2026-10", 2, (2, 0, 1), (3000, -700, 1000)), ("2026-11", 0, (0, 0), (0, 0)), ("2026-12", 1, (1,), (300,)),
    ]  # fmt: skip
    assert (found.older, found.over) == (0, True)


def test_the_grid_holds_every_buyer_once_with_all_that_they_brought(store: Store) -> None:
    put(
        store,
        dict.fromkeys(range(1, 7), EARLY),
        [Bought(one, when("2026-12-01") - timedelta(days=30 * one), 1000 * one) for one in range(1, 6)]
        + [Bought(1, when("2026-12-20"), 50), Bought(5, when("2026-12-28"), 500, name="order_returned")],
    )
    found = everything(store).rfm
    assert found is not None
    assert (found.customers, sum(one.customers for one in found.cells)) == (5, 5)
    assert sum(one.value for one in found.cells) == 15_050 - 500
    # The latest of five stands best, eleven days before the end of the year.
    assert found.ranges["recency"][4] == (11, 11)
    assert found.scores["551"] == 1


def test_every_sales_channel_balances_and_together_they_are_all(store: Store) -> None:
    put(
        store,
        dict.fromkeys(range(1, 6), EARLY),
        [
            Bought(1, when("2026-05-01"), 100, sales="shop"), Bought(1, when("2026-11-01"), 200, sales="web"),
            Bought(2, when("2026-11-01"), 400, sales="shop"), Bought(3, when("2025-12-01"), 800, sales="dealer"),
            Bought(4, when("2026-11-01"), 100), Bought(4, when("2026-11-02"), 30, sales="web", name="order_returned"),
        ],
    )  # fmt: skip
    found = everything(store)
    assert found.sales is not None and found.moves is not None
    lines = {one.name: one for one in found.sales}
    assert {name: one.value for name, one in lines.items()} == {
        "shop": 400,
        # What came back counts with the channel that it says.
        "web": 170,
        "not said": 100,
        "dealer": 0,
    }
    assert (lines["web"].moves.start, lines["web"].moves.end) == (1, 1)
    assert lines["dealer"].moves.kinds["lost"].customers == 1
    for one in found.sales:
        kinds = {name: sums.customers for name, sums in one.moves.kinds.items()}
        assert one.moves.start + kinds["new"] + kinds["reactivated"] - kinds["lost"] == one.moves.end
    assert sum(one.moves.end for one in found.sales) == found.moves.end
    assert sum(one.value for one in found.sales) == found.revenue.net


def test_a_time_without_data_says_when_there_was_some_and_gives_no_number(store: Store) -> None:
    put(store, {1: EARLY}, [Bought(1, when("2025-01-07"))])
    found = everything(store)
    assert "the last purchase before its end is of 2025-01-07" in found.words[0]
    assert found.concentration is not None and "Nobody who is known bought" in found.concentration.reason
    assert found.moves is not None and found.moves.rate("lost") is None
    earlier = everything(store, first="2024-02-01", last="2024-02-29")
    assert "No purchase (order_placed) of anybody known is in the store up to" in earlier.words[0]
    assert earlier.cohorts is not None and earlier.cohorts.reason
    assert earlier.rfm is not None and earlier.rfm.words


def test_no_customers_at_all_are_a_sentence(store: Store) -> None:
    found = everything(store)
    assert found.words[0] == "There are no customers in the store yet: import some, and what they did."
    assert found.as_json()["ladder"]["rates"] == dict.fromkeys(
        ("new", "reactivated", "retained", "upgraded", "downgraded", "lost", "kept", "growth")
    )


def test_everybody_alike_is_said_and_divides_by_nothing(store: Store) -> None:
    put(store, dict.fromkeys(range(1, 4), EARLY), [Bought(one, when("2026-11-01")) for one in range(1, 4)])
    found = everything(store)
    assert found.rfm is not None and found.concentration is not None
    assert found.rfm.words == (
        "All 3 ordered last on the same day: that tells nobody from another.",
        "All 3 ordered equally often: that tells nobody from another.",
        "All 3 brought exactly the same: money tells nobody from another.",
    )
    assert {(one.recency, one.frequency) for one in found.rfm.cells if one.customers} == {(3, 3)}
    assert "no part of them brings more" in found.concentration.reason


def test_several_currencies_are_counted_in_one_or_not_added_up(store: Store, tmp_path: Path) -> None:
    put(
        store,
        dict.fromkeys(range(1, 4), EARLY),
        [
            Bought(1, when("2026-11-01"), 1000, 100), Bought(2, when("2026-11-02"), 1000, 100, currency="USD"),
            Bought(3, when("2026-11-02"), 10, currency=None), Bought(3, when("2026-11-03"), None),
        ],
    )  # fmt: skip
    apart = everything(store)
    told = apart.as_json()
    assert (told["currency"], told["revenue"]["net"], told["revenue"]["orders"]) == (None, None, 4)
    assert any("not added up" in one for one in apart.words)
    assert apart.concentration is not None and "Without one currency" in apart.concentration.reason
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "rates.csv").write_text("day,from,to,rate\n2026-01-01,USD,EUR,0.5\n")
    told = everything(store, root=str(tmp_path)).as_json()
    assert (told["currency"], told["revenue"]["net"], told["revenue"]["margin"]) == ("EUR", 15.10, 1.5)
    assert "1 amounts say no currency and are taken for EUR." in told["words"]
    assert "1 of them have no amount and count as 0." in told["words"]


def test_sales_channels_that_no_purchase_says_are_refused(store: Store) -> None:
    from dataclasses import replace

    from tidings.definitions.kinds.rules import Event, EventProperty, Events

    own = Events(
        (Event("order_placed", properties=(EventProperty("order_total", "money"),), revenue="order_total"),)
    )
    with pytest.raises(UsageError, match="through which sales channel"):
        ask(store, replace(shop(), events=own), days(*QUARTER), by_channel=True)
    with pytest.raises(UsageError, match="what a purchase is worth"):
        ask(store, replace(shop(), events=Events((Event("page_viewed"),))), days(*QUARTER))


def test_a_margin_that_no_purchase_says_is_not_known_and_not_nought(store: Store) -> None:
    put(store, {1: EARLY, 2: EARLY}, [Bought(1, when("2026-11-01")), Bought(2, when("2026-11-02"))])
    found = everything(store)
    assert found.trade.margin and not found.money.margin
    assert found.as_json()["revenue"]["margin"] is None
    assert found.as_json()["ladder"]["steps"][-1]["margin"] is None
    assert "No purchase of this time says its margin (profit of order_placed)" in " ".join(found.words)


def test_purchases_that_say_no_margin_among_others_are_counted_and_said(store: Store) -> None:
    bought = [Bought(1, when("2026-11-01"), 1000, 300), Bought(1, when("2026-11-02"), 1000), Bought(1, when("2025-11-02"))]  # fmt: skip
    put(store, {1: EARLY}, bought)
    found = everything(store)
    assert found.as_json()["revenue"]["margin"] == 3.0
    assert "1 of 2 purchases of this time say no margin and count as if they earned nothing." in found.words
    # Before the time nothing was bought in the store's first year: that nothing was earned is known.
    assert everything(store, first="2024-02-01", last="2024-02-28").as_json()["revenue"]["margin"] == 0.0


def test_a_currency_that_only_old_purchases_have_is_found_and_read_once_more(
    make_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("sqlite")
    monkeypatch.setattr(few, "_LATEST", 2)
    bought = [Bought(1, when("2026-11-01"), currency="SEK", sales="fair"), *[Bought(1, when(f"2026-11-{n:02d}"), sales="web") for n in range(2, 9)]]  # fmt: skip
    put(store, {1: EARLY}, bought)
    found = everything(store)
    assert found.money.currency == ""
    assert any("Amounts are in EUR and SEK" in one for one in found.words)
    assert {one.name: one.orders for one in found.sales or ()} == {"web": 7, "fair": 1}


def test_the_ladder_alone_is_read_from_the_time_before_and_says_the_same(store: Store) -> None:
    bought = [Bought(one % 3 + 1, when(f"20{20 + one % 7}-0{one % 9 + 1}-11"), 1000 + one, 100, sales="web") for one in range(120)]  # fmt: skip
    put(store, {1: EARLY, 2: EARLY, 3: EARLY}, bought)
    for first, last in (QUARTER, ("2025-01-01", "2025-06-30"), ("2019-01-01", "2019-06-30")):
        alone = ask(store, shop(), days(first, last), parts=("ladder", "80-20")).as_json()
        whole = everything(store, first=first, last=last).as_json()
        assert alone == {name: whole[name] for name in alone}
