"""The faxes of a campaign, drawn for every variant and locale to find what is wrong before anybody plans."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tidings.clock import FixedClock
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.workspace import Definitions
from tidings.errors import DefinitionErrors, Problem
from tidings.templates.offered import unshown_code
from tidings.templates.sources import locales, read_sources

# Nothing is sent: any instant will do for the head of a page.
_CLOCK = FixedClock(datetime(2027, 1, 1, tzinfo=UTC))


def check_faxes(definitions: Definitions, campaign: Campaign) -> list[Problem]:
    """Return the problems and warnings of the faxes of one campaign by each of its fax channels."""
    bound = [definitions.channels.get(name) for name in campaign.via]
    channels = [channel for channel in bound if channel is not None and channel.kind == "fax"]
    if not channels:
        return []
    # Only where there is a fax to look at: what draws pages takes its time to load.
    from tidings.templates.fax.message import campaign_fax

    sources = read_sources(Path(definitions.root), campaign.send)
    problems: list[Problem] = []
    variants: list[str | None] = [one.name for one in campaign.variants]
    # The workspace's own locale is always wanted: by customers whose language is not among the files, or not known.
    for locale in dict.fromkeys((*locales(sources, "fax"), definitions.workspace.locale)):
        for variant in variants or [None]:
            for channel in channels:
                try:
                    fax = campaign_fax(
                        definitions,
                        campaign.id,
                        sources=sources,
                        locale=locale,
                        clock=_CLOCK,
                        variant=variant,
                        channel=channel,
                    )
                    problems += fax.warnings
                    problems += unshown_code(definitions, campaign, "fax", locale, fax.variables)
                except DefinitionErrors as errors:
                    problems += errors.problems
    return problems
