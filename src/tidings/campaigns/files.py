"""The files a campaign is made from: what a run records, so that it can be shown and rendered for ever."""

from __future__ import annotations

from pathlib import Path

from tidings.campaigns.legs import named_channels
from tidings.definitions.hashing import needed_segments
from tidings.definitions.workspace import Definitions
from tidings.segments.audience import audience_segments


def campaign_files(definitions: Definitions, campaign_id: str) -> dict[str, bytes]:
    """Return the bytes of every file of a campaign by its path in the workspace.

    These are the campaign, its segments with all they refer to, its channels, its message and the rules in config/.
    """
    campaign = definitions.campaigns[campaign_id]
    paths = {campaign.path}
    segments = needed_segments(definitions, [*audience_segments(campaign), *campaign.copies_to])
    paths |= {definitions.segments[name].path for name in segments}
    paths |= {definitions.channels[name].path for name in named_channels(campaign)}
    paths |= {path for path in definitions.files if path.startswith("config/") and path.count("/") == 1}
    content = {path: definitions.files[path] for path in sorted(paths)}
    root = Path(definitions.root)
    message = f"templates/{campaign.send}/"
    content |= {
        path: (root / path).read_bytes() for path in sorted(definitions.templates) if path.startswith(message)
    }
    return content
