"""What goes with what: learnt from nine months of a real shop's invoices, tested on what its customers bought in the three after."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from reference_data.command_line import CommandLine
from reference_data.test_online_retail import INVOICES, MAPPING, TODAY, WORKSPACE
from tidings.campaigns.bought_together import learn
from tidings.campaigns.recommending import Recommended, recommended
from tidings.cli.session import Session, open_session
from tidings.clock import to_micros
from tidings.store.batches import insert_rows
from tidings.store.tables import money, people

pytestmark = pytest.mark.public

NINE_MONTHS = datetime(2011, 9, 9, tzinfo=UTC)
SHOWN = 5
# Postage, manual lines, discounts and charges are lines of the file, and nothing that a shop recommends.
NO_PRODUCTS = ("POST", "M", "D", "C2", "DOT", "BANK CHARGES", "PADS", "CRUK", "AMAZONFEE")
lines, events, names = people.event_items, people.events, people.event_names


def test_what_goes_with_what_they_bought_is_bought_more_often_than_best_sellers(
    data: Callable[[str], Path], command_line: Callable[..., CommandLine]
) -> None:
    path = data(INVOICES)
    tidings = command_line(
        now=TODAY,
        config__workspace=WORKSPACE + f"recommendations: {{show: {SHOWN}}}\n",
        config__imports__online_retail=MAPPING,
    )
    tidings.data("import", path, "--as", "online_retail", "--json")
    with open_session() as session:
        put_on_sale(session)
        began = time.process_time()
        learnt = learn(session.store, session.settings.definitions, now=NINE_MONTHS)
        took = time.process_time() - began
        before, after = bought(session)
        asked = sorted(set(before) & set(after))
        chosen = all_of(session, asked)
        for customer, those in chosen.items():
            assert not before[customer] & {one.item for one in those}
        with session.store.durable("test") as connection:
            connection.execute(sa.delete(money.bought_together))
        best = all_of(session, asked)
    ours, theirs = hits(chosen, after), hits(best, after)
    tidings.tell(
        f"Online Retail: of {len(asked):,} customers who bought before and after, {ours[0]:.1%} bought one of {SHOWN} products "
        f"recommended, {theirs[0]:.1%} one of {SHOWN} best sellers; of the products {ours[1]:.1%} and {theirs[1]:.1%} were bought; "
        f"{learnt.pairs:,} pairs of {learnt.items:,} products learnt in {took:.1f} s"
    )
    assert len(asked) > 1_500
    assert ours[0] > theirs[0] + 0.08
    assert ours[1] > 1.5 * theirs[1]


def put_on_sale(session: Session) -> None:
    """Make a product of every item of the invoices."""
    with session.store.durable("test") as connection:
        found = connection.execute(
            sa.select(lines.c.item, sa.func.max(lines.c.name), sa.func.max(lines.c.price)).group_by(
                lines.c.item
            )
        ).all()
        insert_rows(
            connection,
            money.products,
            [(item, name or item, price, "GBP", 1) for item, name, price in found if item not in NO_PRODUCTS],
            ["item", "name", "price", "currency", "updated_at"],
        )


def bought(session: Session) -> tuple[dict[int, set[str]], dict[int, set[str]]]:
    """Return what each customer ordered in the nine months, and in the three after them."""
    before, after = defaultdict[int, set[str]](set), defaultdict[int, set[str]](set)
    with session.store.read() as connection:
        rows = connection.execute(
            sa.select(events.c.customer_id, lines.c.item, events.c.occurred_at)
            .join(lines, lines.c.event_id == events.c.id)
            .join(names, names.c.id == events.c.name_id)
            .where(names.c.name == "order_placed", events.c.customer_id.is_not(None))
        )
        for customer, item, at in rows:
            (before if at < to_micros(NINE_MONTHS) else after)[customer].add(item)
    return before, after


def all_of(session: Session, customers: Sequence[int]) -> dict[int, list[Recommended]]:
    """Return the products of all these customers."""
    found: dict[int, list[Recommended]] = {}
    with session.store.read() as connection:
        for start in range(0, len(customers), 500):
            some = customers[start : start + 500]
            found |= recommended(connection, session.settings.definitions, some, now=NINE_MONTHS)
    return found


def hits(chosen: Mapping[int, list[Recommended]], after: Mapping[int, set[str]]) -> tuple[float, float]:
    """Return which part of the customers bought one of theirs, and which part of what they were shown was bought."""
    each = [len(after[customer] & {one.item for one in those}) for customer, those in chosen.items()]
    return sum(1 for one in each if one) / len(each), sum(each) / (SHOWN * len(each))
