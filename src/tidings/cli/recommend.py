"""`tidings recommend`: what a customer is recommended and why, and what was learnt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from tidings.cli.counted import counted, people
from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.campaigns.bought_together import Learnt
    from tidings.campaigns.recommending import Recommended

_SHOWN = 10
_NOTHING = (
    "There is nothing to recommend to {customer}: no product with a price and in stock that is not bought "
    "already goes with their orders or sold lately."
)
_NO_LINES = (
    "Learnt on {when}, and there was nothing to learn from: no order has lines that name products (`item:` in the mapping of "
    "orders)."
)


@click.command(
    epilog=examples(
        "tidings recommend",
        "tidings recommend C-17",
        "tidings recommend --learn",
        "tidings recommend C-17 --json",
    )
)
@click.argument("customer", required=False)
@click.option("--learn", "learn_now", is_flag=True, help="Learn from the orders now, not only at night.")
@json_option
@environment_option
def command(*, customer: str | None, learn_now: bool, as_json: bool, environment: str | None) -> int:
    """Show what a customer is recommended and why; without CUSTOMER what is bought together most.

    Templates name it as {% for one in recommended %}. What is bought together is learnt from the lines of orders once a day by
    `tidings serve` or the nightly flow, and before the first campaign that needs it.

    \b
    With --json:
      learnt    when, from how many customers and products, pairs kept; or null
      customer  the key; with it
      recommended  item, name, category, price, currency, url, picture, stock,
                rule (together, best_in_category, best), people, with, because
      without it
      together  item, other, people, score from 0 to 1; the nearest first
      best      item and people, of everything
    """  # noqa: D301
    from tidings.campaigns.bought_together import last_learnt, learn
    from tidings.campaigns.recommending import recommended
    from tidings.cli.session import open_session
    from tidings.customers.knowing import find_customers
    from tidings.errors import UsageError

    with open_session(environment) as session:
        definitions = session.settings.definitions
        if learn_now:
            learn(session.store, definitions, now=session.clock.now())
        with session.store.read() as connection:
            learnt = last_learnt(connection)
            facts: dict[str, Any] = {"learnt": _as_json(learnt)}
            if customer is None:
                facts |= _known(connection)
                lines = _overview(facts)
            else:
                number = find_customers(connection, [customer]).get(customer)
                if number is None:
                    raise UsageError(
                        f'there is no customer with the key "{customer}"',
                        what_to_do="`tidings explain ADDRESS` says the key of an address",
                    )
                found = recommended(connection, definitions, [number], now=session.clock.now())[number]
                facts |= {"customer": customer, "recommended": [_facts(one) for one in found]}
                lines = [line for place, one in enumerate(found, 1) for line in _said(place, one)]
                lines = lines or [_NOTHING.format(customer=customer)]
        zone = ZoneInfo(definitions.workspace.zone)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return 0
    for line in lines:
        click.echo(line)
    click.echo(_when(learnt, zone))
    return 0


def _known(connection: Any) -> dict[str, Any]:
    import sqlalchemy as sa

    from tidings.store.tables import money

    pairs, sellers = money.bought_together, money.best_sellers
    # Each pair stands there twice, once for each of the two; one of them is enough here.
    strongest = connection.execute(
        sa.select(pairs)
        .where(pairs.c.item < pairs.c.other)
        .order_by(pairs.c.score.desc(), pairs.c.item, pairs.c.other)
        .limit(_SHOWN)
    )
    best = connection.execute(
        sa.select(sellers).where(sellers.c.category == "").order_by(sellers.c.place).limit(_SHOWN)
    )
    return {
        "together": [
            {"item": row.item, "other": row.other, "people": row.people, "score": round(row.score, 4)}
            for row in strongest
        ],
        "best": [{"item": row.item, "people": row.people} for row in best],
    }


def _overview(facts: dict[str, Any]) -> list[str]:
    lines = []
    if facts["together"]:
        lines.append("Bought together, the nearest first:")
        lines += [
            f"  {one['item'][:26]:<26}  {one['other'][:26]:<26}  {people(one['people']):>12}  {one['score']:.2f}"
            for one in facts["together"]
        ]
    if facts["best"]:
        lines.append("Best sellers of all:")
        lines += [f"  {one['item'][:54]:<54}  {people(one['people']):>12}" for one in facts["best"]]
    return lines


def _rule(one: Recommended) -> str:
    from tidings.campaigns.recommending import RULES

    return RULES[one.rule]


def _facts(one: Recommended) -> dict[str, Any]:
    from tidings.definitions.money import from_minor

    return {
        "item": one.item,
        "name": one.name,
        "category": one.category,
        "price": float(from_minor(one.price, one.currency)),
        "currency": one.currency,
        "url": one.url,
        "picture": one.picture,
        "stock": one.stock,
        "rule": _rule(one),
        "people": one.people,
        "with": one.with_item,
        "because": one.because,
    }


def _said(place: int, one: Recommended) -> list[str]:
    from tidings.definitions.money import format_money

    many = people(one.people or 0)
    why = {
        "together": f"bought with {one.because or one.with_item} by {many}",
        "best_in_category": f"a best seller of {one.category}, the category bought most: {many}",
        "best": f"a best seller: {many}",
    }[_rule(one)]
    stock = "stock not known" if one.stock is None else f"{one.stock:,} in stock"
    name = one.name if one.name == one.item else f"{one.name} ({one.item})"
    return [f"{place}. {name}, {format_money(one.price, one.currency)}, {stock}", f"   {why}"]


def _as_json(learnt: Learnt | None) -> dict[str, Any] | None:
    from tidings.clock import iso

    if learnt is None:
        return None
    return {
        "at": iso(learnt.as_of),
        "customers": learnt.customers,
        "items": learnt.items,
        "pairs": learnt.pairs,
    }


def _when(learnt: Learnt | None, zone: ZoneInfo) -> str:
    if learnt is None:
        return "Nothing was learnt from orders yet: `tidings recommend --learn` does it now."
    if not learnt.customers:
        return _NO_LINES.format(when=f"{learnt.as_of.astimezone(zone):%Y-%m-%d at %H:%M}")
    return (
        f"Learnt on {learnt.as_of.astimezone(zone):%Y-%m-%d at %H:%M} from the orders of {counted(learnt.customers, 'customer')} "
        f"with {counted(learnt.items, 'product')}."
    )
