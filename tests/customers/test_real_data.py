"""Whole public data sets, checked against an independent computation. See docs of the data for their origin."""

import csv
import gzip
import os
import shutil
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.components import missing
from support.import_world import DEFINITIONS, EXPERIMENT, ORDERS
from tidings.customers.importing import import_file
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending

pytestmark = pytest.mark.public


def data(name: str, tmp_path: Path) -> Path:
    folder = os.environ.get("TIDINGS_REFERENCE_DATA")
    if not folder:
        pytest.skip("TIDINGS_REFERENCE_DATA does not name the folder of the public data sets")
    source = Path(folder) / name
    if not source.exists():
        missing(f"TIDINGS_REFERENCE_DATA is set, and {source} is not there")
    # Rejects would be written beside the file.
    return Path(shutil.copy(source, tmp_path / name))


def totals(store: Store) -> dict[str, tuple[int, int]]:
    names = people.event_names
    with store.read() as connection:
        rows = connection.execute(
            sa.select(names.c.name, sa.func.count(), sa.func.sum(people.events.c.amount))
            .join(names, names.c.id == people.events.c.name_id)
            .group_by(names.c.name)
        )
        return {name: (count, int(amount)) for name, count, amount in rows}


def test_online_retail_arrives_whole(make_store: Callable[..., Store], tmp_path: Path) -> None:
    path = data("online_retail_2010_2011.csv.gz", tmp_path)
    store = make_store("sqlite")
    result = import_file(store, DEFINITIONS, ORDERS, path)
    values: dict[tuple[str, str, bool], Decimal] = defaultdict(Decimal)
    without, lost, skipped, lines = 0, Decimal(0), 0, 0
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            quantity, price = Decimal(row["Quantity"]), Decimal(row["UnitPrice"])
            if price <= 0:
                skipped += 1
            elif not row["CustomerID"]:
                without += 1
                lost += quantity * price
            else:
                lines += 1
                values[row["InvoiceNo"], row["CustomerID"], quantity < 0] += abs(quantity) * price
    assert (result.rows, result.rejected) == (541_909, 0)
    assert (result.skipped, result.no_customer) == (skipped, without)
    # Published: 135,080 rows without a customer; those of them without a price are skipped first.
    assert without == 132_603
    assert result.no_customer_value == {"GBP": int((lost * 100).quantize(Decimal(1)))}
    sums = {
        returned: sum(value for key, value in values.items() if key[2] is returned)
        for returned in (False, True)
    }
    counts = {returned: sum(1 for key in values if key[2] is returned) for returned in (False, True)}
    stored = totals(store)
    assert stored["order_placed"] == (counts[False], int(sums[False] * 100))
    assert stored["order_returned"][0] == counts[True]
    assert abs(stored["order_returned"][1] - sums[True] * 100) < counts[True] / 2
    # Published: 8,911,408 identified revenue, 8,300,066 net of returns.
    assert round(stored["order_placed"][1] / 100) == 8_911_408
    assert round((stored["order_placed"][1] - stored["order_returned"][1]) / 100) == 8_300_066
    assert result.events == len(values)
    placed = (
        sa.select(people.event_names.c.id)
        .where(people.event_names.c.name == "order_placed")
        .scalar_subquery()
    )
    twice = (
        sa.select(people.events.c.customer_id)
        .where(people.events.c.name_id == placed)
        .group_by(people.events.c.customer_id)
        .having(sa.func.count() >= 2)
    )
    with store.read() as connection:
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(twice.subquery())).scalar_one() == 2_845
        )
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(people.event_items)).scalar_one()
            == lines
        )
    again = import_file(store, DEFINITIONS, ORDERS, path)
    assert again.already
    assert totals(store) == stored


def test_two_overlapping_halves_of_online_retail_are_the_whole(
    make_store: Callable[..., Store], tmp_path: Path
) -> None:
    path = data("online_retail_2010_2011.csv.gz", tmp_path)
    with gzip.open(path, "rb") as file:
        head, *rows = file.read().splitlines(keepends=True)[:60_001]
    whole, first, second = (tmp_path / f"{name}.csv" for name in ("whole", "first", "second"))
    whole.write_bytes(head + b"".join(rows))
    low, high = _middle_of_an_order(rows, 30_000), _middle_of_an_order(rows, 35_000)
    first.write_bytes(head + b"".join(rows[:high]))
    second.write_bytes(head + b"".join(rows[low:]))
    one, two = make_store("sqlite"), make_store("sqlite")
    import_file(one, DEFINITIONS, ORDERS, whole)
    import_file(two, DEFINITIONS, ORDERS, first)
    result = import_file(two, DEFINITIONS, ORDERS, second)
    assert result.details["events_known"] > 100
    assert result.details["events_completed"] == 1, (
        "the order cut off in the first; that cut in the second was whole before"
    )
    assert "events_differ" not in result.details
    assert totals(two) == totals(one)


def _middle_of_an_order(rows: list[bytes], start: int) -> int:
    """The first place from `start` on between two rows of one order whose customer is known."""
    cells = list(csv.reader(row.decode() for row in rows))
    return next(
        place
        for place in range(start, len(cells))
        if cells[place - 1][0] == cells[place][0] == cells[place + 1][0]
        and cells[place][6]
        and float(cells[place][5]) > 0
    )


def test_hillstrom_arrives_whole(make_store: Callable[..., Store], tmp_path: Path) -> None:
    path = data("hillstrom_email.csv.gz", tmp_path)
    store = make_store("sqlite")
    result = import_file(store, DEFINITIONS, EXPERIMENT, path)
    assert (result.rows, result.created, result.rejected) == (64_000, 64_000, 0)
    enrolments, outcomes = sending.enrolments, answers.outcomes
    with store.read() as connection:
        arms = {
            (arm, variant): count
            for arm, variant, count in connection.execute(
                sa.select(enrolments.c.arm, enrolments.c.variant, sa.func.count()).group_by(
                    enrolments.c.arm, enrolments.c.variant
                )
            )
        }
        sums = dict(
            connection.execute(
                sa.select(outcomes.c.metric, sa.func.sum(outcomes.c.value)).group_by(outcomes.c.metric)
            ).all()
        )
    assert arms == {("holdout", None): 21_306, ("treated", "mens"): 21_307, ("treated", "womens"): 21_387}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sums["visit"] == sum(int(row["visit"]) for row in rows)
    assert sums["spend"] == sum(int(Decimal(row["spend"]) * 100) for row in rows)
    assert sums["history"] == sum(int(Decimal(row["history"]) * 100) for row in rows)
    again = import_file(store, DEFINITIONS, EXPERIMENT, path, again=True)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 64_000)
