"""Small workspaces on disk for tests of definitions and of the commands that read them."""

from __future__ import annotations

from pathlib import Path

from tidings.definitions.loader import check
from tidings.definitions.sample import FILES, WORKSPACE
from tidings.errors import Problem

__all__ = ["FILES", "WORKSPACE", "problems_of", "shown", "small_workspace", "write"]


def write(root: Path, files: dict[str, str | bytes | None]) -> Path:
    """Write files below a folder; None leaves one out."""
    for path, content in files.items():
        target = root / path
        if content is None:
            target.unlink(missing_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def small_workspace(root: Path, files: dict[str, str | bytes | None] | None = None) -> Path:
    """Write the small workspace with some files replaced, added or left out."""
    return write(root, {**FILES, **(files or {})})


def problems_of(root: Path, files: dict[str, str | bytes | None]) -> list[Problem]:
    """Return the problems of the small workspace with these files."""
    return check(small_workspace(root, files))[1]


def shown(root: Path, path: str, content: str | bytes) -> str:
    """Return what `tidings check` prints about one file in the small workspace."""
    return "\n\n".join(problem.render() for problem in problems_of(root, {path: content}))
