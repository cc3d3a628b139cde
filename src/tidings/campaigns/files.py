"""The files a campaign or a flow is made from: what a run records, so that it can be shown and rendered for ever."""

from __future__ import annotations

from pathlib import Path

from tidings.definitions.files import BESIDE_RUNS
from tidings.definitions.hashing import needed_segments, needs_of
from tidings.definitions.workspace import Definitions


def campaign_files(definitions: Definitions, name: str) -> dict[str, bytes]:
    """Return the bytes of every file of a campaign or a flow by its path in the workspace.

    These are the definition, its segments with all they refer to, its channels, its messages and the rules in config/ that
    decide what it does (goals of the company and the sharing of credit do not).
    Raises KeyError when there is none of that name.
    """
    found = definitions.campaigns.get(name) or definitions.flows[name]
    needed = needs_of(found)
    paths = {found.path}
    # Scores stand in one file, so that those of whom any score is are part of it.
    segments = [*needed.segments, *(one.who for one in definitions.scores.values() if one.who)]
    paths |= {definitions.segments[one].path for one in needed_segments(definitions, segments)}
    # `preferred` is no channel of its own.
    paths |= {definitions.channels[one].path for one in needed.channels if one in definitions.channels}
    paths |= {path for path in definitions.files if path.startswith("config/") and path.count("/") == 1}
    paths -= BESIDE_RUNS
    content = {path: definitions.files[path] for path in sorted(paths)}
    root = Path(definitions.root)
    messages = tuple(f"templates/{folder}/" for folder in needed.templates)
    content |= {
        path: (root / path).read_bytes()
        for path in sorted(definitions.templates)
        if path.startswith(messages)
    }
    return content
