"""What the rules of countries ask of the e-mail that `tidings preview` shows for a customer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidings.definitions.kinds.campaign import Campaign
    from tidings.definitions.workspace import Definitions
    from tidings.delivery.asked_ahead import Somewhere
    from tidings.templates.email import CompiledEmail


def email_rules(
    definitions: Definitions,
    campaign: Campaign,
    email: CompiledEmail,
    values: Mapping[str, Any],
    reader: Somewhere,
) -> dict[str, Any]:
    """Return what is asked (`rules`) of the e-mail by the first channel of `via` that carries it, and `would_refuse` in sentences."""
    from tidings.delivery.asked_ahead import asked_ahead, lack_lines

    bound = (definitions.channels.get(name) for name in campaign.via)
    channel = next(one for one in bound if one is not None and one.kind == "email")
    asked = asked_ahead(definitions, campaign, channel, email, values, reader)
    return {"rules": [one.as_json() for one in asked], "would_refuse": lack_lines(asked)}


def kept_of(facts: Mapping[str, Any]) -> str:
    """Return what rules want and the e-mail has, from its facts, empty for nothing."""
    from tidings.delivery.asked_ahead import Asked, kept_line

    return kept_line(Asked(**{**one, "lack": one["lack"] or ""}) for one in facts["rules"])
