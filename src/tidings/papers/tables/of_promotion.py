"""The tables of what a campaign earned: by arm, figure by figure, weeks after the window, day by day, against the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidings.measurement.promotions.words import sentences
from tidings.papers.tables.promotion_figures import FIGURES, figures
from tidings.papers.tables.table import Cell, Column, Kind, Table, ends

if TYPE_CHECKING:
    from tidings.measurement.promotions.result import Economics

_LOW, _HIGH = "lower end of its 95 % interval", "upper end of its 95 % interval"


def _effect(name: str, kind: Kind, says: str) -> tuple[Column, ...]:
    return (
        Column(f"{name}_per_customer", "number", f"{says}, per customer written to"),
        Column(f"{name}_holdout", "number", "the same per customer held out"),
        Column(name, kind, f"{says} beyond the holdout, over all customers of the arm"),
        Column(f"{name}_low", kind, _LOW),
        Column(f"{name}_high", kind, _HIGH),
        Column(f"{name}_p", "number", "how often chance alone would do as much"),
    )


def _span(name: str, kind: Kind, says: str) -> tuple[Column, ...]:
    return (
        Column(name, kind, says),
        Column(f"{name}_low", kind, _LOW),
        Column(f"{name}_high", kind, _HIGH),
    )


_EARNED = (
    Column("arm", "text", "the arm; the first row is all who were written to"),
    Column("customers", "whole", "in the arm"),
    *_effect("orders", "number", "orders"),
    *_effect("revenue", "money", "revenue, net of returns"),
    *_effect("margin", "money", "margin after discounts and codes, net of returns"),
    Column("cost", "money", "what the arm cost, messages and declared costs; not known where costs are in several currencies"),
    *_span("profit", "money", "margin less cost"),
    Column("p_loss", "number", "how often chance alone would look as bad, had it broken even"),
    Column("p_gain", "number", "how often chance alone would look as good, had it broken even"),
    *_span("profit_adjusted", "money", "profit allowing for what was known before"),
    *_span("return_on_cost", "number", "profit over cost"),
    Column("currency", "text", "of amounts"),
    Column("doubtful", "flag", "the arms are not as drawn, or nothing is known since"),
    Column("reason", "text", "why an interval is not known"),
)  # fmt: skip
_PULLED = (
    Column("days", "whole", "so many days after the window"),
    Column("known_on", "instant", "when that time is over for everybody"),
    Column("known", "flag", "whether it is over for enough to compare"),
    Column("customers", "whole", "written to, for whom it is over"),
    Column("held_out", "whole", "held out, for whom it is over"),
    *_span("orders", "number", "orders beyond the holdout in these days alone; less than 0: they were moved"),
    *_span("money", "money", "the same in margin, or revenue where none is declared"),
    *_span("net_orders", "number", "orders beyond the holdout in the window and these days together"),
    *_span("net_money", "money", "the same in margin, or revenue where none is declared"),
    Column("moved", "flag", "whether orders are shown to be missing afterwards"),
    Column("worth", "text", "what money is: margin or revenue"),
    Column("currency", "text", "of amounts"),
)
_PAYBACK = (
    Column("day", "day", "by the end of this day"),
    *_span("margin", "money", "margin beyond the holdout since the beginning"),
    Column("cost", "money", "what had to come in"),
    Column("currency", "text", "of amounts"),
)
_PLAN = (
    Column("metric", "text", "what was planned"),
    Column("title", "text", "the same in words"),
    Column("unit", "text", "count, share of 1, or money"),
    Column("currency", "text", "of money"),
    Column("plan", "number", "when the run was approved"),
    Column("actual", "number", "so far"),
    Column("difference", "number", "actual less plan"),
)
NAMES = ("earned", "promotion", "pulled", "payback", "plan")


def promotion_tables(told: Economics | None, doubt: str | None) -> tuple[Table, ...]:
    """Return the five tables, with no rows where nothing is known; `doubt` says why no effect may be believed."""
    if told is None:
        words: tuple[str, ...] = (
            "Nothing is known of what it earned: it has not begun, or its file is not here.",
        )
        return tuple(
            Table(name, columns, [], words)
            for name, columns in zip(NAMES, (_EARNED, FIGURES, _PULLED, _PAYBACK, _PLAN), strict=True)
        )
    words = (*([doubt] if doubt else []), *sentences(told), *told.notes)
    return (
        Table("earned", _EARNED, _earned(told, doubtful=doubt is not None), words),
        Table("promotion", FIGURES, figures(told), words),
        Table("pulled", _PULLED, _pulled(told), words),
        Table("payback", _PAYBACK, _payback(told), words),
        Table("plan", _PLAN, _plan(told), words),
    )  # fmt: skip


def _earned(told: Economics, *, doubtful: bool) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    cost = told.spent
    priced = (
        told.currency is not None
        and cost is not None
        and not cost.other_currencies
        and cost.currency in (None, told.currency)
    )
    for one in told.earned:
        found = one.as_json()
        effects = [found[name] for name in ("orders", "revenue", "margin")]
        rows.append(
            (
                one.arm, one.customers, *(cell for effect in effects for cell in _of_effect(effect)),
                one.cost if priced else None, *_of_amount(found["profit"]),
                *((found["profit"]["p_loss"], found["profit"]["p_gain"]) if found["profit"] else (None, None)),
                *_of_amount(found["profit_adjusted"]), *_of_estimate(found["return_on_cost"]), told.currency, doubtful,
                next((effect["reason"] for effect in effects if effect and effect["reason"]), None),
            )
        )  # fmt: skip
    return rows


def _of_effect(found: dict[str, Any] | None) -> tuple[Cell, ...]:
    if found is None:
        return (None,) * 6
    return (found["treated"], found["holdout"], *_of_total(found), found["p"])


def _of_total(found: dict[str, Any] | None) -> tuple[Cell, Cell, Cell]:
    return (None, None, None) if found is None else (found["incremental"], *ends(found["interval"]))


def _of_amount(found: dict[str, Any] | None) -> tuple[Cell, Cell, Cell]:
    return (None, None, None) if found is None else (found["total"], *ends(found["interval"]))


def _of_estimate(found: dict[str, Any] | None) -> tuple[Cell, Cell, Cell]:
    return (None, None, None) if found is None else (found["estimate"], *ends(found["interval"]))


def _pulled(told: Economics) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for one in told.pulled:
        found = one.as_json()
        known = one.orders is not None
        rows.append(
            (
                one.days, one.known_on, known, one.customers if known else None, one.held_out if known else None,
                *_of_total(found["orders"]), *_of_total(found["money"]), *_of_total(found["net_orders"]),
                *_of_total(found["net_money"]), one.moved if known else None, told.worth, told.currency,
            )
        )  # fmt: skip
    return rows


def _payback(told: Economics) -> list[tuple[Cell, ...]]:
    back = told.payback
    if back is None:
        return []
    return [(day, amount, low, high, back.cost, told.currency) for day, amount, low, high in back.days]


def _plan(told: Economics) -> list[tuple[Cell, ...]]:
    return [
        (one.metric, one.title, one.unit, one.currency, one.planned, one.actual, one.difference)
        for one in told.plan
    ]
