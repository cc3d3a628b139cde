"""What a message is filled with when it is only looked at: the values of one customer, or of an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

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
    now: datetime,
) -> dict[str, Any]:
    """Return what a message reads of a customer.

    A step of a flow reads the event that would start it as well: the customer's latest, an example where there was none.
    Of an offer it shows an example of a code; what is recommended is that of `now`.
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
    found |= products_of(connection, definitions, campaign, compiled, [customer_id], now)[customer_id]
    missing = [name for name in of_event if name not in found]
    offered = compiled.variables - {*own, *of_event}
    return (
        found
        | examples(definitions, campaign, missing, locale)
        | offered_values(connection, definitions, campaign, offered, locale)
    )


def products_of(
    connection: sa.Connection,
    definitions: Definitions,
    campaign: Campaign,
    compiled: Compiled,
    customer_ids: Sequence[int],
    now: datetime,
) -> dict[int, dict[str, Any]]:
    """Return what a message recommends each customer, under the name that templates have for it; examples before anything was learnt."""
    from tidings.campaigns.bought_together import last_learnt
    from tidings.definitions.kinds.recommending import RECOMMENDED
    from tidings.delivery.variables import load_products
    from tidings.templates.products import samples

    fields = compiled.product_fields
    if fields is None:
        return {one: {} for one in customer_ids}
    if last_learnt(connection) is None:
        return {one: {RECOMMENDED: samples(fields)} for one in customer_ids}
    found = load_products(connection, definitions, campaign, customer_ids, fields, now)
    return {one: {RECOMMENDED: those} for one, those in found.items()}


def offered_values(
    connection: sa.Connection,
    definitions: Definitions,
    campaign: Campaign,
    names: Collection[str],
    locale: str,
) -> dict[str, Any]:
    """Return what a message reads of its offer before anything is promised: an example of a code, the product as it is."""
    from tidings.delivery.offers import product_values

    found = examples(definitions, campaign, sorted(names), locale)
    if campaign.offer is not None:
        found |= {
            name: value for name, value in product_values(connection, campaign.offer).items() if name in names
        }
    return found


def example_values(
    definitions: Definitions, campaign: Campaign, compiled: Compiled, locale: str
) -> dict[str, Any]:
    """Return what a message reads of an example customer, and of an example of the event that starts its flow."""
    from tidings.definitions.kinds.given import nameable
    from tidings.templates.gallery import sample_values

    attributes = nameable(definitions.attributes, campaign.given, campaign.offer)
    return sample_values(
        attributes, compiled.variables, locale, compiled.group_variables, compiled.product_fields
    )


def examples(definitions: Definitions, campaign: Campaign, names: list[str], locale: str) -> dict[str, Any]:
    """Return examples of the names given: what the event that starts a flow gives, and what an offer does."""
    if not names:
        return {}
    from tidings.definitions.kinds.given import nameable
    from tidings.templates.gallery import sample_values

    return sample_values(nameable(definitions.attributes, campaign.given, campaign.offer), names, locale)
