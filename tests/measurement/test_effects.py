"""Which comparisons are made, and what is said where little or nothing is known."""

from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pytest

from tidings.measurement.effects import Effect, all_effects
from tidings.measurement.metrics import Arm, Metric, Unit
from tidings.measurement.presenting import effect_json
from tidings.measurement.words import headlines, sentence, with_limits
from tidings.statistics.corrections import holm
from tidings.statistics.sums import Moments


def metric(
    columns: dict[str, list[float]], unit: Unit = "share", name: str = "order_placed", **more: object
) -> Metric:
    return Metric(
        name,
        name.capitalize().replace("_", " "),
        unit,
        {arm: Moments.of(np.reshape(values, (-1, 1))) for arm, values in columns.items()},
        {arm: int(np.count_nonzero(values)) for arm, values in columns.items()},
        **({"currency": "EUR"} if unit == "money" else {}),
        **more,
    )


def arms(*names: str, customers: int = 100) -> tuple[Arm, ...]:
    return tuple(Arm(name, customers) for name in names)


def share(successes: int, n: int = 100) -> list[float]:
    return [1.0] * successes + [0.0] * (n - successes)


def only(
    columns: dict[str, list[float]], unit: Unit = "share", reached: dict[str, int] | None = None
) -> Effect:
    found = all_effects(
        (metric(columns, unit),), tuple(Arm(name, len(values)) for name, values in columns.items()), reached
    )
    assert len(found) == 1
    return found[0]


def test_two_variants_and_a_holdout_make_four_comparisons_the_whole_first() -> None:
    columns = {"holdout": share(5), "warm": share(9), "direct": share(12)}
    found = all_effects((metric(columns),), arms("holdout", "warm", "direct"))
    assert [(one.arm, one.against) for one in found] == [
        ("treated", "holdout"),
        ("warm", "holdout"),
        ("direct", "holdout"),
        ("warm", "direct"),
    ]
    assert found[0].customers == 200
    assert found[0].mean == pytest.approx(0.105)


def test_without_variants_there_is_one_comparison() -> None:
    assert only({"holdout": share(5), "treated": share(9)}).arm == "treated"


def test_without_a_holdout_variants_are_compared_and_nothing_else() -> None:
    found = all_effects((metric({"warm": share(9), "direct": share(12)}),), arms("warm", "direct"))
    assert [(one.arm, one.against) for one in found] == [("warm", "direct")]
    assert found[0].total is None


def test_a_click_compares_variants_only() -> None:
    columns = {"holdout": share(0), "warm": share(9), "direct": share(12)}
    found = all_effects((metric(columns, every_arm=False),), arms("holdout", "warm", "direct"))
    assert [(one.arm, one.against) for one in found] == [("warm", "direct")]


def test_an_empty_arm_is_compared_with_nothing() -> None:
    columns = {"holdout": share(5), "warm": share(9)}
    found = all_effects((metric(columns),), (*arms("holdout", "warm"), Arm("direct", 0)))
    assert [(one.arm, one.against) for one in found] == [("warm", "holdout")]
    assert all_effects((metric(columns),), (Arm("holdout", 0), Arm("warm", 100))) == ()


def test_a_variant_called_treated_does_not_hide_the_whole() -> None:
    columns = {"holdout": share(5), "treated": share(9), "direct": share(12)}
    found = all_effects((metric(columns),), arms("holdout", "treated", "direct"))
    assert found[0].arm == "all treated"


def test_nobody_converted_still_gives_limits_and_a_sentence() -> None:
    effect = only({"holdout": share(0, 1000), "treated": share(0, 9000)})
    assert effect.difference.estimate == 0
    assert effect.difference.p is None
    assert effect.difference.interval is not None
    low, high = effect.difference.interval
    assert -0.005 < low < 0 < high < 0.005
    assert effect.relative.estimate is None
    assert "no difference is shown" in sentence(effect)
    assert "rough" in sentence(effect)


def test_everybody_against_nobody_is_shown_without_a_p() -> None:
    effect = only({"holdout": share(0), "treated": share(100)})
    assert effect.difference.shown
    assert effect.difference.p is None


@pytest.mark.parametrize("unit", ["money", "number", "count"])
def test_equal_amounts_say_that_nothing_can_be_judged(unit: Unit) -> None:
    effect = only({"holdout": [5.0] * 10, "treated": [5.0] * 10}, unit)
    assert effect.difference.interval is None
    assert "nothing can be said" in sentence(effect)
    assert "same value" in sentence(effect)


def test_one_customer_in_the_holdout_says_so() -> None:
    effect = only({"holdout": [5.0], "treated": [5.0, 6.0, 7.0]}, "money")
    assert "fewer than two customers" in sentence(effect)


def test_no_case_gives_a_number_that_is_not_one() -> None:
    values = [[0.0], [1.0], [0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [-5.0, 3.0], [0.0] * 50, share(1, 50)]
    units: list[Unit] = ["share", "money", "count", "number"]
    for control, treated, unit in product(values, values, units):
        if unit == "share" and min(control + treated) < 0:
            continue
        effect = only({"holdout": control, "treated": treated}, unit, {"treated": 1})
        text = json.dumps(effect_json(effect, doubt=None, early=False), allow_nan=False)
        assert "NaN" not in text
        words = sentence(effect)
        assert words.endswith(".")
        assert "nan" not in words.lower().split()
        assert "inf" not in words.lower().split()


def test_the_total_is_the_effect_times_the_customers_of_the_arm() -> None:
    random = np.random.default_rng(1)
    effect = only(
        {"holdout": random.gamma(2, 5, 500).tolist(), "treated": random.gamma(2, 7, 3000).tolist()}, "money"
    )
    assert effect.total is not None
    assert effect.total[0] == pytest.approx(effect.difference.estimate * 3000)
    assert effect.total[1] == pytest.approx(tuple(bound * 3000 for bound in effect.difference.interval))
    assert "over all 3,000 of them" in sentence(effect)


def test_what_could_be_a_loss_is_called_so() -> None:
    random = np.random.default_rng(2)
    effect = only(
        {"holdout": random.gamma(2, 5, 500).tolist(), "treated": random.gamma(2, 5, 3000).tolist()}, "money"
    )
    words = sentence(effect)
    assert "not distinguishable from no effect" in words
    assert "between a loss of" in words
    assert "a gain of" in words


def test_the_effect_on_those_reached_is_the_whole_effect_over_their_share() -> None:
    effect = only({"holdout": share(50, 1000), "treated": share(900, 9000)}, reached={"treated": 6000})
    assert effect.reached is not None
    part, estimate, interval = effect.reached
    assert part == pytest.approx(2 / 3)
    assert estimate == pytest.approx(effect.difference.estimate * 1.5)
    assert interval == pytest.approx(tuple(bound * 1.5 for bound in effect.difference.interval))
    assert "Messages reached 67%" in sentence(effect)
    assert only({"holdout": share(5), "treated": share(9)}, reached={"treated": 0}).reached is None


def test_p_values_of_several_metrics_are_corrected_within_a_comparison() -> None:
    columns = [{"holdout": share(5), "treated": share(k)} for k in (16, 14, 9)]
    metrics = tuple(metric(one, name=f"goal_{place}") for place, one in enumerate(columns))
    found = all_effects(metrics, arms("holdout", "treated"))
    assert [one.p_holm for one in found] == pytest.approx(holm([one.difference.p or 1 for one in found]))
    assert found[1].difference.p < 0.05 < found[1].p_holm
    assert "may still be chance" in sentence(found[1])


def test_a_lift_reads_as_people_of_a_hundred() -> None:
    effect = only({"holdout": share(500, 10_000), "treated": share(1_240, 20_000)})
    assert effect.difference.estimate == pytest.approx(0.012)
    assert sentence(effect).startswith(
        "Order placed: of 100 customers written to, 1.20 more than without the message (95 %: 0.66 to 1.74)."
    )
    assert "That is +24 %" in sentence(effect)


def test_a_drop_reads_as_fewer_with_its_limits_in_order() -> None:
    words = sentence(only({"holdout": share(1_240, 20_000), "treated": share(500, 10_000)}))
    assert "1.20 fewer than without the message (95 %: 0.66 to 1.74)" in words


def test_a_small_difference_and_its_limits_are_told_on_one_scale() -> None:
    effect = only({"holdout": share(136, 1194), "treated": share(139, 1215)})
    assert effect.difference.interval is not None
    amount, limits = with_limits(effect.metric, effect.difference.estimate, effect.difference.interval)
    assert amount == f"{effect.difference.estimate * 100:+.2f} per 100"
    low, high = (bound * 100 for bound in effect.difference.interval)
    assert limits == f"({low:.2f} to {high:.2f})"


def test_the_first_sentences_are_of_all_treated_and_of_variants_among_themselves() -> None:
    columns = {"holdout": share(5), "warm": share(9), "direct": share(12)}
    words = headlines(all_effects((metric(columns),), arms("holdout", "warm", "direct")))
    assert len(words) == 2
    assert "customers written to" in words[0]
    assert "customers in warm" in words[1]
    assert "than in direct" in words[1]


def test_a_useful_adjustment_is_told_and_a_useless_one_is_not() -> None:
    random = np.random.default_rng(4)
    before = random.gamma(2, 5, (2, 500))
    for strength, told in ((1.0, True), (0.0, False)):
        rows = {
            arm: np.column_stack([strength * values + random.gamma(2, 5, 500), values])
            for arm, values in zip(("holdout", "treated"), before, strict=True)
        }
        one = Metric(
            "spend",
            "Spend",
            "money",
            {arm: Moments.of(values) for arm, values in rows.items()},
            {"holdout": 500, "treated": 500},
            "EUR",
            ("spend before",),
        )
        words = sentence(all_effects((one,), arms("holdout", "treated"))[0])
        assert ("Allowing for what was known before" in words) == told


def test_nobody_with_any_revenue_is_said_plainly() -> None:
    words = sentence(only({"holdout": [0.0] * 10, "treated": [0.0] * 30}, "money"))
    assert words == "Order placed: none in treated and none in holdout, so nothing can be said yet."


def test_tiny_lifts_are_told_of_ten_thousand() -> None:
    words = sentence(only({"holdout": share(100, 1_000_000), "treated": share(300, 1_000_000)}))
    assert "of 10,000 customers written to, 2.00 more" in words


def test_an_uncertain_base_leaves_the_relative_lift_without_bounds() -> None:
    effect = only({"holdout": share(1, 50), "treated": share(20, 50)})
    assert effect.relative.estimate == pytest.approx(19)
    assert effect.relative.interval is None
    assert effect.relative.reason
    assert not math.isnan(effect.difference.estimate)
