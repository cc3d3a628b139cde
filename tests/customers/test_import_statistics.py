"""PostgreSQL plans for the tables as they are: an import of many rows tells it in time how many there are."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.import_world import CUSTOMER_HEADER, CUSTOMERS, DEFINITIONS, EXPERIMENT, customer, write_csv
from tidings.customers.importing import import_file
from tidings.store.database import Store

ROWS = [(str(n), "Mens E-Mail", "1", "2.50", "10") for n in range(12_000)]
HEADER = ("customer_id", "segment", "visit", "spend", "history")


@pytest.fixture
def postgres(make_store: Callable[..., Store]) -> Store:
    return make_store("postgresql")


def believed(store: Store, table: str) -> float:
    """How many rows PostgreSQL plans for; −1 when it was never told."""
    with store.read() as connection:
        query = sa.text("SELECT reltuples FROM pg_class WHERE relname = :name")
        return float(connection.execute(query, {"name": table}).scalar_one())


def test_a_long_import_is_planned_for_what_it_has_stored_so_far(postgres: Store, tmp_path: Path) -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 8

    path = write_csv(tmp_path / "f.csv", HEADER, ROWS)
    assert import_file(postgres, DEFINITIONS, EXPERIMENT, path, stop=stop).interrupted
    # At about 1,000 and 4,000 rows; an unanswered question is asked of the whole table for every chunk.
    for table in ("customers", "enrolments", "outcomes"):
        assert believed(postgres, table) >= 4000, table


def test_what_comes_after_an_import_is_planned_for_all_of_it(postgres: Store, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "f.csv", CUSTOMER_HEADER, [customer(number) for number in range(700)])
    import_file(postgres, DEFINITIONS, CUSTOMERS, path)
    assert [believed(postgres, table) for table in ("customers", "customer_attributes", "consents")] == [
        700, 700, 350,
    ]  # fmt: skip
