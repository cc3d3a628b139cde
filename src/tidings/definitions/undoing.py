"""What `tidings fmt` replaced, kept until it is wanted back: .tidings/undo/NUMBER/, the latest runs only."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tidings.definitions.files import write_whole
from tidings.errors import UsageError

FOLDER = ".tidings/undo"
# Old runs go: what was written over weeks ago stands in the version control, and the disk is not ours to fill.
_KEPT = 20


@dataclass(slots=True)
class Undo:
    """The old bytes of the files that one run changes."""

    root: Path
    changed: dict[str, str] = field(default_factory=dict)
    _folder: Path | None = None

    def keep(self, path: str, before: bytes, after: bytes) -> None:
        """Put the old bytes of a file aside, before it is written. Raises UsageError where that is not possible."""
        try:
            folder = self._folder or self._next()
            self._folder = folder
            target = folder / "files" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(before)
            self.changed[path] = hashlib.sha256(after).hexdigest()
            (folder / "changed.json").write_text(
                json.dumps(self.changed, ensure_ascii=False), encoding="utf-8"
            )
        except OSError as error:
            reason = (error.strerror or "it cannot be written").lower()
            raise UsageError(
                f"{FOLDER} cannot be written: {reason}; nothing was repaired in {path}"
            ) from error

    def _next(self) -> Path:
        runs = _runs(self.root)
        for old in runs[: max(0, len(runs) - _KEPT + 1)]:
            shutil.rmtree(old, ignore_errors=True)
        number = int(runs[-1].name) + 1 if runs else 1
        folder = self.root / FOLDER / f"{number:06d}"
        folder.mkdir(parents=True)
        return folder


def undo(root: Path) -> tuple[list[str], list[str]]:
    """Give the files of the latest run their old bytes back.

    Returns the paths restored and those left alone because somebody wrote them since; these stay to be had in
    `.tidings/undo/`. Raises UsageError when there is nothing to undo, or a file cannot be written.
    """
    runs = _runs(root)
    if not runs:
        raise UsageError("there is nothing to undo: `tidings fmt` has changed no file here")
    folder = runs[-1]
    try:
        changed = json.loads((folder / "changed.json").read_text(encoding="utf-8"))
        restored, left = [], []
        for path, after in sorted(changed.items()):
            target = root / path
            if not target.is_file() or hashlib.sha256(target.read_bytes()).hexdigest() != after:
                left.append(path)
                continue
            write_whole(target, (folder / "files" / path).read_bytes())
            restored.append(path)
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(f"{folder.relative_to(root).as_posix()} cannot be read") from error
    if not left:
        shutil.rmtree(folder, ignore_errors=True)
    return restored, left


def _runs(root: Path) -> list[Path]:
    """Return the folders of the runs that can be undone, the oldest first."""
    folder = root / FOLDER
    if not folder.is_dir():
        return []
    found = (one for one in folder.iterdir() if one.name.isdigit() and (one / "changed.json").is_file())
    return sorted(found, key=lambda one: int(one.name))
