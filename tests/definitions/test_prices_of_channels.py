"""What one message costs may be a part of a cent: it is read exactly, said as it is written, and kept exactly."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from support.workspaces import problems_of, small_workspace
from tidings.definitions.aloud.names import amount, figure
from tidings.definitions.loader import load
from tidings.definitions.money import format_price, price_of, whole_minor
from tidings.definitions.values import Money, Price

CHANNEL = "channel: Text message\nadapter: outbox\nkind: sms\ncost: "


@pytest.mark.parametrize(
    ("written", "price", "said"),
    [
        ("0.0075 USD", Price(750_000, "USD"), "0.0075 USD"),
        ("0.00750 USD", Price(750_000, "USD"), "0.0075 USD"),
        ("0.06 EUR", Money(6, "EUR"), "0.06 EUR"),
        ("0.060 EUR", Money(6, "EUR"), "0.06 EUR"),
        ("1.5 JPY", Price(1_500_000, "JPY"), "1.5 JPY"),
        ("0.00000001 EUR", Price(1, "EUR"), "0.00000001 EUR"),
        ("2 EUR", Money(200, "EUR"), "2.00 EUR"),
    ],
)
def test_a_price_is_read_to_a_millionth_of_the_minor_unit(
    tmp_path: Path, written: str, price: Money | Price, said: str
) -> None:
    found = load(small_workspace(tmp_path, {"channels/text.yaml": f"{CHANNEL}{written} per segment\n"}))
    cost = found.channels["text"].cost
    assert cost == price and cost is not None
    assert format_price(cost.millionths, cost.currency) == said
    assert Decimal(figure(amount(cost), ",", cost.currency)) == price_of(cost.millionths, cost.currency)


@pytest.mark.parametrize(
    ("written", "code", "message"),
    [
        ("0.000000001 EUR", "PHR03", "a price has 8 decimal places at most"),
        ("0.0075 usd", "PHR03", "is not an amount of money"),
        ("cheap", "PHR03", "is not an amount of money"),
    ],
)
def test_what_is_no_price_is_refused(tmp_path: Path, written: str, code: str, message: str) -> None:
    (problem,) = problems_of(tmp_path, {"channels/text.yaml": f"{CHANNEL}{written}\n"})
    assert problem.code == code and message in problem.message


def test_only_sums_are_rounded_half_to_even() -> None:
    assert [whole_minor(one) for one in (499_999, 500_000, 1_500_000, 750_000 * 10_000)] == [0, 0, 2, 7_500]
