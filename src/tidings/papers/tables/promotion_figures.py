"""Single figures of a promotion, one a row: costs, codes that came back, who would have bought anyway, break-even, payback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from tidings.definitions.money import from_minor
from tidings.papers.tables.table import Cell, Column, ends

if TYPE_CHECKING:
    from tidings.measurement.promotions.anyway import Share
    from tidings.measurement.promotions.result import Economics

FIGURES = (
    Column("figure", "text", "its name, which stays the same"),
    Column("of", "text", "which cost, by whom codes came back, why they do not count"),
    Column("says", "text", "what it is"),
    Column("value", "number", "the figure; its least where only limits can be known"),
    Column("at_most", "number", "its most, where only limits can be known"),
    Column("low", "number", "lower end of its 95 % interval"),
    Column("high", "number", "upper end of its 95 % interval"),
    Column("day", "day", "the figure, where it is a day"),
    Column("unit", "text", "count, share of 1, money, p, or day"),
    Column("currency", "text", "of money"),
    Column("reason", "text", "why it is not known"),
)
_WHO = {"treated": "of those written to", "holdout": "of those held out", "others": "of others"}


def figures(told: Economics) -> list[tuple[Cell, ...]]:
    """Return the rows; a figure that nothing can be said of is there with its reason, or left out with its part."""
    return [*_costs(told), *_codes(told), *_anyway(told), *_even(told), *_back(told)]


def _row(
    name: str, of: str | None, says: str, value: float | None, unit: str, currency: str | None = None,
    *, at_most: float | None = None, interval: tuple[float, float] | None = None, reason: str = "",
) -> tuple[Cell, ...]:  # fmt: skip
    return (name, of, says, value, at_most, *ends(interval), None, unit, currency if unit == "money" else None, reason or None)  # fmt: skip


def _costs(told: Economics) -> Iterator[tuple[Cell, ...]]:
    cost = told.spent
    if cost is None:
        return
    yield _row("messages", None, "messages that were handed over", float(cost.messages), "count")
    if not cost.currency:
        return

    def major(minor: int) -> float:
        return float(from_minor(minor, cost.currency or ""))

    yield _row("cost", "messages", "what the messages cost", major(cost.for_messages), "money", cost.currency)
    for name, minor in cost.fixed:
        yield _row("cost", name, "a cost that the campaign declares", major(minor), "money", cost.currency)
    yield _row("cost", "all", "all costs", major(cost.total), "money", cost.currency)


def _codes(told: Economics) -> Iterator[tuple[Cell, ...]]:
    codes = told.redeemed
    if codes is None:
        return
    for who, count in codes.good.items():
        yield _row("redemptions", who, f"codes that came back {_WHO[who]}", float(count), "count")
    for why, count in codes.not_counted.items():
        yield _row("redemptions_not_counted", why, "codes that came back and do not count", float(count), "count")  # fmt: skip
    if codes.discounts is None or codes.currency is None:
        return
    for who, minor in codes.discounts.items():
        value = float(from_minor(minor, codes.currency))
        yield _row("discount", who, f"what codes took off {_WHO[who]}", value, "money", codes.currency)


def _anyway(told: Economics) -> Iterator[tuple[Cell, ...]]:
    one = told.anyway
    if one is None:
        return
    currency = told.currency
    yield _row("buyers", None, "customers written to who bought in the window", float(one.buyers), "count")
    yield _row("redeemers", None, "of them with a code", float(one.redeemers), "count")
    yield _shared("buyers_anyway", "of the buyers, who would have bought anyway", one.of_buyers, one.reason)
    yield _shared(
        "redeemers_anyway", "of the redeemers, who would have bought anyway", one.of_redeemers, one.reason
    )
    if one.discount is not None:
        yield _row("redeemers_discount", None, "what was taken off for redeemers", one.discount, "money", currency)  # fmt: skip
    if one.subsidised is not None:
        low, high = one.subsidised
        yield _row(
            "discount_anyway", None, "of that for those who would have bought anyway", low, "money", currency,
            at_most=high if high != low else None, interval=one.subsidised_interval,
        )  # fmt: skip


def _shared(name: str, says: str, share: Share | None, reason: str) -> tuple[Cell, ...]:
    if share is None:
        return _row(name, None, says, None, "share", reason=reason)
    at_most = share.high if share.high != share.low else None
    return _row(name, None, says, share.low, "share", at_most=at_most, interval=share.interval)


def _even(told: Economics) -> Iterator[tuple[Cell, ...]]:
    one = told.break_even
    if one is None:
        return
    why, currency = one.reason, told.currency
    yield _row("response", None, "share of those written to who bought", one.response, "share", interval=one.interval)  # fmt: skip
    yield _row("response_holdout", None, "share of those held out who bought", one.base, "share")
    yield _row("response_break_even", None, "response that would have paid for it", one.needed, "share", reason=why)  # fmt: skip
    yield _row(
        "additional_orders", None, "orders beyond the holdout", one.additional_orders, "count",
        interval=one.additional_interval,
    )  # fmt: skip
    says = "orders beyond the holdout that would have paid for it"
    yield _row("additional_orders_break_even", None, says, one.needed_orders, "count", reason=why)
    yield _row("margin_per_order", None, "what an order earns after discounts", one.per_order, "money", currency)  # fmt: skip
    yield _row("p_below", None, "how often chance alone would put it so far below break-even", one.p_below, "p")  # fmt: skip
    yield _row("p_above", None, "how often chance alone would put it so far above break-even", one.p_above, "p")  # fmt: skip


def _back(told: Economics) -> Iterator[tuple[Cell, ...]]:
    back = told.payback
    if back is None:
        return
    yield _row("margin_so_far", None, f"margin beyond the holdout by {back.until}", back.so_far, "money", told.currency, interval=back.interval)  # fmt: skip
    none = "not yet, and below its cost again" if back.slipped else "not yet"
    days: list[tuple[str, str, date | None, str]] = [
        ("paid_back_on", "first day at whose end its cost had come in", back.on, none),
        ("surely_paid_back_on", "the same by the lower limit of the interval", back.surely_on, "not yet"),
    ]
    if back.at_this_pace is not None:
        on, earliest, latest = back.at_this_pace
        days += [
            ("at_this_pace_on", "when it will have, if it goes on like this", on, ""),
            ("at_this_pace_earliest", "the same by the upper limit of the interval", earliest, ""),
            ("at_this_pace_latest", "the same by the lower limit of the interval", latest, "never"),
        ]
    for name, says, day, reason in days:
        yield (name, None, says, None, None, None, None, day, "day", None, None if day else reason or None)
