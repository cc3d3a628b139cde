"""Opening a store says in one sentence what is wrong, and what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.postgres import Server
from support.stores import ENVIRONMENT, START, WORKSPACE, Stores, open_store
from tidings.clock import FixedClock
from tidings.errors import StoreError
from tidings.store.database import Store
from tidings.store.tables import keeping


def _open(url: str, **more: object) -> Store:
    wanted = {"workspace": WORKSPACE, "environment": ENVIRONMENT, "clock": FixedClock(START), **more}
    return Store.open(url, **wanted)


def _refused(url: str, **more: object) -> StoreError:
    with pytest.raises(StoreError) as caught:
        _open(url, **more)
    return caught.value


def test_a_missing_file_names_the_command_that_makes_it(tmp_path: Path) -> None:
    error = _refused(f"sqlite:///{tmp_path}/none.sqlite")
    assert error.message == f"there is no store at {tmp_path}/none.sqlite"
    assert "`tidings migrate` makes it" in error.what_to_do
    assert not (tmp_path / "none.sqlite").exists()


def test_a_missing_folder_is_a_missing_store(tmp_path: Path) -> None:
    assert _refused(f"sqlite:///{tmp_path}/no/none.sqlite").code == "store-missing"
    assert not (tmp_path / "no").exists()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.sqlite"
    path.write_text("Dear customer, " * 200)
    error = _refused(f"sqlite:///{path}")
    assert error.message == f"{path} is not a store: the file is no SQLite database"
    assert path.read_text().startswith("Dear customer")


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    assert "is a folder" in _refused(f"sqlite:///{tmp_path}").message


@pytest.mark.parametrize(
    "url", ["mysql://root:secret@host/db", "nonsense", "sqlite://", "sqlite:///:memory:"]
)
def test_other_kinds_of_address_are_refused_without_showing_a_password(url: str) -> None:
    error = _refused(url)
    assert error.code == "store-address"
    assert "secret" not in error.message


def test_an_empty_store_names_migrate(stores: Callable[[str], Stores], dialect: str) -> None:
    url = stores(dialect).empty(dialect)
    if dialect == "sqlite":
        Path(url.removeprefix("sqlite:///")).touch()
    error = _refused(url)
    assert "has no tables yet" in error.message
    assert "tidings migrate" in error.what_to_do


@pytest.mark.parametrize(
    ("more", "code", "word"),
    [
        ({"workspace": "other"}, "store-other-workspace", '"test", not to "other"'),
        ({"environment": "production"}, "store-other-environment", '"development", not to "production"'),
        ({"salt": "pepper"}, "store-other-salt", "`salt`"),
    ],
)
def test_another_workspaces_store_is_refused(
    store: Store, more: dict[str, str], code: str, word: str
) -> None:
    error = _refused(store.url, **more)
    assert error.code == code
    assert word in error.message


@pytest.mark.parametrize(
    ("revision", "code"),
    [
        ("0001", "store-not-migrated"),
        ("0999", "store-newer"),
        ("ae1027a6acf", "store-newer"),
    ],
)
def test_an_older_and_a_newer_schema_are_told_apart(store: Store, revision: str, code: str) -> None:
    with store.durable("test") as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :v"), {"v": revision})
    error = _refused(store.url)
    assert error.code == code
    assert ("tidings migrate" in error.what_to_do) == (code == "store-not-migrated")


def test_a_file_locked_by_another_process_is_named_after_the_wait(make_store: Callable[..., Store]) -> None:
    store = make_store("sqlite")
    script = (
        "import sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, store.place], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"locked\n"
        with _open(store.url, busy_seconds=0.1) as second:
            with pytest.raises(StoreError) as caught, second.durable("test"):
                pass
            with second.read() as connection:
                assert connection.execute(sa.select(keeping.identity.c.workspace)).scalar() == WORKSPACE
        other.stdin.close()
    assert caught.value.code == "store-locked"
    assert "another process" in caught.value.message
    with store.durable("test"):
        pass


def test_a_full_disk_keeps_what_was_committed(make_store: Callable[..., Store]) -> None:
    store = make_store("sqlite")
    with store.durable("first") as connection:
        connection.exec_driver_sql("INSERT INTO event_names (name) VALUES ('kept')")
    with pytest.raises(StoreError) as caught, store.durable("fill") as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        for number in range(100):
            connection.exec_driver_sql(
                "INSERT INTO event_names (name) VALUES (?)", (f"{number}" + "x" * 4000,)
            )
    assert caught.value.code == "store-full"
    assert "make room" in caught.value.what_to_do
    with store.read() as connection:
        names = connection.exec_driver_sql("SELECT name FROM event_names").scalars().all()
    assert names == ["kept"]


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o444, 0o777), (0o666, 0o555)])
def test_a_read_only_file_or_folder_is_named(
    make_store: Callable[..., Store], file_mode: int, folder_mode: int
) -> None:
    store = make_store("sqlite")
    # Root may write anything: the child becomes nobody, after it has imported what it needs.
    script = (
        "import os, sys\n"
        "from tidings.errors import StoreError\n"
        "from support.stores import open_store\n"
        "open_store(sys.argv[1]).close()\n"
        "if os.geteuid() == 0:\n"
        "    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        "    open_store(sys.argv[2])\n"
        "except StoreError as error:\n"
        "    print(error.code)\n"
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        copy = folder / "store.sqlite"
        shutil.copyfile(store.place, copy)
        copy.chmod(file_mode)
        folder.chmod(folder_mode)
        answer = subprocess.run(
            [sys.executable, "-c", script, store.url, f"sqlite:///{copy}"],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        folder.chmod(0o777)
    assert (answer.stdout, answer.stderr) == ("store-read-only\n", "")


def test_an_old_sqlite_is_named(make_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store("sqlite")
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 37, 2))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.37.2")
    assert "SQLite 3.37.2; tidings needs 3.38" in _refused(store.url).message


def test_an_unreachable_postgresql_is_named_without_its_password() -> None:
    error = _refused("postgresql://shop:hunter2@127.0.0.1:1/shop")
    assert error.message == "postgresql://shop:***@127.0.0.1:1/shop cannot be reached"
    assert "hunter2" not in error.message + error.what_to_do


def test_a_missing_postgresql_database_is_named(postgres_server: Server) -> None:
    error = _refused(postgres_server.url("not_there"))
    assert error.code == "store-missing"
    assert "createdb" in error.what_to_do


@pytest.mark.parametrize("name", ["Gärten & Söhne #1.sqlite", "50%20off?.sqlite", "花園.sqlite"])
def test_any_file_name_is_taken_as_it_stands(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a folder" / name
    with open_store(f"sqlite:///{path}", create=True) as store:
        assert store.place == str(path)
        store.copy_to(tmp_path / f"copy of {name}")
    assert path.exists()
    open_store(f"sqlite:///{tmp_path}/copy of {name}").close()


def test_a_new_store_is_made_on_demand_and_then_kept(stores: Callable[[str], Stores], dialect: str) -> None:
    url = stores(dialect).empty(dialect)
    with open_store(url, create=True) as store, store.read() as connection:
        first = connection.execute(sa.select(keeping.identity.c.store_id)).scalar()
    with open_store(url, create=True) as store, store.read() as connection:
        assert connection.execute(sa.select(keeping.identity.c.store_id)).scalar() == first
    if dialect == "sqlite":
        assert Path(url.removeprefix("sqlite:///")).stat().st_mode & 0o077 == 0
