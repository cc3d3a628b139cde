"""What an import of costs, touches, products, stock or numbers says at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.customers.cost_answer import CostAnswer
    from tidings.customers.result import ImportResult

KINDS = ("costs", "touches", "products", "stock", "do_not_call")
_LABELS = 10
_COUNTS = {
    "touches": {
        "touches": "touches new",
        "touches_known": "touches known before, left as they were",
        "matched_by_key": "of customers known by their key",
        "matched_by_phone": "of customers known by their telephone number",
        "matched_by_email": "of customers known by their e-mail address",
        "matched_by_code": "of customers known by a code they were given",
        "matched_by_visitor": "of visitors known by what they did since",
        "unmatched": "of nobody known yet: kept, and looked for again",
    },
    "products": {
        "products": "products new",
        "products_changed": "products changed",
        "products_known": "products as they were",
    },
    "stock": {
        "stock": "counts of stock taken",
        "stock_known": "counts known before",
        "stock_older": "counts older than what is known, left out",
        "products": "products new, known only by their stock",
    },
    "do_not_call": {
        "numbers": "numbers new on the list",
        "numbers_known": "numbers that stood on it before",
        "numbers_lifted": "numbers that stand on it no more, lifted",
    },
    "costs": {"cost_rows": "rows of costs", "days": "days of a source"},
}


def counts(result: ImportResult) -> list[tuple[int, str]]:
    """Return how many of what, in words; the first of each kind even when there is none."""
    words = _COUNTS[result.kind]
    first = next(iter(words))
    return [
        (result.details.get(name, 0), text)
        for name, text in words.items()
        if name in result.details or name == first
    ]


def money(costs: CostAnswer) -> list[str]:
    """Return the sentences about the money of a file of costs."""
    from tidings.definitions.money import format_money

    def told(minor: int) -> str:
        return format_money(minor, costs.currency)

    with_tax = f"; with the tax that the file holds {told(costs.gross)}" if costs.gross != costs.net else ""
    said = [f"Together {told(costs.net)}{with_tax}."]
    if costs.days_replaced:
        days = "1 day was" if costs.days_replaced == 1 else f"{costs.days_replaced:,} days were"
        said.append(f"{days} known before and took the place of what was there: {_change(costs)}.")
    if costs.labels:
        labels = "1 label matches" if costs.labels == 1 else f"{costs.labels:,} labels match"
        shown = ", ".join(label or "(no name)" for label, _ in costs.unmatched[:_LABELS])
        more = ", …" if costs.labels > _LABELS else ""
        said.append(
            f"{labels} no campaign: {shown}{more}, {told(costs.unmatched_net)}. Kept, for the sum must be that of the invoice."
        )
    return said


def _change(costs: CostAnswer) -> str:
    from tidings.definitions.money import format_money

    change = costs.change
    if change is None:
        before = ", ".join(format_money(minor, currency) for currency, minor in sorted(costs.before.items()))
        return f"{before} before, {format_money(costs.after, costs.currency)} now"
    if change == 0:
        return "their sum is the same"
    how = "more" if change > 0 else "less"
    return f"{format_money(abs(change), costs.currency)} {how} than before"
