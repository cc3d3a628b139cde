"""Whose store this is: workspace, environment and salt, the schema's revision, and the latest time it has seen."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa

from tidings.clock import from_micros, iso, to_micros
from tidings.errors import StoreError
from tidings.store.explain import MIGRATE
from tidings.store.tables.keeping import identity

# The newest revision in store/alembic/versions; revisions are numbered, so that newer and older can be told apart.
HEAD = "0007"
TOLERANCE = timedelta(minutes=5)
_STEP_MICROS = 10_000_000
# Put together once: every claim asks it.
_NOTE_TIME = (
    sa.update(identity)
    .where(identity.c.latest_at <= sa.bindparam("before", type_=sa.BigInteger))
    .values(latest_at=sa.bindparam("now", type_=sa.BigInteger))
)


def salt_hash(salt: str) -> str:
    """Return what the store remembers of the salt that draws customers into arms: a hash, not the salt."""
    return hashlib.sha256(b"tidings salt\0" + salt.encode()).hexdigest()


def revision_of(connection: sa.Connection) -> str | None:
    """Return the revision of the schema, or None for an empty store."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return revision


def check_revision(connection: sa.Connection, place: str) -> None:
    """Raise StoreError unless the schema is the one of this tidings."""
    revision = revision_of(connection)
    if revision == HEAD:
        return
    if revision is None:
        raise StoreError(
            f"{place} is empty: it has no tables yet", what_to_do=MIGRATE, code="store-not-migrated"
        )
    if not revision.isdigit() or int(revision) > int(HEAD):
        raise StoreError(
            f"{place} was written by a newer tidings (schema {revision}, this one knows {HEAD})",
            what_to_do="upgrade tidings; nothing was read or written",
            code="store-newer",
        )
    raise StoreError(
        f"{place} has an older schema ({revision}; this tidings needs {HEAD})",
        what_to_do=MIGRATE,
        code="store-not-migrated",
    )


def secret_of(connection: sa.Connection) -> str:
    """Return what was drawn when the store was made, 122 bits that leave it nowhere: the key of what it seals itself."""
    return connection.execute(sa.select(identity.c.store_id)).scalar() or ""


def owner(connection: sa.Connection, *, place: str) -> str:
    """Return the id of the workspace that a migrated store belongs to; raises StoreError for one that is not migrated."""
    check_revision(connection, place)
    return connection.execute(sa.select(identity.c.workspace)).scalar() or ""


def check(
    connection: sa.Connection, *, place: str, workspace: str, environment: str, salt: str | None
) -> None:
    """Raise StoreError unless the store is migrated and belongs to this workspace, environment and salt.

    A salt of None is not asked for.
    """
    check_revision(connection, place)
    if not check_owner(connection, place=place, workspace=workspace, environment=environment, salt=salt):
        raise StoreError(
            f"{place} belongs to no workspace yet", what_to_do=MIGRATE, code="store-not-migrated"
        )


def check_owner(
    connection: sa.Connection, *, place: str, workspace: str, environment: str, salt: str | None
) -> bool:
    """Tell whether the store says whose it is; raise StoreError when it is not this workspace's."""
    row = connection.execute(
        sa.select(identity.c.workspace, identity.c.environment, identity.c.salt_hash)
    ).one_or_none()
    if row is None:
        return False
    if row.workspace != workspace:
        raise StoreError(
            f'{place} belongs to the workspace "{row.workspace}", not to "{workspace}"',
            what_to_do="one store holds one workspace: check `id` and the store's address in config/workspace.yaml",
            code="store-other-workspace",
        )
    if row.environment != environment:
        raise StoreError(
            f'{place} belongs to the environment "{row.environment}", not to "{environment}"',
            what_to_do="check --environment and the stores in config/workspace.yaml",
            code="store-other-environment",
        )
    if salt is not None and row.salt_hash != salt_hash(salt):
        raise StoreError(
            f"`salt` in config/workspace.yaml is not the one that {place} was made with",
            what_to_do="set it back: another salt would draw every customer into another arm; for a new salt make a new, empty store",
            code="store-other-salt",
        )
    return True


def record(connection: sa.Connection, *, workspace: str, environment: str, salt: str, now: datetime) -> None:
    """Write whose store this is, once; an identity that is there already is kept."""
    if connection.execute(sa.select(identity.c.id)).one_or_none() is not None:
        return
    connection.execute(
        identity.insert().values(
            id=1,
            store_id=uuid.uuid4().hex,
            workspace=workspace,
            environment=environment,
            salt_hash=salt_hash(salt),
            clock="embedded",
            epoch=1,
            latest_at=to_micros(now),
            created_at=to_micros(now),
        )
    )


def note_time(connection: sa.Connection, now: datetime) -> None:
    """Move the latest time seen forward to `now`, in steps of 10 seconds; never back.

    Senders on PostgreSQL would otherwise wait for each other at this one row with every claim.
    """
    micros = to_micros(now)
    connection.execute(_NOTE_TIME, {"now": micros, "before": micros - _STEP_MICROS})


def check_clock(connection: sa.Connection, now: datetime, place: str) -> None:
    """Raise StoreError when `now` is over 5 minutes before the latest time seen."""
    latest = from_micros(connection.execute(sa.select(identity.c.latest_at)).scalar_one())
    if now < latest - TOLERANCE:
        raise StoreError(
            f"the clock of this machine says {iso(now)}, but {place} has already worked at {iso(latest)}",
            what_to_do="set the clock right (is time synchronisation running?); planning and sending wait until it is",
            code="clock-set-back",
        )
