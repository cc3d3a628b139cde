"""How many segments and pages the messages of a plan take: counted on a sample of the real customers in it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy as sa

    from tidings.campaigns.plan import Plan
    from tidings.cli.session import Session
    from tidings.definitions.kinds.campaign import Campaign
    from tidings.definitions.kinds.channel import Channel

# Texts are counted in microseconds; a fax has to be drawn.
_TEXTS, _FAXES = 200, 5


@dataclass(frozen=True, slots=True)
class _Row:
    customer_id: int
    key: str
    address: str
    locale: str
    variant: str | None


def planned(session: Session, campaign: Campaign) -> Plan:
    """Plan a campaign as of now, with its cost by estimated segments and pages; nothing is sent."""
    from tidings.campaigns.planning import make_plan
    from tidings.measurement.redemptions import catch_up

    store, definitions, now = session.store, session.settings.definitions, session.clock.now()
    catch_up(store, definitions, now=now)
    return priced(session, campaign, make_plan(store, definitions, campaign.id, now=now))


def priced(session: Session, campaign: Campaign, plan: Plan) -> Plan:
    """Return the plan with its cost by estimated segments and pages, stored so; unchanged where nothing is paid by those."""
    from tidings.campaigns.planning import estimated

    units = {}
    for cost in plan.costs:
        channel = session.settings.definitions.channels[cost.channel]
        if cost.unit != "message":
            found = _units(session, campaign, plan, channel)
            if found is not None:
                units[cost.channel] = found
    return estimated(session.store, plan, units) if units else plan


def _units(session: Session, campaign: Campaign, plan: Plan, channel: Channel) -> float | None:
    """Return the mean number of segments or pages of a message by a channel; None where nobody can be written to."""
    from tidings.cli.message_values import products_of
    from tidings.definitions.kinds.given import split_names
    from tidings.delivery.variables import load_for
    from tidings.templates.sms.compile import sample_urls

    definitions = session.settings.definitions
    groups: dict[tuple[str | None, str], list[_Row]] = defaultdict(list)
    for row in _sample(session, plan, channel, _FAXES if channel.kind == "fax" else _TEXTS):
        groups[row.variant, row.locale or definitions.workspace.locale].append(row)
    urls = sample_urls(definitions.workspace.public_url)
    counts: list[int] = []
    for (variant, locale), rows in groups.items():
        compiled = _compiled(session, campaign, channel, variant, locale)
        own, _ = split_names(compiled.variables, None, campaign.offer)
        with session.store.read() as connection:
            values = load_for(
                connection,
                definitions.attributes,
                [row.customer_id for row in rows],
                own,
                compiled.group_variables,
            )
            customer_ids = [row.customer_id for row in rows]
            products = products_of(
                connection, definitions, campaign, compiled, customer_ids, session.clock.now()
            )
            offered = _offered(connection, session, campaign, sorted(compiled.variables - set(own)), locale)
        counts += [
            count
            for row in rows
            if (
                count := _count(
                    compiled, row, locale, values[row.customer_id] | products[row.customer_id] | offered, urls
                )
            )
            is not None
        ]
    return sum(counts) / len(counts) if counts else None


def _offered(
    connection: sa.Connection, session: Session, campaign: Campaign, names: list[str], locale: str
) -> dict[str, Any]:
    """Return what the offer gives, as long as it will be: nothing is promised yet, so the longest code of its pool stands for all."""
    if campaign.offer is None or not names:
        return {}
    import sqlalchemy as sa

    from tidings.cli.message_values import offered_values
    from tidings.definitions.kinds.offer import CODE
    from tidings.store.tables import money

    found = offered_values(connection, session.settings.definitions, campaign, names, locale)
    if CODE in found and campaign.offer.pool:
        codes = money.codes
        longest = connection.execute(
            sa.select(codes.c.code)
            .where(codes.c.pool == campaign.offer.pool, codes.c.state == "free")
            .order_by(sa.func.length(codes.c.code).desc())
            .limit(1)
        ).scalar()
        found[CODE] = longest or found[CODE]
    return found


def _sample(session: Session, plan: Plan, channel: Channel, size: int) -> list[_Row]:
    """Return customers whom the plan writes to by the channel, or would by a later leg, in the order of their random number."""
    import sqlalchemy as sa

    from tidings.customers.permission import address_columns
    from tidings.store.tables import people, sending

    members, plans, customers = sending.plan_members, sending.plans, people.customers
    address = address_columns(channel.kind)[0]
    found: list[_Row] = []
    with session.store.read() as connection:
        plan_id = sa.select(plans.c.id).where(plans.c.hash == plan.hash).scalar_subquery()
        for of_channel in (True, False):
            if found:
                break
            rows = connection.execute(
                sa.select(customers.c.id, customers.c.key, address, customers.c.locale, members.c.variant)
                .select_from(members.join(customers, customers.c.id == members.c.customer_id))
                .where(
                    members.c.plan_id == plan_id,
                    members.c.arm == "treated",
                    address.is_not(None),
                    members.c.channel == channel.id if of_channel else members.c.channel.is_not(None),
                )
                .order_by(customers.c.u)
                .limit(size)
            )
            found = [_Row(row[0], row[1], row[2], row[3] or "", row[4]) for row in rows]
    return found


def _compiled(
    session: Session, campaign: Campaign, channel: Channel, variant: str | None, locale: str
) -> Any:
    definitions = session.settings.definitions
    root = Path(definitions.root)
    if channel.kind == "fax":
        from tidings.templates.fax import campaign_fax, read_fax_sources

        sources = read_fax_sources(root, campaign.send)
        return campaign_fax(
            definitions,
            campaign.id,
            sources=sources,
            locale=locale,
            clock=session.clock,
            variant=variant,
            channel=channel,
        )
    from tidings.templates.sms.campaign import campaign_sms
    from tidings.templates.sources import read_sources

    return campaign_sms(
        definitions,
        campaign.id,
        sources=read_sources(root, campaign.send),
        locale=locale,
        variant=variant,
        channel=channel,
    )


def _count(compiled: Any, row: _Row, locale: str, values: dict[str, Any], urls: Any) -> int | None:
    """Return the segments or pages of one customer's message; None for one whose message cannot be written."""
    from tidings.templates.email import Recipient
    from tidings.templates.fax.compiled import FaxPages
    from tidings.templates.values import RenderError

    try:
        made = compiled.fill(Recipient(0, row.key, row.address, locale, values), urls)
    except RenderError:
        return None
    return made.pages if isinstance(made, FaxPages) else int(made.segmented.count)
