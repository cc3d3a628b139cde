"""The tables of a report: effects, funnel, refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.customers.refusals import they
from tidings.papers.tables.table import Cell, Column, Table, ends

if TYPE_CHECKING:
    from tidings.measurement.report import Report

_EFFECTS = (
    Column("metric", "text", "what was measured"),
    Column("arm", "text", "the arm that is compared"),
    Column("against", "text", "the arm it is compared with"),
    Column("unit", "text", "share of customers, count, money or number, per customer"),
    Column("currency", "text", "of money"),
    Column("customers", "whole", "in the arm"),
    Column("mean", "number", "per customer of the arm"),
    Column("base", "number", "per customer of the arm it is compared with"),
    Column("estimate", "number", "the difference per customer"),
    Column("low", "number", "lower end of its 95 % interval"),
    Column("high", "number", "upper end of its 95 % interval"),
    Column("p", "number", "how often chance alone would do as much"),
    Column("p_holm", "number", "the same, allowing for the other metrics of the comparison"),
    Column("relative", "number", "the difference as a part of the base"),
    Column("relative_low", "number", "lower end of its 95 % interval"),
    Column("relative_high", "number", "upper end of its 95 % interval"),
    Column("adjusted", "number", "the difference allowing for what was known before"),
    Column("adjusted_low", "number", "lower end of its 95 % interval"),
    Column("adjusted_high", "number", "upper end of its 95 % interval"),
    Column("total", "number", "the effect over all customers of the arm"),
    Column("total_low", "number", "lower end of its 95 % interval"),
    Column("total_high", "number", "upper end of its 95 % interval"),
    Column("rough", "flag", "few people stand behind it"),
    Column("doubtful", "flag", "the arms are not as drawn, or nothing is known since"),
    Column("early", "flag", "some windows are still open"),
    Column("reason", "text", "why something is not known"),
)
_FUNNEL = (
    ("enrolled", "customers enrolled"),
    ("messages", "messages"),
    ("waiting", "messages that still wait"),
    ("accepted", "messages the provider took"),
    ("delivered", "messages that arrived, where receipts say so"),
    ("bounced", "messages that came back"),
    ("complained", "messages reported as spam"),
    ("in_doubt", "messages that may or may not have gone out"),
    ("rejected", "messages the provider did not take"),
    ("refused", "messages that a rule refused"),
    ("cancelled", "messages that were dropped"),
    ("opened", "messages opened by people"),
    ("clicked", "messages clicked by people"),
    ("machine", "messages that only programs opened or clicked"),
    ("unsubscribed", "messages that were unsubscribed from"),
    ("converted", "customers who did what the goal says"),
)


def report_tables(report: Report) -> tuple[Table, ...]:
    """Return the tables of a report, in the order in which they are read."""
    words = (*report.warnings, *report.maturity.sentences(report.zone), *report.notes) if report.begun else report.warnings  # fmt: skip
    return (
        Table("effects", _EFFECTS, _effects(report), words),
        Table(
            "funnel",
            (Column("arm", "text", "the arm"), *(Column(name, "whole", says) for name, says in _FUNNEL)),
            [(row.arm, *(row.as_json()[name] for name, _ in _FUNNEL)) for row in report.funnel],
            words,
        ),
        Table(
            "refusals",
            (
                Column("code", "text", "why they got nothing"),
                Column("because", "text", "the same in words"),
                Column("customers", "whole", "how many"),
                Column("when", "text", "found at planning or at sending"),
            ),
            [(one.code, they(one.code), one.customers, one.when) for one in report.refusals],
            words,
        ),
    )


def _effects(report: Report) -> list[tuple[Cell, ...]]:
    doubtful = report.ratio.alarm or report.maturity.silent
    rows: list[tuple[Cell, ...]] = []
    for one in report.effects:
        adjusted = one.adjusted
        total = one.total or (None, None)
        rows.append(
            (
                one.metric.name, one.arm, one.against, one.metric.unit, one.metric.currency, one.customers,
                one.mean, one.base, one.difference.estimate, *ends(one.difference.interval), one.difference.p,
                one.p_holm, one.relative.estimate, *ends(one.relative.interval),
                adjusted.difference.estimate if adjusted else None,
                *ends(adjusted.difference.interval if adjusted else None),
                total[0], *ends(total[1]), one.rough, doubtful, report.maturity.early,
                one.difference.reason or one.relative.reason or None,
            )
        )  # fmt: skip
    return rows
