"""A campaign's message: files, words of the variant, sender and rules put together from the definitions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tidings.clock import Clock
from tidings.definitions.kinds.campaign import Campaign, Variant
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.given import nameable
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.templates.email import CompiledEmail
from tidings.templates.mime import name_and_address
from tidings.templates.spec import EmailSpec

_KINDS = {"email": "e-mail", "sms": "SMS", "fax": "fax"}


def channel_of(definitions: Definitions, campaign: Campaign, kind: str) -> Channel:
    """Return the first channel of a kind that a campaign goes out by; UsageError when it has none."""
    bound = (definitions.channels.get(name) for name in campaign.via)
    found = next((channel for channel in bound if channel is not None and channel.kind == kind), None)
    if found is None:
        raise UsageError(
            f'campaign "{campaign.id}" goes out by no {_KINDS[kind]} channel (via: {", ".join(campaign.via)})',
            what_to_do=f"name a channel of kind {kind} in `via`",
        )
    return found


def email_channel(definitions: Definitions, campaign: Campaign) -> Channel:
    """Return the first e-mail channel that a campaign goes out by; UsageError when it has none."""
    return channel_of(definitions, campaign, "email")


def variant_of(campaign: Campaign, name: str | None) -> Variant | None:
    """Return a variant by name (None: the first, or None when the campaign has none); UsageError for an unknown one."""
    if name is None:
        return campaign.variants[0] if campaign.variants else None
    for variant in campaign.variants:
        if variant.name == name:
            return variant
    listed = ", ".join(variant.name for variant in campaign.variants) or "none"
    raise UsageError(f'campaign "{campaign.id}" has no variant "{name}"', what_to_do=f"there are: {listed}")


def campaign_email(
    definitions: Definitions,
    campaign_id: str,
    *,
    sources: Mapping[str, bytes],
    locale: str,
    salt: str,
    clock: Clock,
    variant: str | None = None,
    channel: Channel | None = None,
    tracked: bool = True,
) -> CompiledEmail:
    """Return the compiled e-mail of a campaign for one variant and locale; TemplateErrors with all problems.

    `sources`: the files of templates/SEND by name (`sources.read_sources`, or the artifacts of a run). `salt`
    makes the Message-ID one of this run. `locale` "" means the workspace's.
    """
    spec = campaign_spec(
        definitions,
        campaign_id,
        sources=sources,
        locale=locale,
        salt=salt,
        variant=variant,
        channel=channel,
        tracked=tracked,
    )
    return spec.compile(clock)


def campaign_spec(
    definitions: Definitions,
    campaign_id: str,
    *,
    sources: Mapping[str, bytes],
    locale: str,
    salt: str,
    variant: str | None = None,
    channel: Channel | None = None,
    tracked: bool = True,
) -> EmailSpec:
    """Return what the e-mail of a campaign is compiled from: for `BatchRenderer`, which compiles it in its process."""
    campaign = definitions.campaigns[campaign_id]
    bound = channel or email_channel(definitions, campaign)
    wording = variant_of(campaign, variant)
    workspace = definitions.workspace
    purpose = definitions.policies.purpose(campaign.purpose)
    domain = name_and_address(bound.sender)[1].rpartition("@")[2]
    # List-Id wants one stable name a list (RFC 2919): the purpose within the sender's domain.
    list_id = (
        f"{campaign.purpose}.{domain}" if re.fullmatch(r"[A-Za-z0-9._-]+", campaign.purpose + domain) else ""
    )
    said = wording.say if wording else campaign.say
    return EmailSpec(
        sources=sources,
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
        reply_to=bound.reply_to,
        postal_address=workspace.postal_address,
        message_class=purpose.message_class if purpose else "marketing",
        zone=workspace.zone,
        grouped=bool(campaign.group),
        tracked=tracked,
        list_id=list_id,
        salt=salt,
        public_url=workspace.public_url,
    )
