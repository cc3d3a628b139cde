"""The schema's revisions: which one a store has, what is to come, and the upgrade itself.

A whole upgrade is one durable transaction on both databases: interrupted anywhere, the store is old or new.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.clock import iso
from tidings.errors import StoreError
from tidings.store import identity
from tidings.store.tables import keeping, people

if TYPE_CHECKING:
    from alembic.config import Config

    from tidings.store.database import Store

SCRIPTS = Path(__file__).with_name("alembic")


@dataclass(frozen=True, slots=True)
class Revision:
    """One step of the schema: its number and what it brings, in a sentence."""

    number: str
    sentence: str


def current(store: Store) -> str | None:
    """Return the revision of the store's schema, or None for an empty store."""
    with store.read() as connection:
        return identity.revision_of(connection)


def pending(store: Store) -> tuple[Revision, ...]:
    """Return the revisions that an upgrade would run, first to last. Raise StoreError for a newer store."""
    from alembic.script import ScriptDirectory

    with store.read() as connection:
        here = identity.revision_of(connection)
        if here is not None and (not here.isdigit() or int(here) > int(identity.HEAD)):
            identity.check_revision(connection, store.place)
    scripts = ScriptDirectory.from_config(_config())
    steps = scripts.iterate_revisions("heads", here or "base")
    return tuple(Revision(step.revision, (step.doc or "").rstrip(".")) for step in reversed(list(steps)))


def upgrade(store: Store) -> tuple[Revision, ...]:
    """Bring the schema to this tidings' revision in one transaction and return the revisions that were run."""
    from alembic import command

    steps = pending(store)
    if not steps:
        return ()
    with store.durable("migrate") as connection:
        if store.dialect == "postgresql":
            # Two upgrades at once: the second waits here and then finds nothing to do.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7236190327)")
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return steps


def prepare(store: Store, *, salt: str) -> None:
    """Migrate an empty store and record whose it is; an existing one keeps its schema and its owner."""
    if current(store) is None:
        upgrade(store)
    with store.read() as connection:
        identity.check_revision(connection, store.place)
        recorded = connection.execute(sa.select(keeping.identity.c.id)).one_or_none()
    if recorded is None:
        record_owner(store, salt=salt)


def record_owner(store: Store, *, salt: str) -> None:
    """Record whose store this is, unless it says so already."""
    with store.durable("migrate") as connection:
        identity.record(
            connection,
            workspace=store.workspace,
            environment=store.environment,
            salt=salt,
            now=store.clock.now(),
        )


def backup(store: Store) -> Path | None:
    """Copy a SQLite store that holds customers beside itself and return the copy; None when there is nothing to keep.

    PostgreSQL has its own backups. The copy is complete and consistent; it is synced before this returns.
    """
    if store.dialect != "sqlite":
        return None
    with store.read() as connection:
        if not sa.inspect(connection).has_table("customers"):
            return None
        if connection.execute(sa.select(people.customers.c.id).limit(1)).first() is None:
            return None
    path = Path(store.place)
    stamp = iso(store.clock.now()).replace(":", "").replace("-", "")
    target = path.with_name(f"{path.stem}.before-migrate-{stamp}{path.suffix}")
    if target.exists():
        raise StoreError(
            f"the backup {target} is there already", what_to_do="move it away and run `tidings migrate` again"
        )
    store.copy_to(target)
    return target


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return config
