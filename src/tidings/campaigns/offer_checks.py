"""What an offer needs from the store before anybody is promised it: enough codes in its pool, a product with a stock."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tidings.campaigns.plan import Plan
from tidings.campaigns.pools import free_codes
from tidings.definitions.composing import compose
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.flow import Flow
from tidings.definitions.kinds.offer import Offer
from tidings.definitions.nodes import Mapping, Node
from tidings.definitions.source import SourceFile
from tidings.definitions.workspace import Definitions
from tidings.errors import Position, Problem, RefusedByPolicy
from tidings.store.database import Store
from tidings.store.tables import money, sending

_codes, _messages, _runs, _products = money.codes, sending.messages, sending.runs, money.products
_WAITING = ("planned", "claimed", "deferred")


def campaign_offer_problems(
    store: Store, definitions: Definitions, campaign: Campaign, messages: int
) -> list[Problem]:
    """Return what keeps a campaign that would write so many messages from keeping its promise, each with its place."""
    if campaign.offer is None:
        return []
    return _problems(store, definitions, campaign.path, ("offer",), campaign.offer, messages)


def flow_offer_problems(store: Store, definitions: Definitions, flow: Flow) -> list[Problem]:
    """Return what keeps the steps of a flow from keeping what they promise: here nobody knows how many will come."""
    found: list[Problem] = []
    for step in flow.steps:
        if step.offer is not None and step.verb == "send":
            keys = ("steps", step.name, "offer")
            found += _problems(store, definitions, flow.path, keys, step.offer, 1)
    return found


def check_campaign_offer(store: Store, definitions: Definitions, plan: Plan) -> None:
    """Refuse a plan that promises more codes than there are, or what is sold out (RefusedByPolicy)."""
    campaign = definitions.campaigns[plan.campaign]
    _refuse(campaign_offer_problems(store, definitions, campaign, plan.people + plan.copy_messages))


def check_flow_offers(store: Store, definitions: Definitions, flow: Flow) -> None:
    """Refuse a flow with a step whose pool is empty, or whose product is sold out (RefusedByPolicy)."""
    _refuse(flow_offer_problems(store, definitions, flow))


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        first = problems[0]
        where = f"{first.at.path}:{first.at.line}:{first.at.column}"
        raise RefusedByPolicy(f"{where}: {first.message}", what_to_do=first.hint, code=first.code)


def _problems(
    store: Store, definitions: Definitions, path: str, keys: Sequence[str], offer: Offer, messages: int
) -> list[Problem]:
    found = []
    with store.read() as connection:
        if offer.pool:
            free = free_codes(connection, offer.pool) - _promised(connection, definitions, offer.pool)
            if free < messages:
                left = f"has {max(free, 0):,} free codes" if free > 0 else "has no free codes"
                sentence = f"the pool {offer.pool} {left}, and {messages:,} messages need one each"
                hint = f"tidings codes make {offer.pool} {messages - max(free, 0)}"
                found.append(_at(definitions, path, (*keys, "codes"), "OFR01", sentence, hint))
        if offer.stop_below is not None:
            found += _of_stock(connection, definitions, path, keys, offer)
    return found


def _of_stock(
    connection: sa.Connection, definitions: Definitions, path: str, keys: Sequence[str], offer: Offer
) -> list[Problem]:
    which = [_products.c.item == offer.product] if offer.product else []
    known, stock = connection.execute(
        sa.select(sa.func.count(), sa.func.sum(_products.c.stock)).where(*which)
    ).one()
    key = (*keys, "product" if offer.product else "stop_when")
    brings = "import one by a mapping of `kind: stock`"
    if offer.product and not known:
        sentence = f'there is no product "{offer.product}" in the store'
        return [
            _at(definitions, path, key, "OFR02", sentence, "products come by an import of `kind: products`")
        ]
    if stock is None:
        of = f" of {offer.product}" if offer.product else ""
        return [_at(definitions, path, key, "OFR02", f"no stock{of} is known", brings)]
    assert offer.stop_below is not None
    if int(stock) < offer.stop_below:
        sentence = f"the stock is {int(stock):,}, below {offer.stop_below:,}: nobody would get the offer"
        return [_at(definitions, path, key, "OFR03", sentence, "wait for new stock, and import it")]
    return []


def pools_named(definitions: Definitions) -> frozenset[str]:
    """Return the pools that offers of campaigns and of steps take codes from."""
    offers = [one.offer for one in definitions.campaigns.values()]
    offers += [step.offer for flow in definitions.flows.values() for step in flow.steps]
    return frozenset(offer.pool for offer in offers if offer is not None and offer.pool)


def _promised(connection: sa.Connection, definitions: Definitions, pool: str) -> int:
    """Return how many messages that are still to leave will take a code of the pool: of runs that are under way."""
    campaigns = [
        one.id for one in definitions.campaigns.values() if one.offer is not None and one.offer.pool == pool
    ]
    steps = [
        (flow.id, step.name)
        for flow in definitions.flows.values()
        for step in flow.steps
        if step.offer is not None and step.offer.pool == pool
    ]
    if not campaigns and not steps:
        return 0
    has_code = (
        sa.select(sa.literal_column("1"))
        .where(_codes.c.message_id == _messages.c.id)
        .correlate(_messages)
        .exists()
    )
    of_pool = [
        sa.and_(_runs.c.kind == "campaign", _runs.c.campaign.in_(campaigns)),
        *(
            sa.and_(_runs.c.kind == "flow", _runs.c.campaign == flow, _messages.c.step == step)
            for flow, step in steps
        ),
    ]
    return int(
        connection.execute(
            sa.select(sa.func.count())
            .select_from(_runs.join(_messages, _messages.c.run_id == _runs.c.id))
            .where(
                _runs.c.state.in_(["enrolling", "sending", "paused"]),
                sa.or_(*of_pool),
                _messages.c.state.in_(_WAITING),
                ~has_code,
            )
        ).scalar_one()
    )


def _at(
    definitions: Definitions, path: str, keys: Sequence[str], code: str, sentence: str, hint: str
) -> Problem:
    """Return a problem at the deepest of the keys that the file has."""
    file = SourceFile(path, definitions.files.get(path, b""))
    node: Node | None = None if file.decode() else compose(file)[0]
    at = Position(path)
    for key in keys:
        entry = node.entries.get(key) if isinstance(node, Mapping) else None
        if entry is None:
            break
        node = entry.value
        at = Position(path, node.place.line, node.place.column, node.place.length)
    return Problem(code, sentence, at, hint, source=file.excerpt(at.line))
