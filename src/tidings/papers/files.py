"""Papers and tables as files: whole or not at all, and their paths for people."""

from __future__ import annotations

import os
import re
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


def write(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all, making its folder; an earlier one of the same name is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
