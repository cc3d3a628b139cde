"""What a run used, kept by content: templates, definitions, policies, consent texts. Nothing here changes."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

from tidings.errors import StoreError
from tidings.store.tables.sending import artifacts


def put(connection: sa.Connection, kind: str, content: bytes, now: int) -> str:
    """Keep `content` and return its SHA-256; the same content is kept once, under the kind it came with first.

    `now` is the instant in microseconds.
    """
    sha = hashlib.sha256(content).hexdigest()
    known = connection.execute(sa.select(artifacts.c.sha256).where(artifacts.c.sha256 == sha)).first()
    if known is None:
        row = {"sha256": sha, "kind": kind, "bytes": content, "created_at": now}
        connection.execute(_insert(connection), row)
    return sha


def get(connection: sa.Connection, sha: str) -> bytes:
    """Return the content of that SHA-256. Raise StoreError when it is not there or no longer what was kept."""
    content = connection.execute(sa.select(artifacts.c.bytes).where(artifacts.c.sha256 == sha)).scalar()
    if content is None:
        raise StoreError(
            f"the store has no artifact {sha[:12]}",
            what_to_do="a run names what it used; restore the backup that the run belongs to",
            code="artifact-missing",
        )
    content = bytes(content)
    if hashlib.sha256(content).hexdigest() != sha:
        raise StoreError(
            f"the artifact {sha[:12]} is damaged: its content is not what was kept",
            what_to_do="restore the store from a backup",
            code="artifact-damaged",
        )
    return content


def _insert(connection: sa.Connection) -> sa.Insert:
    # Two processes may keep the same content at once.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert

        return insert(artifacts).on_conflict_do_nothing()
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert(artifacts).on_conflict_do_nothing()
