"""Scores given to customers, explained and used: the values, who has none, how old they may be, how the write lock fares."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from support.scored_world import NOW, Happened, Shop, habits, score, workspace
from tidings.clock import to_micros
from tidings.definitions.conditions import DidCondition, SegmentCondition
from tidings.definitions.kinds.segment import Rank, Segment
from tidings.definitions.values import Duration, Share, Unit
from tidings.definitions.workspace import Definitions
from tidings.errors import RefusedByPolicy, TidingsError, UsageError
from tidings.scores.applying import apply
from tidings.scores.explaining import explain
from tidings.scores.keeping import applied, keep
from tidings.scores.standing import due, standing
from tidings.scores.training import train
from tidings.segments.looking import look
from tidings.segments.membership import refresh, stored_members
from tidings.store.database import Store
from tidings.store.tables import money, people

AT = to_micros(NOW)
BEST = Segment(
    "best",
    "Best",
    "segments/best.yaml",
    where=(DidCondition("order_placed"),),
    rank=Rank("repeat_purchase", Share(4000)),
)
BETTER = Segment("better", "Better", "segments/better.yaml", where=(SegmentCondition("best"),))


def shop_of(**more: Any) -> Definitions:
    return workspace(score(**more), segments={"best": BEST, "better": BETTER})


@pytest.fixture
def shop(store: Store) -> Shop:
    """A shop in the store, with ten customers who never did anything."""
    made = habits()
    made.customers += 10
    made.put_into(store)
    return made


def trained(store: Store, definitions: Definitions) -> Any:
    found = train(store, definitions, "repeat_purchase", now=NOW)
    keep(store, found, now=AT)
    return found


def values(store: Store) -> dict[int, tuple[float, str, int]]:
    table = people.scores
    with store.read() as connection:
        return {
            row.customer_id: (row.value, row.model, row.scored_at)
            for row in connection.execute(sa.select(table).where(table.c.score == "repeat_purchase"))
        }


def test_every_customer_with_history_gets_their_chance_and_nobody_else(store: Store, shop: Shop) -> None:
    definitions = shop_of()
    model = trained(store, definitions)
    told: list[tuple[int, int]] = []
    done = apply(store, definitions, "repeat_purchase", now=NOW, progress=lambda *at: told.append(at))
    found = values(store)
    since = NOW - timedelta(microseconds=model.model.history)
    known = {
        one.customer
        for one in shop.happened
        if one.name in ("order_placed", "page_viewed") and since <= one.at < NOW
    }
    assert set(found) == known
    assert (done.scored, done.without, done.hash) == (len(known), shop.customers - len(known), model.hash)
    assert {row[1:] for row in found.values()} == {(model.hash, AT)}
    assert all(0 < row[0] < 1 for row in found.values())
    assert done.mean == pytest.approx(np.mean([row[0] for row in found.values()]))
    assert told[-1] == (shop.customers, shop.customers)
    with store.read() as connection:
        kept = applied(connection, "repeat_purchase")
    assert kept is not None
    assert (kept.applied_at, kept.scored) == (AT, len(known))


def test_applied_later_who_has_no_history_left_loses_the_value(store: Store, shop: Shop) -> None:
    definitions = shop_of()
    trained(store, definitions)
    apply(store, definitions, "repeat_purchase", now=NOW)
    before = values(store)
    later = NOW + timedelta(days=60)
    done = apply(store, definitions, "repeat_purchase", now=later)
    after = values(store)
    assert done.scored == len(after) < len(before)
    assert {row[2] for row in after.values()} == {to_micros(later)}
    assert all(after[one][0] != before[one][0] for one in after)


def test_an_apply_that_was_stopped_is_finished_by_the_next(
    store: Store, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tidings.scores import applying, reading

    definitions = shop_of()
    trained(store, definitions)
    apply(store, definitions, "repeat_purchase", now=NOW)
    whole = values(store)
    with store.durable("test") as connection:
        connection.execute(people.scores.delete())
        connection.execute(money.score_models.update().values(applied_at=None, scored=None))
    monkeypatch.setattr(applying, "spans", lambda last: reading.spans(last, 100))

    def stop(done: int, total: int) -> None:
        if done >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(store, definitions, "repeat_purchase", now=NOW, progress=stop)
    assert 0 < len(values(store)) < len(whole)
    with pytest.raises(RefusedByPolicy, match="never applied"):
        refresh(store, definitions, ["best"], now=NOW)
    apply(store, definitions, "repeat_purchase", now=NOW)
    # Read in other spans, the same customers get the same numbers.
    assert values(store) == whole


def test_a_changed_definition_is_not_answered_by_an_old_model(store: Store, shop: Shop) -> None:
    trained(store, shop_of())
    with pytest.raises(TidingsError, match="`within` of the score repeat_purchase changed") as refused:
        apply(store, shop_of(within=60), "repeat_purchase", now=NOW)
    assert refused.value.what_to_do == "train it again: tidings score train repeat_purchase"
    with pytest.raises(TidingsError, match="was never trained"):
        apply(store, workspace(score(name="other")), "other", now=NOW)
    assert values(store) == {}


def test_an_explanation_adds_up_to_the_stored_chance_exactly(store: Store, shop: Shop) -> None:
    definitions = shop_of()
    trained(store, definitions)
    apply(store, definitions, "repeat_purchase", now=NOW)
    found = values(store)
    chosen = sorted(found, key=lambda one: found[one][0])
    for number in (chosen[0], chosen[len(chosen) // 2], chosen[-1]):
        told = explain(store, definitions, "repeat_purchase", f"C-{number}", at=AT)
        odds = told.base + sum(theme.adds for theme in told.themes)
        assert 1 / (1 + math.exp(-odds)) == pytest.approx(found[number][0], abs=1e-12)
        assert told.chance == told.stored == found[number][0]
        assert sum(one.adds for one in told.parts) == pytest.approx(odds - told.base, abs=1e-12)
    assert explain(store, definitions, "repeat_purchase", f"C-{chosen[-1]}", at=AT).themes[0].factor > 1
    with pytest.raises(
        TidingsError, match="C-601 has no score: nothing of order_placed, page_viewed is known"
    ):
        explain(store, definitions, "repeat_purchase", "C-601", at=AT)
    with pytest.raises(UsageError, match='there is no customer "nobody"'):
        explain(store, definitions, "repeat_purchase", "nobody", at=AT)


def test_the_words_of_an_explanation_say_what_the_customer_did(store: Store) -> None:
    made = habits()
    made.customers = 601
    for days in (40, 20, 10):
        made.happened.append(
            Happened(601, "order_placed", NOW - timedelta(days=days), 5_000, items=("a", "b"))
        )
    made.put_into(store)
    definitions = shop_of()
    trained(store, definitions)
    told = explain(store, definitions, "repeat_purchase", "C-601", at=AT)
    words = {line for theme in told.themes for line in theme.words}
    assert "the last “Order placed” was 10 days ago" in words
    assert "“Order placed” 3 times in the last 120 days" in words
    assert "“Order placed” 2 times in the last 30 days" in words
    assert "“Order placed” for 150.00 EUR in the last 120 days, returns taken off" in words
    assert "“Order placed” for 50.00 EUR on average" in words
    assert "15 days between two on average" in words
    assert "first heard of 40 days ago" in words
    assert "“Page viewed” not once in the last 120 days" in words
    (never,) = [theme for theme in told.themes if theme.title == "what did not happen, “Page viewed”"]
    assert never.words == ("“Page viewed” not once in the last 120 days",)


def test_a_rank_by_a_score_keeps_the_highest_chances_and_says_the_model(store: Store, shop: Shop) -> None:
    definitions = shop_of()
    model = trained(store, definitions)
    apply(store, definitions, "repeat_purchase", now=NOW)
    runs = refresh(store, definitions, ["better"], now=NOW)
    with store.read() as connection:
        best = set(connection.execute(stored_members("best")).scalars())
        better = set(connection.execute(stored_members("better")).scalars())
        seen = look(connection, definitions, BEST, now=NOW, limit=3)
    found = values(store)
    left = {one.customer for one in shop.happened if one.name == "order_placed" and one.at <= NOW}
    wanted = sorted((one for one in left if one in found), key=lambda one: (-found[one][0], one))
    assert best == better == set(wanted[: -(-len(left) * 4000 // 10_000)])
    assert runs[-1].members == seen.count == len(best)
    (used,) = seen.ranked
    assert (used.model, used.keep, used.scored) == (model.hash, "top 40%", len(found))
    assert used.sentence(NOW + timedelta(days=3)).startswith(
        f"best: the top 40% by repeat_purchase (model {model.hash[:12]}, trained 3 days ago, applied 3 days ago"
    )
    unknown = {one.attribute: one.dropped for one in seen.unknown}
    assert unknown.get("repeat_purchase", 0) == len(left - set(found))


def test_a_score_that_is_missing_or_too_old_selects_nobody_and_names_the_command(
    store: Store, shop: Shop
) -> None:
    definitions = shop_of(retrain=Duration(30, Unit.DAY))
    with pytest.raises(RefusedByPolicy, match="never applied") as refused:
        refresh(store, definitions, ["better"], now=NOW)
    assert refused.value.what_to_do == (
        "tidings score train repeat_purchase, and then tidings score apply repeat_purchase"
    )
    trained(store, definitions)
    with pytest.raises(RefusedByPolicy, match="never applied") as refused:
        refresh(store, definitions, ["best"], now=NOW)
    assert refused.value.what_to_do == "tidings score apply repeat_purchase"
    apply(store, definitions, "repeat_purchase", now=NOW)
    assert refresh(store, definitions, ["best"], now=NOW + timedelta(days=29))
    with pytest.raises(RefusedByPolicy, match="trained 30 days ago: older than `retrain: 30 days`"):
        refresh(store, definitions, ["best"], now=NOW + timedelta(days=30))
    keep(
        store, train(store, definitions, "repeat_purchase", now=NOW), now=to_micros(NOW + timedelta(days=20))
    )
    with pytest.raises(RefusedByPolicy, match="applied 30 days ago") as refused:
        refresh(store, definitions, ["best"], now=NOW + timedelta(days=30))
    assert refused.value.what_to_do == "tidings score apply repeat_purchase"
    assert refused.value.exit_code == 3


def test_a_model_is_trained_anew_before_it_is_too_old_to_select_by(store: Store, shop: Shop) -> None:
    definitions = shop_of(retrain=Duration(30, Unit.DAY))
    trained(store, definitions)
    apply(store, definitions, "repeat_purchase", now=NOW)
    asked = definitions.scores["repeat_purchase"]
    with store.read() as connection:
        kept = applied(connection, "repeat_purchase")
    night = timedelta(hours=36)
    assert not due(asked, kept, NOW + timedelta(days=28), definitions, ahead=night)
    assert due(asked, kept, NOW + timedelta(days=29), definitions, ahead=night)
    assert not due(score(), kept, NOW + timedelta(days=900), definitions, ahead=night)


def test_a_base_rate_that_moved_since_the_training_is_said(store: Store, shop: Shop) -> None:
    definitions = shop_of()
    trained(store, definitions)
    found = standing(store, definitions, "repeat_purchase", now=NOW + timedelta(days=10))
    assert found.drift is None  # the window is not full yet
    found = standing(store, definitions, "repeat_purchase", now=NOW + timedelta(days=30))
    assert found.drift is not None
    # Nobody ordered in the month after: nothing was put in.
    assert (found.drift.did, found.drift.moved) == (0, True)
    assert found.drift.high < 0 < found.drift.then
    assert 0.5 < found.drift.said / found.drift.then < 1.5
    changed = standing(store, shop_of(within=90), "repeat_purchase", now=NOW)
    assert "`within` of the score repeat_purchase changed" in changed.problem


def test_thousands_of_scores_are_written_without_holding_the_write_lock(
    make_store: Callable[..., Store],
) -> None:
    store, made = make_store("sqlite"), habits()
    made.customers = 8_000
    made.happened += [
        Happened(one, "page_viewed", NOW - timedelta(days=one % 50 + 1)) for one in range(601, 8_001)
    ]
    made.put_into(store)
    definitions = shop_of()
    trained(store, definitions)
    done = apply(store, definitions, "repeat_purchase", now=NOW)
    assert done.scored > 7_000
    (use,) = [one for one in store.lock_report() if one.purpose == "scores"]
    assert use.count > 8
    assert use.longest_busy_ms < 200
