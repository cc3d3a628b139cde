"""A campaign's fax: files, words of the variant, sender and rules put together from the definitions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from tidings.clock import Clock
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.given import nameable
from tidings.definitions.money import price_of
from tidings.definitions.workspace import Definitions
from tidings.templates.campaign import channel_of, variant_of
from tidings.templates.fax.compiled import CompiledFax
from tidings.templates.fax.compiling import compile_fax
from tidings.templates.fax.geometry import LINES, MAX_PAGES, MOST_PAGES, PAPERS
from tidings.templates.sources import read_sources


def read_fax_sources(root: Path, name: str) -> dict[str, bytes]:
    """Return the fax files of `templates/NAME` by name, with the pictures as `images/FILE`; empty without them."""
    return {
        file: content
        for file, content in read_sources(root, name).items()
        if file.startswith(("fax.", "images/"))
    }


def fax_channel(definitions: Definitions, campaign: Campaign) -> Channel:
    """Return the first fax channel that a campaign goes out by; UsageError when it has none."""
    return channel_of(definitions, campaign, "fax")


def campaign_fax(
    definitions: Definitions,
    campaign_id: str,
    *,
    sources: Mapping[str, bytes],
    locale: str,
    salt: str = "",
    clock: Clock,
    variant: str | None = None,
    channel: Channel | None = None,
    tracked: bool = True,
) -> CompiledFax:
    """Return the compiled fax of a campaign for one variant and locale; TemplateErrors with all problems.

    `sources`: the files of templates/SEND by name with its pictures (`read_fax_sources`, or the artifacts of a run).
    `locale` "" means the workspace's. Nothing on a page depends on `salt`; it is taken as every message's is. Resolution, paper, pages and
    opt-out numbers are options of the channel.
    """
    del salt
    campaign = definitions.campaigns[campaign_id]
    bound = channel or fax_channel(definitions, campaign)
    wording = variant_of(campaign, variant)
    workspace = definitions.workspace
    purpose = definitions.policies.purpose(campaign.purpose)
    said = wording.say if wording else campaign.say
    options = {name: str(value) for name, value in bound.options}
    return compile_fax(
        sources,
        folder=f"templates/{campaign.send}",
        locale=locale or workspace.locale,
        fallback_locale=workspace.locale,
        texts={name: text if isinstance(text, str) else dict(text) for name, text in said},
        texts_path=campaign.path,
        attributes=nameable(
            definitions.attributes, campaign.given, campaign.offer, definitions.workspace.currency
        ),
        sender=bound.sender,
        sender_path=bound.path,
        opt_out_phone=options.get("opt_out_phone", ""),
        opt_out_fax=options.get("opt_out_fax", ""),
        postal_address=workspace.postal_address,
        message_class=purpose.message_class if purpose else "marketing",
        zone=workspace.zone,
        grouped=bool(campaign.group),
        tracked=tracked,
        clock=clock,
        # Values that the options do not take are told at the channel; here they must not hide the template's.
        resolution=_known(options.get("resolution"), LINES, "fine"),
        paper=_known(options.get("paper"), PAPERS, "a4"),
        max_pages=_pages(options.get("max_pages")),
    )


def _known(value: str | None, words: Mapping[str, object], default: str) -> str:
    return value if value is not None and value in words else default


def _pages(value: str | None) -> int:
    return min(int(value), MOST_PAGES) if value and value.isdecimal() and int(value) else MAX_PAGES


def fax_cost(pages: int, channel: Channel) -> Decimal | None:
    """Return what a fax of so many pages costs in major units of the channel's currency; None where nobody said."""
    if channel.cost is None:
        return None
    each = price_of(channel.cost.millionths, channel.cost.currency)
    return each * pages if channel.cost_unit == "page" else each
