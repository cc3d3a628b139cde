"""What is paused, as lines for people: for every command that shows how sending stands."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.config.settings import Settings
    from tidings.store.database import Store


def paused_lines(store: Store, only: Collection[str] | None = None) -> list[str]:
    """Return a line for each channel that is paused (of those in `only`, if given): why, and how to go on."""
    from tidings.delivery.pause import paused_channels

    with store.read() as connection:
        found = paused_channels(connection)
    return [channel_line(name, why) for name, why in found.items() if only is None or name in only]


def channel_line(name: str, why: str) -> str:
    """Return one paused channel as a sentence with its way out."""
    return f"the channel {name} is paused{f': {why}' if why else ''}. Go on with:  tidings resume --channel {name}"


def check_channel(settings: Settings, store: Store, name: str) -> None:
    """Raise UsageError for a channel that nobody defined; one whose file is broken, or that is only paused, may be named too."""
    from pathlib import PurePosixPath

    from tidings.delivery.pause import paused_channels
    from tidings.errors import UsageError

    files = (PurePosixPath(path) for path in settings.broken)
    unreadable = {path.stem for path in files if path.parent.name == "channels"}
    with store.read() as connection:
        known = {*settings.definitions.channels, *unreadable, *paused_channels(connection)}
    if name not in known:
        raise UsageError(
            f'there is no channel "{name}"', what_to_do=f"channels: {', '.join(sorted(known)) or 'none yet'}"
        )
