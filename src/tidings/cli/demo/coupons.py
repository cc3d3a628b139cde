"""Codes in the demo: everybody written to gets one, most who buy use it, and what an order then earns.

Whether somebody uses a code is drawn apart from whether they buy, so of those who redeem as many would have bought anyway as of
all who buy after a message: a share that no real shop can know, and that its holdout tells.
"""

from __future__ import annotations

import random

import sqlalchemy as sa

from tidings.cli.demo.people import SEED, Person
from tidings.store.database import Store
from tidings.store.tables import money, people, sending

POOL, PREFIX = "spring25", "SPRING-"
_USES = 0.75
_OFF = 0.25
# What an order earns of its list price, before the discount.
_MARGIN = 0.40
_CHANNELS = (("web", 60), ("shop", 30), ("dealer", 10))


def uses_code(one: Person) -> bool:
    """Tell whether a customer who has a code uses it when they buy."""
    return random.Random(SEED * 5_915_587 + one.number).random() < _USES


def sales_channel(one: Person) -> str:
    """Return where a customer buys."""
    draw = random.Random(SEED * 1_500_450 + one.number)
    return draw.choices([name for name, _ in _CHANNELS], weights=[weight for _, weight in _CHANNELS])[0]


def saved(paid: int) -> int:
    """Return what the code took off an order for which so much was paid, in minor units."""
    return round(paid / (1 - _OFF) * _OFF)


def profit(paid: int, off: int) -> int:
    """Return what an order earns: the margin on the list price, less the discount; minor units."""
    return round((paid + off) * _MARGIN) - off


def earned(one: Person, arm: str, *, has_code: bool) -> int:
    """Return what a customer's order earns under an arm, 0 for no order; minor units."""
    paid = one.buys[arm]
    return profit(paid, saved(paid) if has_code and uses_code(one) else 0)


def codes_of(store: Store, run_id: int) -> dict[str, str]:
    """Return the code that each customer was promised by a run."""
    codes, messages, customers = money.codes, sending.messages, people.customers
    with store.read() as connection:
        rows = connection.execute(
            sa.select(customers.c.key, codes.c.code)
            .join(messages, messages.c.id == codes.c.message_id)
            .join(customers, customers.c.id == messages.c.customer_id)
            .where(messages.c.run_id == run_id)
        )
        return {str(key): str(code) for key, code in rows}
