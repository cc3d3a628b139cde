"""Papers and tables as files: whole or not at all, and their paths for people."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tidings.errors import UsageError

_UNSAFE = re.compile(r"[^\w.-]+")


def place(out: Path | None, stem: str, ending: str, *, several: bool) -> Path:
    """Return where a file goes: `out` itself, a name of its own in the folder `out`, or in the folder we are in.

    Raises UsageError where one file name is given for several files, or its ending says another kind of file.
    """
    safe = _UNSAFE.sub("-", stem).strip(".-")
    name = f"{safe or 'report'}.{ending}"
    if out is None:
        return Path(name)
    if out.is_dir() or (not out.suffix and not out.is_file()):
        return out / name
    if several:
        raise UsageError(
            f'"{out}" is the name of one file, and several are asked for', what_to_do="name a folder"
        )
    if out.suffix.lower() != f".{ending}":
        raise UsageError(f'"{out.name}" does not end in .{ending}', what_to_do=f"write {out.stem}.{ending}")
    return out


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written, and the folder that was made for it: None where that was there."""

    path: Path
    folder: Path | None = None

    @property
    def sentence(self) -> str:
        """Return what was done, in a line; a folder that was made is said, for it may be one that was mistyped."""
        return f"wrote {self.path}" + (f" (made the folder {self.folder})" if self.folder else "")


def write(path: Path, content: bytes) -> Written:
    """Write a file whole or not at all, making its folder; an earlier one of the same name is replaced.

    Raises UsageError where the folder cannot be made: something else has its name, or nothing may be written there.
    """
    folder = path.parent
    missing = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f'the folder "{folder}" cannot be made: {error.strerror or error}',
            what_to_do="name another place with --out",
        ) from error
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return Written(path, folder if missing else None)
