"""The definitions of a workspace as they are on the disk now, for a process that lives long.

What a run was approved with it has recorded; but recurring campaigns go by the files, and so does every channel's binding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tidings.config.settings import Settings
from tidings.definitions.loader import load
from tidings.errors import TidingsError

_FOLDERS = ("config", "segments", "campaigns", "flows", "templates", "channels")
Stamp = frozenset[tuple[str, int, int]]


class Reloading:
    """Gives the settings, read anew when a file changed; while the files do not load, those before are kept."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._root = Path(settings.definitions.root)
        self._stamp = _stamp(self._root)

    def current(self) -> Settings:
        """Return the settings by the files as they are now."""
        stamp = _stamp(self._root)
        if stamp == self._stamp:
            return self._settings
        self._stamp = stamp
        try:
            definitions = load(self._root)
        except (TidingsError, OSError) as error:
            words = error.message if isinstance(error, TidingsError) else str(error)
            self._say(f"the changed files are not used: {words}; `tidings check` shows them")
            return self._settings
        if definitions.workspace.id != self._settings.definitions.workspace.id:
            self._say("the changed files are not used: they are of another workspace")
            return self._settings
        # The environment and the store stay those that were opened.
        self._settings = replace(self._settings, definitions=definitions)
        return self._settings


def _stamp(root: Path) -> Stamp:
    """Return every file of the workspace with its size and the time of its last change."""
    found = set()
    for folder in _FOLDERS:
        for path in (root / folder).rglob("*"):
            try:
                facts = path.stat()
            except OSError:
                continue
            found.add((str(path), facts.st_size, facts.st_mtime_ns))
    return frozenset(found)
