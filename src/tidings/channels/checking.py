"""Every channel of a workspace against the options that its adapter declares, before anybody sends."""

from __future__ import annotations

from pathlib import Path

from tidings.channels.registry import check_channel
from tidings.definitions.files import read_file
from tidings.definitions.workspace import Definitions
from tidings.errors import Problem


def check_channels(definitions: Definitions) -> list[Problem]:
    """Return what is wrong with the adapters and options of all channels, each with its line, secrets masked."""
    found: list[Problem] = []
    for channel in definitions.channels.values():
        problems = check_channel(channel)
        file = read_file(Path(definitions.root) / channel.path, channel.path, []) if problems else None
        found += [
            file.problem(one.code, one.at, one.message, one.hint, one.severity) if file else one
            for one in problems
        ]
    return found
