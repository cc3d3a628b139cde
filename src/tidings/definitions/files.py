"""Which files a workspace has and what each is for; files in the wrong place are named, never silently skipped."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from tidings.definitions.codes import CODES
from tidings.definitions.context import did_you_mean, nearest
from tidings.definitions.source import MAX_BYTES, SourceFile
from tidings.definitions.texts import name_fault
from tidings.errors import Position, Problem, UsageError

WORKSPACE_FILE = "config/workspace.yaml"
POLICIES_FILE = "config/policies.yaml"
ATTRIBUTES_FILE = "config/attributes.yaml"
EVENTS_FILE = "config/events.yaml"
GOALS_FILE = "config/goals.yaml"
STAFF_FILE = "config/staff.yaml"
HOLIDAYS_FILE = "config/holidays.yaml"
ATTRIBUTION_FILE = "config/attribution.yaml"
SCORES_FILE = "config/scores.yaml"
_CONFIG = (
    WORKSPACE_FILE,
    POLICIES_FILE,
    ATTRIBUTES_FILE,
    EVENTS_FILE,
    STAFF_FILE,
    HOLIDAYS_FILE,
    GOALS_FILE,
    ATTRIBUTION_FILE,
    SCORES_FILE,
)
# No run of a campaign or a flow depends on these, and so none keeps them.
BESIDE_RUNS = frozenset({GOALS_FILE, ATTRIBUTION_FILE})
_LATER_CONFIG = {"rates", "templates"}
_FOLDERS = ("segments", "campaigns", "flows", "channels", "config/imports")


@dataclass(slots=True)
class Listing:
    """Paths by id for each folder, the files of config/ that are there, and the files of templates/."""

    config: set[str] = field(default_factory=set)
    folders: dict[str, dict[str, str]] = field(default_factory=dict)
    templates: frozenset[str] = frozenset()


def list_files(root: Path, problems: list[Problem]) -> Listing:
    """Return what a workspace folder holds; report what is missing, misplaced or misnamed."""
    listing = Listing()
    try:
        _list(root, listing, problems)
    except OSError as error:
        where = Path(str(error.filename or root))
        shown = where.relative_to(root).as_posix() if where.is_relative_to(root) else str(where)
        reason = (error.strerror or "it cannot be read").lower()
        problems.append(_problem("FIL01", shown, f"this folder cannot be read: {reason}", "check its rights"))
        listing.config.discard(WORKSPACE_FILE)  # what was listed so far is not the workspace
    return listing


def _list(root: Path, listing: Listing, problems: list[Problem]) -> None:
    listing.config = {path for path in _CONFIG if (root / path).is_file()}
    if WORKSPACE_FILE not in listing.config:
        hint = "start one with: tidings init FOLDER"
        problems.append(
            _problem("FIL08", WORKSPACE_FILE, "there is no workspace here: this file is missing", hint)
        )
        return
    if POLICIES_FILE not in listing.config:
        hint = "write at least: policies: Our rules, and purposes: {marketing: {class: marketing}}"
        problems.append(_problem("FIL08", POLICIES_FILE, "this file is missing", hint))
    for folder in _FOLDERS:
        listing.folders[folder] = _definitions(root, folder, problems)
    _stray_config(root, problems)
    listing.templates = frozenset(
        path.relative_to(root).as_posix() for path in _inside(root / "templates", deep=True) if path.is_file()
    )


def read_file(path: Path, shown: str, problems: list[Problem]) -> SourceFile | None:
    """Return a decoded file, or None after reporting why it cannot be read."""
    try:
        if not path.is_file():
            raise FileNotFoundError(2, "there is no such file")
        with path.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                content += handle.read(100 * MAX_BYTES)
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        problems.append(
            _problem("FIL01", shown, f"this file cannot be read: {reason}", "check its name and rights")
        )
        return None
    return decoded(shown, content, problems)


def decoded(shown: str, content: bytes, problems: list[Problem]) -> SourceFile | None:
    """Return a file of these bytes, or None after reporting why they cannot be read."""
    file = SourceFile(shown, content)
    faults = file.decode()
    problems += faults
    return None if faults else file


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, with the rights that it had. Raises UsageError where that fails."""
    target = path.resolve()
    try:
        handle, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                Path(beside).chmod(target.stat().st_mode & 0o7777)
            Path(beside).replace(target)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {(error.strerror or 'no reason given').lower()}"
        ) from error


def _definitions(root: Path, folder: str, problems: list[Problem]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in _inside(root / folder, deep=True):
        shown = path.relative_to(root).as_posix()
        if path.suffix not in (".yaml", ".yml") or not (path.is_file() or path.is_symlink()):
            continue
        if path.suffix == ".yml":
            problems.append(
                _problem(
                    "FIL06", shown, "files that end in .yml are not read", f"rename it to {path.stem}.yaml"
                )
            )
        elif path.parent != root / folder:
            problems.append(
                _problem("FIL06", shown, "files in folders below are not read", f"move it to {folder}/")
            )
        elif path.name == "_defaults.yaml":
            problems.append(
                _problem("FIL06", shown, "defaults of a folder are not read by this version of tidings")
            )
        else:
            name = unicodedata.normalize("NFC", path.stem)
            fault = name_fault(name, file_name=True)
            if fault:
                code = fault[0] if fault[0] == "KBD02" else "FIL05"
                hint = fault[2].replace("write", "rename it to") if fault[2] else ""
                problems.append(_problem(code, shown, fault[1], hint))
            else:
                found[name] = shown
    return found


def _stray_config(root: Path, problems: list[Problem]) -> None:
    names = [Path(path).name for path in _CONFIG]
    for path in _inside(root / "config"):
        if path.suffix not in (".yaml", ".yml") or path.name in names:
            continue
        shown = path.relative_to(root).as_posix()
        near = nearest(path.name, names)
        if path.stem in _LATER_CONFIG or not near:
            problems.append(_problem("FIL06", shown, "this file is not read by this version of tidings"))
        else:
            problems.append(_problem("FIL06", shown, "this file is not read", did_you_mean(path.name, names)))


def _inside(folder: Path, *, deep: bool = False) -> list[Path]:
    if not folder.is_dir():
        return []
    found = folder.rglob("*") if deep else folder.iterdir()
    return sorted(
        path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _problem(code: str, path: str, message: str, hint: str = "") -> Problem:
    # A file name may be bytes that are no text; these are shown escaped.
    shown, said, way_out = (
        text.encode("utf-8", "backslashreplace").decode() for text in (path, message, hint)
    )
    return Problem(code, said, Position(shown), way_out, CODES[code].severity)
