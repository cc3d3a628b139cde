"""The pictures of messages that the tracker serves: those of templates/, and those that runs recorded.

A picture is found by its content alone (16 hex digits of its SHA-256) and its file name, and only among pictures: the
path of a request never becomes a path of a file.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tidings.clock import Clock
from tidings.flows.lazy_store import LazyStore
from tidings.store.tables import sending
from tidings.templates.images import image_files, media_type
from tidings.templates.sources import read_sources

# Kept in memory; a picture has a megabyte at most.
_MOST = 64
_LOOK_SECONDS = 5.0
_ROLE = "file:templates/"


class Pictures:
    """Called with the digits and the file name of an address, returns bytes and media type; None where there is no such picture.

    Raises StoreError when only the store could tell and it is away. Threads may share it.
    """

    def __init__(self, root: Path, store: LazyStore | None, clock: Clock) -> None:
        self._root = root
        self._store = store
        self._clock = clock
        self._guard = threading.Lock()
        self._of_workspace: dict[str, bytes] = {}
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._look_at = clock.monotonic()

    def __call__(self, digits: str, name: str) -> tuple[bytes, str] | None:
        """Return a picture and its media type."""
        path = f"/i/{digits}/{name}"
        content = self._of_workspace.get(path) or self._kept.get(path) or self._from_files(path)
        if content is None and self._store is not None:
            content = self._from_runs(self._store, digits, name, path)
        kind = None if content is None else media_type(content)
        return None if content is None or kind is None else (content, kind)

    def _from_files(self, path: str) -> bytes | None:
        """Look through templates/ again, at most every five seconds: a picture may just have been put there."""
        with self._guard:
            now = self._clock.monotonic()
            if now >= self._look_at:
                self._look_at = now + _LOOK_SECONDS
                found: dict[str, bytes] = {}
                folder = self._root / "templates"
                for message in sorted(folder.iterdir()) if folder.is_dir() else ():
                    if (message / "images").is_dir():
                        found |= image_files(read_sources(self._root, message.name))
                # What was served once stays served while this process lives, whatever becomes of the file.
                self._of_workspace |= found
        return self._of_workspace.get(path)

    def _from_runs(self, store: LazyStore, digits: str, name: str, path: str) -> bytes | None:
        artifacts, used = sending.artifacts, sending.run_artifacts
        select = (
            sa.select(used.c.role, artifacts.c.bytes)
            .select_from(artifacts.join(used, used.c.sha256 == artifacts.c.sha256))
            # The first digits as a range of the primary key; a hexadecimal digit stands before "g".
            .where(
                artifacts.c.sha256 >= digits,
                artifacts.c.sha256 < digits + "g",
                used.c.role.startswith(_ROLE, autoescape=True),
                used.c.role.endswith(f"/images/{name}", autoescape=True),
            )
        )

        def look(connection: sa.Connection) -> list[Any]:
            return list(connection.execute(select))

        for row in store.ask(look):
            content = bytes(row.bytes)
            found = image_files({f"images/{row.role.rpartition('/')[2]}": content})
            if path in found:
                with self._guard:
                    self._kept[path] = content
                    if len(self._kept) > _MOST:
                        self._kept.popitem(last=False)
                return content
        return None
