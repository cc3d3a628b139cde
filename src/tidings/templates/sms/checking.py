"""The text messages of a campaign, compiled for every variant and locale to find what is wrong before anybody plans."""

from __future__ import annotations

from pathlib import Path

from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.workspace import Definitions
from tidings.errors import DefinitionErrors, Problem
from tidings.templates.offered import unshown_code
from tidings.templates.sms.campaign import campaign_sms
from tidings.templates.sources import locales, read_sources


def check_texts(definitions: Definitions, campaign: Campaign) -> list[Problem]:
    """Return the problems and warnings of the texts of one campaign by each of its SMS channels."""
    bound = [definitions.channels.get(name) for name in campaign.via]
    channels = [channel for channel in bound if channel is not None and channel.kind == "sms"]
    if not channels:
        return []
    sources = read_sources(Path(definitions.root), campaign.send)
    problems: list[Problem] = []
    variants: list[str | None] = [one.name for one in campaign.variants]
    # The workspace's own locale is always wanted: by customers whose language is not among the files, or not known.
    for locale in dict.fromkeys((*locales(sources, "sms"), definitions.workspace.locale)):
        for variant in variants or [None]:
            for channel in channels:
                try:
                    text = campaign_sms(
                        definitions,
                        campaign.id,
                        sources=sources,
                        locale=locale,
                        variant=variant,
                        channel=channel,
                    )
                    problems += text.warnings
                    problems += unshown_code(definitions, campaign, "text message", locale, text.variables)
                except DefinitionErrors as errors:
                    problems += errors.problems
    return problems
