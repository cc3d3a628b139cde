"""What a message is filled with when it is only looked at: the values of one customer, or of an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy as sa

    from tidings.definitions.kinds.campaign import Campaign
    from tidings.definitions.workspace import Definitions
    from tidings.delivery.wordings import Compiled


def values_of(
    connection: sa.Connection,
    definitions: Definitions,
    campaign: Campaign,
    compiled: Compiled,
    customer_id: int,
    locale: str,
) -> dict[str, Any]:
    """Return what a message reads of a customer.

    A step of a flow reads the event that would start it as well: the customer's latest, an example where there was none.
    Of an offer it shows an example of a code.
    """
    from tidings.definitions.kinds.given import split_names
    from tidings.delivery.variables import load_for

    own, of_event = split_names(compiled.variables, campaign.given, campaign.offer)
    found = load_for(
        connection,
        definitions.attributes,
        [customer_id],
        [*own, *of_event],
        compiled.group_variables,
        campaign.given,
    )[customer_id]
    # Nothing is promised yet: what the offer gives is shown by an example.
    offered = compiled.variables - {*own, *of_event}
    missing = [name for name in (*of_event, *sorted(offered)) if name not in found]
    return found | examples(definitions, campaign, missing, locale)


def example_values(
    definitions: Definitions, campaign: Campaign, compiled: Compiled, locale: str
) -> dict[str, Any]:
    """Return what a message reads of an example customer, and of an example of the event that starts its flow."""
    from tidings.definitions.kinds.given import nameable
    from tidings.templates.gallery import sample_values

    attributes = nameable(definitions.attributes, campaign.given, campaign.offer)
    return sample_values(attributes, compiled.variables, locale, compiled.group_variables)


def examples(definitions: Definitions, campaign: Campaign, names: list[str], locale: str) -> dict[str, Any]:
    """Return examples of the names given: what the event that starts a flow gives, and what an offer does."""
    if not names:
        return {}
    from tidings.definitions.kinds.given import nameable
    from tidings.templates.gallery import sample_values

    return sample_values(nameable(definitions.attributes, campaign.given, campaign.offer), names, locale)
