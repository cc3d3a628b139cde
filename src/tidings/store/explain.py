"""Errors of drivers and files as sentences: what happened, to which store, and the way out."""

from __future__ import annotations

import errno
import sqlite3

import sqlalchemy as sa

from tidings.errors import StoreError

MIGRATE = "run `tidings migrate`; it says first what it will do"

# What the context managers of the store translate; anything else is a mistake of ours and keeps its traceback.
TRANSLATED = (sa.exc.DBAPIError, sa.exc.TimeoutError, sqlite3.Error)


class Conflict(StoreError):
    """A row broke a rule of the tables: a unique key, a reference, a check. The driver's error is the cause."""


def explain(error: BaseException, place: str = "the store") -> StoreError:
    """Return the sentence for an error of a driver, of SQLAlchemy or of the file system.

    `place` is the store as people name it: the path of the file, or the address without its password.
    """
    if isinstance(error, StoreError):
        return error
    if isinstance(error, sa.exc.TimeoutError):
        return StoreError(
            f"all connections to {place} are in use",
            what_to_do="wait for other work to end, or use fewer threads",
            code="store-busy",
        )
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    if isinstance(error, sa.exc.IntegrityError) or isinstance(cause, sqlite3.IntegrityError):
        return Conflict(
            f"{place} refused a row: {_first_line(cause)}",
            what_to_do="nothing of this step was kept; please report it with the command you ran",
            code="store-conflict",
        )
    if isinstance(cause, OSError):
        return _file_system(cause, place)
    if isinstance(cause, sqlite3.Error):
        return _sqlite(cause, place)
    return _postgresql(cause, place)


def _file_system(error: OSError, place: str) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(place)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return read_only(place)
    return StoreError(f"{place} cannot be used: {error.strerror or error}", code="store-unusable")


def _full(place: str) -> StoreError:
    return StoreError(
        f"the disk is full: {place} cannot grow",
        what_to_do="make room and run the command again; everything committed before is kept",
        code="store-full",
    )


def read_only(place: str) -> StoreError:
    """Return the error for a store whose file or folder cannot be written."""
    return StoreError(
        f"{place} is read-only: its file or folder cannot be written by this user",
        what_to_do="give this user write access to the file and its folder; SQLite keeps two files beside it",
        code="store-read-only",
    )


def missing(place: str) -> StoreError:
    """Return the error for a store that is not there."""
    return StoreError(
        f"there is no store at {place}",
        what_to_do="`tidings migrate` makes it; or check the address of this environment in config/workspace.yaml",
        code="store-missing",
    )


def _sqlite(error: sqlite3.Error, place: str) -> StoreError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError(
            f"{place} is locked: another process has been writing to it for too long",
            what_to_do="wait for the other command to end (is a second `tidings serve` or `import` running?), then try again",
            code="store-locked",
        )
    if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR_WRITE"):
        return _full(place)
    if name.startswith("SQLITE_READONLY"):
        return read_only(place)
    if name == "SQLITE_NOTADB":
        return StoreError(
            f"{place} is not a store: the file is no SQLite database",
            what_to_do="check the address of this environment in config/workspace.yaml",
            code="store-not-a-database",
        )
    if name.startswith("SQLITE_CORRUPT"):
        return StoreError(
            f"{place} is damaged: {error}",
            what_to_do="stop everything that writes to it, keep a copy of the file, and restore the last backup",
            code="store-damaged",
        )
    if name.startswith("SQLITE_CANTOPEN"):
        return StoreError(
            f"{place} cannot be opened by this user",
            what_to_do="check that the folder exists and that this user may write to it",
            code="store-unusable",
        )
    if name.startswith("SQLITE_IOERR"):
        return StoreError(
            f"{place} cannot be read or written: the disk answered with an error",
            what_to_do="check the disk and its free space, then try again",
            code="store-unusable",
        )
    if "no such table" in str(error) or "no such column" in str(error):
        return StoreError(
            f"{place} lacks something this tidings needs: {error}",
            what_to_do=MIGRATE,
            code="store-not-migrated",
        )
    return StoreError(f"{place} refused a statement: {error}", code="store-refused")


def _postgresql(error: BaseException | None, place: str) -> StoreError:
    state = getattr(error, "sqlstate", None) or ""
    text = str(error)
    if state in {"28P01", "28000"} or "authentication failed" in text:
        return StoreError(
            f"{place} refuses this user or password",
            what_to_do="check the variable that holds the address",
            code="store-unreachable",
        )
    if state == "3D000" or ('database "' in text and "does not exist" in text):
        return StoreError(
            f"there is no database at {place}",
            what_to_do="make it with createdb, then run `tidings migrate`",
            code="store-missing",
        )
    if state in {"53100", "53200"}:
        return _full(place)
    if state in {"55P03", "40P01", "57014"}:
        return StoreError(
            f"{place} is locked: other work kept the rows for too long",
            what_to_do="try again when the other command has ended",
            code="store-locked",
        )
    if state == "25006":
        return read_only(place)
    if state == "42501":
        return StoreError(
            f"{place} does not let this user do it: {_first_line(error)}",
            what_to_do="the user needs its own schema, with the right to create tables in it",
            code="store-refused",
        )
    if state in {"42P01", "42703"}:
        return StoreError(
            f"{place} lacks something this tidings needs: {_first_line(error)}",
            what_to_do=MIGRATE,
            code="store-not-migrated",
        )
    # Errors of the client itself have no state either; only these classes mean that the connection is gone.
    lost = {"OperationalError", "InterfaceError"} & {kind.__name__ for kind in type(error).__mro__}
    if (not state and lost) or state.startswith(("08", "57P")):
        return StoreError(
            f"{place} cannot be reached",
            what_to_do="check that PostgreSQL is running there, and the address of this environment; nothing half done was kept",
            code="store-unreachable",
        )
    return StoreError(f"{place} refused a statement: {_first_line(error)}", code="store-refused")


def _first_line(error: BaseException | None) -> str:
    return (str(error).splitlines() or ["unknown error"])[0]
