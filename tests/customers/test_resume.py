import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from support import import_process
from support.forked import Forked
from support.import_world import (
    CUSTOMER_HEADER,
    CUSTOMERS,
    DEFINITIONS,
    EXPERIMENT,
    ORDER_HEADER,
    ORDERS,
    contents,
    customer,
    write_csv,
)
from tidings.customers.importing import import_file
from tidings.errors import TidingsError
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending
from tidings.store.vocabulary import attributes_table

TABLES = (
    people.customers, attributes_table(DEFINITIONS.attributes), people.customer_lists, people.consents, people.events,
    people.event_items, sending.enrolments, answers.outcomes,
)  # fmt: skip


def customers_file(path: Path) -> Path:
    rows = [customer(number) for number in range(6000)]
    for number in (10, 2500, 5990):
        rows[number] = customer(number, email="nobody")
    # The same customers again, so that updates are among it.
    rows += [customer(number, level="gold", news="1") for number in range(0, 6000, 9) if number != 5990]
    return write_csv(path, CUSTOMER_HEADER, rows)


def orders_file(path: Path) -> Path:
    draw = random.Random(3)
    rows = [
        (
            str(draw.randrange(700)),
            f"i{draw.randrange(50)}",
            "thing",
            str(draw.choice([1, 2, -1])),
            "2010-12-01 08:26",
            "1.05",
            str(number % 90),
        )
        for number in range(9000)
    ]
    rows[77] = (*rows[77][:4], "never", *rows[77][5:])
    return write_csv(path, ORDER_HEADER, rows)


def experiment_file(path: Path) -> Path:
    arms = ("Mens E-Mail", "Womens E-Mail", "No E-Mail")
    rows = [(str(number), arms[number % 3], "1", "2.5", "7") for number in range(2500)]
    return write_csv(path, ("customer_id", "segment", "visit", "spend", "history"), [*rows, rows[0]])


FILES: dict[str, tuple[Any, Callable[[Path], Path]]] = {
    "CUSTOMERS": (CUSTOMERS, customers_file),
    "ORDERS": (ORDERS, orders_file),
    "EXPERIMENT": (EXPERIMENT, experiment_file),
}


def numbers(result: Any) -> dict[str, Any]:
    told = result.as_json()
    return {name: told[name] for name in told if name not in {"file", "resumed_from", "rejects_file"}}


def kill_once(store: Store, mapping: str, file: Path, after_chunks: int, delay: float) -> bool:
    """Start an import, kill it after so many chunks and a moment; return whether it had ended before."""
    process = Forked(import_process.main, store.url, mapping, str(file))
    ended = False
    for _ in range(after_chunks):
        line = process.stdout.readline()
        ended = ended or line.startswith("done")
        assert line, "the process ended by itself"
        if ended:
            break
    time.sleep(delay)
    process.kill()
    process.communicate(30)
    return ended


@pytest.mark.parametrize("mapping", list(FILES))
def test_killed_several_times_an_import_ends_as_one_that_was_not(
    store: Store, make_store: Callable[..., Store], tmp_path: Path, mapping: str
) -> None:
    definition, write = FILES[mapping]
    file = write(tmp_path / "f.csv")
    other = make_store(store.dialect)
    undisturbed = import_file(other, DEFINITIONS, definition, file)
    rejects = (tmp_path / "f.csv.rejects.csv").read_bytes()
    (tmp_path / "f.csv.rejects.csv").unlink()
    draw = random.Random(mapping)
    for _ in range(3):
        assert not kill_once(store, mapping, file, draw.randint(1, 2), draw.random() * 0.02)
    result = import_file(store, DEFINITIONS, definition, file)
    assert result.resumed_from, "the chunks kept before the kill are not done again"
    assert numbers(result) == numbers(undisturbed)
    assert contents(store, TABLES) == contents(other, TABLES)
    assert (tmp_path / "f.csv.rejects.csv").read_bytes() == rejects


@pytest.mark.parametrize("mapping", list(FILES))
def test_a_wish_to_stop_keeps_what_was_read_and_the_next_import_goes_on(
    store: Store, make_store: Callable[..., Store], tmp_path: Path, mapping: str
) -> None:
    definition, write = FILES[mapping]
    file = write(tmp_path / "f.csv")
    undisturbed = import_file(make_store(store.dialect), DEFINITIONS, definition, file)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        # An import of orders is asked while reading too.
        return asked == (11 if mapping == "ORDERS" else 2)

    first = import_file(store, DEFINITIONS, definition, file, stop=stop)
    assert first.interrupted
    with store.read() as connection:
        state, done = connection.execute(sa.select(people.imports.c.state, people.imports.c.rows_done)).one()
    assert state == "interrupted"
    assert 0 < done < undisturbed.rows
    second = import_file(store, DEFINITIONS, definition, file)
    assert (second.interrupted, second.resumed_from) == (False, done)
    assert numbers(second) == numbers(undisturbed)


def test_two_imports_of_one_file_at_a_time_do_not_both_count(store: Store, tmp_path: Path) -> None:
    file = customers_file(tmp_path / "f.csv")
    at_work: list[bool] = []

    def meddle(progress: Any) -> None:
        if progress.rows == 3000 and not at_work:
            at_work.append(True)
            import_file(store, DEFINITIONS, CUSTOMERS, file)

    with pytest.raises(TidingsError, match="another process"):
        import_file(store, DEFINITIONS, CUSTOMERS, file, progress=meddle)
    with store.read() as connection:
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(people.customers)).scalar_one() == 5997
        )


def test_memory_stays_flat_whatever_the_length_of_the_file(
    make_store: Callable[..., Store], tmp_path: Path
) -> None:
    import tracemalloc

    peaks = []
    for size in (2_000, 12_000):
        store = make_store("sqlite")
        file = write_csv(
            tmp_path / f"{size}.csv", CUSTOMER_HEADER, (customer(number) for number in range(size))
        )
        tracemalloc.start()
        import_file(store, DEFINITIONS, CUSTOMERS, file)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # What repeats (days, combinations) is remembered up to a limit; the rows are not.
    assert peaks[1] < peaks[0] + (1 << 20)
