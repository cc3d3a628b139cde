"""One message where several customers share an address or an account: who of them gets it.

Works on the staged audience, in one statement each; what is decided here does not depend on arms, so both arms of a
comparison lose the same kind of people.
"""

from __future__ import annotations

import sqlalchemy as sa

from tidings.campaigns.assignment import GLOBAL_CONTROL, salt_for, with_buckets
from tidings.campaigns.legs import by_account, legs_of
from tidings.campaigns.staging import stage
from tidings.customers.identity import Drawer
from tidings.customers.permission import address_columns
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.workspace import Definitions
from tidings.store.database import Store
from tidings.store.tables import people


def draw_accounts(store: Store, definitions: Definitions) -> int:
    """Give every customer with an account the random number of that account, where an older store lacks it; return how many.

    The number needs the salt, so no statement can compute it; it is the same that an import writes.
    """
    customers, draw = people.customers, Drawer(definitions.workspace.salt)
    missing = (
        sa.select(customers.c.account)
        .where(customers.c.account.is_not(None), customers.c.account_u.is_(None))
        .distinct()
    )
    with store.read() as connection:
        accounts = list(connection.execute(missing).scalars())
    filled = 0
    given = sa.bindparam("given", type_=sa.BigInteger)
    for part in store.paced("accounts").chunks(accounts, 100):
        with store.durable("accounts") as connection:
            filled += connection.execute(
                sa.update(customers)
                .where(customers.c.account == sa.bindparam("of"), customers.c.account_u.is_(None))
                .values(account_u=given),
                [{"of": account, "given": draw.account_u(account)} for account in part],
            ).rowcount
    return filled


def one_each_address(connection: sa.Connection, campaign: Campaign, definitions: Definitions) -> None:
    """Refuse whoever would be written to at an address that a customer with a lower id is written to already.

    Addresses are compared by the hash of their normal form. Where accounts are drawn, members of one account
    may share an address: only one of them is written to anyway.
    """
    if campaign.one_each != "address":
        return
    customers = people.customers
    channels: dict[str, list[str]] = {}
    for leg in legs_of(campaign, definitions):
        channels.setdefault(leg.kind, []).append(leg.channel)
    for kind, names in channels.items():
        hashed = address_columns(kind)[1]
        # Shared by anybody at all: found in the index, before the audience is looked at.
        shared = sa.select(hashed).where(hashed.is_not(None)).group_by(hashed).having(sa.func.count() > 1)
        unit: sa.ColumnElement[str] = sa.cast(stage.c.customer_id, sa.Text)
        if by_account(campaign):
            unit = sa.case((stage.c.account.is_not(None), "a" + stage.c.account), else_="c" + unit)
        owner = sa.func.first_value(unit).over(partition_by=hashed, order_by=stage.c.customer_id)
        sharing = (
            sa.select(stage.c.customer_id, unit.label("unit"), owner.label("owner"))
            .select_from(stage.join(customers, customers.c.id == stage.c.customer_id))
            .where(
                hashed.in_(shared),
                stage.c.code.is_(None),
                stage.c.channel.in_(sorted(set(names))),
                ~stage.c.copied,
            )
            .subquery()
        )
        connection.execute(
            sa.update(stage)
            .where(stage.c.customer_id.in_(sa.select(sharing.c.customer_id).where(sharing.c.unit != sharing.c.owner)))
            .values(code="same_address")
        )  # fmt: skip


def one_each_account(
    connection: sa.Connection, campaign: Campaign, definitions: Definitions, control: int
) -> None:
    """Let one member of each account stand for it: the first by id that is reached and not in the global control.

    The other members are enrolled with it and get no message of their own, also those who could not be written to: the
    account is what is compared. An account of which nobody can be written to stays out, each member with the refusal.
    `control` is the share of the global control in buckets.
    """
    if not by_account(campaign):
        return
    salt = salt_for(definitions.workspace.salt, "", GLOBAL_CONTROL)
    drawn = with_buckets(stage, {"control_bucket": salt})
    free = sa.and_(
        drawn.c.account.is_not(None), drawn.c.control_bucket >= control, drawn.c.copied.is_(sa.false())
    )
    standing = (
        sa.select(drawn.c.account, sa.func.min(drawn.c.customer_id).label("customer_id"))
        .where(free, drawn.c.code.is_(None))
        .group_by(drawn.c.account)
        .subquery()
    )
    others = (
        sa.select(drawn.c.customer_id)
        .select_from(drawn.join(standing, standing.c.account == drawn.c.account))
        .where(free, drawn.c.customer_id != standing.c.customer_id)
    )
    connection.execute(
        sa.update(stage)
        .where(stage.c.customer_id.in_(others))
        .values(code=None, channel=None, leg=None, reaches=0)
    )
