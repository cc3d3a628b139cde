"""Training, judging and keeping: numbers alone, equal to scikit-learn's, honest where there is nothing to say."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sqlalchemy as sa

from support.scored_world import NOW, Happened, Shop, habits, score, workspace
from tidings.clock import to_micros
from tidings.errors import StoreError, TidingsError, UsageError
from tidings.scores.fitting import calibrate, fit, line_of, parts_of
from tidings.scores.judging import area, brier, difference, groups
from tidings.scores.keeping import find, keep, latest
from tidings.scores.model import canonical, hash_of, logistic, model_from
from tidings.scores.training import train
from tidings.scores.words import figures, verdict
from tidings.store.database import Store
from tidings.store.tables import money

AT = to_micros(NOW)


def trained_store(store: Store, seed: int = 1, **more: Any) -> Any:
    habits(seed).put_into(store)
    return train(store, workspace(score(**more)), "repeat_purchase", now=NOW)


def test_a_trained_score_comes_back_from_its_json_with_the_same_chances(store: Store) -> None:
    trained = trained_store(store)
    keep(store, trained, now=AT)
    with store.read() as connection:
        kept = latest(connection, "repeat_purchase")
        assert find(connection, "repeat_purchase", trained.hash[:6]).hash == trained.hash
        written = connection.execute(sa.select(money.score_models.c.model)).scalar_one()
    assert kept is not None
    assert (kept.hash, kept.applied_at, kept.scored) == (trained.hash, None, None)
    assert hash_of(written) == trained.hash == hash_of(json.loads(json.dumps(written)))
    draw = np.random.default_rng(1)
    values = draw.normal(size=(50, len(kept.model.weights))) * 3
    values[draw.random(values.shape) < 0.2] = np.nan
    np.testing.assert_array_equal(kept.model.chances(values), trained.model.chances(values))
    assert kept.quality == json.loads(json.dumps(trained.quality))


def test_days_are_those_of_the_workspace_clock_and_the_last_one_is_inside() -> None:
    # From the midnight before 1 May to the one after 29 July, in Taipei: in UTC both are the evening before.
    first, last = datetime(2026, 4, 30, 16, tzinfo=UTC), datetime(2026, 7, 29, 16, tzinfo=UTC)
    window = {
        "cut_off": to_micros(first), "answers_until": to_micros(last), "customers": 100, "did": 37, "base_rate": 0.37,
    }  # fmt: skip
    quality = {
        "trained": [window],
        "validated": window,
        "auc": {"value": 0.6, "low": 0.5, "high": 0.7},
        "brier": {"value": 0.2, "of_base_rate": 0.21},
        "calibration": {"said": 0.3, "did": 0.37, "slope": None},
    }
    told = dict(figures(quality, ZoneInfo("Asia/Taipei")))
    assert told["judged by"] == "100 customers, 2026-05-01 to 2026-07-29, all of it later"
    assert "2026-04-30 to 2026-07-29" in dict(figures(quality, ZoneInfo("UTC")))["learnt from"]


def test_the_same_facts_give_the_same_numbers_on_every_database(make_store: Callable[..., Store]) -> None:
    hashes = {trained_store(make_store(dialect)).hash for dialect in ("sqlite", "postgresql")}
    assert len(hashes) == 1


def test_numbers_alone_give_what_scikit_learn_gives() -> None:
    draw = np.random.default_rng(7)
    values = draw.normal(size=(900, 5)) * [1, 10, 0.1, 3, 1] + [0, 5, 1, -2, 0]
    did = (draw.random(900) < logistic(values[:, 0] - 0.2 * values[:, 1])).astype(float)
    fitted = fit(values, did, np.arange(900), np.arange(900) < 450)
    theirs = fitted.pipeline.decision_function(values)
    np.testing.assert_allclose(
        fitted.chances(values), logistic(fitted.slope * theirs + fitted.offset), atol=1e-12
    )
    raw = 1 / (1 + np.exp(-(fitted.intercept + ((values - fitted.means) / fitted.scales) @ fitted.weights)))
    np.testing.assert_allclose(raw, fitted.pipeline.predict_proba(values)[:, 1], rtol=0, atol=1e-9)


def test_the_kept_model_gives_what_the_fitted_pipeline_gave(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tidings.scores import training

    seen: list[tuple[Any, Any]] = []

    def watched(values: Any, *more: Any) -> Any:
        seen.append((fit(values, *more), values))
        return seen[-1][0]

    monkeypatch.setattr(training, "fit", watched)
    trained = trained_store(store)
    fitted, values = seen[0]
    calibrated = logistic(
        trained.model.slope * fitted.pipeline.decision_function(values) + trained.model.offset
    )
    again = model_from(json.loads(canonical(trained.model.as_json())), trained.hash)
    np.testing.assert_allclose(again.chances(values), calibrated, rtol=0, atol=1e-9)


def test_a_model_whose_numbers_were_touched_is_refused(store: Store) -> None:
    trained = trained_store(store)
    keep(store, trained, now=AT)
    written = trained.model.as_json()
    written["features"][0]["weight"] += 1e-12
    with store.durable("test") as connection:
        connection.execute(money.score_models.update().values(model=written))
    with store.read() as connection, pytest.raises(StoreError, match="is damaged: its numbers are not those"):
        latest(connection, "repeat_purchase")


@pytest.mark.parametrize(
    "pair",
    [
        (1, 1.0),
        (1e22, 10**22),
        (-0.0, 0),
        (0.1, 0.1),
        (1e-7, 0.0000001),
        ({"b": 1, "a": [2.0]}, {"a": [2], "b": 1.0}),
    ],
)
def test_a_number_has_one_text_however_a_database_gives_it_back(pair: tuple[Any, Any]) -> None:
    assert canonical({"x": pair[0]}) == canonical({"x": pair[1]})


def test_what_is_no_number_or_text_is_not_kept() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"x": float("nan")})
    with pytest.raises(TypeError, match="is not kept in a model"):
        canonical({"x": {1, 2}})


def test_judging_lies_wholly_after_learning_and_says_what_it_is_worth(store: Store) -> None:
    quality = trained_store(store).quality
    judged = quality["validated"]
    assert judged["answers_until"] == AT
    assert quality["trained"][0]["answers_until"] == judged["cut_off"]
    assert all(one["answers_until"] <= judged["cut_off"] for one in quality["trained"])
    assert sum(one["customers"] for one in quality["groups"]) == judged["customers"]
    assert quality["groups"][-1]["caught"] == pytest.approx(1)
    said = [one["said"] for one in quality["groups"]]
    assert said == sorted(said, reverse=True)
    assert quality["auc"]["low"] < quality["auc"]["value"] < quality["auc"]["high"]
    # Rates of order differ by a factor of fifty here, so that whoever looks at more than the last day orders better.
    assert 0.7 < quality["auc"]["value"] < 0.97
    assert quality["brier"]["value"] < quality["brier"]["of_base_rate"]
    assert quality["compared"]["recency"]["better"] is True
    # Chances that were given half or double the odds would be far outside.
    assert quality["calibration"]["slope_low"] < 1.2
    assert quality["calibration"]["slope_high"] > 0.8
    assert any("Better than going by the last time alone" in one for one in verdict(quality))


def test_what_happens_after_the_cut_off_of_learning_changes_no_weight(
    store: Store, make_store: Callable[..., Store]
) -> None:
    shop = habits()
    shop.put_into(store)
    definitions = workspace(score())
    first = train(store, definitions, "repeat_purchase", now=NOW)
    validation = first.quality["validated"]["cut_off"]
    draw = random.Random(3)
    later = [one for one in shop.happened if to_micros(one.at) < validation]
    later += [
        Happened(draw.randrange(1, 600), "order_placed", NOW - timedelta(days=draw.uniform(0, 29)), 100)
        for _ in range(900)
    ]
    other = make_store(store.dialect)
    Shop(shop.customers, later).put_into(other)
    second = train(other, definitions, "repeat_purchase", now=NOW)
    assert first.hash == second.hash
    assert first.quality["auc"] != second.quality["auc"]


def test_a_score_that_is_no_better_than_the_last_time_says_so(store: Store) -> None:
    """Everybody orders once a month or stops for good: the last order tells all."""
    draw, shop = random.Random(5), Shop(500)
    for number in range(1, 501):
        stops = draw.uniform(0, 500)
        at = NOW - timedelta(days=330 - draw.uniform(0, 27))
        while at < NOW and (at - NOW).days + 330 < stops:
            shop.happened.append(Happened(number, "order_placed", at, 1000))
            at += timedelta(days=draw.uniform(24, 30))
    shop.put_into(store)
    quality = train(store, workspace(score(events=("order_placed",))), "repeat_purchase", now=NOW).quality
    assert quality["compared"]["recency"]["better"] is False
    assert any("No better than going by the last time alone" in one for one in verdict(quality))


def test_a_trace_of_the_answer_is_warned_of_and_gone_when_kept_out(store: Store) -> None:
    """Somebody thanks for an order the day before it is dated: the event knows what will happen."""
    shop = habits()
    for one in [one for one in shop.happened if one.name == "order_placed"]:
        for cut in (30, 60, 90, 120):
            border = NOW - timedelta(days=cut)
            if border <= one.at < border + timedelta(days=30):
                shop.happened.append(Happened(one.customer, "thanked", border - timedelta(hours=1)))
    shop.put_into(store)
    leaky = score(events=("order_placed", "page_viewed", "thanked"))
    quality = train(store, workspace(leaky), "repeat_purchase", now=NOW).quality
    assert any("since:thanked alone orders people almost without fault" in one for one in quality["warnings"])
    mended = score(events=("order_placed", "page_viewed", "thanked"), keep_out=("thanked",))
    again = train(store, workspace(mended), "repeat_purchase", now=NOW)
    assert not any("without fault" in one for one in again.quality["warnings"])
    assert not any("thanked" in one.feature.name for one in again.model.weights)
    assert again.quality["auc"]["value"] < quality["auc"]["value"]


def test_events_that_came_in_long_after_their_date_are_warned_of(store: Store) -> None:
    shop = habits()
    for place, one in enumerate(shop.happened):
        if one.name == "page_viewed" and place % 3 == 0:
            one.received = one.at + timedelta(days=45)
    shop.put_into(store)
    warnings = train(store, workspace(score()), "repeat_purchase", now=NOW).quality["warnings"]
    (late,) = [one for one in warnings if "came in more than a day after it" in one]
    assert "of page_viewed dated before 2027-01-31" in late


def test_a_history_brought_in_at_once_is_no_leak(store: Store) -> None:
    shop = habits()
    for one in shop.happened:
        one.received = NOW
    shop.put_into(store)
    warnings = train(store, workspace(score()), "repeat_purchase", now=NOW).quality["warnings"]
    assert not any("came in" in one for one in warnings)


@pytest.mark.parametrize(
    ("shop", "more", "sentence"),
    [
        (Shop(5), {}, "there is no event of those it learns from"),
        (Shop(1, [Happened(1, "order_placed", NOW - timedelta(days=20))]), {}, "events begin on 2027-02-10"),
        (habits(customers=60), {}, "customers had done anything before"),
        (habits(customers=300), {"did": "thanked"}, "only 0 did thanked from 20"),
        (
            Shop(
                300,
                [
                    Happened(n, "order_placed", NOW - timedelta(days=d))
                    for n in range(1, 301)
                    for d in range(0, 140, 9)
                ],
            ),
            {},
            "only 0 did not do order_placed from 20",
        ),
    ],
    ids=["no event", "too short a history", "too few people", "nobody did it", "everybody did it"],
)
def test_where_there_is_too_little_to_learn_one_sentence_says_so(
    store: Store, shop: Shop, more: dict[str, Any], sentence: str
) -> None:
    shop.put_into(store) if shop.happened else None
    with pytest.raises(TidingsError, match=sentence) as refused:
        train(store, workspace(score(**more)), "repeat_purchase", now=NOW)
    assert refused.value.exit_code == 1
    assert refused.value.what_to_do
    assert "nan" not in refused.value.message.lower()


def test_customers_who_are_all_alike_are_said_to_be(store: Store) -> None:
    """Each ordered once on the same minute; afterwards half of them order again."""
    at = [NOW - timedelta(days=days) for days in (75, 45, 15)]
    shop = Shop(300, [Happened(n, "order_placed", at[0]) for n in range(1, 301)])
    shop.happened += [Happened(n, "order_placed", at[1]) for n in range(1, 151)]
    shop.happened += [Happened(n, "order_placed", at[2]) for n in range(1, 76)]
    shop.put_into(store)
    with pytest.raises(TidingsError, match="all customers look the same before 2027-01-01"):
        train(store, workspace(score(events=("order_placed",))), "repeat_purchase", now=NOW)


def test_a_score_nobody_wrote_is_a_wrong_command_line(store: Store) -> None:
    with pytest.raises(UsageError, match='there is no score "repeat_purchas"') as refused:
        train(store, workspace(score()), "repeat_purchas", now=NOW)
    assert refused.value.what_to_do == 'did you mean "repeat_purchase"?'
    with pytest.raises(UsageError, match="has no event to learn from"):
        train(store, workspace(score(keep_out=("order_placed", "page_viewed"))), "repeat_purchase", now=NOW)


@pytest.mark.parametrize("seed", range(4))
def test_the_area_is_that_of_scikit_learn_and_its_error_that_of_every_pair(seed: int) -> None:
    from sklearn.metrics import brier_score_loss, roc_auc_score

    draw = np.random.default_rng(seed)
    did = (draw.random(120) < 0.3).astype(float)
    one = np.round(draw.normal(size=120) + did, 1)
    other = np.round(draw.normal(size=120) + 0.3 * did, 1)
    found, less = area(one, did), area(other, did)
    assert found.value == pytest.approx(roc_auc_score(did, one), abs=1e-12)
    chances = logistic(one)
    assert brier(chances, did) == pytest.approx(brier_score_loss(did, chances), abs=1e-12)

    def pairs(scores: Any) -> Any:
        yes, no = scores[did == 1], scores[did == 0]
        return (yes[:, None] > no[None, :]) + 0.5 * (yes[:, None] == no[None, :])

    gap, low, high = difference(found, less)
    wins = pairs(one) - pairs(other)
    error = np.sqrt(wins.mean(1).var(ddof=1) / wins.shape[0] + wins.mean(0).var(ddof=1) / wins.shape[1])
    assert gap == pytest.approx(wins.mean(), abs=1e-12)
    assert (high - low) / 2 == pytest.approx(1.959963984540054 * error, rel=1e-9)


def test_the_interval_of_an_area_holds_the_truth_in_nineteen_of_twenty_draws() -> None:
    draw, held = np.random.default_rng(11), 0
    # Two normals one apart: the area is Φ(1/√2).
    truth = 0.7602499389065233
    for _ in range(400):
        did = (draw.random(200) < 0.3).astype(float)
        found = area(draw.normal(size=200) + did, did)
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_tenths_cover_everybody_and_ties_go_by_the_id() -> None:
    did = np.array([1.0] * 7 + [0.0] * 18)
    rows = groups(np.full(25, 0.28), did, np.arange(25))
    assert [one["customers"] for one in rows] == [3, 3, 3, 3, 3, 2, 2, 2, 2, 2]
    assert [one["did"] for one in rows][:3] == [1.0, 1.0, 1 / 3]


def test_a_line_that_parts_the_answers_is_not_told_and_calibrates_nothing() -> None:
    sums = np.array([-2.0, -1.0, 1.0, 2.0])
    did = np.array([0.0, 0.0, 1.0, 1.0])
    assert line_of(sums, did) is None
    assert line_of(sums, np.ones(4)) is None
    assert line_of(np.zeros(4), did) is None
    assert calibrate(sums, did) == (1.0, 0.0)
    assert calibrate(-np.tile(sums, 20) + np.linspace(0, 3, 80), np.tile([0, 0, 1.0, 1], 20))[0] > 0


def test_calibration_finds_the_slope_that_chances_were_drawn_with() -> None:
    draw = np.random.default_rng(2)
    sums = draw.normal(size=40_000) * 2
    did = (draw.random(40_000) < logistic(0.5 * sums - 1)).astype(float)
    slope, offset = calibrate(sums, did)
    assert (slope, offset) == (pytest.approx(0.5, abs=0.02), pytest.approx(-1, abs=0.04))


def test_customers_who_came_one_after_another_are_spread_over_the_parts() -> None:
    counted = np.bincount(parts_of(np.arange(1, 10_001)), minlength=5)
    assert counted.min() > 1_800
    assert counted.max() < 2_200
