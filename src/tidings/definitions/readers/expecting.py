"""What whoever writes a campaign expects of it: `expects`."""

from __future__ import annotations

from typing import Any

from tidings.definitions.context import Context
from tidings.definitions.kinds.campaign import Expects
from tidings.definitions.nodes import Mapping, Node
from tidings.definitions.quantities import MONEY, NUMBER_VALUE, SHARE
from tidings.definitions.schema import Key, Keys, Reader


def _count(node: Node, context: Context) -> int:
    number = NUMBER_VALUE.read(node, context)
    if number != int(number) or number < 0:
        raise context.report("PHR05", node, f"{number} is not a count", "write a whole number such as 400")
    return int(number)


_COUNT = Reader(_count, "a whole number such as 400", {"type": "integer", "minimum": 0})
KEYS = Keys(
    "what is expected",
    (
        Key("response", SHARE, "The share of those written to who reach the goal within its window.", "response: 3%"),
        Key("orders", _COUNT, "How many reach it.", "orders: 400"),
        Key("redemptions", _COUNT, "How many codes come back.", "redemptions: 250"),
        Key("revenue", MONEY, "What those written to bring within the window, net of returns.", "revenue: 20000 EUR"),
        Key("margin", MONEY, "What that earns after discounts.", "margin: 6000 EUR"),
        Key("profit", MONEY, "What is earned beyond the holdout, less all costs.", "profit: 1500 EUR"),
    ),
)  # fmt: skip


def _read(node: Node, context: Context) -> Expects:
    values: dict[str, Any] = KEYS.read(node, context)
    if isinstance(node, Mapping) and not node.entries:
        raise context.report("KEY03", node, '"expects" is empty', "write such as response: 3%")
    found = Expects(**values)
    money = {key: values[key].currency for key in ("revenue", "margin", "profit") if key in values}
    if len(set(money.values())) > 1 and isinstance(node, Mapping):
        first, *_ = money.values()
        other = next(key for key, currency in money.items() if currency != first)
        context.report(
            "PHR09", node.entries[other].value, f"{other} is in {money[other]}, and what stands before it in {first}",
            "write what is expected in one currency",
        )  # fmt: skip
    return found


EXPECTS = Reader(_read, "what is expected, such as {response: 3%}", KEYS.schema())
