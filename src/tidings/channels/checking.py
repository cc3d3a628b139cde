"""Every channel of a workspace against the options that its adapter declares, before anybody sends."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from tidings.channels.registry import adapter_class, check_channel
from tidings.definitions.files import read_file
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.workspace import Definitions
from tidings.errors import Position, Problem


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
    return [*found, *_idle_patience(definitions, {one.at.path for one in found})]


def receipts_of(channel: Channel) -> str | None:
    """Return none, poll, webhook or in_band: what the adapter of a channel says about receipts; None where it cannot say.

    No secret is read: the adapter is made with stand-ins for them and opens nothing.
    """
    found = adapter_class(channel.adapter)
    if found is None:
        return None
    values: dict[str, Any] = {option.name: option.default for option in found.options}
    values |= {name: float(value) if isinstance(value, Decimal) else value for name, value in channel.options}
    values |= dict.fromkeys((name for name, _ in channel.secrets), "stand-in")
    try:
        return str(found(channel, values).capabilities.receipts)
    except Exception:
        # An adapter may want its secrets in a form of their own; then nothing is known before it is really made.
        return None


def _idle_patience(definitions: Definitions, unsound: set[str]) -> list[Problem]:
    """Return a warning for each patience that has nothing to wait for: no channel of it tells what became of a message."""
    silent = {
        name: channel.path not in unsound and receipts_of(channel) == "none"
        for name, channel in definitions.channels.items()
        if channel.patience or any(one.patience for one in definitions.campaigns.values())
    }
    where: list[tuple[str, Position, str]] = [
        (channel.path, channel.place("patience"), f"adapter {channel.adapter} brings no receipts")
        for name, channel in definitions.channels.items()
        if channel.patience and silent[name]
    ]
    for campaign in definitions.campaigns.values():
        named = [name for name in campaign.via if name in definitions.channels]
        if campaign.patience and named and all(silent[name] for name in named):
            line = _line_of("patience", definitions.files[campaign.path])
            where.append(
                (campaign.path, Position(campaign.path, line, 1, 8), "no channel of `via` brings receipts")
            )
    found = []
    for path, at, why in where:
        file = read_file(Path(definitions.root) / path, path, [])
        sentence = (
            f"{why}, so there is nothing to be patient about: what was accepted counts as having arrived"
        )
        hint = "delete `patience:`, or use an adapter with receipts"
        if file is not None:
            found.append(file.problem("CHN07", at, sentence, hint, "warning"))
    return found


def _line_of(key: str, content: bytes) -> int:
    """Return the line on which a key of the outermost level stands."""
    lines = content.decode("utf-8", "replace").splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.startswith(f"{key}:")), 1)
