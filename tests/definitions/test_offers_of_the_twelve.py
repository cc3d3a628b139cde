"""The offers of the definitions that marketers wrote are acted on, and what they need of the store is asked of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from support.stores import open_store
from tidings.campaigns.offer_checks import campaign_offer_problems, check_flow_offers, flow_offer_problems
from tidings.campaigns.pools import make_codes
from tidings.campaigns.runs import check_whole
from tidings.definitions.loader import load
from tidings.errors import RefusedByPolicy
from tidings.store.tables import money

TWELVE = Path(__file__).parent / "twelve"


@pytest.fixture
def empty_store(stores, dialect: str):
    made = stores(dialect)
    url = made.url(dialect, bare=True)
    with open_store(url) as store:
        yield store
    made.drop(url)


def test_the_birthday_and_the_basket_may_run_once_their_pools_are_filled(empty_store) -> None:
    definitions, now = load(TWELVE), empty_store.clock.now()
    birthday, basket = definitions.campaigns["birthday"], definitions.flows["basket"]
    check_whole(birthday)
    (problem,) = campaign_offer_problems(empty_store, definitions, birthday, 12)
    assert (problem.code, problem.at.path) == ("OFR01", birthday.path)
    with pytest.raises(RefusedByPolicy, match="the pool basket5 has no free codes"):
        check_flow_offers(empty_store, definitions, basket)
    make_codes(empty_store, "birthday", 12, actor="ann", now=now)
    make_codes(empty_store, "basket5", 1, actor="ann", now=now)
    assert campaign_offer_problems(empty_store, definitions, birthday, 12) == []
    assert len(campaign_offer_problems(empty_store, definitions, birthday, 13)) == 1
    assert flow_offer_problems(empty_store, definitions, basket) == []


def test_the_spring_win_back_goes_by_the_stock_of_everything_together(empty_store) -> None:
    definitions, now = load(TWELVE), empty_store.clock.now()
    spring = definitions.campaigns["spring_winback"]
    make_codes(empty_store, "spring25", 5, actor="ann", now=now)
    assert [one.code for one in campaign_offer_problems(empty_store, definitions, spring, 5)] == ["OFR02"]
    with empty_store.durable("test") as connection:
        connection.execute(
            sa.insert(money.products),
            [{"item": f"S-{n}", "name": "Spade", "stock": 20, "updated_at": 0} for n in range(2)],
        )
    assert [one.code for one in campaign_offer_problems(empty_store, definitions, spring, 5)] == ["OFR03"]
    with empty_store.durable("test") as connection:
        connection.execute(money.products.update().values(stock=25))
    assert campaign_offer_problems(empty_store, definitions, spring, 5) == []
