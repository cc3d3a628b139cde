"""A grocer's year: households written to, coupons redeemed and baskets, imported by mappings; credit that is no effect.

Households were chosen, not drawn, so nothing here can say what the campaigns caused, and the answer says so.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from reference_data.command_line import CommandLine

pytestmark = pytest.mark.public

WORKSPACE = """\
workspace: Grocer
id: grocer
zone: America/New_York
salt: grocer-2017
currency: USD
country: US
locale: en
public_url: http://127.0.0.1:8200
postal_address: Grocer, 1 Main Street, Cincinnati
environments:
  development:
    store: sqlite:///.tidings/development.sqlite
  production:
    store_from: TIDINGS_STORE
"""
BASKETS = """\
import: Baskets at the till
kind: events
event: order_placed
order: basket_id
customer: household_id
at: {column: transaction_timestamp, zone: America/New_York}
# The file has what a line came to, not the price of a piece.
item: {key: product_id, quantity: {value: "1"}, price: {column: sales_value, money: USD}}
"""
WRITTEN_TO = """\
import: Households that campaigns wrote to
kind: touches
ids: [campaign_id, household_id]
at: {{column: campaign_id, values: {{{starts}}}, format: YYYY-MM-DD, zone: America/New_York}}
medium: {{value: mail}}
source: {{value: grocer}}
campaign: campaign_id
touch: {{value: seen}}
customer: household_id
"""
REDEEMED = """\
import: Coupons that households redeemed
kind: touches
ids: [household_id, coupon_upc, redemption_date, campaign_id]
at: {column: redemption_date, format: YYYY-MM-DD, zone: America/New_York}
medium: {value: coupon}
source: {value: grocer}
campaign: campaign_id
touch: {value: met}
customer: household_id
"""
PRODUCTS = """\
import: Products of the grocer
kind: products
item: product_id
name: product_type
category: product_category
skip:
  - product_type: unknown
"""
ATTRIBUTION = """\
attribution: Who stood on the way to the till
conversions: [order_placed]
model: last
touches: [seen, met]
windows:
  mail: 30 days
  coupon: 7 days
"""
ZONE = ZoneInfo("America/New_York")
TODAY = datetime(2018, 1, 10, 9, 0, tzinfo=UTC)
WINDOWS = {"mail": timedelta(days=30), "coupon": timedelta(days=7)}


def rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


@pytest.fixture
def files(data: Callable[[str], Path]) -> dict[str, Path]:
    names = ("campaigns", "campaign_descriptions", "coupon_redemptions", "products", "transactions_sample")
    return {name: data(f"completejourney_{name}.csv.gz") for name in names}


def expected(files: dict[str, Path]) -> tuple[int, int, Counter[str]]:
    """Return baskets, cents, and the last touch's campaign of each basket, by plain code over the raw files."""
    starts = {row["campaign_id"]: at(row["start_date"]) for row in rows(files["campaign_descriptions"])}
    touches: dict[str, list[tuple[datetime, str, str]]] = defaultdict(list)
    seen = set()
    for row in rows(files["campaigns"]):
        touches[row["household_id"]].append((starts[row["campaign_id"]], "mail", row["campaign_id"]))
    for row in rows(files["coupon_redemptions"]):
        key = tuple(row.values())
        if key not in seen:
            seen.add(key)
            touches[row["household_id"]].append((at(row["redemption_date"]), "coupon", row["campaign_id"]))
    baskets: dict[tuple[str, str], tuple[datetime, int]] = {}
    for row in rows(files["transactions_sample"]):
        key_ = (row["basket_id"], row["household_id"])
        when, cents = at(row["transaction_timestamp"]), round(float(row["sales_value"]) * 100)
        before = baskets.get(key_, (when, 0))
        baskets[key_] = (min(before[0], when), before[1] + cents)
    credit: Counter[str] = Counter()
    for (_, household), (when, _) in baskets.items():
        # Of two at the same instant the one that was told last is the last: coupons come after the letters.
        mine = sorted(touches.get(household, ()), key=lambda one: one[0])
        reach = [one for one in mine if when - WINDOWS[one[1]] <= one[0] < when]
        credit[reach[-1][1] if reach else "nothing"] += 1
    return len(baskets), sum(cents for _, cents in baskets.values()), credit


def test_a_year_of_baskets_coupons_and_campaigns_is_credited_and_called_no_effect(
    files: dict[str, Path], command_line: Callable[..., CommandLine]
) -> None:
    described = list(rows(files["campaign_descriptions"]))
    starts = ", ".join(f'"{row["campaign_id"]}": {row["start_date"]}' for row in described)
    tidings = command_line(
        now=TODAY,
        config__workspace=WORKSPACE,
        config__attribution=ATTRIBUTION,
        config__imports__baskets=BASKETS,
        config__imports__written_to=WRITTEN_TO.format(starts=starts),
        config__imports__redeemed=REDEEMED,
        config__imports__groceries=PRODUCTS,
    )
    baskets, cents, credit = expected(files)
    sold = tidings.data("import", files["transactions_sample"], "--as", "baskets", "--json")
    assert sold["events"] == baskets
    written = tidings.data("import", files["campaigns"], "--as", "written_to", "--json")
    assert written["details"]["touches"] == 6_589
    redeemed = tidings.data("import", files["coupon_redemptions"], "--as", "redeemed", "--json")
    unique = len({tuple(row.values()) for row in rows(files["coupon_redemptions"])})
    assert redeemed["details"]["touches"] == unique

    year = ("--from", "2017-01-01", "--to", "2018-01-05")
    told = tidings.data("attribute", *year, "--model", "all", "--json")
    assert told["conversions"] == {"count": baskets, "value": cents / 100}
    assert told["unattributed"]["count"] == credit["nothing"]
    assert told["models"]["last"] == {"mail": credit["mail"], "coupon": credit["coupon"]}
    for model, given in told["models"].items():
        assert sum(given.values()) == pytest.approx(told["attributed"]["count"], rel=1e-12), model
        assert sum(round(one * 100) for one in told["values"][model].values()) == round(
            told["attributed"]["value"] * 100
        ), model
    assert tidings("import", files["products"], "--as", "groceries") in (0, 1)
    by_campaign = tidings.data("attribute", *year, "--by", "campaign", "--json")
    assert sum(by_campaign["models"]["last"].values()) == told["attributed"]["count"]

    assert tidings("attribute", *year) == 0
    page = " ".join(tidings.out.split())
    assert "It does not say what would have come without them" in page
    tidings.tell(
        f"Complete Journey: {baskets:,} baskets of {cents / 100:,.2f} dollars; {written['details']['touches']:,} letters and "
        f"{unique:,} coupons redeemed; last touch gives mail {credit['mail']:,}, coupons {credit['coupon']:,}, "
        f"nothing {credit['nothing']:,}; as by plain code"
    )
