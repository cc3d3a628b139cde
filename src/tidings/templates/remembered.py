"""What the check of a campaign's messages found, kept beside the workspace so that the next check is quick.

Rendering every message in every language takes a second; reading what was found takes a millisecond. An entry holds for
exactly the files and the engine that it was made from; it can be deleted at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.workspace import Definitions
from tidings.errors import Position, Problem

# Relative to the workspace; `.tidings` is never part of the repository.
FILE = Path(".tidings") / "cache" / "messages.json"
# So many entries are kept; the oldest leave first.
_MOST = 1_000
_SHARED = ("config/workspace.yaml", "config/policies.yaml", "config/attributes.yaml", "config/events.yaml")


def checked(
    definitions: Definitions, campaigns: Iterable[Campaign], check: Callable[[Campaign], Sequence[Problem]]
) -> dict[str, list[Problem]]:
    """Return the problems of each campaign's messages: as remembered, else by `check`, and then remembered."""
    root = Path(definitions.root)
    before = _read(root / FILE)
    kept: dict[str, Any] = {}
    found: dict[str, list[Problem]] = {}
    anew = False
    engine = _engine()
    for campaign in campaigns:
        key = _key(definitions, root, campaign, engine)
        problems = _problems(before.get(key))
        if problems is None:
            anew = True
            problems = list(check(campaign))
        found[campaign.id] = problems
        kept[key] = [_plain(one) for one in problems]
    if anew:
        # `plan` asks about one campaign and `check` about all: neither may make the other begin from nothing.
        others = {key: entry for key, entry in before.items() if key not in kept}
        _write(root / FILE, dict([*others.items(), *kept.items()][-max(_MOST, len(kept)) :]))
    return found


def _key(definitions: Definitions, root: Path, campaign: Campaign, engine: bytes) -> str:
    """Return the hash of everything that decides what the check says, places in files included."""
    # Several steps of a flow stand in one file, and may send one message in different ways.
    digest = sha256(engine + campaign.id.encode())
    # Its own channels decide; whoever looks at one campaign alone does not have the others.
    bound = [definitions.channels[name] for name in campaign.via if name in definitions.channels]
    channels = [channel.path for channel in bound or definitions.channels.values()]
    for name in sorted({*_SHARED, campaign.path, *channels}):
        digest.update(f"\0{name}\0".encode() + definitions.files.get(name, b""))
    folder = root / "templates" / campaign.send
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            digest.update(f"\0{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _engine() -> bytes:
    """Return what tells this engine's checks from another one's: names, sizes and times of its modules."""
    digest = sha256()
    package = Path(__file__).parent
    for folder in (package, package.parent / "definitions"):
        for path in sorted(folder.rglob("*.py")):
            about = path.stat()
            digest.update(f"{path.name} {about.st_size} {about.st_mtime_ns}\0".encode())
    return digest.digest()


def _plain(problem: Problem) -> list[Any]:
    at = problem.at
    place = [at.path, at.line, at.column, at.length]
    return [
        problem.code,
        problem.message,
        place,
        problem.hint,
        problem.severity,
        [list(one) for one in problem.source],
    ]


def _problems(entry: Any) -> list[Problem] | None:
    """Return remembered problems, or None where there are none that can be read."""
    try:
        return [
            Problem(
                code,
                message,
                Position(*place),
                hint,
                severity,
                tuple((int(n), str(text)) for n, text in source),
            )
            for code, message, place, hint, severity, source in entry
        ]
    except (TypeError, ValueError):
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write it whole or not at all; where nothing may be written, the next check only takes longer."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        part.replace(path)
