"""A campaign's text message: file, words of the variant, sender and rules put together from the definitions."""

from __future__ import annotations

from collections.abc import Mapping

from tidings.clock import Clock
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.given import nameable
from tidings.definitions.workspace import Definitions
from tidings.templates.campaign import channel_of, variant_of
from tidings.templates.sms.compile import compile_sms
from tidings.templates.sms.message import CompiledSms


def sms_channel(definitions: Definitions, campaign: Campaign) -> Channel:
    """Return the first SMS channel that a campaign goes out by; UsageError when it has none."""
    return channel_of(definitions, campaign, "sms")


def campaign_sms(
    definitions: Definitions,
    campaign_id: str,
    *,
    sources: Mapping[str, bytes],
    locale: str,
    salt: str = "",
    clock: Clock | None = None,
    variant: str | None = None,
    channel: Channel | None = None,
    tracked: bool = True,
) -> CompiledSms:
    """Return the compiled text of a campaign for one variant and locale; TemplateErrors with all problems.

    `sources`: the files of templates/SEND by name (`sources.read_sources`, or the artifacts of a run). `locale` "" means
    the workspace's. The option `signature` of the channel is the name in 【】 that texts for China begin with. `salt` and
    `clock` are taken so that every kind of message is compiled alike; a text message holds neither.
    """
    campaign = definitions.campaigns[campaign_id]
    bound = channel or sms_channel(definitions, campaign)
    wording = variant_of(campaign, variant)
    workspace = definitions.workspace
    purpose = definitions.policies.purpose(campaign.purpose)
    said = wording.say if wording else campaign.say
    return compile_sms(
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
        sender_name=workspace.title,
        signature=str(dict(bound.options).get("signature", "")),
        postal_address=workspace.postal_address,
        message_class=purpose.message_class if purpose else "marketing",
        zone=workspace.zone,
        grouped=bool(campaign.group),
        public_url=workspace.public_url,
        tracked=tracked,
    )
