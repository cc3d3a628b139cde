"""Five typical segments on SQLite: CPU of the one statement beside a Python loop over the same rows, same run.

    python benchmarks/bench_segments.py [CUSTOMERS [EVENTS]]      default 100000 2000000

Both must select the same customers; the script fails when they do not.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.clock import FixedClock, local_midnight, to_micros
from tidings.definitions.conditions import (
    AnyOfThese,
    AttributeCondition,
    Condition,
    DidCondition,
    Measure,
    NoneOfThese,
    Times,
    WithinLast,
)
from tidings.definitions.kinds.rules import Attribute, Attributes, Event, EventProperty, Events
from tidings.definitions.values import Compared, DateRelation, Duration, Is, OneOf, Order, RelativeDate, Unit
from tidings.segments.compile import compile_conditions
from tidings.segments.scope import Scope
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import people
from tidings.store.vocabulary import apply_changes, attributes_table

NOW = datetime(2027, 3, 2, 9, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Stockholm")
TODAY = date(2027, 3, 2)
DAY = 86_400_000_000
ATTRIBUTES = Attributes(
    (Attribute("member_level", "text"), Attribute("last_order_at", "date"), Attribute("interests", "list"))
)
EVENTS = Events(
    (
        Event(
            "order_placed",
            properties=(EventProperty("order_total", "money"), EventProperty("category", "text")),
            revenue="order_total",
        ),
        Event("page_viewed", properties=(EventProperty("page", "text"),)),
        Event("refund_requested"),
    )
)
ORDER, VIEW, REFUND = 1, 2, 3
NAMES = {"order_placed": ORDER, "page_viewed": VIEW, "refund_requested": REFUND}
Row = dict[str, Any]


def build(store: Store, customers: int, events: int) -> None:
    """Fill a store with customers whose numbers of events are log-normal, as those of shops are."""
    draw = random.Random(20270302)
    apply_changes(store, ATTRIBUTES)
    attributes = attributes_table(ATTRIBUTES)
    now = to_micros(NOW)

    def put(table: sa.Table, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        with store.durable("build") as connection:
            insert_rows(connection, table, rows, columns)

    ids = range(1, customers + 1)
    countries = ["SE", "DE", "FI", "RU", None]
    put(
        people.customers,
        ["id", "key", "u", "country", "created_at"],
        [(one, f"C-{one}", one, draw.choice(countries), now) for one in ids],
    )
    put(
        attributes,
        ["customer_id", "member_level", "last_order_at"],
        [
            (
                one,
                draw.choice(["basic", "silver", "gold", None]),
                None if draw.random() < 0.3 else TODAY - timedelta(days=draw.randrange(700)),
            )
            for one in ids
        ],
    )
    put(
        people.customer_lists,
        ["customer_id", "attribute", "value"],
        [(one, "interests", draw.choice(["roses", "tools", "vegetables"])) for one in ids if one % 2],
    )
    put(people.event_names, ["id", "name"], [(number, name) for name, number in NAMES.items()])
    weights = list(accumulate(draw.lognormvariate(0, 1.2) for _ in ids))
    columns = ["name_id", "customer_id", "occurred_at", "received_at", "source", "dedupe_key", "amount"]
    columns += ["currency", "properties"]
    for start in range(0, events, 100_000):
        rows = []
        size = min(100_000, events - start)
        for number, customer in enumerate(draw.choices(ids, cum_weights=weights, k=size), start):
            name = draw.choices((ORDER, VIEW, REFUND), weights=(20, 79, 1))[0]
            at = now - int(draw.random() * 730 * DAY)
            amount = draw.randint(100, 90_000) if name == ORDER else None
            properties = {
                ORDER: {"category": draw.choice(["garden", "tools", "toys"])},
                VIEW: {"page": f"p{number % 99}"},
            }.get(name)
            rows.append(
                (name, customer, at, now, "bench", str(number), amount, "EUR" if amount else None, properties)
            )
        put(people.events, columns, rows)


def last(days: int) -> WithinLast:
    return WithinLast(Duration(days, Unit.DAY))


# The first instant of the days that the loops look back to, worked out once.
SINCE = {
    days: to_micros(local_midnight(TODAY - timedelta(days=days), ZONE)) for days in (30, 90, 180, 365, 730)
}
QUIET = (TODAY - timedelta(days=90)).isoformat()


# Each segment: its conditions, and what a loop keeps of an event and then asks of a customer.
Keep = Callable[[tuple[Any, ...]], bool]
Ask = Callable[[Row, list[tuple[Any, ...]]], bool]
SEGMENTS: dict[str, tuple[tuple[Condition, ...], Keep, Ask]] = {
    "gold in Sweden": (
        (AttributeCondition("member_level", Is("gold")), AttributeCondition("country", Is("SE"))),
        lambda _: False,
        lambda who, _: who["member_level"] == "gold" and who["country"] == "SE",
    ),
    "quiet for 90 days, 2 orders before": (
        (
            AttributeCondition(
                "last_order_at", RelativeDate(DateRelation.MORE_THAN_AGO, Duration(90, Unit.DAY))
            ),
            DidCondition("order_placed", Times(2), last(730)),
        ),
        lambda e: e[1] == ORDER and e[2] >= SINCE[730],
        lambda who, done: (
            who["last_order_at"] is not None and who["last_order_at"] < QUIET and len(done) >= 2
        ),
    ),
    "3 orders over 200 EUR in 90 days": (
        (
            DidCondition(
                "order_placed",
                Times(3),
                last(90),
                measure=Measure("total", "order_total", Compared(Order.AT_LEAST, Decimal(200))),
            ),
        ),
        lambda e: e[1] == ORDER and e[2] >= SINCE[90],
        lambda _, done: len(done) >= 3 and sum(e[3] for e in done if e[4] == "EUR") >= 20_000,
    ),
    "looked in 30 days, no order in 180": (
        (
            DidCondition("page_viewed", window=last(30)),
            DidCondition("order_placed", window=last(180), negated=True),
        ),
        lambda e: (e[1] == VIEW and e[2] >= SINCE[30]) or (e[1] == ORDER and e[2] >= SINCE[180]),
        lambda _, done: bool(done) and all(e[1] == VIEW for e in done),
    ),
    "gardeners outside Russia": (
        (
            AnyOfThese(
                (
                    AttributeCondition("interests", OneOf(("roses", "vegetables"))),
                    DidCondition("order_placed", window=last(365), with_=(("category", Is("garden")),)),
                )
            ),
            NoneOfThese((AttributeCondition("country", Is("RU")),)),
        ),
        lambda e: e[1] == ORDER and e[2] >= SINCE[365] and json.loads(e[5])["category"] == "garden",
        lambda who, done: (
            who["country"] != "RU" and (bool(done) or bool({"roses", "vegetables"} & who["interests"]))
        ),
    ),
}


def loop(connection: sa.Connection, keep: Keep, ask: Ask) -> set[int]:
    """Read every customer and every event into Python and decide there."""
    who: dict[int, Row] = {}
    for one, country, level, ordered in connection.exec_driver_sql(
        "SELECT c.id, c.country, a.member_level, a.last_order_at FROM customers c"
        " LEFT JOIN customer_attributes a ON a.customer_id = c.id WHERE c.tombstoned_at IS NULL"
    ):
        who[one] = {"country": country, "member_level": level, "last_order_at": ordered, "interests": set()}
    for one, value in connection.exec_driver_sql("SELECT customer_id, value FROM customer_lists"):
        who[one]["interests"].add(value)
    done: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for event in connection.exec_driver_sql(
        "SELECT customer_id, name_id, occurred_at, amount, currency, properties FROM events"
    ):
        if keep(event):
            done[event[0]].append(event)
    return {one for one, row in who.items() if ask(row, done[one])}


def best(action: Callable[[], set[int]], times: int) -> tuple[float, set[int]]:
    """Return the least CPU in milliseconds of so many tries, and the members."""
    spent, found = [], set()
    for _ in range(times):
        started = time.process_time()
        found = action()
        spent.append((time.process_time() - started) * 1000)
    return min(spent), found


def sizes() -> Iterator[int]:
    given = [int(one.replace("_", "")) for one in sys.argv[1:] if one.replace("_", "").isdigit()]
    yield given[0] if given else 100_000
    yield given[1] if len(given) > 1 else 20 * (given[0] if given else 100_000)


def main() -> int:
    customers, events = sizes()
    scope = Scope(ATTRIBUTES, EVENTS, NOW, ZONE, "EUR")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bench.sqlite'}"
        with Store.open(
            url, clock=FixedClock(NOW), workspace="bench", environment="development", create=True
        ) as store:
            build(store, customers, events)
            print(f"{customers:,} customers, {events:,} events, SQLite; CPU ms, best of 3 (loop: once)")
            print(f"{'segment':<38}{'members':>9}{'statement':>11}{'loop':>9}{'ratio':>8}")
            ratios = []
            for name, (where, keep, ask) in SEGMENTS.items():
                statement = compile_conditions(where, scope=scope)
                with store.read() as connection:
                    ours, found = best(lambda: set(connection.execute(statement).scalars()), 3)  # noqa: B023
                    naive, expected = best(lambda: loop(connection, keep, ask), 1)  # noqa: B023
                if found != expected:
                    print(f"{name}: the statement and the loop select different customers", file=sys.stderr)
                    return 1
                ratios.append(ours / naive)
                print(f"{name:<38}{len(found):>9,}{ours:>11,.0f}{naive:>9,.0f}{ours / naive:>8.3f}")
            print(f"statement / loop, worst: {max(ratios):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
